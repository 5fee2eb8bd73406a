"""Photos chosen, dropped and pasted."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Locator, expect

from tests.browser.conftest import ONE, SEVEN, Visiting
from tests.support.drawing import draw, overlap


def test_a_photo_is_chosen_shown_with_boxes_and_removed(visiting: Visiting, photo: Path) -> None:
    visit = visiting()
    visit.draw(ONE)
    expect(visit.text).to_have_text("1")
    visit.page.locator("#file").set_input_files(photo)
    expect(visit.text).to_have_text("71")
    boxes = visit.page.locator(".box")
    expect(boxes).to_have_count(2)
    expect(boxes.nth(0)).to_have_text(re.compile(r"^7\??$"))
    place, stage = boxes.nth(0).bounding_box(), visit.page.locator("#stage").bounding_box()
    assert place is not None
    assert stage is not None
    scale = min(stage["width"] / 800, stage["height"] / 600)  # the photo is fitted into the stage, centred
    left = stage["x"] + (stage["width"] - 800 * scale) / 2
    assert place["x"] == pytest.approx(left + 141 * scale, abs=8)
    assert place["width"] == pytest.approx(168 * scale, abs=14)
    boxes.nth(1).click()
    expect(visit.page.locator("#bars .likeliest .name")).to_have_text("1")
    visit.page.get_by_role("button", name="Remove photo").click()
    expect(visit.text).to_have_text("1")  # the drawing is there again
    expect(visit.page.locator("#photo")).to_be_hidden()


DROP = """async ([bytes, type, kind]) => {
  const data = new DataTransfer();
  data.items.add(new File([Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0))], "some", { type }));
  const target = document.body, more = { bubbles: true, cancelable: true };
  if (kind === "paste") target.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, ...more }));
  else for (const name of ["dragenter", "dragover", "drop"]) {
    target.dispatchEvent(new DragEvent(name, { dataTransfer: data, ...more }));
  }
}"""


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_a_picture_that_is_dropped_or_pasted_is_read(visiting: Visiting, photo: Path, kind: str) -> None:
    visit = visiting()
    visit.page.evaluate(DROP, [base64.b64encode(photo.read_bytes()).decode(), "image/jpeg", kind])
    expect(visit.text).to_have_text("71")
    expect(visit.page.locator("#photo")).to_be_visible()


def test_what_is_no_picture_is_told_and_leaves_the_page_usable(visiting: Visiting) -> None:
    visit = visiting()
    visit.page.evaluate(DROP, [base64.b64encode(b"hello there").decode(), "text/plain", "drop"])
    note = visit.page.get_by_role("alert")
    expect(note).to_have_text(re.compile("not a picture"))
    # The browser itself notes in the console that the answer was a 422
    assert [line for line in visit.said if "422" not in line] == []
    visit.said.clear()
    expect(visit.page.get_by_role("button", name="Remove photo")).to_have_count(0)
    expect(visit.paper).to_be_visible()
    expect(visit.page.locator("#unshown")).to_be_hidden()
    visit.draw(SEVEN)
    expect(visit.text).to_have_text("7")
    expect(note).to_be_hidden()
    visit.page.evaluate(DROP, [base64.b64encode(b"hello there").decode(), "text/plain", "drop"])
    expect(note).to_have_text(re.compile("not a picture"))
    expect(visit.text).to_have_text("7")  # the drawing and its answer are there as before
    visit.said.clear()


def test_a_picture_that_the_browser_cannot_show_is_read_and_said_to_be_so(
    visiting: Visiting, photo: Path, tmp_path: Path
) -> None:
    Image.open(photo).save(tmp_path / "photo.tiff")
    visit = visiting()
    visit.page.locator("#file").set_input_files(tmp_path / "photo.tiff")
    expect(visit.text).to_have_text("71")
    expect(visit.page.locator("#unshown")).to_have_text("This browser can’t show this kind of picture.")
    expect(visit.page.locator("#photo")).to_be_hidden()
    visit.page.get_by_role("button", name="Remove photo").click()
    expect(visit.page.locator("#unshown")).to_be_hidden()


def test_many_small_digits_leave_the_page_in_order(visiting: Visiting, tmp_path: Path) -> None:
    """No label covers a digit or another label, and the text scrolls rather than push the rest off the screen."""
    Image.fromarray(draw("\n".join(["2026314159"] * 9), height=40, pen=4).pixels).save(tmp_path / "many.png")
    visit = visiting()
    visit.page.locator("#file").set_input_files(tmp_path / "many.png")
    expect(visit.text).to_have_text(re.compile(r"^[\d\s]{80,}$"))
    visit.page.wait_for_timeout(300)
    around = [corners(box) for box in visit.page.locator(".box").all()]
    for label in visit.page.locator(".box b:visible").all():
        assert sum(overlap(corners(label), other) > 0 for other in around) <= 1
    text = visit.text.bounding_box()
    assert text is not None
    assert text["height"] <= 9 * 16
    assert visit.text.evaluate("(e) => { e.scrollTop = 0; return e.firstChild.offsetTop >= e.offsetTop }")
    assert visit.text.evaluate("(e) => e.scrollHeight > e.clientHeight")


def corners(part: Locator) -> tuple[int, int, int, int]:
    """Where a part of the page is: x, y, width, height in pixels."""
    place = part.bounding_box()
    assert place is not None
    return round(place["x"]), round(place["y"]), round(place["width"]), round(place["height"])
