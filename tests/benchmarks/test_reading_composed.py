"""Readers on composed pages: judged by their own text order, weighed against each other; and the sheet of pages."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from benchmarks.reading import choose, composed, constants, sheet
from benchmarks.reading.choose import Looked, Told, box_errors, calibrated, score
from benchmarks.reading.composed import STATED, composed_pages, found_of, judged, validation_digits
from benchmarks.reading.readers import NOTHING
from benchmarks.results import Section
from digits.data.pages.layouts.catalogue import LAYOUTS
from digits.data.pages.page import UNCLEAR, Box, Composed
from digits.evaluating.page_figures import GAP, RIGHT
from digits.evaluating.pages import judge_page
from digits.reading import boxes, detect, linking, patch, reader
from digits.reading.boxes import CHANNELS, THRESHOLD, Found
from digits.reading.reader import Seen, Weights, missed_of, sure_of
from digits.reading.result import Digit, Reading

Floats = npt.NDArray[np.float32]

ROOT = Path(__file__).parents[2]

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


# ---- Readers judged ---------------------------------------------------------------------------------


def reading(*digits: tuple[int, tuple[int, int, int, int], int]) -> Reading:
    """An answer: label, box and text line of each digit."""
    one_hot, patch = np.eye(10), np.zeros((28, 28), np.uint8)
    made = tuple(Digit(label, 1.0, tuple(one_hot[label]), box, line, patch) for label, box, line in digits)
    return Reading(made, 64, 64, 1.0)


THREE, FIVE = (8, 2, 20, 26), (8, 36, 20, 26)


def test_a_reader_is_judged_by_the_lines_that_it_says() -> None:
    written = page([3, 5], [(18, 15, 20, 26), (18, 49, 20, 26)], [0, 1])
    assert judged(written, reading((3, THREE, 0), (5, FIVE, 1))).perfect
    for answer in (((3, THREE, 0), (5, FIVE, 0)), ((5, FIVE, 0), (3, THREE, 1))):
        scored = judged(written, reading(*answer))
        assert (scored.faults, scored.perfect) == (0, False)
        assert judge_page(written, found_of(reading(*answer))).perfect, "by the lines that the boxes would have"


def test_a_digit_that_is_cut_off_is_in_nobodys_text() -> None:
    written = page([3, 5, UNCLEAR], [(18, 15, 20, 26), (18, 49, 20, 26), (59, 49, 10, 26)], [0, 1, 1])
    assert judged(written, reading((3, THREE, 0), (5, FIVE, 1), (4, (54, 36, 10, 26), 1))).perfect


def test_who_reads_nothing_is_right_on_blank_pages() -> None:
    scored = judged(page([3, 5]), reading())
    assert (scored.sought, scored.faults) == (2, 2)
    assert judged(page([], []), reading()).perfect


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
def test_composed_pages_are_scored_and_recorded(
    number: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Recorded where they are as many as are always scored."""
    written: list[tuple[Section, str]] = []
    monkeypatch.setattr(composed, "NUMBER", 6)
    monkeypatch.setattr(composed, "readers", lambda *_: nullcontext({name: lambda _: NOTHING for name in "ab"}))
    monkeypatch.setattr(Section, "keep", lambda section, name: written.append((section, name)))
    assert composed.main(["--pages", str(number), "--beside", str(ROOT)]) == 0
    text = capsys.readouterr().out
    clear = [int((each.labels != UNCLEAR).sum()) for each in composed_pages(number, STATED, "test")]
    rows = [line.split("|")[1:-1] for line in text.splitlines() if line.startswith("| ")]
    (whole,) = [row for row in rows if row[0] == " **all** "]
    assert [int(cell) for cell in whole[1:3] + whole[4:6] + whole[7:]] == [
        number, clear.count(0), sum(clear), clear.count(0), sum(clear),
    ]  # fmt: skip
    assert sum(int(row[1]) for row in rows if row[0].strip() in LAYOUTS) == number
    wrong = 1 - clear.count(0) / number
    assert f"| a | 0.00 | {100 * wrong:.2f} | 0.00 | 0.0 | 0.0 |" in text, "it is sure of nothing on every page"
    if number == 6:
        ((section, name),) = written
        assert name == "reading_composed"
        assert section.command == "python -m benchmarks.reading.composed --beside CHECKOUT"
        assert section.text in text
    else:
        assert not written


class Saying:
    """A classifier that takes everything for a three, rather surely."""

    classes, none = (*"0123456789", "none"), 10

    def probabilities(self, patches: npt.NDArray[np.uint8]) -> Floats:
        return told([3] * len(patches), 0.8)


