"""Graphs that would fill the memory, or compute for hours: found out without running them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from tests.support.onnx_files import between, sound, spoilt, weights, whole


def test_a_tensor_that_has_fewer_numbers_than_it_says_is_refused() -> None:
    def huge(model: onnx.ModelProto) -> None:
        model.graph.initializer[2].dims[:] = [1 << 40, 1 << 20]

    assert spoilt(huge).startswith("its tensor 'weight' has 7,840 numbers, but")

    def negative(model: onnx.ModelProto) -> None:
        model.graph.initializer[2].dims[:] = [-10, -784]

    assert spoilt(negative) == "its tensor 'weight' has the shape [-10, -784], which no tensor has"


def test_a_graph_that_grows_is_refused_before_it_is_run() -> None:
    doubling = [
        helper.make_node("Concat", [f"d{i}"] * 2 if i else ["scaled"] * 2, [f"d{i + 1}"], axis=1) for i in range(40)
    ]

    def grow(model: onnx.ModelProto) -> None:
        between(model, *doubling, helper.make_node("Identity", ["d40"], ["then"]))

    assert spoilt(grow).startswith("for 64 pictures it has 25,690,112 numbers in the tensor 'd9', more than the limit")

    def outer(model: onnx.ModelProto) -> None:
        nodes = [
            helper.make_node("Reshape", ["scaled", "column"], ["c"]),
            helper.make_node("Transpose", ["c"], ["r"], perm=[1, 0]),
            helper.make_node("MatMul", ["c", "r"], ["then"]),
        ]
        between(model, *nodes, tensors=(whole("column", -1, 1),))

    assert spoilt(outer).startswith(
        "for 64 pictures it has 2,517,630,976 numbers in the tensor 'then', more than the limit"
    )


def test_padding_and_odd_kernels_are_measured() -> None:
    def conv(name: str, value: list[int]) -> str:
        nodes = [
            helper.make_node("Conv", ["scaled", "kernel"], ["large"]),
            helper.make_node("MaxPool", ["large"], ["then"], kernel_shape=[1, 1], strides=[37, 37]),  # 1028 to 28
        ]
        nodes[0].attribute.append(helper.make_attribute(name, value))
        return spoilt(lambda model: between(model, *nodes, tensors=(weights("kernel", 1, 1, 1, 1),)))

    assert conv("pads", [500, 500, 500, 500]).endswith(
        "67,634,176 numbers in the tensor 'large', more than the limit of 16,777,216"
    )
    assert conv("pads", [1 << 62, 0, 0, 0]) == "its operator Conv has 'pads' out of range"
    assert conv("strides", [0, 0]) == "its operator Conv has 'strides' out of range"
    assert conv("dilations", [0, 0]) == "its operator Conv has 'dilations' out of range"
    zero = helper.make_node("SpaceToDepth", ["scaled"], ["then"], blocksize=0)
    assert spoilt(lambda model: between(model, zero)) == "its operator SpaceToDepth has 'blocksize' out of range"


def test_work_is_measured_as_well_as_memory() -> None:
    """One small kernel of weights used by a thousand convolutions needs little memory, but hours."""
    nodes = [helper.make_node("Conv", ["scaled", "first"], ["c0"], pads=[2, 2, 2, 2])]
    nodes += [helper.make_node("Conv", [f"c{i}", "kernel"], [f"c{i + 1}"], pads=[2, 2, 2, 2]) for i in range(300)]
    nodes += [helper.make_node("Conv", ["c300", "last"], ["then"])]
    tensors = (weights("first", 32, 1, 5, 5), weights("kernel", 32, 32, 5, 5), weights("last", 1, 32, 1, 1))
    assert "numbers in all its tensors, more than" in spoilt(lambda model: between(model, *nodes, tensors=tensors))
    wide = [helper.make_node("Conv", ["scaled", "first"], ["c0"], pads=[2, 2, 2, 2])]
    wide += [helper.make_node("Conv", [f"c{i}", "kernel"], [f"c{i + 1}"], pads=[10] * 4) for i in range(60)]
    wide += [helper.make_node("Conv", ["c60", "last"], ["then"])]
    tensors = (weights("first", 32, 1, 5, 5), weights("kernel", 32, 32, 21, 21), weights("last", 1, 32, 1, 1))
    assert "multiplications, more than" in spoilt(lambda model: between(model, *wide, tensors=tensors))


def test_too_many_nodes_are_refused() -> None:
    nodes = [helper.make_node("Identity", [f"i{n}" if n else "scaled"], [f"i{n + 1}"]) for n in range(3_000)]
    nodes.append(helper.make_node("Identity", ["i3000"], ["then"]))
    assert spoilt(lambda model: between(model, *nodes)).startswith("it has 3,005 nodes, more than")


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_a_large_file_is_looked_at_in_little_memory(tmp_path: Path) -> None:
    """38 MB of weights: once more as a message here, and in ONNX's own check."""
    model, path = sound(), tmp_path / "x.onnx"
    nodes = [
        helper.make_node("Reshape", ["scaled", "rows"], ["a"]),
        helper.make_node("MatMul", ["a", "w"], ["b"]),
        helper.make_node("MatMul", ["b", "v"], ["then"]),
    ]
    between(model, *nodes, tensors=(weights("w", 784, 6400), weights("v", 6400, 784)))
    path.write_bytes(model.SerializeToString())
    code = f"""
import pathlib
from digits.reading.model.check import check
from tests.support.onnx_files import peak
content = pathlib.Path({str(path)!r}).read_bytes()
before = peak()
check(content)
print(peak() - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert path.stat().st_size < int(done.stdout) < 3 * path.stat().st_size


def test_sizes_that_are_not_believed_or_not_known_are_refused() -> None:
    def lied(model: onnx.ModelProto) -> None:
        """The kernel of a shape that only running would tell."""
        between(
            model,
            helper.make_node("Cast", ["scaled"], ["numbers"], to=TensorProto.INT64),
            helper.make_node("Reshape", ["numbers", "all"], ["shape"]),
            helper.make_node("Reshape", ["scaled", "shape"], ["then"]),
            tensors=(whole("all", -1),),
        )
        model.graph.value_info.append(helper.make_tensor_value_info("then", TensorProto.FLOAT, ["batch", 784]))

    assert spoilt(lied) == "the size of its value 'logits' can't be known before it is run"
