"""The check of an untrusted ONNX file, in its own process, before it is run.

Accepted are graphs of plain operators on plain tensors, whose sizes are inferred, by ONNX's own rules, for the largest
input. Anything that is not on the list, or too large, is refused with one sentence.
"""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from digits.reading.boxes import CHANNELS, STRIDE
from digits.reading.model.metadata import DETECTION, DIGITS, Description, parse
from digits.reading.model.size import BATCH, CLASSIFIER, DETECTOR, KINDS, PAGE, Bounds, measure

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto, TensorProto

LARGEST_FILE = 64 << 20  # bytes: 16 million weights; the largest net of conf/experiment has 6 million
MEMORY = 512 << 20  # bytes that a check may take: two bytes of a file can stand for an empty part of 150 and more
SECONDS = 120  # that a check may take; 64 MB of weights take 1
MOST_NODES = 2_000  # operations; `model=resnet` has 28
MOST_DIMENSIONS = 8
OWN_DOMAINS = ("", "ai.onnx")

PLAIN = {"name", "type", "doc_string", "f", "i", "s", "t", "floats", "ints", "strings"}
"""Fields of an attribute that hold plain values: no graphs, no other files, no references."""

DIVISORS = ("strides", "dilations", "kernel_shape", "group", "blocksize")  # attributes by which sizes are divided
LARGEST = 1 << 20  # the largest integer of an attribute, so that no sum or product of a few can overflow
DAMAGED = "it is not an ONNX file, or is damaged"
REFUSED = 2  # exit code of the child when it prints the reason
FIX = "name a run, or a file that `python -m digits.export RUN` made"

OPERATORS = frozenset(re.findall(r"\w+", """
    Add AveragePool BatchNormalization Cast Clip Concat Constant Conv DepthToSpace DequantizeLinear Div Dropout Elu
    Flatten Gelu Gemm GlobalAveragePool GlobalMaxPool HardSigmoid HardSwish Identity LayerNormalization LeakyRelu
    LogSoftmax MatMul MaxPool Mish Mul Neg PRelu QuantizeLinear ReduceMean Relu Reshape Selu Sigmoid Softmax Softplus
    SpaceToDepth Sqrt Squeeze Sub Tanh Transpose Unsqueeze
"""))  # fmt: skip
"""Operators of classifiers, and their quantised forms. None of them contains a graph, reads a file, loops, or makes a
tensor whose size is a number in its input (as Expand, Tile, Resize and ConstantOfShape do)."""

OF_DETECTORS = OPERATORS | {"Max", "Resize", "Split"}
"""Operators of page detectors. Resize is accepted with factors only, not with a size, and the factors have to be
constants of the file: otherwise `measure` refuses it, since the size of its output is not known beforehand."""

RESIZES: dict[str, tuple[bytes | int, ...]] = {
    "mode": (b"nearest", b"linear"),  # cubic takes fifty times as long
    "coordinate_transformation_mode": (b"half_pixel", b"pytorch_half_pixel", b"asymmetric", b"align_corners"),
    "nearest_mode": (b"floor", b"ceil", b"round_prefer_floor", b"round_prefer_ceil"),
    "antialias": (0,),
    "exclude_outside": (0,),
    "keep_aspect_ratio_policy": (b"stretch",),
}
"""Attributes of Resize, with the values that are accepted."""

UNUSED = ("cubic_coeff_a", "extrapolation_value")  # attributes of Resize that only refused values of RESIZES use


class ModelError(ValueError):
    """A model file that is missing, damaged or refused; the message names it and the fix."""


