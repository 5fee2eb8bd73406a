"""Model files of strangers: what could read other files, run other code, or fill the memory is refused beforehand."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from onnx import AttributeProto, TensorProto, helper

from digits.reading.model.check import LARGEST_FILE, ModelError, check_model, read_bytes
from digits.reading.model.encoding import DAMAGED
from tests.reading.model.onnx_files import FIX, between, refusal, sound, spoilt, weights


def test_a_sound_file_is_taken() -> None:
    check_model(sound().SerializeToString(), "x.onnx")


# ---- Other files, other code ----------------------------------------------------------------------


@pytest.mark.parametrize("location", ["weights.bin", "/etc/passwd", "../../secret", "/dev/zero"])
def test_external_data_are_refused_wherever_they_lie(location: str) -> None:
    def outside(tensor: TensorProto) -> None:
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=location)

    assert spoilt(lambda model: outside(model.graph.initializer[2])) == (
        "its tensor 'weight' lies in another file, which is not read"
    )

    def in_an_attribute(model: onnx.ModelProto) -> None:
        value = weights("constant", 10)
        outside(value)
        model.graph.node.insert(0, helper.make_node("Constant", [], ["spare"], value=value))

    assert spoilt(in_an_attribute) == "its tensor 'constant' lies in another file, which is not read"

    def half_said(model: onnx.ModelProto) -> None:
        model.graph.initializer[2].external_data.add(key="location", value=location)

    assert spoilt(half_said) == "its tensor 'weight' lies in another file, which is not read"


def test_operators_that_are_not_onnxs_own_are_refused() -> None:
    def foreign(model: onnx.ModelProto) -> None:
        model.opset_import.append(helper.make_opsetid("com.microsoft", 1))

    assert spoilt(foreign) == "it has operators of 'com.microsoft', and only ONNX's own are run"

    def undeclared(model: onnx.ModelProto) -> None:
        between(model, helper.make_node("Gelu", ["scaled"], ["then"], domain="com.evil"))

    assert spoilt(undeclared) == "it has the operator 'Gelu' of 'com.evil', which is not among those that are run"

    def functions(model: onnx.ModelProto) -> None:
        body = [helper.make_node("Relu", ["a"], ["b"])]
        model.functions.append(helper.make_function("", "Mine", ["a"], ["b"], body, [helper.make_opsetid("", 20)]))

    assert spoilt(functions).startswith("it has functions of its own")


@pytest.mark.parametrize(
    "name",
    ["If", "Loop", "Scan", "SequenceMap", "Expand", "Tile", "Resize", "Upsample", "ConstantOfShape", "Range", "Pad",
     "RandomNormal", "OneHot", "NonZero", "StringConcat"],
)  # fmt: skip
def test_operators_that_loop_or_make_what_they_are_told_are_refused(name: str) -> None:
    node = helper.make_node(name, ["scaled"], ["then"])
    assert spoilt(lambda model: between(model, node)) == (
        f"it has the operator '{name}', which is not among those that are run"
    )


def test_a_graph_inside_an_operator_is_refused_whatever_its_type_says() -> None:
    inner = sound().graph

    def hidden(model: onnx.ModelProto) -> None:
        attribute = AttributeProto(name="then_branch", type=AttributeProto.INT, i=1)
        attribute.g.CopyFrom(inner)
        model.graph.node[1].attribute.append(attribute)

    assert spoilt(hidden) == "its operator Mul has 'then_branch', which is no plain value"
    node = helper.make_node("Relu", ["scaled"], ["then"], body=inner)
    assert spoilt(lambda model: between(model, node)) == "its operator Relu has 'body', which is no plain value"


# ---- What goes in and comes out -------------------------------------------------------------------


def test_several_or_other_inputs_and_outputs_are_refused() -> None:
    def two(model: onnx.ModelProto) -> None:
        model.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [1]))

    assert spoilt(two) == "its input is 'images', 'more', and not images"

    def both(model: onnx.ModelProto) -> None:
        model.graph.output.append(helper.make_tensor_value_info("flat", TensorProto.FLOAT, ["batch", 784]))

    assert spoilt(both) == "its output is 'logits', 'flat', and not logits"

    def fixed(model: onnx.ModelProto) -> None:
        model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1

    assert spoilt(fixed) == (
        "it takes numbers of type 2 and shape [1, 1, 28, 28], "
        "and not of type 2 (uint8) and shape [0, 1, 28, 28] (0: any)"
    )

    def floats(model: onnx.ModelProto) -> None:
        model.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT

    assert spoilt(floats).startswith("it takes numbers of type 1 and shape [0, 1, 28, 28]")


def test_answers_that_are_not_one_row_a_picture_are_refused() -> None:
    def columns(model: onnx.ModelProto) -> None:
        model.graph.node[3].output[0] = "gemm"
        model.graph.node.append(helper.make_node("Transpose", ["gemm"], ["logits"], perm=[1, 0]))

    assert spoilt(columns) == (
        "for 64 pictures and 10 classes it gives 10 x 64 numbers of type 1, and not 64 x 10 of type 1 (float32)"
    )
    assert "it gives 64 x 11 numbers of type 1, and not 64 x 10" in refusal(sound(11))

    def whole(model: onnx.ModelProto) -> None:
        model.graph.node[3].output[0] = "gemm"
        model.graph.node.append(helper.make_node("Cast", ["gemm"], ["logits"], to=TensorProto.INT64))
        model.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64

    assert "it gives 64 x 10 numbers of type 7, and not 64 x 10 of type 1 (float32)" in spoilt(whole)


# ---- Metadata -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        ({"format": None}, "its metadata have the format missing, and not 1"),
        ({"format": "2"}, "its metadata have the format '2', and not 1"),
        ({"task": "segmentation"},
         "it was trained for 'segmentation', and only nets for classification or detection are run"),
        ({"task": "detection"}, "its output is 'logits', and not maps"),
        ({"classes": None}, "its metadata's classes are missing, which is no JSON"),
        ({"classes": "[" * 5000}, "which is no JSON"),
        ({"classes": '["0", "0"]'}, "which is no list of names"),
        ({"classes": '["0", "\\u001b[2J"]'}, "which is no list of names"),
        ({"classes": "{}"}, "which is no list of names"),
        ({"mean": "x"}, "its metadata's mean is 'x', and not a number from 0 to 1"),
        ({"std": "0"}, "its metadata's std is '0', and not a number from 1e-06 to 1"),
        ({"std": "nan"}, "its metadata's std is 'nan', and not a number"),
        ({"temperature": "0"}, "its metadata's temperature is '0', and not a number from 0.01 to 100"),
        ({"temperature": "-inf"}, "its metadata's temperature is '-inf', and not a number"),
        ({"accuracy": "1.5"}, "its metadata's accuracy is '1.5', and not a number from 0 to 1"),
        ({"image_size": "32"}, "and not of type 2 (uint8) and shape [0, 1, 32, 32]"),
        ({"provenance": "[]"}, "its metadata's provenance is no JSON object"),
        ({"provenance": '"' + "x" * 100_000 + '"'}, "its metadata have more than 65,536 characters"),
    ],
)  # fmt: skip
def test_metadata_that_are_not_what_they_say_are_refused(entries: dict[str, str | None], told: str) -> None:
    assert told in refusal(sound(entries=entries))


def test_an_entry_that_is_there_twice_is_refused() -> None:
    assert spoilt(lambda model: model.metadata_props.add(key="classes", value="[]")) == (
        "its metadata have an entry twice"
    )


# ---- The file -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content", [b"", b"no model", b"\xff" * 100, b"\x89PNG\r\n\x1a\n", b"\x0b" * 9, Path(__file__).read_bytes()]
)
def test_what_is_no_onnx_is_refused(content: bytes) -> None:
    assert refusal(content) == "it is no ONNX file"


def test_what_is_cut_short_is_refused() -> None:
    assert refusal(sound().SerializeToString()[:-100]) == DAMAGED


def test_parts_that_onnx_does_not_know_are_refused() -> None:
    """onnxruntime might know them."""
    assert refusal(sound().SerializeToString() + b"\xa2\x06\x01x") == (
        "it has a part 100 in ModelProto, which the installed onnx does not know"
    )


def test_only_plain_files_are_read(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    link = tmp_path / "link"
    link.symlink_to(pipe)
    for path in (pipe, link, tmp_path, Path("/dev/zero")):
        with pytest.raises(ModelError, match=f"^{path} is not a plain file{FIX}$"):
            read_bytes(path)
    with pytest.raises(ModelError, match=f"^there is no file {tmp_path}/none{FIX}$"):
        read_bytes(tmp_path / "none")
    with pytest.raises(ModelError, match="can't be read: "):
        read_bytes(tmp_path / ("x" * 300))
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(ModelError, match="can't be read: "):
        read_bytes(tmp_path / "loop")
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(LARGEST_FILE + 1)
    with pytest.raises(ModelError, match=f"^{large} is larger than 64 MB, so it is not read; take a smaller net$"):
        read_bytes(large)


def test_a_link_to_a_plain_file_is_followed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    assert read_bytes(tmp_path / "link") == b"content"


def test_files_with_bytes_changed_at_random_never_end_the_process() -> None:
    """In a process of its own: what is feared is a crash of the libraries in C++, not an exception."""
    code = """
import random, sys
from digits.reading.model.check import ModelError, check_model
from tests.reading.model.onnx_files import sound
content, random_ = sound().SerializeToString(), random.Random(0)
refused = 0
for _ in range(300):
    changed = bytearray(content)
    for _ in range(random_.randint(1, 4)):
        place = random_.choice((random_.randrange(400), random_.randrange(len(content) - 700, len(content))))
        changed[place] = random_.randrange(256)
    try:
        check_model(bytes(changed), "x.onnx")
    except ModelError:
        refused += 1
sys.exit(0 if refused > 100 else 1)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
