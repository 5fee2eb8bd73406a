"""An ONNX file that a stranger may have made: looked at before anything is built from it.

A file is a graph of plain operators on plain tensors, whose sizes are worked out, by ONNX's own rules, for the largest
batch it will be given. What is not on the list, or too large, is refused with one sentence.
"""

from __future__ import annotations

import math
import os
import re
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING

from digits.reading.model.metadata import CLASSIFICATION, Description, parse
from digits.reading.model.size import BATCH, KINDS, measure

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor  # type: ignore[import-untyped]  # protobuf ships no types
    from onnx import GraphProto, NodeProto, TensorProto

LARGEST_FILE = 64 << 20
"""Bytes: 16 million weights, where the largest net of conf/experiment has 6 million."""

MOST_PARTS = 1 << 18
"""Nodes, tensors, attributes and their entries. `model=resnet` has 1,000, but two bytes in a file can stand for an
empty part, which takes 200 bytes of memory."""

DEEPEST = 16
"""Parts inside one another; a graph without graphs inside has 7."""

MOST_NODES = 2_000
"""Operations; `model=resnet` has 28."""

MOST_DIMENSIONS = 8

VARINT, BYTES, FIXED = 0, 2, {1: 8, 5: 4}
"""Protobuf's wire types, https://protobuf.dev/programming-guides/encoding: what follows, and of how many bytes."""

TEXT = 9
"""Protobuf's type of a string, whose bytes it does not look at."""

WHOLE_NUMBERS = {1, 2, 3, 4, 7, 8}
"""Protobuf's C++ types of numbers that are written as varints: int32, int64, uint32, uint64, bool and enum."""

OWN_DOMAINS = ("", "ai.onnx")

VALUES = {
    "FLOAT": "f",
    "INT": "i",
    "STRING": "s",
    "TENSOR": "t",
    "FLOATS": "floats",
    "INTS": "ints",
    "STRINGS": "strings",
}
"""The types of an attribute that are plain, and where each has its value; the others hold graphs or refer to some."""

DIVISORS = ("strides", "dilations", "kernel_shape", "group", "blocksize")
"""Attributes by which sizes are divided."""

LARGEST = 1 << 20
"""Of an attribute's whole numbers: no sum or product of a few can overflow."""

DAMAGED = "it is no ONNX file, or is damaged"

BEGINNING = b"\x08"
"""Of every ONNX file: the version of its format is the first part, and a number."""

FIX = "name a run, or a file that `python -m digits.export RUN` made"

OPERATORS = frozenset(re.findall(r"\w+", """
    Add AveragePool BatchNormalization Cast Clip Concat Constant Conv DepthToSpace DequantizeLinear Div Dropout Elu
    Flatten Gelu Gemm GlobalAveragePool GlobalMaxPool HardSigmoid HardSwish Identity LayerNormalization LeakyRelu
    LogSoftmax MatMul MaxPool Mish Mul Neg PRelu QuantizeLinear ReduceMean Relu Reshape Selu Sigmoid Softmax Softplus
    SpaceToDepth Sqrt Squeeze Sub Tanh Transpose Unsqueeze
"""))  # fmt: skip
"""What nets for small pictures are made of, and their quantised forms. None of them has a graph inside, reads a file,
loops, or makes a tensor as large as a number that it is given says (as Expand, Tile, Resize and ConstantOfShape do)."""


class ModelError(ValueError):
    """A model file that isn't there, is damaged, or is not run; the message names it and says what to do."""


