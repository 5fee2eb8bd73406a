"""Pictures of pages: the bits follow from the seed, the ink keeps its contrast, and nothing is written on `nothing`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from digits.data.pages.page import UNCLEAR, Grey, Page, Random
from digits.data.pages.paper.blank import nothing
from digits.data.pages.paper.guides import ANNOTATIONS, add_clear, annotate, guilloche, rule, strike
from digits.data.pages.paper.render import board, photograph, render, scan, screen
from digits.data.pages.paper.scenery import OPAQUE, Scenery, cover, texture, things

BAR = np.s_[40:120, 76:84]
BESIDE = (np.s_[40:120, 60:68], np.s_[40:120, 92:100])


def seeded(seed: int) -> Random:
    return np.random.default_rng(seed)


def page_with_bar() -> Page:
    """A page of 160 x 160 pixels with a bar of 8 x 80, in the middle."""
    page = Page(160, 160)
    assert page.put(np.ones((80, 8), np.float32), 80, 80, label=1, line=page.new_line())
    return page


def busy_page(random: Random, height: int, width: int) -> tuple[Page, Scenery]:
    """All that may be on a page, and a digit where there is room for one."""
    page = Page(height, width)
    scenery = cover(page, random)
    rule(page, random, 0.3 * height)
    guilloche(page, random)
    high, wide = max(2, height // 4), max(2, width // 8)
    for x, y in random.uniform(0, 1, (8, 2)) * (width, height):
        page.put(np.ones((high, wide), np.float32), x, y, label=1, line=0)
    annotate(page, random, 2)
    return page, scenery


KINDS: dict[str, Callable[[Page, Scenery, Random], Grey]] = {
    "photograph": photograph,
    "board": board,
    "screen": lambda page, _, random: screen(page, random),
    "scan": lambda page, _, random: scan(page, random),
    "render": render,
    "nothing": lambda page, _, random: nothing(random, *page.size),
}


def step(picture: Grey) -> float:
    """How much darker the bar is than the paper beside it, of the paper's light; below 0 where it is brighter."""
    paper = np.mean([picture[place].mean() for place in BESIDE])
    return float((paper - picture[BAR].mean()) / max(1.0, paper))


def clearness(picture: Grey) -> float:
    """The bar's contrast with the paper beside it, in medians and median deviations of pieces as high as wide."""
    pieces = [picture[place].astype(np.float64).reshape(10, 8, 8).mean((1, 2)) for place in (*BESIDE, BAR)]
    difference = (pieces[0] + pieces[1]) / 2 - pieces[2]
    deviation = 1.48 * np.median(abs(difference - np.median(difference)))  # what is normal is as the standard deviation
    return float(abs(np.median(difference)) / max(deviation, 1.0))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(384, 384), (24, 24), (60, 200), (25, 9), (9, 6)])
def test_same_seed_same_bits_of_the_page_s_size(kind: str, size: tuple[int, int]) -> None:
    for seed in range(12 if max(size) < 300 else 3):
        pictures = []
        for _ in range(2):
            random = seeded(seed)
            page, scenery = busy_page(random, *size)
            pictures.append(KINDS[kind](page, scenery, random))
        assert pictures[0].shape == size
        assert pictures[0].dtype == np.uint8
        np.testing.assert_array_equal(pictures[0], pictures[1])


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_that_was_cut_out_is_pictured_in_its_new_size(kind: str) -> None:
    for seed in range(6):
        random = seeded(seed)
        page, scenery = busy_page(random, 120, 150)
        page.cut_out(30, 40, 101, 73)
        scenery.cut_out(30, 40, 101, 73)
        assert KINDS[kind](page, scenery, random).shape == (33, 71)


def test_the_page_itself_is_left_as_it_is() -> None:
    for kind in KINDS.values():
        page, scenery = busy_page(seeded(3), 96, 96)
        before = page.ink.copy(), page.printed.copy()
        for seed in range(5):
            kind(page, scenery, seeded(seed))
        np.testing.assert_array_equal(page.ink, before[0])
        np.testing.assert_array_equal(page.printed, before[1])


@pytest.mark.parametrize("contrast", [0.1, 0.3, 0.6, 0.9])
def test_a_photograph_has_the_contrast_that_was_asked_for(contrast: float) -> None:
    steps = np.array([step(photograph(page_with_bar(), Scenery(), seeded(i), contrast)) for i in range(60)])
    upright = steps[steps > 0]  # an inverted picture has another paper to measure by
    assert len(upright) > 30
    assert 0.7 * contrast < np.median(upright) < 1.3 * contrast
    # the edge of a shadow beside the bar, or a pen that fades, changes what is measured in a few
    assert np.mean((upright > 0.4 * contrast) & (upright < 1.6 * contrast)) > 0.8


