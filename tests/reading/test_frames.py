"""Frames, tables, canvases and sheets around the writing, drawn at places that the tests know."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from digits.reading.components import Piece
from digits.reading.frames import find_panel, holds_table, without_frames
from digits.reading.reader import Reader
from tests.reading.drawing import Pixels, draw


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader()


def written(text: str, margin: int = 40) -> Pixels:
    """In black on white, 60 pixels high, with so much paper around it."""
    page = draw(text, height=60, pen=6, ink=(0, 0, 0), paper=(255, 255, 255))
    rows, columns = (np.flatnonzero((page.pixels < 128).any((axis, 2))) for axis in (1, 0))
    ink = page.pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return np.pad(ink, ((margin, margin), (margin, margin), (0, 0)), constant_values=255)


# ---- Panels -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [225, 30])
@pytest.mark.parametrize("inverted", [False, True])
def test_a_canvas_on_a_screenshot_is_read_without_its_surroundings(reader: Reader, page: int, inverted: bool) -> None:
    canvas = 255 - written("407") if inverted else written("407")
    canvas = cv2.copyMakeBorder(canvas, 2, 2, 2, 2, cv2.BORDER_CONSTANT, value=(120, 120, 120)).astype(np.uint8)
    shot = np.pad(canvas, ((70, 25), (30, 90), (0, 0)), constant_values=page)
    reading = reader.read(shot)
    assert reading.text == "407"
    left, top, wide, high = reading.digits[0].box  # in the whole picture's pixels
    assert abs(left - (30 + 2 + 40)) <= 4
    assert abs(top - (70 + 2 + 40)) <= 4
    assert abs(high - 66) <= 4  # with the pen's width
    assert wide < 66


@pytest.mark.parametrize("sides", [(30, 0, 0, 0), (0, 0, 0, 40), (25, 0, 35, 0), (30, 20, 40, 25)])
def test_black_borders_of_a_scan_are_no_ink(reader: Reader, sides: tuple[int, int, int, int]) -> None:
    top, bottom, left, right = sides
    scan = np.pad(written("5319"), ((top, bottom), (left, right), (0, 0)), constant_values=12)
    assert reader.read(scan).text == "5319"


def test_half_of_a_page_in_shadow_is_no_panel(reader: Reader) -> None:
    page = written("5319", 60).astype(np.float64)
    page[:, : page.shape[1] // 2] *= 0.6
    assert find_panel(page.astype(np.uint8)) is None
    assert reader.read(page.astype(np.uint8)).text == "5319"


@pytest.mark.parametrize("text", ["0", "8", "6", "10", "4"])
def test_what_is_written_is_no_panel(text: str) -> None:
    assert find_panel(written(text, 6)) is None
    assert find_panel(255 - written(text, 6)) is None


# ---- Frames -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["rectangle", "ring"])
def test_a_frame_around_the_writing_is_left_out(reader: Reader, shape: str) -> None:
    for text in ("7", "38", "5240"):
        page = written(text, 60)
        high, wide = page.shape[:2]
        if shape == "rectangle":
            cv2.rectangle(page, (25, 25), (wide - 25, high - 25), (0, 0, 0), 3)
        else:
            page = np.pad(page, ((30, 30), (0, 0), (0, 0)), constant_values=255)
            cv2.ellipse(page, (wide // 2, high // 2 + 30), (wide // 2 - 6, high // 2 + 20), 0, 0, 360, (0, 0, 0), 4)
        assert reader.read(page).text == text


@pytest.mark.parametrize("touching", [False, True])
def test_digits_in_the_cells_of_a_table(reader: Reader, touching: bool) -> None:
    side = 64 if touching else 90
    table = np.full((2 * side + 60, 4 * side + 60, 3), 255, np.uint8)
    for row, line in enumerate(["3805", "2746"]):
        for column, digit in enumerate(line):
            one = written(digit, 0)
            top, left = 30 + row * side + (side - len(one)) // 2, 30 + column * side + (side - one.shape[1]) // 2
            if touching:
                top = 30 + row * side + 1  # on the line above
            part = table[top : top + len(one), left : left + one.shape[1]]
            np.minimum(part, one, out=part)
    for place in range(3):
        cv2.line(table, (30, 30 + place * side), (30 + 4 * side, 30 + place * side), (60, 60, 60), 2)
    for place in range(5):
        cv2.line(table, (30 + place * side, 30), (30 + place * side, 30 + 2 * side), (60, 60, 60), 2)
    text = reader.read(table).text
    if touching:  # a stroke along a line goes with the line
        assert sum(one == other for one, other in zip(text.replace("\n", ""), "38052746", strict=True)) >= 6
    else:
        assert text == "3805\n2746"


def test_a_table_is_told_from_ruled_paper() -> None:
    ink = np.zeros((200, 300), np.uint8)
    ink[20:181:40, 20:281] = ink[20:181, 20:281:65] = 255
    assert holds_table(ink)
    paper = np.zeros((200, 300), np.uint8)
    paper[20::40] = paper[:, 20::40] = 255
    assert not holds_table(paper)


def test_a_slashed_or_dotted_0_is_no_frame() -> None:
    zero, slash, dot = (np.zeros((104, 84), np.uint8) for _ in range(3))
    cv2.ellipse(zero, (42, 52), (36, 46), 0, 0, 360, 255, 6)
    cv2.line(slash, (28, 84), (56, 20), 255, 6)
    cv2.circle(dot, (42, 52), 6, 255, -1)
    for within in (slash, dot):
        rows, columns = np.flatnonzero(within.any(1)), np.flatnonzero(within.any(0))
        part = within[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        pieces = [Piece(0, 0, zero), Piece(int(columns[0]), int(rows[0]), part)]
        assert len(without_frames(pieces)) == 2


@pytest.mark.parametrize("pen", [2, 5, 9])
@pytest.mark.parametrize("wide", [28, 45, 60])
def test_a_round_or_square_0_is_no_table(wide: int, pen: int) -> None:
    for bulge in (2, 3, 4):  # from an ellipse to nearly a square with round corners
        turns = np.linspace(0, 2 * np.pi, 200)
        x, y = (np.sign(wave(turns)) * np.abs(wave(turns)) ** (2 / bulge) for wave in (np.cos, np.sin))
        ink = np.zeros((90, 90), np.uint8)
        outline = np.stack([45 + wide / 2 * x, 45 + 30 * y], 1).round().astype(np.int32)
        cv2.polylines(ink, [outline], True, 255, pen)
        rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
        zero = Piece(0, 0, ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
        assert without_frames([zero]) == [zero]
        assert not holds_table(ink)
