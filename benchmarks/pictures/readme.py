"""The README's pictures, made from real runs; writes `docs/pictures/*.png`.

    pip install ".[dev]" && python -m benchmarks.pictures.readme
    python -m benchmarks.pictures.readme --page                      only those of the page to draw on, in a few seconds

Trains the CNN and a small sweep on MNIST, evaluates, explores, and takes TensorBoard's pictures in the Chromium that
the system has (`--browser`, by default /usr/bin/chromium). About five minutes on two cores.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.commands import make_parser
from benchmarks.results import PICTURES
from benchmarks.speed.serving import server

SWEEP = (
    "model=logistic,mlp,cnn",
    "optimizer.lr=1e-3,1e-2",
    "seed=0,1",
    "data.limit=10000",
    "trainer.max_epochs=4",
)
PORT = 6061
YEAR = (
    [(0, 25), (12, 6), (36, 0), (58, 12), (60, 38), (44, 66), (20, 96), (0, 122), (-6, 130), (24, 124), (70, 128)],
    [(34, 2), (14, 16), (2, 48), (2, 86), (16, 116), (36, 124), (54, 110), (64, 74), (60, 34), (46, 8), (28, 2)],
    [(2, 28), (16, 4), (42, 2), (58, 18), (56, 44), (38, 74), (14, 104), (0, 126), (30, 122), (66, 126)],
    [(50, 0), (28, 20), (10, 56), (4, 94), (16, 120), (40, 124), (58, 106), (54, 82), (34, 74), (14, 86), (6, 102)],
)
"""2026 in one stroke each, in units of the page's paper."""


def digits(command: str, *arguments: str, cwd: str) -> None:
    """Run one of the project's commands in a folder."""
    subprocess.run([sys.executable, "-m", f"digits.{command}", *arguments], cwd=cwd, check=True)


@contextmanager
def tensorboard(folder: Path) -> Iterator[str]:
    """TensorBoard over a folder, once it has read it; gives its address."""
    command = [
        sys.executable,
        "-m",
        "tensorboard.main",
        "--logdir",
        str(folder),
        "--port",
        str(PORT),
    ]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{PORT}"
    try:
        for _ in range(60):
            time.sleep(1)
            try:
                with urllib.request.urlopen(f"{address}/data/runs", timeout=5) as answer:
                    if json.load(answer):
                        break
            except OSError:
                continue
        time.sleep(8)  # the rest of the events
        yield address
    finally:
        process.terminate()
        process.wait()


def draw_year(browser: Browser, address: str, width: int, height: int, dark: bool) -> bytes:
    """The page with 2026 written on it, at a window's size."""
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if dark else "light",
        device_scale_factor=2,
        is_mobile=width < 500,
        has_touch=width < 500,
    )
    page = context.new_page()
    page.goto(address)
    paper = page.locator("#paper").bounding_box()
    assert paper is not None
    for index, stroke in enumerate(YEAR):
        places = [
            (
                paper["x"] + (50 + 135 * index + 1.4 * x) * paper["width"] / 600,
                paper["y"] + (160 + 1.4 * y) * paper["height"] / 500,
            )
            for x, y in stroke
        ]
        page.mouse.move(*places[0])
        page.mouse.down()
        for place in places[1:]:
            page.mouse.move(*place)
        page.mouse.up()
    page.locator(".tile").nth(len(YEAR) - 1).wait_for()
    page.mouse.move(1, 1)
    time.sleep(1)
    picture = page.screenshot()
    context.close()
    return picture


def keep_page(browser: Browser) -> None:
    """The pictures of the page to draw on, on a desktop and on a phone."""
    with server() as (address, _):
        keep(draw_year(browser, address, 1180, 720, dark=False), "serve-desktop.png", 1180)
        keep(draw_year(browser, address, 390, 844, dark=True), "serve-phone.png", 390)


def keep(picture: bytes, name: str, width: int) -> None:
    """Store a picture, no wider than it is shown and with no more than 256 colours: small enough for git."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    if image.width > width:
        image = image.resize((width, round(image.height * width / image.width)), Image.Resampling.LANCZOS)
    PICTURES.mkdir(parents=True, exist_ok=True)
    image.quantize(256, dither=Image.Dither.NONE).save(PICTURES / name, optimize=True)


def main() -> None:
    """Make them all."""
    parser = make_parser("benchmarks.pictures.readme", __doc__)
    parser.add_argument("--browser", default="/usr/bin/chromium", help="a Chromium's program file")
    parser.add_argument("--page", action="store_true", help="only the pictures of the page to draw on")
    given = parser.parse_args()
    os.environ["DIGITS_DATA"] = str(Path(os.environ.get("DIGITS_DATA", "data")).resolve())
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=given.browser, args=["--no-sandbox"])
        keep_page(browser)
        if given.page:
            return
        digits("train", "hydra.run.dir=cnn", cwd=folder)
        digits("evaluate", "cnn", cwd=folder)
        digits("explore", "--out", "explore", cwd=folder)
        digits("train", "-m", *SWEEP, "hydra.sweep.dir=sweep", cwd=folder)
        evaluation = Path(folder, "cnn", "evaluation", "mnist-test")
        keep((evaluation / "worst_mistakes.png").read_bytes(), "mistakes.png", 900)
        keep((evaluation / "confusion_matrix.png").read_bytes(), "confusion.png", 700)

        page: Page = browser.new_page(viewport={"width": 1300, "height": 560})
        with tensorboard(Path(folder, "cnn")) as address:
            page.goto(f"{address}/#custom_scalars")
            time.sleep(10)
            for button in page.get_by_title("Toggle full screen").all():
                button.click()
            chart = page.screenshot(clip={"x": 0, "y": 0, "width": 1300, "height": 462})
            keep(chart, "tensorboard-scalars.png", 1300)
        with tensorboard(Path(folder, "sweep")) as address:
            page.goto(f"{address}/#hparams")
            time.sleep(10)
            page.get_by_text("Parallel Coordinates View").click()
            time.sleep(4)
            page.set_viewport_size({"width": 1400, "height": 620})
            time.sleep(2)
            keep(page.screenshot(), "tensorboard-hparams.png", 1400)
        page.set_viewport_size({"width": 1100, "height": 900})
        page.goto(Path(folder, "explore", "index.html").as_uri())
        keep(page.locator("#map").screenshot(), "explore.png", 900)
        browser.close()


if __name__ == "__main__":
    main()
