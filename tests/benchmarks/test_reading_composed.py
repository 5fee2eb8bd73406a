"""Readers on composed pages: judged by their own text order, weighed against each other; and the sheet of pages."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from benchmarks.reading import choose, composed, sheet
from benchmarks.reading.choose import Seen, box_errors, score
from benchmarks.reading.composed import STATED, composed_pages, found_of, shipped, validation_digits
from digits.data.pages.layouts.catalogue import LAYOUTS
from digits.data.pages.page import UNCLEAR, Box, Composed
from digits.evaluating.page_figures import GAP, RIGHT
from digits.evaluating.pages import judge_page
from digits.reading.boxes import CHANNELS, THRESHOLD, Found
from digits.reading.net import SHIPPED
from digits.reading.reader import Reader, Source
from digits.reading.result import Digit, Reading
from digits.reading.two_stage import Weights

Floats = npt.NDArray[np.float32]

BOXES: list[Box] = [(18, 34, 24, 24), (46, 34, 24, 24)]


def page(labels: Sequence[int], boxes: Sequence[Box] = BOXES, lines: Sequence[int] | None = None) -> Composed:
    return Composed(
        np.full((64, 64), 255, np.uint8),
        np.array(boxes, np.float32),
        np.array(labels, np.int8),
        np.array(lines if lines is not None else [0] * len(labels), np.int16),
        np.zeros((0, 4), np.float32),
        "by hand",
    )


def found(labels: Sequence[int], boxes: Sequence[Box] = BOXES, sure: float = 0.8) -> Found:
    number = len(labels)
    probabilities = np.full((number, 10), 0.02, np.float32)
    probabilities[np.arange(number), list(labels)] = 0.82
    return Found(np.array(boxes, np.float32), np.full(number, sure, np.float32), probabilities)


def told(labels: Sequence[int], digit: float = 0.9) -> Floats:
    """A classifier's answer: each label with 0.9 of the probability that it is a digit at all."""
    rows = np.full((len(labels), 11), 0.1 * digit / 9, np.float32)
    rows[np.arange(len(labels)), list(labels)] = 0.9 * digit
    rows[:, 10] = 1 - digit
    return rows


