"""The nets that ship, on composed pages whose digits' boxes are known: every layout, both polarities."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest

from digits.data.datasets import read_dataset
from digits.data.pages.compose import compose
from digits.data.pages.composing import digits_of
from digits.data.pages.layouts.catalogue import BLANK, LAYOUTS
from digits.data.pages.page import UNCLEAR, Composed
from digits.data.pages.stamps.skeleton import distance_maps
from digits.data.pages.stamps.stock import Stock
from digits.evaluating.pages import PagesScores, judge_page, total
from digits.reading.boxes import Found
from digits.reading.reader import Reader
from digits.reading.result import Reading

Scored = Callable[[Iterable[str], bool], PagesScores]

EACH = 6
"""Pages of each layout."""


@pytest.fixture(scope="module")
def pages(mnist_root: Path) -> dict[str, list[Composed]]:
    """Pages of digits that neither net was trained on, by layout."""
    images, labels = digits_of(read_dataset("mnist", str(mnist_root), None), 5_000, 0, "test")
    stock = Stock(images, labels, distance_maps(images))
    return {
        layout: [compose(np.random.default_rng([7, row, page]), stock, layout) for page in range(EACH)]
        for row, layout in enumerate(LAYOUTS)
    }


@pytest.fixture(scope="module")
def read(pages: dict[str, list[Composed]]) -> Callable[[str, bool], list[Reading]]:
    """What is read on the pages of a layout, as they are or inverted; each page is read once."""
    reader = Reader()

    @functools.cache
    def read(layout: str, inverted: bool) -> list[Reading]:
        return [reader.read(255 - page.pixels if inverted else page.pixels) for page in pages[layout]]

    return read


def found_of(reading: Reading) -> Found:
    corners = np.array([digit.box for digit in reading.digits], np.float32).reshape(-1, 4)
    return Found(
        np.concatenate([corners[:, :2] + corners[:, 2:] / 2, corners[:, 2:]], axis=1),
        np.array([digit.confidence for digit in reading.digits], np.float32),
        np.array([digit.probabilities for digit in reading.digits], np.float32).reshape(-1, 10),
    )


@pytest.fixture(scope="module")
def scored(pages: dict[str, list[Composed]], read: Callable[[str, bool], list[Reading]]) -> Scored:
    """The scores of some layouts' pages."""

    def scored(layouts: Iterable[str], inverted: bool) -> PagesScores:
        answers = (pair for name in layouts for pair in zip(pages[name], read(name, inverted), strict=True))
        return total(judge_page(page, found_of(reading)) for page, reading in answers)

    return scored


@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize("layout", [layout for layout in LAYOUTS if not layout.startswith(BLANK)])
def test_most_digits_of_every_layout_are_found_and_read(scored: Scored, layout: str, inverted: bool) -> None:
    score = scored([layout], inverted)
    assert score.sought > 0
    assert score.correct / score.sought > 0.5
    assert score.false <= 0.15 * score.sought + 1


@pytest.mark.parametrize("inverted", [False, True])
def test_nearly_all_digits_of_all_layouts_are(scored: Scored, inverted: bool) -> None:
    score = scored(LAYOUTS, inverted)
    assert score.correct / score.sought > 0.88
    assert score.false / score.sought < 0.04


@pytest.mark.parametrize("inverted", [False, True])
def test_on_pages_without_digits_little_is_found(scored: Scored, inverted: bool) -> None:
    score = scored([layout for layout in LAYOUTS if layout.startswith(BLANK)], inverted)
    assert score.perfect / score.pages > 0.75


def test_what_is_sure_is_right_more_often_than_what_is_not(
    pages: dict[str, list[Composed]], read: Callable[[str, bool], list[Reading]]
) -> None:
    answers = [pair for layout in LAYOUTS for pair in zip(pages[layout], read(layout, False), strict=True)]
    perfect = [
        judge_page(page, found_of(reading)).perfect for page, reading in answers if (page.labels != UNCLEAR).all()
    ]
    sure = [reading.confidence for page, reading in answers if (page.labels != UNCLEAR).all()]
    right, wrong = (
        np.array([c for c, each in zip(sure, perfect, strict=True) if each == kind]) for kind in (True, False)
    )
    assert np.mean(right) - np.mean(wrong) > 0.2
    assert abs(np.mean(sure) - np.mean(perfect)) < 0.15
