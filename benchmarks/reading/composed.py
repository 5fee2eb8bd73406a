"""Composed pages of digits that no net was trained on: some to choose constants by, others to state a score of.

    python -m benchmarks.reading.composed --detector RUN --classifier RUN

reads pages that nothing was chosen by, with the reader that ships and with the learned ones, and writes "Reading
composed pages" of `benchmarks/RESULTS.md`, which names both models by the SHA-256 of their files. With another number
of pages (--pages) it prints only. RUN is a run's directory with an export, or an ONNX file.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import compress
from pathlib import Path
from typing import Literal

import numpy as np

from benchmarks.reading.readers import classifier_of, detector_of, find, models
from benchmarks.results import machine, replace_section
from digits.data.datasets import Arrays, read_dataset
from digits.data.pages.cache import Digits
from digits.data.pages.composing import Composing, digits_of
from digits.data.pages.page import UNCLEAR, Composed
from digits.evaluating.pages import PageScore, PagesScores, by_layout, judge_page, total
from digits.reading.boxes import Found
from digits.reading.detect import Net as Detector
from digits.reading.model.net import Net
from digits.reading.reader import Reader
from digits.reading.result import Reading
from digits.reading.two_stage import Classify

KEPT, SPLIT_SEED = 5_000, 0
"""As conf/data/pages.yaml has them."""

CHOOSING, STATED = 1, 2
"""Seeds of the pages that constants are chosen by, and of those whose score is stated; data=pages has seed 0."""

NUMBER = 1000
"""Pages that are scored."""

Judge = Callable[[Composed], PageScore]
"""Has a page read, and holds what was read against it."""


def composed_pages(number: int, seed: int, split: Literal["val", "test"]) -> Sequence[Composed]:
    """So many pages of MNIST's validation digits: of one half of them for `val`, of the other for `test`.

    MNIST is looked for in the folder DIGITS_DATA, else in data/; the pages are kept beside it.
    """
    composing = Composing(seed, None, str(_root() / "pages"))
    return composing.pages(_mnist(), KEPT, SPLIT_SEED, split, number)


def validation_digits(split: Literal["val", "test"]) -> Digits:
    """The digits that those pages are composed of."""
    return digits_of(_mnist(), KEPT, SPLIT_SEED, split)


def _root() -> Path:
    return Path(os.environ.get("DIGITS_DATA", "data"))


def _mnist() -> Arrays:
    return read_dataset("mnist", str(_root()), None)


def shipped(reader: Reader) -> Judge:
    """The reader that ships, which puts its digits into text lines itself."""

    def judge(page: Composed) -> PageScore:
        reading = reader.read(np.repeat(page.pixels[..., None], 3, axis=2))
        found = found_of(reading)
        clear = judge_page(page, found).true_labels != UNCLEAR
        return judge_page(page, found, replace(reading, digits=tuple(compress(reading.digits, clear))).text)

    return judge


def found_of(reading: Reading) -> Found:
    """The digits of a reading, as a page is judged by them."""
    digits = reading.digits
    corners = np.array([digit.box for digit in digits], np.float32).reshape(-1, 4)
    return Found(
        np.concatenate([corners[:, :2] + corners[:, 2:] / 2, corners[:, 2:]], axis=1),
        np.array([digit.confidence for digit in digits], np.float32),
        np.array([digit.probabilities for digit in digits], np.float32).reshape(-1, 10),
    )


def learned(detector: Detector, classify: Classify | None = None) -> Judge:
    """A page detector, with a classifier's second opinion if there is one."""
    return lambda page: judge_page(page, find(detector, classify, page.pixels))


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
    named = models(given.detector, given.classifier)
    detector, classify = detector_of(given.detector), classifier_of(Net(given.classifier))
    readers = {
        "the reader that ships": shipped(Reader()),
        "the detector alone": learned(detector),
        "with the classifier": learned(detector, classify),
    }
    pages = composed_pages(given.pages, STATED, "test")
    scores = {}
    for name, judge in readers.items():
        judged = [judge(page) for page in pages]
        scores[name] = {**by_layout(judged), "**all**": total(judged)}
    text = (
        "Pages of a seed that nothing was chosen by, composed of digits that no net was trained on. Right are pages of "
        "which every digit is found and read, in its order, and nothing else; faults are digits missed or read "
        f"wrongly, and what is no digit.\n\n{named}\n\n{table(scores)}\n\n{machine()}"
    )
    print(text)
    if given.pages == NUMBER:
        command = "python -m benchmarks.reading.composed --detector RUN --classifier RUN"
        replace_section("Reading composed pages", command, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
