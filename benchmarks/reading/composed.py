"""Composed pages of digits that no net was trained on: some to choose constants by, others to state a score of.

    python -m benchmarks.reading.composed --beside CHECKOUT

reads pages that nothing was chosen by, and records "Reading composed pages", which names the models by the SHA-256 of
their files. CHECKOUT is another checkout of this project (git worktree add), whose reader reads the same pages. Without
it, and with another number of pages (--pages), it prints only. `--model RUN`, a run's directory with an export or an
ONNX file, puts a page detector or a classifier in the place of the one that ships.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import compress
from pathlib import Path
from typing import Literal

import numpy as np

from benchmarks.commands import make_parser, positive
from benchmarks.reading.pictures import calibration_error
from benchmarks.reading.readers import Answer, Read, add_readers, fingerprints, readers
from benchmarks.results import Section, machine, table
from digits.data.datasets import Arrays, read_dataset
from digits.data.pages.cache import Digits
from digits.data.pages.composing import Composing, digits_of
from digits.data.pages.page import UNCLEAR, Composed
from digits.evaluating.pages import PageScore, PagesScores, by_layout, judge_page, total
from digits.reading.boxes import Found
from digits.reading.result import Reading

CODE = ("digits/reading/**", "digits/data/pages/**")
KEPT, SPLIT_SEED = 5_000, 0
"""As conf/data/pages.yaml has them."""

CHOOSING, STATED = 1, 2
"""Seeds of the pages that constants are chosen by, and of those whose score is stated; data=pages has seed 0."""

NUMBER = 1000
"""Pages that are scored."""


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


def judged(page: Composed, reading: Reading) -> PageScore:
    """A reading of a page held against it; digits that are cut off or covered count nowhere."""
    found = found_of(reading)
    clear = judge_page(page, found).true_labels != UNCLEAR
    return judge_page(page, found, replace(reading, digits=tuple(compress(reading.digits, clear))).text)


def found_of(reading: Reading) -> Found:
    """The digits of a reading, as a page is judged by them."""
    digits = reading.digits
    corners = np.array([digit.box for digit in digits], np.float32).reshape(-1, 4)
    return Found(
        np.concatenate([corners[:, :2] + corners[:, 2:] / 2, corners[:, 2:]], axis=1),
        np.array([digit.confidence for digit in digits], np.float32),
        np.array([digit.probabilities for digit in digits], np.float32).reshape(-1, 10),
    )


def layouts_table(scores: dict[str, dict[str, PagesScores]]) -> str:
    """For each layout and each reader the pages without a fault, and the digits that are at fault, as Markdown."""
    names = list(scores)
    rows: list[list[object]] = []
    for layout, first in scores[names[0]].items():
        cells: list[object] = [layout, first.pages]
        for name in names:
            each = scores[name][layout]
            faults = each.sought - each.correct + each.false
            cells += [each.perfect, f"{100 * each.perfect / each.pages:.1f}", faults]
        rows.append(cells)
    return table(["layout", "of", *(column for name in names for column in (f"{name}: right", "%", "faults"))], rows)


def confidence_row(name: str, answers: Sequence[Answer], scores: Sequence[PageScore]) -> list[str]:
    """A reader's calibration errors, of digits, whole pages and those without a digit, and what its mark catches."""
    digits = [digit.confidence for answer in answers for digit in answer.reading.digits]
    right = np.concatenate([score.true_labels == score.found.probabilities.argmax(1) for score in scores])
    clear = np.concatenate([score.true_labels != UNCLEAR for score in scores])
    whole = [answer.reading.confidence for answer in answers]
    perfect = [score.perfect for score in scores]
    blank = [not score.sought for score in scores]
    errors = (
        calibration_error(list(compress(digits, clear)), right[clear].tolist()),
        calibration_error(whole, perfect),
        calibration_error(list(compress(whole, blank)), list(compress(perfect, blank))),
    )
    marked = np.array([answer.marked for answer in answers])
    shares = [100 * float(marked[np.array(perfect) == each].mean()) for each in (False, True)]
    return [name, *(f"{100 * error:.2f}" for error in errors), *(f"{share:.1f}" for share in shares)]


CONFIDENCE = (
    *("reader", "expected calibration error of digits, %", "of pages, %", "of pages without a digit, %"),
    *("wrong pages marked, %", "right pages marked, %"),
)


def answers_of(read: Read, pages: Sequence[Composed]) -> list[Answer]:
    """What a reader says of each page."""
    return [read(np.repeat(page.pixels[..., None], 3, axis=2)) for page in pages]


def main(arguments: Sequence[str] | None = None) -> int:
    """Read every page with every reader, print, record; returns the exit code."""
    parser = make_parser("benchmarks.reading.composed", __doc__)
    add_readers(parser)
    parser.add_argument("--pages", metavar="N", type=positive, default=NUMBER, help=f"how many (default: {NUMBER})")
    given = parser.parse_args(arguments)
    pages = composed_pages(given.pages, STATED, "test")
    scores, sure = {}, []
    with readers(given.model, given.beside) as scored:
        for name, read in scored.items():
            answers = answers_of(read, pages)
            of_pages = [judged(page, answer.reading) for page, answer in zip(pages, answers, strict=True)]
            scores[name] = {**by_layout(of_pages), "**all**": total(of_pages)}
            sure.append(confidence_row(name, answers, of_pages))
    text = (
        "Pages of a seed that nothing was chosen by, composed of digits that no net was trained on. Right are pages of "
        "which every digit is found and read, in its order, and nothing else; faults are digits missed or read "
        f"wrongly, and what is no digit.\n\n{fingerprints(given.model)}\n\n{layouts_table(scores)}\n\n"
        f"{table(CONFIDENCE, sure)}\n\n{machine()}"
    )
    print(text)
    if given.pages == NUMBER and given.beside is not None:
        models = " --model RUN" * len(given.model)
        command = f"python -m benchmarks.reading.composed{models} --beside CHECKOUT"
        Section("Reading composed pages", command, CODE, text).keep("reading_composed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