def read_bytes(path: Path) -> bytes:
    """The content of a plain file of at most LARGEST_FILE bytes; links are followed. Raises ModelError."""
    content = None
    try:
        if S_ISREG(path.stat().st_mode):  # checked first: opening a pipe waits, and some devices act on it
            with path.open("rb") as file:
                content = file.read(LARGEST_FILE + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise ModelError(f"there is no file {path}; {FIX}") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ModelError(f"{str(path)!r:.300} can't be read: {reason}; {FIX}") from None
    if content is None:
        raise ModelError(f"{path} is not a plain file; {FIX}")
    if len(content) > LARGEST_FILE:
        raise ModelError(f"{path} is larger than {LARGEST_FILE >> 20} MB, so it is not read; take a smaller net")
    return content


def check_model(content: bytes, name: str) -> Description:
    """Refuse, with ModelError, an ONNX file that is not like those of `digits.export`, or that would take too much.

    A classifier takes one `images`, uint8 (N, 1, side, side), and gives one `logits`, float32 (N, classes); a detector
    takes float32 (1, 1, H, W) and gives one `maps`, float32 (1, CHANNELS, H / STRIDE, W / STRIDE), for any H and W.
    Returns the file's description. A file that fills the memory, or crashes onnx (1.23.2 aborts where a Split has more
    outputs than it states), ends the child only.
    """
    # -P: modules in the working directory are imported only where it is in our own path
    child = [sys.executable, "-X", "utf8", "-P", "-m", __name__]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OPENBLAS_NUM_THREADS": "1"}
    try:
        done = subprocess.run(child, input=content, capture_output=True, timeout=SECONDS, env=environment, check=False)
    except subprocess.TimeoutExpired:
        raise ModelError(f"{name} is not run: checking it takes more than {SECONDS} s; {FIX}") from None
    if done.returncode == 0:
        return parse(json.loads(done.stdout))
    why = f"checking it takes more than {MEMORY >> 20} MB of memory, or crashes"
    if done.returncode == REFUSED:
        why = done.stdout.decode()
    raise ModelError(f"{name} is not run: {why}; {FIX}")


def main() -> int:
    """The child: print the metadata of the file on stdin, or why it is refused."""
    import onnx.checker
    import onnx.shape_inference  # noqa: F401 (both before there is a limit)

    if sys.platform == "linux":
        import resource

        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        limit, hard = pages * resource.getpagesize() + MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))
    try:
        json.dump(check(sys.stdin.buffer.read()), sys.stdout)
    except ValueError as error:
        print(error, end="")
        return REFUSED
    return 0


class _Ends(NamedTuple):
    """The input and the output that a graph must have."""

    kind: str  # type of the input, by NumPy's name
    takes: list[int]  # shape of the input; 0: any
    most: list[int]  # largest shape of the input
    output: str  # name of the output
    gives: tuple[int, ...]  # shape of the output for that input, float32
    bounds: Bounds


