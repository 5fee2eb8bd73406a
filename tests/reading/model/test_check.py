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
from tests.support.onnx_files import SIDE, between, part, refusal, sound, spoilt, weights, whole


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

    assert spoilt(hidden) == "its operator Mul has 'then_branch', which is not a plain value"
    node = helper.make_node("Relu", ["scaled"], ["then"], body=inner)
    assert spoilt(lambda model: between(model, node)) == "its operator Relu has 'body', which is not a plain value"


def test_attributes_that_an_operator_does_not_have_are_refused() -> None:
    def referring(model: onnx.ModelProto) -> None:
        model.graph.node[0].attribute[0].ref_attr_name = "to"

    def twofold(model: onnx.ModelProto) -> None:
        model.graph.node[0].attribute[0].s = b"more"

    def unknown(model: onnx.ModelProto) -> None:
        between(model, helper.make_node("Relu", ["scaled"], ["then"], more=1))

    def sparse(model: onnx.ModelProto) -> None:
        value = helper.make_sparse_tensor(weights("values", 1), whole("places", 0), [1 << 40])
        model.graph.node.insert(0, helper.make_node("Constant", [], ["spare"], sparse_value=value))

    assert "not a plain value" in spoilt(referring)
    assert "not a plain value" in spoilt(sparse)
    for change in (twofold, unknown):
        assert "ONNX's own check" in spoilt(change)


def test_names_that_stand_for_two_values_are_refused() -> None:
    def two_tensors(model: onnx.ModelProto) -> None:
        model.graph.initializer.append(weights("weight", 10, SIDE * SIDE, seed=1))

    def input_again(model: onnx.ModelProto) -> None:
        model.graph.node[0].output[0] = model.graph.node[1].input[0] = "images"

    def tensor_again(model: onnx.ModelProto) -> None:
        model.graph.node[1].output[0] = model.graph.node[2].input[0] = "weight"

    for change in (two_tensors, input_again, tensor_again):
        assert "ONNX's own check" in spoilt(change)


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
        ({"classes": None}, "its metadata's classes are missing, not JSON"),
        ({"classes": "[" * 5000}, "not JSON"),
        ({"classes": '["0", "0"]'}, "not a list of names"),
        ({"classes": '["0", "\\u001b[2J"]'}, "not a list of names"),
        ({"classes": "{}"}, "not a list of names"),
        ({"mean": "x"}, "its metadata's mean is 'x', and not a number from 0 to 1"),
        ({"std": "0"}, "its metadata's std is '0', and not a number from 1e-06 to 1"),
        ({"std": "nan"}, "its metadata's std is 'nan', and not a number"),
        ({"temperature": "0"}, "its metadata's temperature is '0', and not a number from 0.01 to 100"),
        ({"temperature": "-inf"}, "its metadata's temperature is '-inf', and not a number"),
        ({"accuracy": "1.5"}, "its metadata's accuracy is '1.5', and not a number from 0 to 1"),
        ({"image_size": "32"}, "and not of type 2 (uint8) and shape [0, 1, 32, 32]"),
        ({"provenance": "[]"}, "its metadata's provenance is not a JSON object"),
        ({"provenance": '"' + "x" * 100_000 + '"'}, "its metadata have more than 65,536 characters"),
    ],
)  # fmt: skip
def test_metadata_that_are_not_what_they_say_are_refused(entries: dict[str, str | None], told: str) -> None:
    assert told in refusal(sound(entries=entries))


def test_an_entry_that_is_there_twice_is_refused() -> None:
    assert "duplicate" in spoilt(lambda model: model.metadata_props.add(key="mean", value="0.2")).lower()


# ---- The file -------------------------------------------------------------------------------------


DAMAGED = "it is not an ONNX file, or is damaged"


@pytest.mark.parametrize(
    "content", [b"", b"no model", b"\xff" * 100, b"\x89PNG\r\n\x1a\n", b"\x0b" * 9, b"import os\n" * 9, b"\x0a\x00" * 9]
)
def test_what_is_no_onnx_is_refused(content: bytes) -> None:
    assert refusal(content) == DAMAGED


@pytest.mark.parametrize("left", [100, 10_000, 31_000])
def test_what_is_cut_short_is_refused(left: int) -> None:
    assert refusal(sound().SerializeToString()[:left]) == DAMAGED


def test_parts_inside_one_another_without_end_are_refused() -> None:
    """Sequences of sequences, as the type of an output."""
    inside = b""
    for _ in range(5_000):
        inside = part(4, part(1, inside))  # TypeProto.sequence_type, Sequence.elem_type
    assert refusal(part(7, part(12, part(2, inside)))) == DAMAGED  # ModelProto.graph, GraphProto.output, its type


def test_parts_that_onnx_does_not_know_are_refused() -> None:
    """onnxruntime might know them, wherever they are."""
    for more in (b"\xa2\x06\x01x", part(7, b"\xa2\x06\x01x"), part(7, part(1, b"\xa2\x06\x01x"))):
        assert "does not know" in refusal(sound().SerializeToString() + more)


# ---- The child --------------------------------------------------------------------------------------


def test_the_child_says_why_with_the_name_and_what_to_do() -> None:
    assert check_model(sound().SerializeToString(), "x.onnx").accuracy == 0.5
    with pytest.raises(ModelError, match=r"^x\.onnx is not run: its metadata's std is '0', .*; name a run"):
        check_model(sound(entries={"std": "0"}).SerializeToString(), "x.onnx")


@pytest.mark.skipif(sys.platform != "linux", reason="its memory is limited there alone")
def test_empty_parts_that_would_fill_the_memory_end_the_child_alone() -> None:
    """64 MB that would become 5 GB of nodes."""
    with pytest.raises(ModelError, match=r"^x\.onnx is not run: .*memory"):
        check_model(b"\x08\x0a" + part(7, b"\x0a\x00" * 30_000_000), "x.onnx")


def test_a_child_that_crashes_or_has_no_end_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its onnx here is none that could read a file."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "onnx.py").write_text("import os\nos.abort()\n")
    with pytest.raises(ModelError, match="crashes"):
        check_model(b"", "x.onnx")
    (tmp_path / "onnx.py").write_text("import time\ntime.sleep(600)\n")
    monkeypatch.setattr("digits.reading.model.check.SECONDS", 0.5)
    with pytest.raises(ModelError, match=r"more than 0\.5 s"):
        check_model(b"", "x.onnx")


# ---- On the disk ------------------------------------------------------------------------------------


def test_only_plain_files_are_read(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    link = tmp_path / "link"
    link.symlink_to(pipe)
    for path in (pipe, link, tmp_path, Path("/dev/zero")):
        with pytest.raises(ModelError, match=f"^{path} is not a plain file; name a run"):
            read_bytes(path)
    with pytest.raises(ModelError, match=f"^there is no file {tmp_path}/none; name a run"):
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
from digits.reading.model.check import check
from tests.support.onnx_files import sound
content, random_ = sound().SerializeToString(), random.Random(0)
refused = 0
for _ in range(300):
    changed = bytearray(content)
    for _ in range(random_.randint(1, 4)):
        place = random_.choice((random_.randrange(400), random_.randrange(len(content) - 700, len(content))))
        changed[place] = random_.randrange(256)
    try:
        check(bytes(changed))
    except ValueError:
        refused += 1
sys.exit(0 if refused > 100 else 1)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
