"""`python -m digits.predict`: which pictures it finds, what it prints, and how it ends."""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from onnx import numpy_helper
from PIL import Image

from digits.predict import find_pictures, main, predict
from digits.reading.model.net import SHIPPED, SHIPPED_DETECTOR
from digits.reading.pictures import Picture
from digits.reading.reader import Reader
from digits.reading.result import Digit, Reading
from tests.support.drawing import Drawing, draw, overlap
from tests.support.onnx_files import sound


def save(path: Path, text: str = "7") -> Path:
    """A picture with these digits on it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(draw(text).pixels).save(path)
    return path


def names(*arguments: str | Path, left_out: Path | None = None) -> list[str]:
    return [source.name for source in find_pictures([str(argument) for argument in arguments], left_out)]


def printed(capsys: pytest.CaptureFixture[str], *arguments: str | Path, code: int = 0) -> list[dict[str, object]]:
    """What --json says; fails where it ends with another exit code, or says anything else."""
    assert main([*map(str, arguments), "--json"]) == code
    told = capsys.readouterr()
    assert told.err == ""
    return [json.loads(line) for line in told.out.splitlines()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pictures in a folder and one in a folder inside, among other files."""
    for name in ("b.png", "a.JPG", "c.webp", "inside/d.tiff", ".hidden.png", ".git/e.png"):
        save(tmp_path / "scans" / name)
    (tmp_path / "scans" / "notes.txt").write_text("7")
    return tmp_path / "scans"


# ---- Which pictures -------------------------------------------------------------------------------


def test_the_pictures_of_a_folder(folder: Path) -> None:
    assert names(folder) == [str(folder / name) for name in ("a.JPG", "b.png", "c.webp", "inside/d.tiff")]


def test_folders_that_go_round_in_circles(folder: Path) -> None:
    (folder / "inside" / "round").symlink_to(folder)
    assert len(names(folder)) == 4


def test_files_are_taken_as_they_are_named_in_their_order(folder: Path) -> None:
    given = [folder / "notes.txt", folder / "b.png", folder / "gone.png", folder / ".hidden.png", folder / "b.png"]
    assert names(*given) == [str(path) for path in given]


