"""Digits drawn on the page with a mouse, a finger and the keyboard alone."""

from __future__ import annotations

import base64
import io
import re
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.browser.conftest import ONE, SEVEN, Visit, Visiting


def ink(visit: Visit) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Where the paper is drawn on."""
    url = str(visit.paper.evaluate("canvas => canvas.toDataURL()"))
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))))[..., 3] > 128


def test_a_digit_drawn_with_the_mouse_is_read_while_it_is_drawn(visiting: Visiting) -> None:
    visit = visiting()
    expect(visit.text).to_have_text("–")
    mouse = visit.page.mouse
    mouse.move(*visit.at(*SEVEN[0]))
    mouse.down()
    for x, y in SEVEN[1:]:
        mouse.move(*visit.at(x, y), steps=8)
    expect(visit.text).to_have_text("7")  # the pen is still down
    mouse.up()
    expect(visit.page.locator("#bars .likeliest .name")).to_have_text("7")
    shares = [visit.share(label) for label in range(10)]
    assert shares[7] == max(shares) > 50
    assert sum(shares) < 100.1
    patch = visit.page.locator("#patch")
    assert patch.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [28, 28]
    seen = np.asarray(Image.open(io.BytesIO(base64.b64decode(str(patch.get_attribute("src")).partition(",")[2]))))
    assert seen[0].max() == 0 < seen.max()  # white on black, with MNIST's margin
    expect(visit.page.locator("#spoken")).to_have_text(re.compile(r"^Read 7, \d+\.\d %$"))
    told = re.compile(r"^Read in \d+ ms, [\d.]+ % sure of the whole(; have a look)?\.$")
    expect(visit.page.locator("#took")).to_have_text(told)


def test_several_digits_have_a_patch_each_and_can_be_chosen(visiting: Visiting) -> None:
    visit = visiting()
    visit.draw(SEVEN, dx=-0.25)
    visit.draw(ONE, dx=0.2)
    expect(visit.text).to_have_text("71")
    tiles = visit.page.locator(".tile")
    expect(tiles).to_have_count(2)
    expect(tiles.nth(1)).to_have_attribute("aria-pressed", "true")  # the one that was drawn last
    expect(visit.page.locator("#bars .likeliest .name")).to_have_text("1")
    tiles.nth(0).click()
    expect(visit.page.locator("#bars .likeliest .name")).to_have_text("7")
    boxes = visit.page.locator(".box")
    expect(boxes).to_have_count(2)
    expect(boxes.nth(0)).to_have_class(re.compile("chosen"))
    visit.page.wait_for_timeout(500)  # an answer that was under way doesn't undo the choice
    expect(tiles.nth(0)).to_have_attribute("aria-pressed", "true")
    expect(tiles.nth(0)).to_be_focused()
    place, paper = boxes.nth(0).bounding_box(), visit.paper.bounding_box()
    assert place is not None
    assert paper is not None
    assert (place["x"] - paper["x"]) / paper["width"] == pytest.approx(0.1, abs=0.03)
    assert place["height"] / paper["height"] == pytest.approx(0.6, abs=0.08)


def test_undo_and_clear(visiting: Visiting) -> None:
    visit = visiting()
    undo, clear = visit.page.locator("#undo"), visit.page.locator("#clear")
    expect(undo).to_be_disabled()
    visit.draw(SEVEN, dx=-0.25)
    visit.draw(ONE, dx=0.2)
    expect(visit.text).to_have_text("71")
    undo.click()
    expect(visit.text).to_have_text("7")
    clear.click()
    expect(visit.text).to_have_text("–")
    expect(visit.page.locator(".box")).to_have_count(0)
    expect(clear).to_be_disabled()
    assert not ink(visit).any()
    undo.click()  # of the clear
    expect(visit.text).to_have_text("7")
    visit.page.keyboard.press("Control+z")
    expect(visit.text).to_have_text("–")
    expect(undo).to_be_disabled()


def test_the_keyboard_alone_is_enough(visiting: Visiting) -> None:
    visit = visiting()
    press = visit.page.keyboard.press
    press("Tab")
    expect(visit.paper).to_be_focused()
    for key, times in (("ArrowLeft", 8), ("Space", 1), ("ArrowRight", 16)):
        for _ in range(times):
            press(key)
    for _ in range(25):
        press("ArrowDown")
        press("Shift+ArrowLeft")
        press("Shift+ArrowLeft")
    expect(visit.page.locator("#spoken")).to_have_text(re.compile("^Read 7, "))
    press("Space")
    expect(visit.page.locator("#spoken")).to_have_text("Pen up")
    expect(visit.text).to_have_text("7")
    press("c")
    expect(visit.text).to_have_text("–")
    press("z")
    expect(visit.text).to_have_text("7")
    for name in ("undo", "clear", "choose"):
        press("Tab")
        expect(visit.page.locator(f"#{name}")).to_be_focused()


def test_two_arrows_held_go_diagonally(visiting: Visiting) -> None:
    visit = visiting()
    visit.paper.focus()
    visit.page.keyboard.press("Space")
    visit.page.keyboard.down("ArrowDown")
    visit.page.keyboard.down("ArrowRight")
    visit.page.wait_for_timeout(900)
    visit.page.keyboard.up("ArrowDown")
    visit.page.keyboard.up("ArrowRight")
    visit.page.keyboard.press("Space")
    visit.page.wait_for_timeout(100)
    rows, columns = np.nonzero(ink(visit))
    assert np.ptp(rows) > 50
    assert np.ptp(columns) == pytest.approx(np.ptp(rows), rel=0.35)
    assert np.corrcoef(rows, columns)[0, 1] > 0.9


def test_a_phone_and_a_finger(visiting: Visiting) -> None:
    visit = visiting(390, 844, phone=True)
    session = visit.page.context.new_cdp_session(visit.page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        places = [dict(zip("xy", visit.at(*point), strict=True)) for point in points]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": places})

    touch("touchStart", SEVEN[0])
    for (x, y), (to_x, to_y) in pairwise(SEVEN):
        for step in range(1, 9):
            touch("touchMove", (x + (to_x - x) * step / 8, y + (to_y - y) * step / 8))
    touch("touchEnd")
    expect(visit.text).to_have_text("7")
    assert visit.page.evaluate("scrollY") == 0  # the finger drew, it did not scroll
    assert visit.page.evaluate("document.documentElement.scrollWidth") == 390
    for name in ("#paper", "#clear", "#text", "#bars"):  # the paper and the whole answer on one screen
        place = visit.page.locator(name).bounding_box()
        assert place is not None
        assert place["y"] + place["height"] <= 844, name
        assert place["x"] >= 0
        assert place["x"] + place["width"] <= 390, name
