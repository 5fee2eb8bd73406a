"""Pictures without digits that training pages are made of."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from digits.data.datasets import DataError
from digits.data.pages.page import Random
from digits.data.pages.paper.blank import nothing
from digits.data.pages.paper.light import Field
from digits.data.pages.paper.photographs import photographed, photographs


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A photograph, half dark and half light, a cut-out thing, and what is no picture."""
    (tmp_path / "inside").mkdir()
    halves = np.full((300, 900, 3), 40, np.uint8)
    halves[:, 450:] = 200
    cv2.imwrite(str(tmp_path / "b.jpg"), halves)
    thing = np.zeros((80, 60, 4), np.uint8)
    thing[20:60, 20:40] = (10, 10, 10, 255)
    cv2.imwrite(str(tmp_path / "inside" / "a.PNG.png"), thing)
    (tmp_path / "c.png").write_text("no picture")
    (tmp_path / "d.txt").write_text("no picture either")
    return tmp_path


def seeded(seed: int) -> Random:
    return np.random.default_rng(seed)


def test_the_pictures_of_a_folder(folder: Path) -> None:
    assert [path.name for path in photographs(folder)] == ["b.jpg", "a.PNG.png"]
    assert photographs(None) == ()


def test_a_photograph_is_shown_in_part(folder: Path) -> None:
    pictures = [photographed(seeded(seed), 60, 90, (folder / "b.jpg",)) for seed in range(20)]
    assert {picture.shape for picture in pictures} == {(60, 90)}
    levels = {round(255 * float(level)) for picture in pictures for level in (picture.min(), picture.max())}
    assert any(abs(level - 40) < 4 for level in levels)
    assert any(abs(level - 200) < 4 for level in levels)
    assert len({picture.tobytes() for picture in pictures}) > 5
    again = photographed(seeded(3), 60, 90, (folder / "b.jpg",))
    assert np.array_equal(again, pictures[3]), "the same random state, the same picture"


def test_a_cut_out_thing_lies_on_a_surface(folder: Path) -> None:
    """Something of it can be seen, and something of what is below."""
    thing = photographs(folder)[1:]
    for seed in range(20):
        picture = photographed(seeded(seed), 70, 80, thing)
        assert picture.shape == (70, 80)
        assert picture.min() >= -1e-6
        assert picture.max() <= 1.1


def test_blank_pictures_are_made_of_photographs_only_where_there_are_any(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[int] = []

    def seen(_: Random, height: int, width: int, __: tuple[Path, ...]) -> Field:
        shown.append(1)
        return np.zeros((height, width), np.float32)

    monkeypatch.setattr("digits.data.pages.paper.blank.photographed", seen)
    for seed in range(100):
        assert nothing(seeded(seed), 40, 50).dtype == np.uint8
    assert not shown
    for seed in range(100):
        nothing(seeded(seed), 40, 50, photographs(folder))
    assert 40 < len(shown) < 80


def test_a_picture_that_cannot_be_read_is_named(folder: Path) -> None:
    (folder / "e.png").write_bytes((folder / "inside" / "a.PNG.png").read_bytes()[:60])
    with pytest.raises(DataError, match=r"e\.png is a picture that can't be read; take it out of the folder"):
        photographed(seeded(0), 40, 50, (folder / "e.png",))
