"""Page detectors in files of strangers: what could run other code, fill the memory or take hours is refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import onnx
import pytest
from onnx import NodeProto, TensorProto, helper

from digits.reading.model.check import ModelError, check_model
from digits.reading.model.size import PAGE
from tests.support.onnx_files import between, numbers, refusal, sound, sound_detector, spoilt, weights, whole


def inside(nodes: Sequence[NodeProto], *tensors: TensorProto) -> str:
    """Why a sound detector is refused once it has these nodes in its middle."""
    return spoilt(lambda model: between(model, *nodes, tensors=tensors), sound_detector)


def spoilt_detector(change: Callable[[onnx.ModelProto], object]) -> str:
    """Why a sound detector is refused once it has been changed."""
    return spoilt(change, sound_detector)


@pytest.mark.parametrize(
    "name",
    ["If", "Loop", "Scan", "Expand", "Tile", "Upsample", "ConstantOfShape", "Range", "Pad", "Shape", "Slice", "Gather",
     "ScatterND", "NonZero", "CumSum", "GridSample"],
)  # fmt: skip
def test_operators_that_no_detector_of_this_project_has_are_refused(name: str) -> None:
    node = helper.make_node(name, ["scaled"], ["then"])
    assert inside([node]) == f"it has the operator '{name}', which is not among those that are run"
    foreign = helper.make_node("Gelu", ["scaled"], ["then"], domain="com.evil")
    assert "it has the operator 'Gelu' of 'com.evil'" in inside([foreign])


@pytest.mark.parametrize("name", ["Max", "Resize", "Split"])
def test_what_a_detector_may_have_a_classifier_may_not(name: str) -> None:
    node = helper.make_node(name, ["scaled"], ["then"])
    assert f"it has the operator '{name}'" in spoilt(lambda model: between(model, node))


def test_a_size_that_is_wished_for_is_refused() -> None:
    """By factors alone, and by such as stand in the file."""
    other = "its operator Resize has other inputs than factors, which are not run"
    size, region = whole("size", 1, 1, 1 << 20, 1 << 20), numbers("region", *range(8))
    assert inside([helper.make_node("Resize", ["scaled", "", "", "size"], ["then"])], size) == other
    assert inside([helper.make_node("Resize", ["scaled", "region", "factors"], ["then"])], region) == other
    assert inside([helper.make_node("Resize", ["scaled"], ["then"])]) == other
    computed = [
        helper.make_node("Reshape", ["scaled", "all"], ["row"]),
        helper.make_node("Split", ["row", "some"], ["four", "others"]),
        helper.make_node("Resize", ["scaled", "", "four"], ["then"]),
    ]
    some = whole("some", 4, PAGE * PAGE // 16 - 4)
    assert inside(computed, whole("all", -1), some).endswith("can't be known before it is run")


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("mode", "cubic", "'mode' as b'cubic'"),
        ("mode", 1, "'mode' as 1"),
        ("coordinate_transformation_mode", "tf_crop_and_resize", "b'tf_crop_and_resize'"),
        ("antialias", 1, "'antialias' as 1"),
        ("axes", [2, 3], "'axes' as 0"),
        ("keep_aspect_ratio_policy", "not_larger", "b'not_larger'"),
    ],
)
def test_ways_to_resize_that_are_slow_or_look_elsewhere_are_refused(
    name: str, value: str | int | list[int], told: str
) -> None:
    node = helper.make_node("Resize", ["scaled", "", "factors"], ["then"])
    node.attribute.append(helper.make_attribute(name, value))
    assert told in inside([node])


@pytest.mark.parametrize("factor", [3e38, np.inf, np.nan, -1.0, 1e-9, 0.0])
def test_odd_factors_are_refused(factor: float) -> None:
    node = helper.make_node("Resize", ["scaled", "", "odd"], ["then"])
    assert inside([node], numbers("odd", 1, 1, factor, factor))


def test_parts_of_an_impossible_size_are_refused() -> None:
    parts = helper.make_node("Split", ["scaled", "odd"], ["then", "other"], axis=1)
    for sizes in ((1 << 62, -(1 << 62) + 1), (2, -1), (3, 3)):
        assert inside([parts], whole("odd", *sizes))


def test_a_file_that_crashes_onnx_itself_is_refused() -> None:
    """Found by putting operators together at random: onnx 1.23.2 aborts where a Split has more outputs than it says."""
    model = sound_detector()
    between(model, helper.make_node("Split", ["scaled"], ["then", "more", "most"], num_outputs=2))
    with pytest.raises(ModelError, match=r"^x\.onnx is not run: "):
        check_model(model.SerializeToString(), "x.onnx")


def test_other_ends_are_refused() -> None:
    def dims(*sizes: int | str) -> str:
        def change(model: onnx.ModelProto) -> None:
            model.graph.input[0].CopyFrom(helper.make_tensor_value_info("images", TensorProto.FLOAT, sizes))

        return spoilt_detector(change)

    assert dims(1, 1, 128, 128) == (
        "it takes numbers of type 1 and shape [1, 1, 128, 128], "
        "and not of type 1 (float32) and shape [1, 1, 0, 0] (0: any)"
    )
    assert "and shape [0, 1, 0, 0], and not" in dims("n", 1, "h", "w")
    assert "and shape [1, 3, 0, 0], and not" in dims(1, 3, "h", "w")
    assert "and shape [1, 1, 0], and not" in dims(1, 1, "h")

    def bytes_in(model: onnx.ModelProto) -> None:
        model.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8

    assert spoilt_detector(bytes_in).startswith("it takes numbers of type 2 and shape [1, 1, 0, 0]")

    def both(model: onnx.ModelProto) -> None:
        model.graph.output.append(helper.make_tensor_value_info("rest", TensorProto.FLOAT, None))

    assert spoilt_detector(both) == "its output is 'maps', 'rest', and not maps"
    assert refusal(sound(entries={"task": "detection"})) == "its output is 'logits', and not maps"


def test_maps_of_another_size_are_refused() -> None:
    given = f"for a page of {PAGE} x {PAGE} pixels and 10 classes it gives "
    assert refusal(sound_detector(15)) == (
        f"{given}1 x 15 x 264 x 264 numbers of type 1, and not 1 x 16 x 264 x 264 of type 1 (float32)"
    )
    halved = helper.make_node("MaxPool", ["scaled"], ["then"], kernel_shape=[2, 2], strides=[2, 2])
    assert inside([halved]).startswith(f"{given}1 x 16 x 132 x 132 numbers")


def test_what_is_too_large_or_too_slow_for_a_page_is_refused() -> None:
    enlarged = helper.make_node("Resize", ["scaled", "", "large"], ["then"])
    assert inside([enlarged], numbers("large", 1, 1, 32, 32)).startswith(
        f"for a page of {PAGE} x {PAGE} pixels it has 71,368,704 numbers in the tensor 'then', more than the limit"
    )
    widened = [helper.make_node("Conv", ["scaled", "first"], ["c0"], pads=[1] * 4)]
    same = [helper.make_node("Conv", [f"c{i}", "kernel"], [f"c{i + 1}"], pads=[1] * 4) for i in range(40)]
    last = [helper.make_node("Conv", ["c40", "last"], ["then"])]
    tensors = (weights("first", 64, 1, 3, 3), weights("kernel", 64, 64, 3, 3), weights("last", 1, 64, 1, 1))
    assert "multiplications, more than" in inside([*widened, *same, *last], *tensors)
    relus = [helper.make_node("Relu", [f"r{i}" if i else "c0"], [f"r{i + 1}"]) for i in range(80)]
    narrowed = helper.make_node("Conv", ["r80", "last"], ["then"])
    assert "numbers in all its tensors, more than" in inside([*widened, *relus, narrowed], *tensors)
    averaged = [
        helper.make_node(
            "AveragePool", [f"a{i}" if i else "scaled"], [f"a{i + 1}"], kernel_shape=[99, 99], pads=[49] * 4
        )
        for i in range(3)
    ]
    named = helper.make_node("Identity", ["a3"], ["then"])
    assert "multiplications, more than" in inside([*averaged, named])
    seen = helper.make_node("Conv", ["scaled", "wide"], ["then"], pads=[49] * 4)
    assert "(im2col) of 'then', more than" in inside([seen], weights("wide", 1, 1, 99, 99))


@pytest.mark.parametrize("location", ["weights.bin", "/etc/passwd", "/dev/zero"])
def test_weights_in_other_files_are_refused(location: str) -> None:
    def outside(model: onnx.ModelProto) -> None:
        weight = next(tensor for tensor in model.graph.initializer if tensor.name == "weight")
        weight.ClearField("raw_data")
        weight.data_location = TensorProto.EXTERNAL
        weight.external_data.add(key="location", value=location)

    assert spoilt_detector(outside) == "its tensor 'weight' lies in another file, which is not read"
