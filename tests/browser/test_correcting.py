"""A reading put right by typing, on the page of a server that keeps that."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import ONE, SEVEN, Visit, Visiting, contrast
from tests.support.server import running

LABEL = "Read wrong? Type the correct digits"


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where corrections are kept."""
    return tmp_path_factory.mktemp("collected")


@pytest.fixture(scope="module")
def address(collected: Path) -> Iterator[str]:
    """Where a server is that keeps them."""
    with running("digits.serve", "--port", "0", "--collect", str(collected)) as server:
        yield f"{server.address}/"


@pytest.fixture(autouse=True)
def emptied(collected: Path) -> None:
    for path in collected.glob("*/*"):
        path.unlink()


def field(visit: Visit) -> Locator:
    return visit.page.get_by_role("textbox", name=LABEL)


def kept(visit: Visit) -> Locator:
    """The live region that a screen reader speaks."""
    return visit.page.locator("#correct").get_by_role("status")


def files(folder: Path) -> dict[str, int]:
    return {path.name: number for path in folder.iterdir() if (number := len(list(path.iterdir())))}


def test_a_drawing_is_put_right(visiting: Visiting, collected: Path) -> None:
    visit = visiting()
    expect(field(visit)).to_be_hidden()  # nothing is read yet
    visit.draw(SEVEN)
    expect(field(visit)).to_have_value("7")
    field(visit).fill("1")
    visit.page.get_by_role("button", name="Keep").click()
    expect(kept(visit)).to_have_text("Kept 1 digit (1 corrected).")
    assert files(collected) == {"1": 1}
    visit.page.get_by_role("button", name="Keep").click()
    expect(kept(visit)).to_have_text("Kept 1 digit (1 corrected), as before.")
    field(visit).fill("")
    expect(kept(visit)).to_have_text("")  # what it said was of another text
    field(visit).press("Enter")
    expect(kept(visit)).to_have_text("Kept 1 mark as no digit.")
    assert files(collected) == {"none": 1}


def test_a_photo_is_put_right_with_the_keyboard_alone(visiting: Visiting, collected: Path, photo: Path) -> None:
    visit = visiting()
    visit.page.locator("#file").set_input_files(photo)
    expect(field(visit)).to_have_value("71")
    visit.page.get_by_role("button", name="Photo…").focus()
    visit.page.keyboard.press("Tab")  # to the answer, which can be scrolled
    visit.page.keyboard.press("Tab")
    expect(field(visit)).to_be_focused()
    visit.page.keyboard.press("End")
    visit.page.keyboard.press("Backspace")
    visit.page.keyboard.type("4")
    visit.page.keyboard.press("Shift+Enter")
    visit.page.keyboard.type("1")
    expect(field(visit)).to_have_value("74\n1")
    visit.page.keyboard.press("Tab")
    visit.page.keyboard.press("Space")
    expect(kept(visit)).to_have_text("Kept 2 digits; 1 digit that was not found can’t be cut out.")
    expect(visit.page.get_by_role("button", name="Keep")).to_be_focused()
    assert files(collected) == {"7": 1, "1": 1}


def test_who_uses_it_is_told_what_is_kept(visiting: Visiting) -> None:
    visit = visiting()
    visit.draw(SEVEN)
    expect(field(visit)).to_have_accessible_description(
        "Each digit’s picture is then kept, in a folder on the computer that runs this page. "
        "Enter sends, Shift and Enter begins a line. Leave it empty if there is no digit."
    )
    expect(visit.page.locator("#promise")).to_be_visible()
    words = "No picture is kept but what you correct, and nothing is loaded from elsewhere."
    expect(visit.page.locator("footer p").first).to_have_text(words, use_inner_text=True)


def test_what_is_typed_stays_until_the_picture_changes(visiting: Visiting) -> None:
    visit = visiting()
    visit.draw(SEVEN, dx=-0.25)
    expect(field(visit)).to_have_value("7")
    field(visit).press_sequentially("89")
    visit.page.keyboard.press("Control+z")  # undoes what was typed, not what was drawn
    visit.page.wait_for_timeout(300)
    expect(visit.text).to_have_text("7")
    expect(field(visit)).not_to_have_value(re.compile("89"))
    field(visit).fill("44")
    visit.draw(ONE, dx=0.2)
    expect(field(visit)).to_have_value("71")
    visit.page.locator("#clear").click()
    expect(field(visit)).to_be_hidden()


def test_a_refusal_is_told_beside_the_field(visiting: Visiting, collected: Path) -> None:
    visit = visiting()
    visit.draw(SEVEN)
    expect(field(visit)).to_have_value("7")
    field(visit).fill("seven")
    field(visit).press("Enter")
    expect(kept(visit)).to_have_text(re.compile("digits, spaces and line breaks only"))
    assert [line for line in visit.said if "422" not in line] == []  # the browser's own note of the answer
    visit.said.clear()
    visit.page.route("**/api/correct?*", lambda route: route.abort())
    field(visit).fill("1")
    field(visit).press("Enter")
    expect(kept(visit)).to_have_text("The server does not answer; is it still running?")
    visit.said.clear()
    visit.page.unroute("**/api/correct?*")
    field(visit).press("Enter")
    expect(kept(visit)).to_have_text("Kept 1 digit (1 corrected).")
    assert files(collected) == {"1": 1}


@pytest.mark.parametrize("dark", [False, True])
def test_it_can_be_read_and_moves_nothing(visiting: Visiting, dark: bool) -> None:
    visit = visiting(dark=dark)
    place = visit.page.locator("#bars").bounding_box()
    visit.draw(SEVEN)
    expect(field(visit)).to_have_value("7")
    assert visit.page.locator("#bars").bounding_box() == place  # while one draws, the bars stay where they are
    colours = "element => [getComputedStyle(element).color, getComputedStyle(document.body).backgroundColor]"
    for part in ("#correct label", "#promise", "#kept", "#right"):
        assert contrast(*visit.page.locator(part).evaluate(colours)) >= 4.5, part  # WCAG 2.2, 1.4.3
    size = visit.page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
    assert size == [1280, 800]


def test_a_phone_has_it_too(visiting: Visiting, collected: Path) -> None:
    visit = visiting(width=390, height=844, phone=True)
    visit.draw(SEVEN)
    expect(field(visit)).to_have_value("7")
    expect(field(visit)).to_have_attribute("inputmode", "numeric")
    for part in (field(visit), visit.page.get_by_role("button", name="Keep")):
        place = part.bounding_box()
        assert place is not None
        assert place["height"] >= 44  # to be hit with a finger
        assert place["x"] + place["width"] <= 390
    field(visit).fill("2")
    visit.page.get_by_role("button", name="Keep").tap()
    expect(kept(visit)).to_have_text("Kept 1 digit (1 corrected).")
    assert files(collected) == {"2": 1}
