"""The README's pictures, made from real runs; writes `docs/pictures/*.png`.

    pip install ".[pictures]" && python -m benchmarks.pictures

Trains the CNN and a small sweep on MNIST, evaluates, explores, and takes TensorBoard's pictures in the Chromium that
the system has (`--browser`, by default /usr/bin/chromium). About five minutes on two cores.
"""

from __future__ import annotations

import argparse
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
from playwright.sync_api import Page, sync_playwright

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
SWEEP = (
    "model=logistic,mlp,cnn",
    "optimizer.lr=1e-3,1e-2",
    "seed=0,1",
    "data.limit=10000",
    "trainer.max_epochs=4",
)
PORT = 6061


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


def keep(picture: bytes, name: str, width: int) -> None:
    """Store a picture, no wider than it is shown and with no more than 256 colours: small enough for git."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    if image.width > width:
        image = image.resize((width, round(image.height * width / image.width)), Image.Resampling.LANCZOS)
    PICTURES.mkdir(parents=True, exist_ok=True)
    image.quantize(256, dither=Image.Dither.NONE).save(PICTURES / name, optimize=True)


def main() -> None:
    """Make them all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--browser", default="/usr/bin/chromium", help="a Chromium's program file")
    browser_path = parser.parse_args().browser
    os.environ["DIGITS_DATA"] = str(Path(os.environ.get("DIGITS_DATA", "data")).resolve())
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        digits("train", "hydra.run.dir=cnn", cwd=folder)
        digits("evaluate", "cnn", cwd=folder)
        digits("explore", "--out", "explore", cwd=folder)
        digits("train", "-m", *SWEEP, "hydra.sweep.dir=sweep", cwd=folder)
        evaluation = Path(folder, "cnn", "evaluation", "mnist-test")
        keep((evaluation / "worst_mistakes.png").read_bytes(), "mistakes.png", 900)
        keep((evaluation / "confusion_matrix.png").read_bytes(), "confusion.png", 700)

        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
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