@pytest.mark.parametrize("contrast", [0.03, 0.1, 0.5])
def test_the_ink_stands_out_of_the_noise_however_faint_it_is(contrast: float) -> None:
    clear = [clearness(photograph(page_with_bar(), Scenery(), seeded(i), contrast)) for i in range(60)]
    # a shadow's edge along the bar may cost a few pictures some of it
    assert np.quantile(clear, 0.1) > 2


@pytest.mark.parametrize("kind", ["screen", "scan", "board"])
def test_the_ink_stands_out_in_the_other_pictures_too(kind: str) -> None:
    clear = [clearness(KINDS[kind](page_with_bar(), Scenery(), seeded(i))) for i in range(60)]
    assert np.quantile(clear, 0.1) > 2


@pytest.mark.parametrize("kind", ["photograph", "screen", "scan", "board"])
def test_a_stroke_as_thin_as_a_pixel_is_not_lost(kind: str) -> None:
    seen = []
    for seed in range(80):
        page = Page(160, 160)
        page.put(np.full((80, 2), 0.5, np.float32), 80, 80, label=1)  # between two columns of pixels
        picture = KINDS[kind](page, Scenery(), seeded(seed)).astype(np.float64)[40:120]
        difference = picture[:, 79:81].mean(1) - (picture[:, 70:75].mean(1) + picture[:, 85:90].mean(1)) / 2
        seen.append(abs(np.median(difference)))
    assert np.quantile(seen, 0.05) > 3
    assert np.median(seen) > 15


def test_about_a_quarter_of_the_pictures_are_inverted() -> None:
    page = page_with_bar()
    brighter = np.mean([step(render(page, Scenery(), seeded(i))) < 0 for i in range(200)])
    assert 0.15 < brighter < 0.4


def test_what_lies_on_the_page_covers_it() -> None:
    desks = fingers = 0
    for seed in range(60):
        page = Page(128, 160)
        scenery = cover(page, seeded(seed))
        hidden = np.zeros(page.size, np.bool_)
        for mask in [*scenery.things, *([] if scenery.desk is None else [scenery.desk])]:
            hidden |= mask >= OPAQUE
        assert page.covered[hidden].all()
        assert page.covered.mean() < 0.75  # there is room to write
        assert page.covered.any() == hidden.any()
        desks, fingers = desks + (scenery.desk is not None), fingers + bool(scenery.things)
    assert 10 < desks < 50
    assert 5 < fingers < 40


def test_the_scenery_is_seen_where_it_is_opaque_only() -> None:
    page = Page(100, 100)
    page.put(np.ones((60, 6), np.float32), 25, 50, label=1)
    desk = np.zeros((100, 100), np.uint8)
    desk[:, 50:] = 255
    random = seeded(0)
    paper = 1 - page.ink
    over = Scenery(desk).over(paper, random)
    np.testing.assert_array_equal(over[:, :50], paper[:, :50])
    assert (over[:, 50:] != 1).mean() > 0.9


def test_nothing_is_written_on_pictures_of_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    pages: list[Page] = []
    start = Page.__init__

    def remember(page: Page, height: int, width: int) -> None:
        start(page, height, width)
        pages.append(page)

    monkeypatch.setattr(Page, "__init__", remember)
    pictures = [nothing(seeded(seed), 48, 64) for seed in range(80)]
    assert len(pages) >= 80
    assert not any(page.ink.any() or page.boxes for page in pages)
    assert len({picture.tobytes() for picture in pictures}) > 75  # but for plain white ones no two are the same


@pytest.mark.parametrize("make", [texture, things])
def test_textures_and_things_are_tones(make: Callable[[Random, int, int], np.ndarray]) -> None:
    for seed in range(40):
        tones = make(seeded(seed), 40, 70)
        assert tones.shape == (40, 70)
        assert tones.dtype == np.float32
        assert tones.min() >= 0
        assert tones.max() <= 1


def test_guides_are_printed_and_take_no_room() -> None:
    for seed in range(30):
        page = Page(200, 200)
        rule(page, seeded(seed), 30)
        assert 0 < (page.printed > 0.2).mean() < 0.7
        assert not page.ink.any()
        assert not page.used.any()


def test_a_digit_that_is_struck_out_is_unclear() -> None:
    page = page_with_bar()
    before = page.ink.sum()
    strike(page, seeded(0), 0, 3)
    assert page.labels == [UNCLEAR]
    assert page.ink.sum() > before


def test_what_is_drawn_around_digits_keeps_clear_of_them() -> None:
    drawn = 0
    for seed in range(60):
        page = page_with_bar()
        annotate(page, seeded(seed), 2)
        if page.labels == [1]:
            np.testing.assert_array_equal(page.ink[BAR], 1)
            drawn += page.ink.sum() > 8 * 80
    assert drawn > 30
    across = np.zeros((160, 160), np.uint8)
    across[80:84, 70:90] = 255
    assert not add_clear(page_with_bar(), across)
    assert len(ANNOTATIONS) == 4
