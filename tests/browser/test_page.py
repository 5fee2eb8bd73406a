"""How the page looks, and how it gets on with its server and with other pages."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Route, expect

from tests.browser.conftest import SEVEN, Visiting, contrast


def test_a_desktop_shows_all_without_scrolling(visiting: Visiting) -> None:
    visit = visiting()
    visit.draw(SEVEN)
    expect(visit.text).to_have_text("7")
    size = visit.page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
    assert size == [1280, 800]


def test_nothing_can_be_corrected_unless_that_was_asked_for(visiting: Visiting) -> None:
    visit = visiting()
    visit.draw(SEVEN)
    expect(visit.text).to_have_text("7")
    expect(visit.page.locator("#correct")).to_be_hidden()
    words = "No picture is kept, and nothing is loaded from elsewhere."
    expect(visit.page.locator("footer p").first).to_have_text(words, use_inner_text=True)


KEEP_SENT = """() => {
  const real = window.fetch;
  window.fetch = (where, how) => { window.sent = how.body; return real(where, how); };
}"""


@pytest.mark.parametrize("dark", [False, True])
def test_both_themes_can_be_read_and_send_the_same_picture(visiting: Visiting, dark: bool) -> None:
    visit = visiting(dark=dark)
    visit.page.evaluate(KEEP_SENT)
    visit.draw(SEVEN)
    expect(visit.text).to_have_text("7")
    body = bytes(visit.page.evaluate("window.sent.arrayBuffer().then((bytes) => [...new Uint8Array(bytes)])"))
    sent = np.asarray(Image.open(io.BytesIO(body)).convert("L"))
    assert sent[0, 0] == 255  # black on white, whatever the theme
    assert sent.min() == 0
    colours = "element => [getComputedStyle(element).color, getComputedStyle(document.body).backgroundColor]"
    for part in ("#text", "#keys", "footer", "figcaption"):
        assert contrast(*visit.page.locator(part).evaluate(colours)) >= 4.5, part  # WCAG 2.2, 1.4.3


def test_nothing_moves_for_those_who_asked_for_that(visiting: Visiting) -> None:
    visit = visiting()
    moves = "[...document.querySelectorAll('*')].filter((e) => getComputedStyle(e).transitionDuration !== '0s').length"
    assert visit.page.evaluate(moves) > 0
    visit.page.emulate_media(reduced_motion="reduce")
    assert visit.page.evaluate(moves) == 0


def test_an_answer_that_comes_too_late_is_not_shown(visiting: Visiting) -> None:
    visit = visiting()
    held: list[Route] = []
    visit.page.route("**/api/read", lambda route: held.append(route))
    with visit.page.expect_request("**/api/read"):
        visit.draw(SEVEN)
    visit.page.wait_for_timeout(200)
    assert len(held) == 1  # one at a time, however much was drawn since
    visit.page.locator("#clear").click()
    held[0].continue_()
    visit.page.wait_for_timeout(400)
    expect(visit.text).to_have_text("–")
    expect(visit.page.locator(".box")).to_have_count(0)


def test_a_server_that_is_busy_or_gone_is_asked_again(visiting: Visiting) -> None:
    visit = visiting()
    state = ["busy"]

    def interfere(route: Route) -> None:
        match state[-1]:
            case "busy":
                route.fulfill(status=503, headers={"retry-after": "1"}, json={"error": "Too many pictures."})
            case "gone":
                route.abort()
            case _:
                route.continue_()

    visit.page.route("**/api/read", interfere)
    visit.draw(SEVEN)
    note = visit.page.get_by_role("alert")
    expect(note).to_have_text("Too many pictures.")
    state.append("gone")
    expect(note).to_have_text("The server does not answer; is it still running?")
    state.append("there")
    expect(visit.text).to_have_text("7", timeout=20_000)
    expect(note).to_be_hidden()
    assert all("503" in said or "ERR_FAILED" in said for said in visit.said)  # Chromium's own words about the requests
    visit.said.clear()


def test_a_foreign_page_gets_nothing(visiting: Visiting, address: str) -> None:
    """The browser's side of it: another origin may neither post a picture nor look at the answer."""
    visit = visiting()
    ask = """async (address) => {
      const tries = [{ method: "POST", mode: "no-cors", body: "x" },
        { method: "POST", headers: { "Content-Type": "image/png" }, body: "x" }, { method: "GET" }];
      return Promise.all(tries.map((how) => fetch(address, how).then((r) => r.type + r.status, () => "refused")));
    }"""
    foreign = visit.page.context.new_page()
    foreign.route("**/foreign", lambda route: route.fulfill(body="<p>somebody else's</p>", content_type="text/html"))
    foreign.goto(address.replace("127.0.0.1", "127.0.0.2") + "foreign")
    assert foreign.evaluate(ask, f"{address}api/read") == ["refused"] * 3
