"""The constants of the reader's parts, each tried with other values on composed pages; prints only.

    python -m benchmarks.reading.constants DETECTOR CLASSIFIER

DETECTOR and CLASSIFIER are exported ONNX files, or directories of runs that have one; the pages are those that
`python -m benchmarks.reading.choose` uses. Of every constant it prints what is right with each value, the others being
as they are. What counts is, for

- `digits.reading.linking`: pages whose digits, by their true boxes, come in their order;
- `digits.reading.boxes`: pages that the detector alone reads without a fault;
- `digits.reading.detect` and `digits.reading.reader`: pages that both nets read without a fault;
- `digits.reading.patch`: digits that the classifier alone reads by their true boxes; and, of those by which the one
  thing on a picture is found, pictures of one digit whose box is found; and digits whose box, moved and resized, is
  brought back to their ink.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import NamedTuple
from unittest.mock import patch

import numpy as np

from benchmarks.reading.choose import nets_and_pages, read_with
from digits.data.pages.page import UNCLEAR, Composed
from digits.data.pages.patches import MOVED, RESIZED
from digits.evaluating.pages import judge_page
from digits.reading import boxes, detect, linking, reader
from digits.reading import patch as patches
from digits.reading.boxes import Floats, suppress
from digits.reading.detect import Net, find
from digits.reading.reader import Classify

Value = float | tuple[float, float]
SHARED = 0.6
"""Intersection over union from which on a box is found."""

CLOSE = 0.85
"""And from which on its sides are."""


class Tried(NamedTuple):
    """Constants that the same thing is measured for."""

    module: ModuleType
    measure: Callable[[], int]
    of: int
    values: dict[str, tuple[Value, ...]]


def in_order(pages: Sequence[Composed]) -> int:
    """Pages whose digits come in their order, by their true boxes."""
    right = 0
    for page in pages:
        clear = page.labels != UNCLEAR
        labels = page.labels[clear]
        lines = ["".join(str(labels[place]) for place in line) for line in linking.text_lines(page.boxes[clear])]
        right += page.text == "\n".join(lines)
    return right


def detected(detector: Net, pages: Sequence[Composed]) -> int:
    """Pages that a detector alone reads without a fault."""
    found = ((page, suppress(find(detector, page.pixels))) for page in pages)
    return sum(judge_page(page, each).perfect for page, each in found)


def read(detector: Net, classify: Classify, pages: Sequence[Composed]) -> int:
    """Pages that both nets read without a fault."""
    seen = ((page, reader.look(detector, classify, page.pixels, reader.GATE)) for page in pages)
    return sum(judge_page(page, read_with(each, reader.CHOSEN)).perfect for page, each in seen)


def classified(classify: Classify, pages: Sequence[Composed]) -> int:
    """Digits that a classifier alone reads, by their true boxes."""
    right = 0
    for page in pages:
        clear = page.labels != UNCLEAR
        told = classify(patches.box_patches(page.pixels, page.boxes[clear]))
        right += int((told[:, :10].argmax(1) == page.labels[clear]).sum())
    return right


def sides_found(pages: Sequence[Composed]) -> int:
    """Digits whose box, after it was moved and resized as a detector errs, lies on the true one again."""
    random, found = np.random.default_rng(0), 0
    for page in pages:
        true = page.boxes[page.labels != UNCLEAR]
        loose = true.copy()
        loose[:, :2] += true[:, 2:].max(1, initial=1, keepdims=True) * random.normal(0, MOVED, (len(true), 2))
        loose[:, 2:] *= np.exp(random.normal(0, RESIZED, (len(true), 2)))
        tight = patches.tightened(page.pixels, loose)
        found += sum(union_share(one, other) >= CLOSE for one, other in zip(tight, true, strict=True))
    return found


def ones_found(pages: Sequence[Composed]) -> int:
    """Pages of one digit whose box is found."""
    found = ((page, patches.ink_box(page.pixels)) for page in pages)
    return sum(box is not None and union_share(box, page.boxes[0]) >= SHARED for page, box in found)


def union_share(one: Floats, other: Floats) -> float:
    """Intersection over union of two boxes (4,)."""
    low, high = (np.array([box[:2] + sign * box[2:] / 2 for box in (one, other)]) for sign in (-1, 1))
    shared = float(np.maximum(high.min(0) - low.max(0), 0).prod())
    return shared / (float(one[2:].prod() + other[2:].prod()) - shared)


def tried_with(detector: Net, classify: Classify, pages: Sequence[Composed]) -> list[Tried]:
    """What is tried of every constant, and what counts."""
    ordered = [page for page in pages if page.text]
    digits = sum(int((page.labels != UNCLEAR).sum()) for page in pages)
    ones = [page for page in pages if len(page.labels) == 1 and page.labels[0] != UNCLEAR and not len(page.others)]
    return [
        Tried(linking, lambda: in_order(ordered), len(ordered), {
            "REACH": (1.5, 2.0, 2.5, 3.0, 3.5), "SHARED": (0.2, 0.35, 0.5), "SMALL": (0.55, 0.7, 0.85),
            "NEAR": (0.4, 0.8, 1.2), "SLANT": (1.5, 3.0, 6.0), "LINKS": (2, 4, 8), "OVERLYING": (0.15, 0.3, 0.45),
            "STRAIGHT": (1.0, 4.0, 16.0), "END": (3, 5, 8), "GUTTER": (1.0, 1.5, 2.0), "GUTTERS": (2, 4, 8),
            "WIDER": (1.5, 2.0, 3.0), "LEVEL": (0.25, 0.4, 0.6), "MATCHED": (0.3, 0.5, 0.7), "FAR": (3.0, 4.0, 6.0),
            "SEVERAL": (2, 3, 4),
        }),
        Tried(boxes, lambda: detected(detector, pages), len(pages), {
            "OVERLAP": (0.3, 0.45, 0.6), "INSIDE": (0.55, 0.7, 0.85), "NARROWEST": (0.2, 0.35, 0.5),
            "TOLERATED": ((9.0, 52.0), (11.0, 46.0), (13.0, 40.0)),
        }),
        Tried(detect, lambda: read(detector, classify, pages), len(pages), {
            "ENLARGED": (1.0, 1.4, 2.0), "UNGATED": (128, 256, 512),
        }),
        Tried(reader, lambda: read(detector, classify, pages), len(pages), {
            "CANDIDATES": (0.08, 0.15, 0.3), "MOST_CANDIDATES": (300, 1000),
        }),
        Tried(patches, lambda: classified(classify, pages), digits, {
            "PLANE_ROUNDS": (2, 4, 6), "OUTLIERS": (1.0, 1.5, 2.5), "DARKEST": (94, 97, 99),
            "FAINTEST": (2.0, 4.0, 8.0), "PAPER": (0.05, 0.15, 0.3),
        }),
        Tried(patches, lambda: sides_found(pages), digits, {"WIDENED": (0.06, 0.12, 0.2)}),
        Tried(patches, lambda: ones_found(ones), len(ones), {
            "LOOKED_AT": (96, 192, 384), "ABOVE": (2.5, 4.0, 6.0), "INKED": (0.25, 0.4, 0.55),
            "SPECK": (0.003, 0.01, 0.03), "LEAST": (0.05, 0.1, 0.2), "GAP": (0.15, 0.3, 0.5),
        }),
    ]  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Try every value of every constant, print; returns the exit code."""
    detector, classify, pages = nets_and_pages("benchmarks.reading.constants", __doc__, 300, arguments)
    for module, measure, of, values in tried_with(detector, classify, pages):
        print(f"{module.__name__}: {measure()} of {of} as it is")
        for name, several in values.items():
            told = []
            for value in several:
                with patch.object(module, name, value):
                    told.append(f"{value}: {measure()}")
            print(f"  {name} = {getattr(module, name)}: {', '.join(told)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