def test_patterns(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert names(folder / "*.png") == [str(folder / "b.png")]
    assert names(folder / "[ab].*") == [str(folder / "a.JPG"), str(folder / "b.png")]
    assert names(folder / "**" / "*.t*") == [str(folder / name) for name in ("inside/d.tiff", "notes.txt")]
    assert sorted(names(folder / "**")) == sorted([*names(folder), str(folder / "notes.txt")])
    monkeypatch.chdir(folder)
    save(folder / "b.png").rename("-")
    assert names("?") == ["./-"], "a file, not standard input"


def test_a_file_may_be_called_like_a_pattern(folder: Path) -> None:
    path = save(folder / "b[1].png")
    assert names(path) == [str(path)]
    assert names(folder / "b[2].png", path)[0] == str(folder / "b[2].png")


def test_a_folder_that_may_not_be_entered_is_told_of(folder: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may enter every folder")
    (folder / "inside").chmod(0)
    found = find_pictures([str(folder)])
    (folder / "inside").chmod(0o700)
    assert [source.error for source in found[:3]] == [None] * 3
    assert found[3].error == "the folder can't be opened (Permission denied); check its permissions"


def test_the_folder_for_annotated_pictures_is_not_read(folder: Path) -> None:
    assert names(folder, left_out=folder / "inside") == names(folder)[:3]
    assert names(folder, left_out=folder / "new") == names(folder)


@pytest.mark.parametrize("arguments", [["empty"], ["*.png"], ["empty", "x/[ab]?.png"]])
def test_nothing_to_read(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    told = capsys.readouterr()
    assert told.out == ""
    lines = told.err.splitlines()
    assert [line.split(": ")[0] for line in lines] == arguments
    whys = {"empty": "this folder holds no picture", "*.png": "no file matches this pattern"}
    for name, line in zip(arguments, lines, strict=True):
        why = whys.get(name, "no file matches this pattern")
        assert line == f"{name}: {why}; name a picture, or a folder with .png, .apng, .jpg …"


def test_a_net_of_ones_own(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What `python -m digits.export RUN` left in a run, or the file itself."""
    (tmp_path / "run" / "export").mkdir(parents=True)
    net = tmp_path / "run" / "export" / "model.onnx"
    shutil.copy(SHIPPED, net)
    shipped = printed(capsys, folder)
    for model in (net, tmp_path / "run"):
        assert main([str(folder), "--json", "--model", str(model)]) == 0
        told = capsys.readouterr()
        assert [json.loads(line) for line in told.out.splitlines()] == shipped
        assert told.err == f"page detector: the one that ships; classifier: {net}\n"
    both = ["--model", str(net), "--model", str(SHIPPED_DETECTOR)]
    assert main([str(folder), "--json", *both]) == 0
    assert capsys.readouterr().err == f"page detector: the one that ships; classifier: {net}\n"
    assert main([str(folder), "--model", str(net), "--model", str(SHIPPED)]) == 2
    assert "name at most one page detector and one classifier" in capsys.readouterr().err
    net.unlink()
    (tmp_path / "run" / "result.json").write_text("{}")
    assert main([str(folder), "--model", str(tmp_path / "run")]) == 2
    assert f"python -m digits.export {tmp_path / 'run'} makes it" in capsys.readouterr().err


def test_a_net_that_is_none(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "net.onnx").write_text("nonsense")
    for model in (tmp_path / "net.onnx", tmp_path / "gone.onnx", tmp_path):
        assert main([str(folder), "--model", str(model)]) == 2
        told = capsys.readouterr()
        assert told.out == ""
        assert str(model) in told.err
        assert told.err.count("\n") == 1


@pytest.mark.parametrize("form", [[], ["--csv"], ["--json"]])
def test_a_net_that_gives_no_numbers_prints_nothing_else(
    form: list[str], folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = sound()
    model.graph.initializer[3].CopyFrom(numpy_helper.from_array(np.full(10, np.nan, np.float32), "bias"))
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    assert main([str(folder), "--model", str(tmp_path / "net.onnx"), *form]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines()[1:] == [
        f"{tmp_path / 'net.onnx'} returned NaN or infinity; train it again, and export it"
    ]


# ---- What is printed ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def drawing() -> Drawing:
    return draw("2026\n31", height=80, pen=8)


def test_json(drawing: Drawing, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(drawing.pixels).save(tmp_path / "year.png")
    (found,) = printed(capsys, tmp_path / "year.png")
    assert list(found) == ["path", "text", "confidence", "doubtful", "digits"]
    assert (found["path"], found["text"]) == (str(tmp_path / "year.png"), "2026\n31")
    digits = found["digits"]
    assert isinstance(digits, list)
    assert [digit["label"] for digit in digits] == [2, 0, 2, 6, 3, 1]
    for digit, box in zip(digits, drawing.boxes, strict=True):
        assert list(digit) == ["label", "confidence", "box"]
        assert 0.5 < digit["confidence"] <= 1
        assert overlap(digit["box"], box) > 0.7


def test_what_cannot_be_read_is_told_in_its_place(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "aa.png").write_bytes(b"")
    (folder / "bb.png").write_bytes((folder / "b.png").read_bytes()[:300])
    found = printed(capsys, folder, folder / "gone.png", folder.parent / "*.gif", code=1)
    assert [Path(str(line["path"])).name for line in found] == [
        "a.JPG", "aa.png", "b.png", "bb.png", "c.webp", "d.tiff", "gone.png", "*.gif",
    ]  # fmt: skip
    assert [line.get("text") for line in found] == ["7", None, "7", None, "7", "7", None, None]
    errors = [str(line["error"]) for line in found if "error" in line]
    assert all(list(line) == ["path", "error"] for line in found if "error" in line)
    assert [error.split(";")[0].split(" (")[0] for error in errors] == [
        "the file is empty", "the PNG data are damaged, cut short or of a kind that can't be decoded",
        "there is no such file", "no file matches this pattern",
    ]  # fmt: skip


def test_csv(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "aa.png").write_bytes(b"")
    assert main([str(folder), "--csv"]) == 1
    told = capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO(told.out)))
    assert [row["text"] for row in rows] == ["7", "", "7", "7", "7"]
    assert [row["error"] for row in rows][:2] == ["", "the file is empty; copy or download it again"]
    assert told.err == ""


def test_the_table(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(folder / "year.png", "20\n26")
    (folder / "zero.png").write_bytes(b"")
    assert main([str(folder)]) == 1
    told = capsys.readouterr()
    header, line, *rows = told.out.splitlines()[:9]
    assert header.split() == ["picture", "sure", "text"]
    column = header.index("text")
    assert line[column - 1] == " "
    assert [row[column:] for row in rows] == ["7", "7", "7", "20", "26", "can't be read: the file is empty; copy or "
                                              "download it again", "7"]  # fmt: skip
    assert told.err == "1 of 6 could not be read\n"


class Doubter:
    """A reader that finds one digit on every picture, and isn't sure of it on every second."""

    def __init__(self) -> None:
        self.sure = True

    def read(self, picture: Picture) -> Reading:
        self.sure = not self.sure
        confidence = 0.99 if self.sure else 0.64
        digit = Digit(7, confidence, (0.0,) * 7 + (confidence, 0.0, 0.0), (1, 2, 3, 4), 0, np.zeros((28, 28), np.uint8))
        return Reading((digit,), picture.width, picture.height, confidence)


def asked(**flags: bool) -> argparse.Namespace:
    return argparse.Namespace(**({"json": False, "csv": False, "only_sure": False} | flags), annotate=None)


def test_a_digit_that_is_doubtful_is_marked(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert predict(find_pictures([str(folder)]), cast(Reader, Doubter()), asked()) == 0
    _, _, *rows, gap, legend = capsys.readouterr().out.splitlines()
    assert [row.split()[-2:] for row in rows] == [["64%?", "7?"], ["99%", "7"]] * 2
    assert gap == ""
    assert legend.startswith("? follows a digit that is less than 80% sure, and the share of a picture")


@pytest.mark.parametrize("form", ["json", "csv"])
def test_only_what_is_sure(folder: Path, capsys: pytest.CaptureFixture[str], form: str) -> None:
    given = asked(only_sure=True, **{form: True})
    assert predict(find_pictures([str(folder)]), cast(Reader, Doubter()), given) == 3
    told = capsys.readouterr()
    lines = told.out.splitlines()[form == "csv" :]
    assert ["b.png" in lines[0], "d.tiff" in lines[1], len(lines)] == [True, True, 2]
    assert ["a.JPG" in told.err, "c.webp" in told.err] == [True, True]
    one = find_pictures([str(folder / "a.JPG"), str(folder / "b.png")])[1:]
    sure = Doubter()
    sure.sure = False
    assert predict(one, cast(Reader, sure), given) == 0, "nothing was left out"
    (folder / "aa.png").write_bytes(b"")
    assert predict(find_pictures([str(folder)]), cast(Reader, Doubter()), given) == 1, "it could not be read, above all"


# ---- Standard input -------------------------------------------------------------------------------


def test_a_picture_on_standard_input(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with (folder / "b.png").open() as file:
        monkeypatch.setattr(sys, "stdin", file)
        found = printed(capsys, folder / "a.JPG", "-")
    assert [(line["path"], line["text"]) for line in found] == [(str(folder / "a.JPG"), "7"), ("-", "7")]


def test_standard_input_is_given_once(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["-", "-"])
    assert left.value.code == 2
    assert "give it once" in capsys.readouterr().err


# ---- Annotated pictures ---------------------------------------------------------------------------


def test_annotated_pictures(drawing: Drawing, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = folder / "read"
    Image.fromarray(drawing.pixels).save(folder / "year.png")
    (folder / "broken.png").write_bytes(b"")
    for _ in range(2):  # the second time they lie in the folder that is read
        printed(capsys, folder, "--annotate", out, code=1)
        assert sorted(path.name for path in out.iterdir()) == [
            "a.JPG.png", "b.png.png", "c.webp.png", "inside-d.tiff.png", "year.png.png",
        ]  # fmt: skip
    after = np.asarray(Image.open(out / "year.png.png")).astype(int)
    factor = after.shape[0] // drawing.pixels.shape[0]
    changed = np.abs(after - drawing.pixels.repeat(factor, 0).repeat(factor, 1)).max(2) > 40
    for box in drawing.boxes:
        x, y, wide, high = (factor * length for length in box)
        around = changed[y - 8 : y + high + 8, x - 8 : x + wide + 8]
        assert min(around[:16].any(0).mean(), around[-16:].any(0).mean()) > 0.6, "a line along the top, and the bottom"
        assert min(around[:, :16].any(1).mean(), around[:, -16:].any(1).mean()) > 0.8, "and along both sides"
        assert not around[24:-24, 20:-20].any(), "and nothing on the digit"
    assert not changed[y + high + 16 :].any(), "nor below the last line"


def test_pictures_annotated_into_their_own_folder_stay(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(folder / "b.png.png", "4")
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    printed(capsys, folder, "--annotate", folder)
    assert {path: path.read_bytes() for path in before} == before
    assert (folder / "b.png-2.png").exists()


def test_annotated_pictures_that_cannot_be_left(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(folder), "--annotate", str(folder / "b.png")]) == 1
    assert capsys.readouterr().err == f"{folder / 'b.png'}: File exists\n"


# ---- The bar --------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("screens", "pictures", "shown"), [
    (("stderr",), 2, True), (("stdout", "stderr"), 2, False), ((), 2, False), (("stderr",), 1, False),
])  # fmt: skip
def test_a_bar_is_shown_where_the_output_goes_elsewhere(
    screens: tuple[str, ...], pictures: int, shown: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [str(save(tmp_path / f"{number}.png")) for number in range(pictures)]
    streams = {name: Terminal() if name in screens else io.StringIO() for name in ("stdout", "stderr")}
    for name, stream in streams.items():
        monkeypatch.setattr(sys, name, stream)
    assert main([*files, "--csv"]) == 0
    assert (f"/{pictures} [" in streams["stderr"].getvalue()) == shown
    assert len(streams["stdout"].getvalue().splitlines()) == 1 + pictures


def test_who_sees_no_bar_does_not_wait_for_its_package(tmp_path: Path) -> None:
    code = "import sys; from digits.predict import main; main(sys.argv[1:]); sys.exit('tqdm' in sys.modules)"
    command = [sys.executable, "-c", code, str(save(tmp_path / "7.png")), str(save(tmp_path / "8.png", "8"))]
    assert subprocess.run(command, check=False, capture_output=True, cwd=Path(__file__).parents[2]).returncode == 0
