"""A real Chromium, and a real server with the net that comes with the package."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, Locator, Page, Request, sync_playwright

from tests.support.server import running

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
NOWHERE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
"""No name leads anywhere: what the page needed from elsewhere would fail, and be told in the console."""


SEVEN = [(0.35, 0.2), (0.6, 0.2), (0.45, 0.8)]
ONE = [(0.5, 0.2), (0.49, 0.8)]
"""Strokes on the paper, across and down, 0..1."""


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """The system's; where there is none, what needs it is left out and says so, but never in CI.

    Not for the whole session: while Playwright runs it keeps an event loop, and others' `asyncio.run` would fail.
    """
    path = next((found for found in map(shutil.which, NAMES) if found), None)
    if path is None:
        message = f"no {' or '.join(NAMES[:3])} on the PATH: the page was not tried in a browser"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", NOWHERE])
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def address() -> Iterator[str]:
    """Where the server is."""
    with running("digits.serve", "--port", "0") as server:
        yield f"{server.address}/"


@dataclass
class Visit:
    """A page that is open, what its console said and what it asked for."""

    page: Page
    address: str
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    @property
    def paper(self) -> Locator:
        return self.page.locator("#paper")

    @property
    def text(self) -> Locator:
        return self.page.locator("#text")

    def at(self, x: float, y: float) -> tuple[float, float]:
        """A place on the paper, 0..1 across and down, in pixels of the window."""
        box = self.paper.bounding_box()
        assert box is not None
        return box["x"] + x * box["width"], box["y"] + y * box["height"]

    def draw(self, points: list[tuple[float, float]], dx: float = 0) -> None:
        """One stroke with the mouse."""
        mouse = self.page.mouse
        mouse.move(*self.at(points[0][0] + dx, points[0][1]))
        mouse.down()
        for x, y in points[1:]:
            mouse.move(*self.at(x + dx, y), steps=8)
        mouse.up()

    def share(self, label: int) -> float:
        """The confidence in a digit that the bars show, 0..100."""
        return float(self.page.locator("#bars .percent").nth(label).inner_text().removesuffix(" %"))


def contrast(one: str, other: str) -> float:
    """The ratio of two CSS colours' luminances, as WCAG defines it."""
    bright = []
    for colour in (one, other):
        shares = [int(value) / 255 for value in re.findall(r"\d+", colour)[:3]]
        red, green, blue = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in shares)
        bright.append(0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05)
    return max(bright) / min(bright)


Visiting = Callable[..., Visit]


@pytest.fixture
def visiting(chromium: Browser, address: str) -> Iterator[Visiting]:
    """Opens the page, on a desktop unless said otherwise; afterwards: no error, and nothing asked for elsewhere."""
    visits: list[Visit] = []
    with ExitStack() as open_pages:

        def visiting(width: int = 1280, height: int = 800, phone: bool = False, dark: bool = False) -> Visit:
            context = chromium.new_context(
                viewport={"width": width, "height": height}, has_touch=phone, is_mobile=phone,
                color_scheme="dark" if dark else "light",
            )  # fmt: skip
            open_pages.callback(context.close)
            visit = Visit(context.new_page(), address)
            visits.append(visit)

            def note(request: Request) -> None:
                visit.asked.append(request.url)

            visit.page.on("console", lambda message: visit.said.append(message.text))
            visit.page.on("pageerror", lambda error: visit.said.append(str(error)))
            visit.page.on("request", note)
            visit.page.goto(address)
            return visit

        yield visiting
        for visit in visits:
            assert visit.said == []
            here = (address, f"blob:{address}", "data:image/png;base64,")
            assert [url for url in visit.asked if not url.startswith(here)] == []


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A grey photo, 800 x 600, with 7 and 1 on it."""
    picture = Image.new("RGB", (800, 600), (190, 185, 180))
    pen = ImageDraw.Draw(picture)
    pen.line([(150, 150), (300, 150), (210, 420)], fill=(40, 40, 60), width=18, joint="curve")
    pen.line([(530, 150), (520, 420)], fill=(40, 40, 60), width=18)
    path = tmp_path / "photo.jpg"
    picture.save(path)
    return path