def read_bytes(path: Path) -> bytes:
    """The content of a plain file of at most LARGEST_FILE bytes, wherever a link may lead. Raises ModelError."""
    try:
        # Asked before it is opened, since some devices act on being opened; without waiting for a pipe's other end
        if not S_ISREG(path.stat().st_mode):
            raise ModelError(f"{path} is not a plain file; {FIX}")
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0))) as file:
            if not S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ModelError(f"{path} is not a plain file; {FIX}")
            content = file.read(LARGEST_FILE + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise ModelError(f"there is no file {path}; {FIX}") from None
    except (OSError, ValueError) as error:
        if isinstance(error, ModelError):
            raise
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ModelError(f"{str(path)!r:.300} can't be read: {reason}; {FIX}") from None
    if len(content) > LARGEST_FILE:
        raise ModelError(f"{path} is larger than {LARGEST_FILE >> 20} MB, so it is not read; take a smaller net")
    return content


def check_model(content: bytes, name: str) -> Description:
    """Refuse, with ModelError, an ONNX file that is not like those of `digits.export`, or that would take too much.

    The graph takes one `images`, uint8 (N, 1, side, side), and gives one `logits`, float32 (N, classes).
    Gives what the file says of itself.
    """
    try:
        return _check(content)
    except Exception as error:  # bytes that were damaged, or made to do damage, can raise anything
        told = isinstance(error, ValueError) and not isinstance(error, UnicodeError)
        raise ModelError(f"{name} is not run: {error if told else DAMAGED}; {FIX}") from None


def _check(content: bytes) -> Description:
    if not content.startswith(BEGINNING):
        raise ValueError("it is no ONNX file")
    import onnx

    _count_parts(memoryview(content), onnx.ModelProto.DESCRIPTOR, MOST_PARTS, 0)
    model = onnx.ModelProto()
    model.ParseFromString(content)
    graph = model.graph
    if not graph.node:
        raise ValueError(DAMAGED)
    task = next((entry.value for entry in model.metadata_props if entry.key == "task"), CLASSIFICATION)
    if task != CLASSIFICATION:
        raise ValueError(f"it was trained for {task!r:.80}, and only nets that tell single digits apart are")
    if model.functions or model.training_info or graph.sparse_initializer:
        raise ValueError("it has functions of its own, sparse tensors or a graph for training, which are not run")
    if foreign := [opset.domain for opset in model.opset_import if opset.domain not in OWN_DOMAINS]:
        raise ValueError(f"it has operators of {foreign[0]!r:.80}, and only ONNX's own are run")
    if len(graph.node) > MOST_NODES:
        raise ValueError(f"it has {len(graph.node):,} nodes, more than the {MOST_NODES:,} that are run")
    for node in graph.node:
        _check_node(node)
    for tensor in graph.initializer:
        _check_tensor(tensor)
    names = [name for part in graph.node for name in part.output if name]
    names += [tensor.name for tensor in graph.initializer] + [value.name for value in graph.input]
    if len(set(names)) < len(names):
        raise ValueError("two of its values have the same name")
    keys = [entry.key for entry in model.metadata_props]
    if len(set(keys)) < len(keys):
        raise ValueError("its metadata have an entry twice")
    described = parse({entry.key: entry.value for entry in model.metadata_props})
    _check_ends(graph, described)
    values = measure(model)
    if values["logits"].shape != (BATCH, len(described.classes)) or values["logits"].kind != onnx.TensorProto.FLOAT:
        wrong = " x ".join(map(str, values["logits"].shape))
        raise ValueError(f"for {BATCH} pictures of {len(described.classes)} classes it gives {wrong} numbers")
    return described


def _count_parts(content: memoryview, kind: Descriptor, left: int, depth: int) -> int:
    """Walk through protobuf's encoding without building anything; gives how many parts there may still be."""
    if depth > DEEPEST:
        raise ValueError(f"its parts are nested deeper than {DEEPEST} levels")
    place = 0
    while place < len(content):
        tag, place = _varint(content, place)
        field, wire, length = kind.fields_by_number.get(tag >> 3), tag & 7, 0
        left -= 1
        if field is None:
            raise ValueError(f"it has a part {tag >> 3} in {kind.name}, which the installed onnx does not know")
        if wire == VARINT:
            _, place = _varint(content, place)
        elif wire == BYTES:
            length, place = _varint(content, place)
            inside = content[place : place + length]
            if field.message_type is not None:
                left = _count_parts(inside, field.message_type, left, depth + 1)
            elif field.type == TEXT:
                str(inside, "utf-8")
            elif field.cpp_type in WHOLE_NUMBERS:  # packed: a byte can stand for eight
                left -= length
        elif wire in FIXED:
            length = FIXED[wire]
        else:
            raise ValueError(DAMAGED)
        place += length
        if left < 0:
            raise ValueError(f"it has more than {MOST_PARTS:,} parts")
    if place > len(content):
        raise ValueError(DAMAGED)
    return left


def _varint(content: memoryview, place: int) -> tuple[int, int]:
    """A number as protobuf writes it, seven bits a byte, and where the next thing begins."""
    number = 0
    for i, byte in enumerate(content[place : place + 10]):
        number |= (byte & 127) << 7 * i
        if byte < 128:
            return number, place + i + 1
    raise ValueError(DAMAGED)


def _check_node(node: NodeProto) -> None:
    from onnx import AttributeProto

    if node.domain not in OWN_DOMAINS or node.op_type not in OPERATORS or node.overload or not node.output:
        domain = f" of {node.domain!r:.80}" if node.domain not in OWN_DOMAINS else ""
        raise ValueError(f"it has the operator {node.op_type!r:.80}{domain}, which is not among those that are run")
    for attribute in node.attribute:
        value = VALUES.get(AttributeProto.AttributeType.Name(attribute.type))
        if {field.name for field, _ in attribute.ListFields()} - {"name", "type", "doc_string"} - {value}:
            raise ValueError(f"its operator {node.op_type} has {attribute.name!r:.80}, which is no plain value")
        least = 1 if attribute.name in DIVISORS else -LARGEST
        numbers = (*attribute.ints, *([attribute.i] if attribute.HasField("i") else []))
        if not all(least <= number <= LARGEST for number in numbers):
            raise ValueError(f"its operator {node.op_type} has {attribute.name!r:.80} out of range")
        if attribute.HasField("t"):
            _check_tensor(attribute.t)


def _check_tensor(tensor: TensorProto) -> None:
    """Refuse a tensor whose numbers are elsewhere, or fewer than it says."""
    from onnx import TensorProto
    from onnx.helper import tensor_dtype_to_np_dtype

    name = f"its tensor {tensor.name!r:.80}"
    if tensor.data_location != TensorProto.DEFAULT or tensor.external_data:
        raise ValueError(f"{name} lies in another file, which is not read")
    if tensor.data_type not in KINDS or tensor.HasField("segment"):
        raise ValueError(f"{name} is of a type that is not run")
    if len(tensor.dims) > MOST_DIMENSIONS or any(size < 0 for size in tensor.dims):
        raise ValueError(f"{name} has the shape {list(tensor.dims)[: MOST_DIMENSIONS + 1]}, which no tensor has")
    typed = max(len(tensor.float_data), len(tensor.int32_data), len(tensor.int64_data))
    has = len(tensor.raw_data) // tensor_dtype_to_np_dtype(tensor.data_type).itemsize if tensor.raw_data else typed
    if math.prod(tensor.dims) != has:
        raise ValueError(f"{name} says that it has {math.prod(tensor.dims):,} numbers, and has {has:,}")


def _check_ends(graph: GraphProto, described: Description) -> None:
    """What goes in and what comes out."""
    from onnx import TensorProto

    for values, name in ((graph.input, "images"), (graph.output, "logits")):
        if [value.name for value in values] != [name]:
            found = ", ".join(f"{value.name!r:.40}" for value in values[:3])
            raise ValueError(f"its {'input' if name == 'images' else 'output'} is {found or 'missing'}, and not {name}")
    kind = graph.input[0].type.tensor_type
    sizes = [dim.dim_value if dim.HasField("dim_value") else 0 for dim in kind.shape.dim]
    side = described.image_size
    if kind.elem_type != TensorProto.UINT8 or sizes != [0, 1, side, side]:
        found = f"numbers of type {kind.elem_type} and shape {sizes[: MOST_DIMENSIONS + 1]}"
        raise ValueError(f"it takes {found}, and not of type 2 (uint8) and shape [0, 1, {side}, {side}] (0: any)")
