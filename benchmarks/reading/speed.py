"""How long reading a picture takes, on one thread, beyond decoding it.

    python -m benchmarks.reading.speed --beside CHECKOUT    records "Reading speed"
    python -m benchmarks.reading.speed                      the reader that ships; prints only

CHECKOUT is another checkout of this project (git worktree add), whose reader reads the same pictures in the same run,
turn by turn. The pictures are composed of MNIST's validation digits: from a drawing of 28 pixels to a photo of 12
megapixels that is full of small writing. `cold` is `python -m digits.predict` on one of 200 pixels, from the shell.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.commands import make_parser
from benchmarks.reading.composed import validation_digits
from benchmarks.reading.readers import Read, fingerprints, readers
from benchmarks.results import ROOT, Section, machine, table
from digits.data.pages.compose import compose
from digits.data.pages.layouts.catalogue import PAGE
from digits.data.pages.stamps.skeleton import distance_maps
from digits.data.pages.stamps.stock import Stock
from digits.reading.pictures import open_picture

Grey = npt.NDArray[np.uint8]  # (H, W)

EACH, ROUNDS = 5, 7
"""Pictures of each kind, and how often each is read; the median counts."""

HUGE = 3456
"""Pixels a side: 12 million in all."""


def kinds(stock: Stock) -> dict[str, Callable[[np.random.Generator], Grey]]:
    """What makes a picture of each kind."""

    def page(layout: str) -> Callable[[np.random.Generator], Grey]:
        return lambda random: compose(random, stock, layout).pixels

    def scaled(layout: str, side: int) -> Callable[[np.random.Generator], Grey]:
        def make(random: np.random.Generator) -> Grey:
            return np.asarray(cv2.resize(page(layout)(random), (side, side), interpolation=cv2.INTER_LINEAR), np.uint8)

        return make

    def sheet(random: np.random.Generator) -> Grey:
        """Nine pages full of writing side by side, enlarged: digits of some 50 pixels."""
        rows = [np.hstack([cv2.resize(page("paragraph")(random), (PAGE, PAGE)) for _ in range(3)]) for _ in range(3)]
        return np.asarray(cv2.resize(np.vstack(rows), (HUGE, HUGE), interpolation=cv2.INTER_LINEAR), np.uint8)

    return {
        "28 pixels, one digit": page("mnist"),
        "200 pixels, lines": scaled("lines", 200),
        "700 pixels, a form": scaled("form", 700),
        "12 megapixels, some lines": scaled("lines", HUGE),
        "12 megapixels, full of small writing": sheet,
    }


def milliseconds(read: Read, path: Path) -> float:
    """CPU time of reading a picture's file, beyond decoding it."""
    times = sorted(read(path).seconds for _ in range(ROUNDS))
    decoding = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        open_picture(path)
        decoding.append(time.process_time() - begun)
    return 1000 * max(0.0, times[ROUNDS // 2] - sorted(decoding)[ROUNDS // 2])


def cold(folder: Path, picture: Path) -> float:
    """Seconds of the whole command in a checkout."""
    command = [sys.executable, "-m", "digits.predict", str(picture.resolve())]
    times = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        subprocess.run(command, cwd=folder, env={"PYTHONPATH": str(folder.resolve())}, check=True, capture_output=True)
        times.append(time.perf_counter() - begun)
    return sorted(times)[ROUNDS // 2]


def main(arguments: Sequence[str] | None = None) -> int:
    """Read everything, print, record; returns the exit code."""
    parser = make_parser("benchmarks.reading.speed", __doc__)
    parser.add_argument("--beside", metavar="CHECKOUT", type=Path, help="another checkout, whose reader reads the same")
    given = parser.parse_args(arguments)
    images, labels = validation_digits("val")
    random, folders = np.random.default_rng(0), [ROOT, *([given.beside] if given.beside else [])]
    with tempfile.TemporaryDirectory() as folder, readers([], given.beside) as scored:
        rows, columns = [], ["picture", *(f"{name}, ms" for name in scored)]
        for kind, make in kinds(Stock(images, labels, distance_maps(images))).items():
            paths = [Path(folder, f"{number}.jpg") for number in range(EACH)]
            for path in paths:
                cv2.imwrite(str(path), make(random))
            means = [float(np.mean([milliseconds(read, path) for path in paths])) for read in scored.values()]
            rows.append([kind, *(f"{mean:.1f}" for mean in means)])
            if kind.startswith("200"):
                whole = [f"{1000 * cold(where, paths[0]):.0f}" for where in folders]
        rows.append(["cold", *whole])
    about = "CPU time of one thread beyond decoding, the median of several; cold: the whole command, in wall time."
    text = "\n\n".join([about, fingerprints([]), table(columns, rows), machine()])
    print(text)
    if given.beside is not None:
        command = "python -m benchmarks.reading.speed --beside CHECKOUT"
        Section("Reading speed", command, ("digits/reading/**",), text).keep("reading_speed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
