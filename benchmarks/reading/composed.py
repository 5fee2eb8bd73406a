"""Composed pages that no net was trained on: some to choose constants by, others to state a score of.

    python -m benchmarks.reading.composed --detector RUN --classifier RUN

reads pages that nothing was chosen by, with the reader that ships and with the learned ones, and writes its part of
`benchmarks/RESULTS.md`. RUN is a run's directory with an export, or an ONNX file.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from benchmarks.reading.readers import classifier_of, detector_of, find
from benchmarks.results import machine, replace_section
from digits.data.datasets import read_dataset
from digits.data.pages.composing import Composing
from digits.data.pages.page import Composed
from digits.evaluating.pages import PagesScores, by_layout, judge_page, total
from digits.reading.boxes import Found
from digits.reading.net import Net
from digits.reading.reader import Reader

KEPT, SPLIT_SEED = 5_000, 0
"""As conf/data/pages.yaml has them."""

CHOOSING, STATED = 1, 2
"""Seeds of the pages that constants are chosen by, and of those whose score is stated; data=pages has seed 0."""


NUMBER = 1000
"""Pages that are scored."""

Find = Callable[[Composed], Found]


def composed_pages(number: int, seed: int, split: Literal["val", "test"]) -> list[Composed]:
    """So many pages of MNIST's validation digits: of one half of them for `val`, of the other for `test`.

    MNIST is looked for in the folder DIGITS_DATA, else in data/; the pages are kept beside it.
    """
    root = os.environ.get("DIGITS_DATA", "data")
    composing = Composing(seed, None, str(Path(root) / "pages"))
    return composing.pages(read_dataset("mnist", root, None), KEPT, SPLIT_SEED, split, number)


def shipped(reader: Reader) -> Find:
    """What the reader that ships finds."""

    def find_on(page: Composed) -> Found:
        digits = reader.read(np.repeat(page.pixels[..., None], 3, axis=2)).digits
        corners = np.array([digit.box for digit in digits], np.float32).reshape(-1, 4)
        boxes = np.concatenate([corners[:, :2] + corners[:, 2:] / 2, corners[:, 2:]], axis=1)
        probabilities = np.array([digit.probabilities for digit in digits], np.float32).reshape(-1, 10)
        sure = np.array([digit.confidence for digit in digits], np.float32)
        return Found(boxes, sure, probabilities, np.ones(len(digits), np.float32))

    return find_on


def table(scores: dict[str, dict[str, PagesScores]]) -> str:
    """For each layout and each reader the pages without a fault, and the digits that are at fault, as Markdown."""
    names = list(scores)
    rows = [
        f"| layout | of | {' | '.join(f'{name}: right | % | faults' for name in names)} |",
        "|---|---|" + "---|---|---|" * len(names),
    ]
    for layout, first in scores[names[0]].items():
        cells = []
        for name in names:
            each = scores[name][layout]
            faults = each.sought - each.correct + each.false
            cells += [str(each.perfect), f"{100 * each.perfect / each.pages:.1f}", str(faults)]
        rows.append(f"| {layout} | {first.pages} | {' | '.join(cells)} |")
    return "\n".join(rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Read every page with every reader, print, write; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--detector", metavar="RUN", type=Path, required=True, help="an exported page detector")
    parser.add_argument("--classifier", metavar="RUN", type=Path, required=True, help="an exported classifier")
    parser.add_argument("--pages", metavar="N", type=int, default=NUMBER, help=f"how many (default: {NUMBER})")
    given = parser.parse_args(arguments)
    detector, classify = detector_of(given.detector), classifier_of(Net(given.classifier))
    readers: dict[str, Find] = {
        "the reader that ships": shipped(Reader()),
        "the detector alone": lambda page: find(detector, None, page.pixels),
        "with the classifier": lambda page: find(detector, classify, page.pixels),
    }
    pages = composed_pages(given.pages, STATED, "test")
    scores = {}
    for name, find_on in readers.items():
        judged = [judge_page(page, find_on(page)) for page in pages]
        scores[name] = {**by_layout(judged), "**all**": total(judged)}
    text = (
        "Pages of a seed that nothing was chosen by, composed of digits that no net has seen. Right are pages of which "
        "every digit is found and read, in its order, and nothing else; faults are digits missed or read wrongly, and "
        f"what is no digit.\n\n{table(scores)}\n\n{machine()}"
    )
    print(text)
    if given.pages == NUMBER:
        replace_section("Reading composed pages", "python -m benchmarks.reading.composed", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