def test_choosing_tries_every_weight_beside_the_detector_itself(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        choose, "composed_pages", lambda *_: [page([3, 5]), page([3, 7, 1], [*BOXES, (18, 10, 24, 24)])]
    )
    monkeypatch.setattr(choose, "load", lambda *_: (three_and_five, Saying()))
    assert choose.main(["detector", "classifier"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "boxes are off by centre 0.000, size 0.000, aspect 0.000"
    half = "pages 50.00%, recall 80.00%, precision 100.00%, accuracy 75.00%"
    assert all(line.startswith("label ") for line in lines[1:13])
    assert lines[1].endswith(half)
    assert lines[13] == f"the detector alone, threshold {THRESHOLD:.2f}: {half}"
    assert lines[14].startswith("Calibration(")
    assert sum(line.startswith("gate ") for line in lines) == len(choose.GATES)
    assert sum(line.startswith("below ") for line in lines) == len(choose.SURES)


def test_a_regression_finds_how_sure_digits_are() -> None:
    """Digits of objectness 0.9 of which three in four are right, and things left out of which one in four is one."""
    random = np.random.default_rng(0)

    def some(number: int, low: float, high: float) -> Found:
        made = found([3] * number, [BOXES[0]] * number)
        return made._replace(objectness=random.uniform(low, high, number).astype(np.float32))

    pages = []
    for _ in range(300):
        read, missed = some(8, 0.7, 0.99), some(8, 0.2, 0.5)
        right, digit = random.random(8) < 0.75, random.random(8) < 0.25
        pages.append(Told(read, right, missed, digit, bool(right.all() and not digit.any())))
    fitted = calibrated(pages)
    read, missed = some(1000, 0.7, 0.99), some(1000, 0.2, 0.5)
    assert sure_of(read, fitted).mean() == pytest.approx(0.75, abs=0.03)
    assert missed_of(missed, fitted).mean() == pytest.approx(0.25, abs=0.03)


def test_boxes_that_share_half() -> None:
    one, other = np.array([10, 10, 20, 20], np.float32), np.array([20, 10, 20, 20], np.float32)
    assert constants.union_share(one, one) == pytest.approx(1)
    assert constants.union_share(one, other) == pytest.approx(1 / 3)
    assert constants.union_share(one, other + 100) == 0


@pytest.mark.usefixtures("few_digits")
def test_every_constant_is_tried(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(choose, "load", lambda *_: (nothing, Saying()))
    assert constants.main(["detector", "classifier", "--pages", "3"]) == 0
    told = capsys.readouterr().out
    for module in (linking, boxes, patch, detect, reader):
        named = {name for name, value in vars(module).items() if name.isupper() and isinstance(value, float | tuple)}
        assert {name for name in named if f"  {name} = " in told} >= named - FIXED


FIXED = {
    "CHOSEN",
    "CALIBRATED",
    "DIGITS",
    "SMALLEST",
    "LARGEST",
    "REFERENCE",
    "THRESHOLD",
    "BREADTH",
    "HALVED_TO",
    "GATE",
}
"""Not the reader's to choose: the net was trained with them, or `choose` says them."""


# ---- Weights and boxes ------------------------------------------------------------------------------


def looked(at: Composed, detected: Found, second: Floats) -> Looked:
    return Looked(at, Seen(detected, np.zeros((len(second), 28, 28), np.uint8), second, 0))


def test_weights_decide_whose_class_is_taken_and_what_is_a_digit() -> None:
    seen = [
        looked(page([3, 5]), found([3, 5]), told([3, 7])),
        looked(page([3, 5]), found([3, 6]), told([3, 5])),
        looked(page([3, 5]), found([3, 5, 1], [*BOXES, (18, 8, 8, 14)]), told([3, 5, 1], 0.9)),
    ]
    alone, second = score(seen, Weights(0.0, 0.0, 0.45, 0.0, 1.1)), score(seen, Weights(1.0, 0.0, 0.45, 0.0, 1.1))
    assert (alone.perfect, alone.wrong, alone.false) == (1, 1, 1)
    assert (second.perfect, second.wrong, second.false) == (1, 1, 1)
    strict = score(seen, Weights(0.0, 0.0, 0.85, 0.0, 1.1))
    assert (strict.perfect, strict.missed, strict.false) == (0, 6, 0)
    assert score(seen, Weights(0.0, 1.0, 0.85, 0.0, 1.1)).missed == 0


def test_how_far_boxes_are_off() -> None:
    """By hand: 3 pixels of 30 to either side; heights 1.1 times as large or as small."""
    true: list[Box] = [(100, 30, 20, 30), (200, 30, 20, 30), (300, 30, 4, 30)]
    shifted: list[Box] = [(103, 30, 20, 33), (197, 30, 20, 30 / 1.1), (300, 30, 8, 30), (400, 30, 20, 30)]
    off = box_errors([looked(page([1, 2, 3], true), found([1, 2, 3, 4], shifted), told([1, 2, 3, 4]))])
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
