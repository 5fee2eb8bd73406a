"""Marks over a plot: where they lie, and what the page says of them."""

from __future__ import annotations

import html
import json
import re

import numpy as np
import pytest
from matplotlib.figure import Figure

from digits.plots.drawing import png
from digits.plots.hover import LISTED, Mark, hoverable, mark, mark_columns, marks_of, script


def test_marks_lie_where_the_data_are_drawn() -> None:
    """Axes from a fifth to four fifths across and from a quarter to three quarters up; ten by one in its own units."""
    figure = Figure(figsize=(4, 2), dpi=100)
    axes = figure.add_axes((0.2, 0.25, 0.6, 0.5), xlim=(0, 10), ylim=(0, 1))
    axes.plot([0, 10], [0, 1])
    mark(axes, [0, 5], [1, 0.5], ["corner", "middle"])
    mark(axes, 5, 0, ["bar"], width=5, height=0.5)
    mark_columns(axes, [2], ["column"], width=2)
    png(figure)
    found = {text: place for *place, text in marks_of(figure)}
    assert found["corner"] == pytest.approx([0.2, 0.25, 0, 0])
    assert found["middle"] == pytest.approx([0.5, 0.5, 0, 0])
    assert found["bar"] == pytest.approx([0.5, 0.5, 0.3, 0.25])
    assert found["column"] == pytest.approx([0.26, 0.25, 0.12, 0.5])
    assert axes.get_xlim() == (0, 10)


def test_marks_on_upside_down_and_logarithmic_axes() -> None:
    figure = Figure()
    axes = figure.add_axes((0, 0, 1, 1), xlim=(1, 100), ylim=(20, 0), xscale="log")
    mark(axes, 10, 5, ["cell"], width=90, height=5)
    png(figure)
    [found] = marks_of(figure)
    assert found[:4] == pytest.approx((0.5, 0.25, 0.5, 0.25))


def test_marks_leave_the_picture_as_it_is() -> None:
    pictures = []
    for marked in (False, True):
        figure = Figure(layout="constrained")
        axes = figure.add_subplot()
        axes.bar([0, 1], [3, 4])
        if marked:
            mark(axes, [0, 500], [-100, 3], ["far away", "x"], width=9, height=9)
        pictures.append(png(figure))
    assert pictures[0] == pictures[1]


def test_the_page_has_every_text_for_the_pointer_and_to_read() -> None:
    texts = ["a < b", '"quoted" & more']
    made = hoverable(b"png", "the alternative", [Mark(0.123456, 0, 0.5, 1, text) for text in texts])
    (data,) = re.findall(r'data-marks="([^"]+)"', made)
    assert json.loads(html.unescape(data)) == [[0.1235, 0, 0.5, 1, text] for text in texts]
    assert [html.unescape(item) for item in re.findall("<li>(.+?)</li>", made)] == texts
    assert 'alt="the alternative"' in made


def test_too_many_marks_are_not_a_list_and_none_are_a_plain_plot() -> None:
    many = [Mark(0, 0, 0, 0, "x")] * (LISTED + 1)
    assert "<li>" not in hoverable(b"png", "alt", many)
    assert "<li>" in hoverable(b"png", "alt", many[1:])
    assert hoverable(b"png", "alt", []).startswith("<img")


def test_the_script_loads_nothing() -> None:
    assert not re.search(r"https?:|import|fetch|XMLHttp|url\(", script())


def test_more_texts_than_places_are_noticed() -> None:
    figure = Figure()
    mark(figure.add_subplot(), np.zeros(2), np.zeros(2), ["one", "two", "three"])
    with pytest.raises(ValueError, match="zip"):
        marks_of(figure)
