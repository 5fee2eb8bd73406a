"""How much memory and time an ONNX graph would take, worked out by ONNX's own shape inference; nothing is run."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, ValueInfoProto

KINDS = (1, 2, 3, 6, 7, 9)
"""Of onnx.TensorProto.DataType: FLOAT, UINT8, INT8, INT32, INT64 and BOOL, of at most eight bytes each."""

BATCH = 64
"""Images that a stranger's net is given at once, so that what it needs is known beforehand."""

LARGEST_TENSOR = 16 << 20
"""Numbers in any one tensor, for a whole batch: 64 MB as float32; `model=resnet` has 0.4 million."""

MOST_NUMBERS = 128 << 20
"""Numbers in all tensors together, for a whole batch: 0.5 GB if none were freed before the end."""

MOST_WORK = BATCH << 30
"""Multiplications for a whole batch, a billion an image: 0.8 s on a core of a Xeon; `model=resnet` has 10 million."""

SHORT = 1024
"""Bytes of a tensor that sizes could follow from, such as the shape that something is brought to."""


@dataclass(frozen=True)
class Value:
    """One of a graph's values."""

    kind: int
    """Of onnx.TensorProto.DataType."""
    shape: tuple[int, ...]

    @property
    def numbers(self) -> int:
        """How many it has."""
        return math.prod(self.shape)


def measure(model: ModelProto) -> dict[str, Value]:
    """Every value of a graph for a batch of BATCH images. Raises ValueError where it would be too large or too slow.

    What the file itself says of the shapes in between is not believed. The model is used up: its weights are dropped.
    """
    from onnx.shape_inference import InferenceError, infer_shapes

    graph = model.graph
    for tensor in graph.initializer:  # so that inference, which copies them several times, has little to copy
        if tensor.ByteSize() > SHORT:
            for field in ("raw_data", "float_data", "int32_data", "int64_data"):
                tensor.ClearField(field)
    del graph.value_info[:]
    graph.input[0].type.tensor_type.shape.dim[0].dim_value = BATCH
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
            _check(value.numbers, LARGEST_TENSOR, f"numbers in the tensor {node.output[0]!r:.80}")
        total += sum(value.numbers for value in outputs)
        work += _work(node, values) + sum(values[name].numbers for name in node.input if name)
    _check(total, MOST_NUMBERS, "numbers in all its tensors")
    _check(work, MOST_WORK, "multiplications")
    return values


def _value(info: ValueInfoProto) -> Value:
    kind = info.type.tensor_type
    if not info.type.HasField("tensor_type") or not all(dim.HasField("dim_value") for dim in kind.shape.dim):
        raise ValueError(f"the size of its value {info.name!r:.80} can't be known before it is run")
    shape = tuple(dim.dim_value for dim in kind.shape.dim)
    if kind.elem_type not in KINDS or min(shape, default=0) < 0:
        raise ValueError(f"its value {info.name!r:.80} is of a type or a size that is not run")
    return Value(kind.elem_type, shape)


def _check(found: int, most: int, what: str) -> None:
    if found > most:
        raise ValueError(f"for {BATCH} pictures it has {found:,} {what}, more than the {most:,} that are run")


def _work(node: NodeProto, values: dict[str, Value]) -> int:
    """Multiplications of a node, or what takes as long."""
    out = values[node.output[0]]
    if node.op_type == "Conv":
        kernel = math.prod(values[node.input[1]].shape[1:])
        # a kernel's view of every place, side by side: made for one image at a time
        _check(kernel * math.prod(out.shape[2:]), LARGEST_TENSOR, f"numbers side by side for {node.output[0]!r:.80}")
        return out.numbers * kernel
    if node.op_type in ("Gemm", "MatMul"):
        first = values[node.input[0]]
        return out.numbers * max(first.shape[-2:], default=1)
    kernels = [math.prod(attribute.ints) for attribute in node.attribute if attribute.name == "kernel_shape"]
    return out.numbers * max(kernels, default=1)
