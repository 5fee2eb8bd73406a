"""A plot that shows its values where the pointer is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from playwright.sync_api import Browser, Page, expect

from digits.exploring.thumbnails import thumbnails
from digits.plots.drawing import png
from digits.plots.hover import hoverable, mark, marks_of, script
from digits.plots.html import page


@pytest.fixture
def plot(chromium: Browser, tmp_path: Path) -> Iterator[Page]:
    """A plot with a bar in its left half and two points in its right one, with a black and a white thumbnail each."""
    figure = Figure(figsize=(4, 3))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, 1), ylim=(0, 1))
    mark(axes, 0, 0, ["a bar"], width=0.4, height=1)
    mark(axes, [0.7, 0.72], [0.5, 0.5], ["the left <point>", "the right point"])
    content = png(figure)
    small = thumbnails(np.array([np.zeros((4, 4)), np.full((4, 4), 255), np.zeros((4, 4))], np.uint8))
    file = tmp_path / "plot.html"
    file.write_text(page("plot", hoverable(content, "a plot", marks_of(figure), small) + script()), encoding="utf-8")
    tab = chromium.new_page()
    said: list[str] = []
    tab.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.goto(file.as_uri())
    yield tab
    tab.close()
    assert said == []


def point(tab: Page, x: float, y: float) -> None:
    """Move the pointer over the plot, 0..1 across and down."""
    box = tab.locator(".marked").bounding_box()
    assert box is not None
    tab.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])


def test_what_is_under_the_pointer_or_nearest_to_it_is_shown(plot: Page) -> None:
    tip = plot.locator(".tip")
    expect(tip).to_be_hidden()
    point(plot, 0.2, 0.8)
    expect(tip).to_have_text("a bar")
    point(plot, 0.695, 0.505)
    expect(tip).to_have_text("the left <point>")
    colour = "e => [...e.getContext('2d').getImageData(2, 2, 1, 1).data]"
    assert tip.locator("canvas").evaluate(colour) == [0, 0, 0, 255]  # the second thumbnail, black ink
    point(plot, 0.725, 0.5)
    expect(tip).to_have_text("the right point")
    assert tip.locator("canvas").evaluate(colour) == [255, 255, 255, 255]
    point(plot, 0.55, 0.1)
    expect(tip).to_be_hidden()


def test_it_stays_within_the_plot_and_goes_with_the_pointer(plot: Page) -> None:
    point(plot, 0.01, 0.5)
    tip, marked = plot.locator(".tip").bounding_box(), plot.locator(".marked").bounding_box()
    assert tip is not None
    assert marked is not None
    assert marked["x"] <= tip["x"]
    assert tip["x"] + tip["width"] <= marked["x"] + marked["width"]
    plot.mouse.move(1, 1)
    expect(plot.locator(".tip")).to_be_hidden()


def test_the_keyboard_reaches_the_values(plot: Page) -> None:
    plot.keyboard.press("Tab")
    plot.keyboard.press("Enter")
    expect(plot.get_by_role("listitem")).to_have_text(["a bar", "the left <point>", "the right point"])
    expect(plot.get_by_role("listitem").first).to_be_visible()
