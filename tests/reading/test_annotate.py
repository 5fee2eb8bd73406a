"""Boxes where the digits are, answers beside them, and files that harm no other."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from digits.reading.output import CERTAIN, UNCERTAIN, AnnotationFolder, annotated
from digits.reading.pictures import Picture, from_array
from digits.reading.result import Digit, Reading
from tests.support.drawing import Box, Pixels

PAPER = np.full((600, 800, 3), 230, np.uint8)


def reading(*boxes: Box, confidence: float = 0.9, size: tuple[int, int] = (800, 600)) -> Reading:
    patch = np.zeros((28, 28), np.uint8)
    return Reading(tuple(Digit(3, confidence, (0.1,) * 10, box, 0, patch) for box in boxes), *size, 0.9)


def coloured(pixels: Pixels, colour: tuple[int, int, int]) -> Box:
    """What is exactly of a colour: x, y, width, height."""
    rows, columns = np.nonzero((pixels == colour).all(2))
    return int(columns.min()), int(rows.min()), int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1


def test_a_box_is_drawn_where_the_digit_is() -> None:
    drawn = annotated(from_array(PAPER), reading((300, 200, 50, 80)))
    assert drawn.shape == PAPER.shape
    frame = drawn[200:280, 300:350]
    assert all((edge == CERTAIN).all() for edge in (frame[0], frame[-1], frame[:, 0], frame[:, -1]))
    assert (frame[5:-5, 5:-5] == 230).all()
    assert (drawn[290:] == 230).all()
    assert (drawn[:, :295] == 230).all()
    assert (drawn[150:195, 295:345] != 230).any(), "the answer stands above the box"


def test_a_doubtful_one_has_another_colour() -> None:
    drawn = annotated(from_array(PAPER), reading((300, 200, 50, 80), confidence=0.5))
    assert (drawn[200, 300:350] == UNCERTAIN).all()
    assert not (drawn == CERTAIN).all(2).any()


def test_the_answer_stays_on_the_picture() -> None:
    for box in ((0, 0, 800, 600), (740, 0, 60, 600), (0, 590, 10, 10)):
        drawn = annotated(from_array(PAPER), reading(box, confidence=0.5))
        plate = coloured(drawn, (255, 255, 255))
        assert plate[0] >= 0
        assert plate[0] + plate[2] <= 800
        assert (drawn != 230).any(2).sum() > 2 * (box[2] + box[3]) * 2, "the box and some more"


def test_a_small_picture_is_enlarged() -> None:
    drawn = annotated(from_array(np.zeros((28, 28), np.uint8)), reading((4, 6, 10, 12), size=(28, 28)))
    assert drawn.shape == (504, 504, 3)
    assert (drawn[6 * 18, 4 * 18 : 14 * 18] == CERTAIN).all()
    assert (drawn[18 * 18 - 1, 4 * 18 : 14 * 18] == CERTAIN).all()


def test_of_a_reduced_picture_the_boxes_are_reduced_too() -> None:
    drawn = annotated(Picture(PAPER, 3200, 2400), reading((1200, 800, 200, 320), size=(3200, 2400)))
    assert drawn.shape == PAPER.shape
    assert (drawn[200, 300:350] == CERTAIN).all()
    assert (drawn[279, 300:350] == CERTAIN).all()


# ---- Files ----------------------------------------------------------------------------------------


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_names_do_not_collide(tmp_path: Path) -> None:
    folder = AnnotationFolder(tmp_path / "deep" / "out", [])
    left = [folder.leave(label, PAPER) for label in ("a.png", "a.jpg", "a.png", "A.PNG", "a.png-2")]
    assert [path.name for path in left] == ["a.png.png", "a.jpg.png", "a.png-2.png", "A.PNG-3.png", "a.png-2-2.png"]
    assert names(tmp_path / "deep" / "out") == sorted(path.name for path in left)
    assert np.array_equal(np.asarray(Image.open(left[0])), PAPER)


def test_the_same_again_replaces_its_own(tmp_path: Path) -> None:
    for value in (10, 20):
        AnnotationFolder(tmp_path, ["elsewhere.png"]).leave("a.png", np.full((4, 4, 3), value, np.uint8))
    assert names(tmp_path) == ["a.png.png"]
    assert np.asarray(Image.open(tmp_path / "a.png.png")).max() == 20


@pytest.mark.parametrize("link", ["none", "soft", "hard"])
def test_a_picture_that_is_read_is_never_overwritten(link: str, tmp_path: Path) -> None:
    picture = tmp_path / "a.png.png"
    if link == "none":
        picture.write_bytes(b"mine")
    else:
        (tmp_path / "original").write_bytes(b"mine")
        (os.symlink if link == "soft" else os.link)(tmp_path / "original", picture)
    folder = AnnotationFolder(tmp_path, ["a.png", str(picture)])
    assert folder.leave("a.png", PAPER).name == "a.png-2.png"
    assert picture.read_bytes() == b"mine"


def test_a_link_in_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"mine")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.png.png").symlink_to(tmp_path / "precious")
    AnnotationFolder(tmp_path / "out", []).leave("a.png", PAPER)
    assert (tmp_path / "precious").read_bytes() == b"mine"
    assert not (tmp_path / "out" / "a.png.png").is_symlink()


@pytest.mark.parametrize("label", ["../../etc/x", "/etc/x", "..\\x", "a\0\n\x1b[2Jb", "数" * 200, "", "..", "."])
def test_no_name_leads_out_or_cannot_be_written(label: str, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    left = AnnotationFolder(tmp_path / "out", []).leave(label, PAPER)
    assert left.parent == tmp_path / "out"
    assert names(tmp_path) == ["out"]
    assert names(tmp_path / "out") == [left.name]
    assert left.name.isprintable()
    assert len(os.fsencode(left.name)) <= 255