def nothing(image: Floats) -> Floats:
    """A page detector that finds nothing."""
    return np.full((1, CHANNELS, image.shape[2] // 4, image.shape[3] // 4), -9.0, np.float32)


def three_and_five(image: Floats) -> Floats:
    """One that finds 3 and 5 in BOXES on pages of 64 pixels, and something that it takes for no digit, rather."""
    maps = nothing(image)
    if max(image.shape) == 64 + 32:  # the level whose longest side is 64
        for row, column, label, sure in ((12, 8, 3, 0.8), (12, 15, 5, 0.8), (6, 8, 1, 0.3)):
            maps[0, 0, row, column] = np.log(sure / (1 - sure))
            maps[0, 1 + label, row, column] = 9.0
            maps[0, 11:15, row, column] = 0
    return maps


# ---- The reader that ships --------------------------------------------------------------------------


class Told(Reader):
    """A reader whose answer is known."""

    def __init__(self, *digits: tuple[int, tuple[int, int, int, int], int]) -> None:
        one_hot, patch = np.eye(10), np.zeros((28, 28), np.uint8)
        self.reading = Reading(
            tuple(Digit(label, 1.0, tuple(one_hot[label]), box, line, patch) for label, box, line in digits), 64, 64
        )

    def read(self, picture: Source) -> Reading:
        assert isinstance(picture, np.ndarray)
        assert picture.shape == (64, 64, 3)
        return self.reading


THREE, FIVE = (8, 2, 20, 26), (8, 36, 20, 26)


def test_the_reader_that_ships_is_judged_by_the_lines_that_it_says() -> None:
    written = page([3, 5], [(18, 15, 20, 26), (18, 49, 20, 26)], [0, 1])
    assert shipped(Told((3, THREE, 0), (5, FIVE, 1)))(written).perfect
    for answer in (((3, THREE, 0), (5, FIVE, 0)), ((5, FIVE, 0), (3, THREE, 1))):
        reader = Told(*answer)
        judged = shipped(reader)(written)
        assert (judged.faults, judged.perfect) == (0, False)
        assert judge_page(written, found_of(reader.reading)).perfect, "by the lines that the boxes would have"


def test_a_digit_that_is_cut_off_is_in_nobodys_text() -> None:
    written = page([3, 5, UNCLEAR], [(18, 15, 20, 26), (18, 49, 20, 26), (59, 49, 10, 26)], [0, 1, 1])
    assert shipped(Told((3, THREE, 0), (5, FIVE, 1), (4, (54, 36, 10, 26), 1)))(written).perfect


def test_a_reader_that_finds_nothing_is_right_on_blank_pages() -> None:
    judged = shipped(Told())(page([3, 5]))
    assert (judged.sought, judged.faults) == (2, 2)


# ---- The commands -----------------------------------------------------------------------------------


@pytest.fixture
def few_digits(drawn_mnist: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001 (taken for MNIST's own)
    """A hundred digits for each half, of the 600 that were drawn."""
    monkeypatch.setattr(composed, "KEPT", 200)


@pytest.mark.usefixtures("few_digits")
def test_the_pages_of_the_halves_have_no_digit_in_common() -> None:
    chosen, stated = ({image.tobytes() for image in validation_digits(split).images} for split in ("val", "test"))
    assert len(chosen) == len(stated) == 100
    assert not chosen & stated


@pytest.mark.usefixtures("few_digits")
@pytest.mark.parametrize("number", [6, 5])
def test_composed_pages_are_scored_and_written(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Written where they are as many as are always scored."""
    written: list[tuple[str, str, str]] = []
    monkeypatch.setattr(composed, "NUMBER", 6)
    monkeypatch.setattr(composed, "detector_of", lambda _: nothing)
    monkeypatch.setattr(composed, "replace_section", lambda *section: written.append(section))
    (tmp_path / "detector.onnx").write_bytes(b"a detector")
    models = ["--detector", str(tmp_path / "detector.onnx"), "--classifier", str(SHIPPED)]
    assert composed.main([*models, "--pages", str(number)]) == 0
    text = capsys.readouterr().out
    for content in (b"a detector", SHIPPED.read_bytes()):
        assert f" {hashlib.sha256(content).hexdigest()[:8]}" in text
    clear = [int((each.labels != UNCLEAR).sum()) for each in composed_pages(number, STATED, "test")]
    *layouts, whole = [line.split("|")[1:-1] for line in text.splitlines() if line.startswith("| ")][1:]
    assert [int(cell) for cell in whole[1:2] + whole[5:8:2] + whole[8:11:2]] == [
        number, clear.count(0), sum(clear), clear.count(0), sum(clear),
    ]  # fmt: skip
    assert sum(int(row[1]) for row in layouts) == number
    if number == 6:
        command = "python -m benchmarks.reading.composed --detector RUN --classifier RUN"
        assert [(title, line) for title, line, _ in written] == [("Reading composed pages", command)]
        assert written[0][2] in text
    else:
        assert not written


def test_choosing_tries_every_weight_beside_the_detector_itself(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(choose, "composed_pages", lambda *_: [page([3, 5]), page([3, 7])])
    monkeypatch.setattr(choose, "detector_of", lambda _: three_and_five)
    monkeypatch.setattr(choose, "classifier_of", lambda _: lambda patches: told([3] * len(patches), 0.8))
    assert choose.main(["detector", str(SHIPPED)]) == 0
    errors, *best, alone = capsys.readouterr().out.splitlines()
    assert errors == "boxes are off by centre 0.000, size 0.000, aspect 0.000"
    half = "pages 50.00%, recall 100.00%, precision 100.00%, accuracy 75.00%"
    assert alone == f"the detector alone, threshold {THRESHOLD:.2f}: {half}"
    assert len(best) == 12
    assert best[0].endswith(half)


# ---- Weights and boxes ------------------------------------------------------------------------------


def test_weights_decide_whose_class_is_taken_and_what_is_a_digit() -> None:
    seen = [
        Seen(page([3, 5]), found([3, 5]), told([3, 7])),
        Seen(page([3, 5]), found([3, 6]), told([3, 5])),
        Seen(page([3, 5]), found([3, 5, 1], [*BOXES, (18, 8, 8, 14)]), told([3, 5, 1], 0.9)),
    ]
    alone, second = score(seen, Weights(0.0, 0.0, 0.45)), score(seen, Weights(1.0, 0.0, 0.45))
    assert (alone.perfect, alone.wrong, alone.false) == (1, 1, 1)
    assert (second.perfect, second.wrong, second.false) == (1, 1, 1)
    strict = score(seen, Weights(0.0, 0.0, 0.85))
    assert (strict.perfect, strict.missed, strict.false) == (0, 6, 0)
    assert score(seen, Weights(0.0, 1.0, 0.85)).missed == 0


def test_how_far_boxes_are_off() -> None:
    """By hand: 3 pixels of 30 to either side; heights 1.1 times as large or as small."""
    true: list[Box] = [(100, 30, 20, 30), (200, 30, 20, 30), (300, 30, 4, 30)]
    shifted: list[Box] = [(103, 30, 20, 33), (197, 30, 20, 30 / 1.1), (300, 30, 8, 30), (400, 30, 20, 30)]
    off = box_errors([Seen(page([1, 2, 3], true), found([1, 2, 3, 4], shifted), told([1, 2, 3, 4]))])
    assert off["centre"] == pytest.approx(0.1 * (2 / 6) ** 0.5, rel=1e-4)
    assert off["size"] == pytest.approx(np.log(1.1) * (2 / 3) ** 0.5, rel=1e-4)
    assert off["aspect"] == pytest.approx(np.log(1.1), rel=1e-4), "without the stick"


# ---- The sheet --------------------------------------------------------------------------------------


def boxed(path: Path) -> npt.NDArray[np.bool_]:
    """Where a sheet has the colour of a digit's box."""
    pixels = np.asarray(Image.open(path))
    assert pixels.dtype == np.uint8
    return np.asarray((pixels == RIGHT).all(2))


@pytest.mark.usefixtures("few_digits")
def test_a_sheet_has_its_pages_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "sheet.png"
    assert sheet.main([str(path), "--layout", "mnist", "--pages", "2"]) == 0
    assert capsys.readouterr().out == f"{path}: 2 pages; 0 handwriting fonts, 0 pictures\n"
    high, wide = sheet.CAPTION + 13 * 28 + GAP, 13 * 28 + GAP  # enlarged to 364 pixels
    cells = boxed(path)
    assert cells.shape == (high, 2 * wide)
    assert cells[:, :wide].any()
    assert cells[:, wide:].any()
    first = path.read_bytes()
    assert sheet.main([str(path), "--layout", "mnist", "--pages", "2"]) == 0
    assert path.read_bytes() == first
    assert sheet.main([str(path), "--layout", "mnist", "--pages", "2", "--seed", "1"]) == 0
    assert path.read_bytes() != first


@pytest.mark.usefixtures("few_digits")
def test_a_sheet_has_a_page_of_each_layout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    few = {name: LAYOUTS[name] for name in ("no digit, tiny letter", "tiny", "mnist")}
    monkeypatch.setattr(sheet, "LAYOUTS", few)
    assert sheet.main([str(tmp_path / "sheet.png")]) == 0
    assert ": 3 pages;" in capsys.readouterr().out
    cells = np.split(boxed(tmp_path / "sheet.png"), 3, axis=1)
    assert [bool(cell.any()) for cell in cells] == [False, True, True]


@pytest.mark.parametrize("arguments", [["--layout", "none such"], ["--pages", "0"], ["--seed", "-1"]])
def test_a_sheet_of_nothing_is_refused(arguments: list[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="2"):
        sheet.main([str(tmp_path / "sheet.png"), *arguments])


def test_a_sheet_needs_its_fonts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sheet.main([str(tmp_path / "sheet.png"), "--material", str(tmp_path / "absent")]) == 2
    assert "absent" in capsys.readouterr().err
    assert not (tmp_path / "sheet.png").exists()