def _ends(described: Description) -> _Ends:
    classes, side = len(described.classes), described.image_size
    if described.task == DETECTION:
        maps = (1, CHANNELS - len(DIGITS) + classes, PAGE // STRIDE, PAGE // STRIDE)
        return _Ends("float32", [1, 1, 0, 0], [1, 1, PAGE, PAGE], "maps", maps, DETECTOR)
    return _Ends("uint8", [0, 1, side, side], [BATCH, 1, side, side], "logits", (BATCH, classes), CLASSIFIER)


def check(content: bytes) -> dict[str, str]:
    """The metadata of an acceptable file; raises ValueError with the reason for any other, or MemoryError."""
    try:
        return _check(content)
    except Exception as error:  # damaged or malicious bytes can raise anything
        if "alloc failed" in str(error):  # protobuf's message, in a DecodeError
            raise MemoryError from None
        if isinstance(error, MemoryError) or (isinstance(error, ValueError) and not isinstance(error, UnicodeError)):
            raise
        raise ValueError(DAMAGED) from None


def _check(content: bytes) -> dict[str, str]:
    import onnx
    from onnx.checker import ValidationError, check_model

    model = onnx.ModelProto()
    model.ParseFromString(content)
    graph, size = model.graph, model.ByteSize()
    model.DiscardUnknownFields()
    if not graph.node:
        raise ValueError(DAMAGED)
    if model.ByteSize() < size:
        raise ValueError("it has parts that the installed onnx does not know")
    entries = {entry.key: entry.value for entry in model.metadata_props}
    described = parse(entries)
    if model.functions or model.training_info or graph.sparse_initializer:
        raise ValueError("it has functions of its own, sparse tensors or a graph for training, which are not run")
    if foreign := [opset.domain for opset in model.opset_import if opset.domain not in OWN_DOMAINS]:
        raise ValueError(f"it has operators of {foreign[0]!r:.80}, and only ONNX's own are run")
    if len(graph.node) > MOST_NODES:
        raise ValueError(f"it has {len(graph.node):,} nodes, more than the limit of {MOST_NODES:,}")
    operators = OF_DETECTORS if described.task == DETECTION else OPERATORS
    for node in graph.node:
        _check_node(node, operators)
    for tensor in graph.initializer:
        _check_tensor(tensor)
    ends = _ends(described)
    _check_ends(graph, ends)
    try:
        check_model(content)
    except ValidationError as error:
        raise ValueError(f"ONNX's own check refuses it: {' '.join(str(error).split())!r:.200}") from None
    found = measure(model, ends.most, ends.bounds)[ends.output]
    if found.shape != ends.gives or found.kind != onnx.TensorProto.FLOAT:
        wrong, right = (" x ".join(map(str, shape)) for shape in (found.shape, ends.gives))
        what = f"{wrong} numbers of type {found.kind}, and not {right} of type 1 (float32)"
        raise ValueError(f"for {ends.bounds.given} and {len(described.classes)} classes it gives {what}")
    return entries


def _check_node(node: NodeProto, operators: frozenset[str]) -> None:
    if node.domain not in OWN_DOMAINS or node.op_type not in operators or node.overload:
        domain = f" of {node.domain!r:.80}" if node.domain not in OWN_DOMAINS else ""
        raise ValueError(f"it has the operator {node.op_type!r:.80}{domain}, which is not among those that are run")
    for attribute in node.attribute:
        if not {field.name for field, _ in attribute.ListFields()} <= PLAIN:
            raise ValueError(f"its operator {node.op_type} has {attribute.name!r:.80}, which is not a plain value")
        numbers = (*attribute.ints, *([attribute.i] if attribute.HasField("i") else []))
        least = 1 if attribute.name in DIVISORS else -LARGEST
        if not all(least <= number <= LARGEST for number in numbers):
            raise ValueError(f"its operator {node.op_type} has {attribute.name!r:.80} out of range")
        if attribute.HasField("t"):
            _check_tensor(attribute.t)
    if node.op_type == "Resize":
        _check_resize(node)


def _check_resize(node: NodeProto) -> None:
    """Refuse a Resize to a given size, of a region, or in a slow mode."""
    if len(node.input) != 3 or node.input[1]:  # the inputs: data, a region, factors, a size
        raise ValueError("its operator Resize has other inputs than factors, which are not run")
    for attribute in node.attribute:
        value = attribute.s or attribute.i
        if attribute.name not in UNUSED and value not in RESIZES.get(attribute.name, ()):
            raise ValueError(f"its operator Resize has {attribute.name!r:.80} as {value!r:.80}, which is not run")


def _check_tensor(tensor: TensorProto) -> None:
    """Refuse a tensor whose numbers are elsewhere, or not as many as its shape states."""
    from onnx import TensorProto
    from onnx.helper import tensor_dtype_to_np_dtype

    name = f"its tensor {tensor.name!r:.80}"
    if tensor.data_location != TensorProto.DEFAULT or tensor.external_data:
        raise ValueError(f"{name} lies in another file, which is not read")
    if tensor.data_type not in KINDS or tensor.HasField("segment"):
        raise ValueError(f"{name} has a type that is not accepted")
    if len(tensor.dims) > MOST_DIMENSIONS or any(size < 0 for size in tensor.dims):
        raise ValueError(f"{name} has the shape {list(tensor.dims)[: MOST_DIMENSIONS + 1]}, which no tensor has")
    typed = max(len(tensor.float_data), len(tensor.int32_data), len(tensor.int64_data))
    has = len(tensor.raw_data) // tensor_dtype_to_np_dtype(tensor.data_type).itemsize if tensor.raw_data else typed
    if math.prod(tensor.dims) != has:
        raise ValueError(f"{name} has {has:,} numbers, but its shape says {math.prod(tensor.dims):,}")


def _check_ends(graph: GraphProto, ends: _Ends) -> None:
    """Refuse a graph that declares another input or output."""
    from onnx.helper import np_dtype_to_tensor_dtype

    for side, values, name in (("input", graph.input, "images"), ("output", graph.output, ends.output)):
        if [value.name for value in values] != [name]:
            found = ", ".join(f"{value.name!r:.40}" for value in values[:3])
            raise ValueError(f"its {side} is {found or 'missing'}, and not {name}")
    kind, wanted = graph.input[0].type.tensor_type, np_dtype_to_tensor_dtype(np.dtype(ends.kind))
    sizes = [dim.dim_value if dim.HasField("dim_value") else 0 for dim in kind.shape.dim]
    if kind.elem_type != wanted or sizes != ends.takes:
        found = f"numbers of type {kind.elem_type} and shape {sizes[: MOST_DIMENSIONS + 1]}"
        raise ValueError(f"it takes {found}, and not of type {wanted} ({ends.kind}) and shape {ends.takes} (0: any)")


if __name__ == "__main__":
    sys.exit(main())
