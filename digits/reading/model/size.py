"""The memory and time that an ONNX graph would take, by ONNX's own shape inference; nothing is run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from digits.reading.detect import LONGEST, MULTIPLE, PADDING

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, ValueInfoProto

KINDS = (1, 2, 3, 6, 7, 9)  # onnx.TensorProto.DataType: FLOAT, UINT8, INT8, INT32, INT64, BOOL; 1 to 8 bytes a number
BATCH = 64  # most images in one input of a classifier: memory and time are checked for so many
PAGE = -(-(LONGEST + 2 * PADDING) // MULTIPLE) * MULTIPLE  # side of the largest image for a page detector, in pixels


@dataclass(frozen=True)
class Bounds:
    """Limits of a net for its largest input, in numbers: elements of tensors. MB and GB below are those of float32."""

    given: str  # the largest input, in words
    tensor: int  # numbers in any one tensor
    numbers: int  # numbers in all tensors together, as if none were freed before the end
    views: int  # numbers of a convolution's unfolded input (im2col), for one image
    work: int  # multiplications, or operations that take as long


CLASSIFIER = Bounds(
    given=f"{BATCH} pictures",
    tensor=16 << 20,  # 64 MB; `model=resnet` has 0.4 million
    numbers=128 << 20,  # 0.5 GB
    views=16 << 20,
    work=BATCH << 30,  # a billion for each image: 0.8 s on a core of a Xeon; `model=resnet` has 17 million
)
DETECTOR = Bounds(
    given=f"a page of {PAGE} x {PAGE} pixels",
    tensor=32 << 20,  # 128 MB; `model=detector` has 4.5 million
    numbers=256 << 20,  # 1 GB; `model=detector` has 70 million
    views=128 << 20,  # `model=detector` has 30 million
    work=64 << 30,  # as for a batch of 64 images; `model=detector` has a sixth of it
)

MOVED = 16  # cost of reading or writing a number, in multiplications of a convolution
AVERAGED = 64  # cost of each number under a pooling's kernel, in multiplications of a convolution
SHORT = 1024  # most bytes of a constant whose values are kept, since sizes are inferred from them: a Reshape's shape


@dataclass(frozen=True)
class Value:
    """One of a graph's values."""

    kind: int
    """Its type, a value of onnx.TensorProto.DataType."""
    shape: tuple[int, ...]

    @property
    def numbers(self) -> int:
        """The number of its elements."""
        return math.prod(self.shape)


def measure(model: ModelProto, images: Sequence[int], bounds: Bounds) -> dict[str, Value]:
    """Type and shape of every value of a graph, by name, for the largest input, which has the shape `images`.

    Raises ValueError for a graph that is too large or too slow. Smaller inputs take less: no operator that
    `digits.reading.model.check` accepts makes more out of fewer numbers. The shapes that the file states for values
    within the graph are ignored. The model is consumed: its weights are dropped.
    """
    from onnx.shape_inference import InferenceError, infer_shapes

    graph = model.graph
    for tensor in graph.initializer:  # so that inference, which copies them several times, has little to copy
        if tensor.ByteSize() > SHORT:
            for field in ("raw_data", "float_data", "int32_data", "int64_data"):
                tensor.ClearField(field)
    del graph.value_info[:]
    for dim, size in zip(graph.input[0].type.tensor_type.shape.dim, images, strict=True):
        dim.dim_value = size
    graph.output[0].type.tensor_type.ClearField("shape")
    try:
        found = infer_shapes(model, check_type=True, strict_mode=True, data_prop=True).graph
    except (InferenceError, RuntimeError, ValueError) as error:
        raise ValueError(f"its graph does not fit together: {' '.join(str(error).split())!r:.200}") from None
    values = {tensor.name: Value(tensor.data_type, tuple(tensor.dims)) for tensor in graph.initializer}
    values |= {info.name: _value(info) for info in (*found.input, *found.output, *found.value_info)}
    total = work = 0
    for node in graph.node:
        if unknown := [name for name in (*node.input, *node.output) if name and name not in values]:
            raise ValueError(f"the size of its value {unknown[0]!r:.80} can't be known before it is run")
        outputs = [values[name] for name in node.output if name]
        for value in outputs:
            _check(value.numbers, bounds.tensor, f"numbers in the tensor {node.output[0]!r:.80}", bounds)
        written = sum(value.numbers for value in outputs)
        total += written
        work += _work(node, values, bounds) + MOVED * (
            written + sum(values[name].numbers for name in node.input if name)
        )
    _check(total, bounds.numbers, "numbers in all its tensors", bounds)
    _check(work, bounds.work, "multiplications", bounds)
    return values


def _value(info: ValueInfoProto) -> Value:
    kind = info.type.tensor_type
    if not info.type.HasField("tensor_type") or not all(dim.HasField("dim_value") for dim in kind.shape.dim):
        raise ValueError(f"the size of its value {info.name!r:.80} can't be known before it is run")
    shape = tuple(dim.dim_value for dim in kind.shape.dim)
    if kind.elem_type not in KINDS or min(shape, default=0) < 0:
        raise ValueError(f"its value {info.name!r:.80} has a type or a size that is not accepted")
    return Value(kind.elem_type, shape)


def _check(found: int, most: int, what: str, bounds: Bounds) -> None:
    if found > most:
        raise ValueError(f"for {bounds.given} it has {found:,} {what}, more than the limit of {most:,}")


def _work(node: NodeProto, values: Mapping[str, Value], bounds: Bounds) -> int:
    """Multiplications of a node, or operations that take as long, without reading inputs and writing outputs."""
    out = values[node.output[0]]
    if node.op_type == "Conv":
        kernel = math.prod(values[node.input[1]].shape[1:])
        views = kernel * math.prod(out.shape[2:])  # the unfolded input (im2col), made for one image at a time
        _check(views, bounds.views, f"numbers in the unfolded input (im2col) of {node.output[0]!r:.80}", bounds)
        groups = next((attribute.i for attribute in node.attribute if attribute.name == "group"), 1)
        return out.numbers * kernel + MOVED * out.shape[0] * groups * views
    if node.op_type in ("Gemm", "MatMul"):
        first = values[node.input[0]]
        return out.numbers * max(first.shape[-2:], default=1)
    kernels = [math.prod(attribute.ints) for attribute in node.attribute if attribute.name == "kernel_shape"]
    return AVERAGED * out.numbers * max(kernels, default=0)
