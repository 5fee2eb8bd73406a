"""ONNX files as the tests make them: a small one that is sound, and parts to spoil it with."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from digits.reading.model.check import check

SIDE = 28

ENTRIES = {
    "format": "1",
    "classes": json.dumps(list("0123456789")),
    "mean": "0.13",
    "std": "0.31",
    "image_size": "28",
    "accuracy": "0.5",
    "provenance": "{}",
}


def peak() -> int:
    """The most memory that this process has had, in bytes. (getrusage would also count what its parent had.)"""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.split("VmHWM:")[1].split()[0]) << 10


def weights(name: str, *shape: int, seed: int = 0) -> onnx.TensorProto:
    """A tensor of normal numbers."""
    return numpy_helper.from_array(np.random.RandomState(seed).randn(*shape).astype(np.float32), name)


def whole(name: str, *numbers: int) -> onnx.TensorProto:
    """A tensor of whole numbers, as shapes are given by."""
    return numpy_helper.from_array(np.array(numbers, np.int64), name)


def numbers(name: str, *found: float) -> onnx.TensorProto:
    """A tensor of these numbers."""
    return numpy_helper.from_array(np.array(found, np.float32), name)


def sound(outputs: int = 10, entries: Mapping[str, str | None] | None = None) -> onnx.ModelProto:
    """A linear classifier of pixels scaled to 0..1, with its metadata; None leaves an entry out."""
    nodes = [
        helper.make_node("Cast", ["images"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["pixels", "scale"], ["scaled"]),
        helper.make_node("Reshape", ["scaled", "rows"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weight", "bias"], ["logits"], transB=1),
    ]
    graph = helper.make_graph(
        nodes, "graph",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["batch", 1, SIDE, SIDE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", outputs])],
        [numpy_helper.from_array(np.array(1 / 255, np.float32), "scale"), whole("rows", -1, SIDE * SIDE),
         weights("weight", outputs, SIDE * SIDE), weights("bias", outputs)],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    given = {key: value for key, value in {**ENTRIES, **(entries or {})}.items() if value is not None}
    helper.set_model_props(model, given)
    return model


def sound_detector(channels: int = 16, entries: Mapping[str, str | None] | None = None) -> onnx.ModelProto:
    """A page detector of what those of this project are made of: how far a cell is from its surroundings, convolved."""
    nodes = [
        helper.make_node("AveragePool", ["images"], ["cells"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("AveragePool", ["cells"], ["coarse"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Resize", ["coarse", "", "factors"], ["fine"], mode="linear"),
        helper.make_node("Sub", ["cells", "fine"], ["difference"]),
        helper.make_node("Max", ["difference", "floor"], ["scaled"]),
        helper.make_node("Conv", ["scaled", "weight", "bias"], ["answers"], pads=[1, 1, 1, 1]),
        helper.make_node("Split", ["answers", "parts"], ["objectness", "rest"], axis=1),
        helper.make_node("Concat", ["objectness", "rest"], ["maps"], axis=1),
    ]
    graph = helper.make_graph(
        nodes, "graph",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 1, "height", "width"])],
        [helper.make_tensor_value_info("maps", TensorProto.FLOAT, [1, channels, None, None])],
        [numbers("factors", 1, 1, 2, 2), numbers("floor", -0.5), whole("parts", 1, channels - 1),
         weights("weight", channels, 1, 3, 3), weights("bias", channels)],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    given = {**ENTRIES, "task": "detection", "mean": "0.0", "std": "1.0", "image_size": "128", **(entries or {})}
    helper.set_model_props(model, {key: value for key, value in given.items() if value is not None})
    return model


def between(model: onnx.ModelProto, *nodes: onnx.NodeProto, tensors: tuple[onnx.TensorProto, ...] = ()) -> None:
    """Put nodes between "scaled" and the rest; the first takes "scaled", the last gives "then"."""
    place = next(place for place, node in enumerate(model.graph.node) if "scaled" in node.input)
    model.graph.node[place].input[0] = "then"
    rest = list(model.graph.node[place:])
    del model.graph.node[place:]
    model.graph.node.extend([*nodes, *rest])
    model.graph.initializer.extend(tensors)


def refusal(model: onnx.ModelProto | bytes) -> str:
    """Why a file is refused."""
    content = model if isinstance(model, bytes) else model.SerializeToString()
    with pytest.raises(ValueError, match=r".+") as caught:
        check(content)
    text = str(caught.value)
    assert "\n" not in text
    return text


def spoilt(change: Callable[[onnx.ModelProto], object], make: Callable[[], onnx.ModelProto] = sound) -> str:
    """Why a sound file is refused once it has been changed."""
    model = make()
    change(model)
    return refusal(model)


def part(field: int, content: bytes) -> bytes:
    """A part of a file as protobuf encodes it: its number (below 16), its length and what is in it."""
    length = bytearray()
    left = len(content)
    while left > 127:
        length.append(left & 127 | 128)
        left >>= 7
    return bytes([field << 3 | 2, *length, left]) + content
