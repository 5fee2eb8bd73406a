"""The maker of pages: one file in the theme that loads nothing."""

from __future__ import annotations

import re

import pytest

from digits.plots import html, theme


def test_a_page_is_one_file_that_may_load_nothing() -> None:
    text = html.page("a & b", "<h1>x</h1>")
    assert "<title>a &amp; b</title>" in text
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', text)
    assert policy.split("; ")[0] == "default-src 'none'"
    assert not re.search(r"://|connect-src|url\(|@import", text)
    for colour in (theme.PAPER, theme.INK, theme.SOFT, theme.FAINT, theme.ACCENT, *theme.DARK.values()):
        assert text.count(colour) == 1


def test_contents_are_the_sections() -> None:
    body = html.section("one", "First", "<p>text</p>") + html.section("two", "Second &amp; last")
    assert re.findall(r'<a href="#(\w+)">(.+?)</a>', html.contents(body)) == [
        ("one", "First"), ("two", "Second &amp; last")
    ]  # fmt: skip


def test_the_dark_filter_makes_the_light_paper_that_of_the_dark_page() -> None:
    """The filter by its definition: colours inverted by .91, then hues turned by half (W3C Filter Effects)."""
    assert theme.DARK_PLOT == "invert(.91) hue-rotate(180deg)"
    inverted = [0.91 * 255 - 0.82 * part for part in theme.rgb(theme.PAPER)]
    grey = sum(weight * part for weight, part in zip((0.213, 0.715, 0.072), inverted, strict=True))
    turned = [2 * grey - part for part in inverted]
    assert turned == pytest.approx(theme.rgb(theme.DARK["paper"]), abs=1)
