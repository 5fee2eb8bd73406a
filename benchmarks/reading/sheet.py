"""A contact sheet of composed pages: what a page reader learns from, with the boxes of the digits; writes FILE.png.

    python -m benchmarks.reading.sheet FILE.png                           one page of each layout
    python -m benchmarks.reading.sheet FILE.png --seed 7                  others
    python -m benchmarks.reading.sheet FILE.png --layout table --pages 12
    python -m benchmarks.reading.sheet FILE.png --material DIR            with what is in a folder of fonts and pictures

The pages are composed of MNIST's validation digits, and kept nowhere else. A box has its class above it; a grey one is
a digit that is cut off or covered, which counts nowhere. Small pages are enlarged, their own size stands above them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from benchmarks.commands import make_parser, positive
from benchmarks.reading.composed import validation_digits
from digits.data.datasets import DataError
from digits.data.pages.compose import compose, enlarged
from digits.data.pages.layouts.catalogue import LAYOUTS, PAGE
from digits.data.pages.page import Composed
from digits.data.pages.stamps.skeleton import distance_maps
from digits.data.pages.stamps.stock import Stock
from digits.evaluating.page_figures import Picture, labelled, png, side_by_side
from digits.runs.atomic import write_bytes

COLUMNS = 6
CAPTION, SCALE = 20, 0.45  # height of a line of text in pixels, and its size as OpenCV takes it


def stock_of(material: Path | None) -> Stock:
    """2,500 digits and the material of a folder; raises ValueError where there is no such folder."""
    if material is not None and not material.is_dir():
        raise ValueError(f"there is no folder {material}; without --material it is done without")
    images, labels = validation_digits("val")
    return Stock(images, labels, distance_maps(images), material)


def pages_of(stock: Stock, layout: str, number: int, seed: int) -> list[Composed]:
    """So many pages of a layout, the same whichever other layouts are shown."""
    row = list(LAYOUTS).index(layout)
    return [compose(np.random.default_rng([seed, row, page]), stock, layout) for page in range(number)]


def shown(page: Composed) -> Picture:
    """A page with its digits' boxes, and above it the name of its layout and its size."""
    height, width = page.pixels.shape
    large = enlarged(page, max(1, PAGE // max(height, width)))
    picture = labelled(large.pixels, large.boxes, large.labels)
    text = f"{page.layout}: {width} x {height}"
    (wide, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, SCALE, 1)
    cell = np.full((CAPTION + picture.shape[0], max(wide, picture.shape[1]), 3), 255, np.uint8)
    cv2.putText(cell, text, (0, CAPTION - 6), cv2.FONT_HERSHEY_SIMPLEX, SCALE, (0, 0, 0), 1, cv2.LINE_AA)
    cell[CAPTION:, : picture.shape[1]] = picture
    return cell


def main(arguments: Sequence[str] | None = None) -> int:
    """Compose, draw, write; returns the exit code."""
    parser = make_parser("benchmarks.reading.sheet", __doc__)
    parser.add_argument("file", metavar="FILE.png", type=Path, help="where the sheet is written")
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="which pages (default: 0)")
    parser.add_argument(
        "--layout", metavar="NAME", choices=LAYOUTS, help="pages of this layout only (default: of each)"
    )
    parser.add_argument(
        "--material", metavar="DIR", type=Path, help="a folder of handwriting fonts and pictures (default: none)"
    )
    parser.add_argument("--pages", metavar="N", type=positive, default=1, help="how many of each layout (default: 1)")
    given = parser.parse_args(arguments)
    if given.seed < 0:
        parser.error("--seed is at least 0")
    layouts = list(LAYOUTS) if given.layout is None else [given.layout]
    try:
        stock = stock_of(given.material)
        pages = [page for layout in layouts for page in pages_of(stock, layout, given.pages, given.seed)]
        write_bytes(given.file, png(side_by_side([shown(page) for page in pages], COLUMNS)))
    except (OSError, ValueError, DataError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{given.file}: {len(pages)} pages; {len(stock.fonts)} handwriting fonts, {len(stock.photographs)} pictures")
    return 0


if __name__ == "__main__":
    sys.exit(main())
