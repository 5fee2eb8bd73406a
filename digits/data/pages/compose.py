"""Whole pages: a random layout, the paper, what lies on it, the writing, and the picture of the result."""

from __future__ import annotations

import numpy as np

from digits.data.pages.layouts.catalogue import BLANK, LAYOUTS, RAW, SCREEN
from digits.data.pages.layouts.writing import Scribe
from digits.data.pages.page import UNCLEAR, Composed, Grey, Page, Random
from digits.data.pages.paper.blank import nothing
from digits.data.pages.paper.guides import annotate, guilloche, rule
from digits.data.pages.paper.render import Writing, render, screen
from digits.data.pages.paper.scenery import Scenery, cover
from digits.data.pages.stamps.stock import Stock

TRIES = 6  # attempts to get a digit on a page that should have one; in the second half nothing lies on the page
NARROWEST = 2.0  # least width and height of a box, in pixels

RULED = 0.35  # share of photographed pages with printed lines
PATTERNED = 0.05  # share of photographed pages with a pattern as on cheques
ANNOTATED = 0.14  # share of pages with a ring, a frame or a line drawn around digits

UNRULED = ("table", "form", "single", "cut single", "thin", "tiny", "mnist", "mnist row", "pixels", f"{BLANK}pixels")
"""Layouts that are seldom on ruled paper, or have ruled lines of their own; nothing is drawn around their digits."""

LOOKS = ("photo", SCREEN, RAW)


def compose(random: Random, stock: Stock, layout: str | None = None) -> Composed:
    """A page with the given layout of `LAYOUTS`, or one drawn by weight; the same random state gives the same page."""
    if layout is None:
        shares = np.array([each.weight for each in LAYOUTS.values()])
        layout = list(LAYOUTS)[int(random.choice(len(shares), p=shares / shares.sum()))]
    kind = LAYOUTS[layout]
    if kind.write is None:
        return Page(1, 1).composed(nothing(random, *kind.size(random), stock.photographs), layout)
    look = LOOKS[int(random.choice(len(LOOKS), p=kind.looks))]
    for attempt in range(TRIES):
        page = Page(*kind.size(random))
        scenery = cover(page, random) if look == "photo" and attempt < TRIES // 2 else Scenery()
        scribe = Scribe(page, stock, random)
        kind.write(scribe)
        if layout.startswith(BLANK) or any(label != UNCLEAR for label in page.labels):
            break
    finish(scribe, look, layout)
    if scribe.cut is not None:
        page.cut_out(*scribe.cut)
        scenery.cut_out(*scribe.cut)
    return enlarged(page.composed(picture(page, scenery, random, look), layout), scribe.zoom)


def finish(scribe: Scribe, look: str, layout: str) -> None:
    """Print lines and patterns under the writing, and draw by hand around it."""
    page, random = scribe.page, scribe.random
    photo, small = look == "photo", layout in UNRULED
    if scribe.chance(0.6 if layout == f"{BLANK}paper" else RULED if photo and not small else 0.06):
        heights = [box[3] for box in page.boxes]
        rule(page, random, float(np.median(heights)) if heights else 24.0)
    if photo and scribe.chance(0.35 if layout == "amounts" else PATTERNED):
        guilloche(page, random)
    if not small and scribe.chance(ANNOTATED):
        annotate(page, random, Writing.on(page).pen)


def picture(page: Page, scenery: Scenery, random: Random, look: str) -> Grey:
    """The picture (H, W) of a page, as its look of `LOOKS` shows it: `raw` is the ink alone, at random inverted."""
    if look == RAW:
        ink = np.round(255 * np.clip(page.ink, 0, 1)).astype(np.uint8)
        return ink if random.random() < 0.75 else 255 - ink
    return screen(page, random) if look == SCREEN else render(page, scenery, random)


def enlarged(page: Composed, zoom: int) -> Composed:
    """The page with each pixel a square of `zoom` by `zoom`, and no box narrower or lower than `NARROWEST`."""
    pixels = page.pixels if zoom == 1 else np.repeat(np.repeat(page.pixels, zoom, axis=0), zoom, axis=1)
    boxes, others = page.boxes * np.float32(zoom), page.others * np.float32(zoom)
    boxes[:, 2:] = np.maximum(boxes[:, 2:], np.float32(NARROWEST))
    return page._replace(pixels=np.ascontiguousarray(pixels), boxes=boxes, lines=numbered(page.lines), others=others)


def numbered(lines: np.ndarray[tuple[int], np.dtype[np.int16]]) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    """The line numbers without gaps, 0, 1, 2, …, in the same order; -1 stays."""
    used = np.unique(lines[lines >= 0])
    return np.where(lines >= 0, np.searchsorted(used, lines), -1).astype(np.int16)
