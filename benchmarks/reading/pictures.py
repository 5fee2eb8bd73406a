"""Pictures whose names tell what is on them, read by any reader: what it gets wrong, how steady and sure it is.

A folder holds pictures as KIND/SOURCE/NUMBER_LABEL.SUFFIX. In a label `-` parts text lines, p, m, x and d are
operators, which no reader is to answer with, and `none` says that there is no digit. A picture is right when all its
digits are, in lines and in order, and nothing more is read; one without digits when nothing is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.reading.changes import CHANGES
from benchmarks.reading.errors import Errors, errors
from benchmarks.reading.readers import Answer, Read
from benchmarks.results import table
from digits.reading.pictures import open_picture

SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
NO_DIGIT = "none"
BINS = 15  # of the calibration error (Guo et al. 2017)


@dataclass(frozen=True)
class Result:
    """One picture and its answer."""

    path: Path
    label: str
    answer: Answer
    changed: dict[str, bool]
    """By the name of a harmless change: whether the answer was another one; empty where that was not asked."""

    @property
    def right(self) -> bool:
        """Whether the text is the label's, with its lines."""
        return self.answer.reading.text == self.label

    @property
    def errors(self) -> Errors:
        """Digit by digit."""
        return errors(self.label, self.answer.reading.text)


def label_of(path: Path) -> str:
    """The text on a picture, "" for none; raises ValueError where its name does not tell."""
    if found := re.fullmatch(rf"[^_]*_([-0-9pmxd]+|{NO_DIGIT})", path.stem):
        return "" if found[1] == NO_DIGIT else re.sub(r"[pmxd]", "", found[1]).replace("-", "\n")
    raise ValueError(f"{path} doesn't end in _LABEL; name it like 001_42.png or 002_none.png, or leave it out")


def pictures_in(folder: Path) -> list[Path]:
    """The pictures of a folder, by kind and source; raises ValueError where there are none."""
    paths = sorted(path for path in folder.glob("*/*/*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise ValueError(f"{folder} holds no pictures as KIND/SOURCE/NUMBER_LABEL.SUFFIX")
    return paths


def read_all(read: Read, paths: Iterable[Path], *, changes: bool = False) -> Iterator[Result]:
    """The result of each picture; with `changes` each is read again after each of CHANGES."""
    for path in paths:
        label = label_of(path)
        answer, changed = read(path), {}
        if changes:
            pixels, text = open_picture(path).pixels, answer.reading.text
            changed = {name: read(change(pixels)).reading.text != text for name, change in CHANGES.items()}
        yield Result(path, label, answer, changed)


# ---- Tables -----------------------------------------------------------------------------------------


def accuracy_table(results: Sequence[Result]) -> str:
    """A row for each source and each kind: pictures right, digits wrong, missing and false, time."""
    rows = []
    for kind, of_kind in _by(results, lambda result: result.path.parts[-3]):
        for source, of_source in _by(of_kind, lambda result: result.path.parts[-2]):
            rows.append(_accuracy(kind, source, of_source))
        rows.append(_accuracy(f"**{kind}**", "**all**", of_kind))
    return table(["kind", "source", "right", "of", "%", "wrong", "missing", "false", "ms a picture"], rows)


def _accuracy(kind: str, source: str, results: Sequence[Result]) -> list[object]:
    right, found = sum(result.right for result in results), [result.errors for result in results]
    counts = (sum(getattr(each, name) for each in found) for name in ("wrong", "missing", "false"))
    milliseconds = 1000 * sum(result.answer.seconds for result in results) / len(results)
    share = f"{100 * right / len(results):.2f}"
    return [kind, source, right, len(results), share, *counts, f"{milliseconds:.1f}"]


def stability_table(results: Sequence[Result]) -> str:
    """A row for each kind: the percentage of pictures of which the answer changes, for each harmless change."""
    rows = []
    for kind, of_kind in [*_by(results, lambda result: result.path.parts[-3]), ("**all**", list(results))]:
        columns = [[result.changed[name] for result in of_kind] for name in CHANGES]
        columns.append([any(result.changed.values()) for result in of_kind])
        rows.append([kind, len(of_kind), *(f"{100 * sum(column) / len(column):.1f}" for column in columns)])
    return table(["kind", "of", *CHANGES, "any"], rows)


def calibration_table(results: Sequence[Result]) -> str:
    """A row for each kind: calibration error of the digits, and how many wrong and right pictures carry a mark."""
    rows = []
    for kind, of_kind in [*_by(results, lambda result: result.path.parts[-3]), ("**all**", list(results))]:
        confidences = [digit.confidence for result in of_kind for digit in result.answer.reading.digits]
        correct = [each for result in of_kind for each in result.errors.correct]
        cells = [kind, str(len(confidences)), _percent(calibration_error(confidences, correct), len(confidences))]
        for right in (False, True):
            marked = [result.answer.marked for result in of_kind if result.right == right]
            cells += [str(len(marked)), _percent(sum(marked) / max(1, len(marked)), len(marked))]
        rows.append(cells)
    shares = ("wrong pictures", "marked, %", "right pictures", "marked, %")
    return table(["kind", "digits", "expected calibration error, %", *shares], rows)


def calibration_error(confidences: Sequence[float], correct: Sequence[bool]) -> float:
    """Expected calibration error, 0..1: how far confidence and accuracy are apart, bin by bin (Guo et al. 2017)."""
    bins = np.minimum((np.asarray(confidences, np.float64) * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, np.asarray(correct, np.float64) - np.asarray(confidences, np.float64), BINS)
    return float(np.abs(gaps).sum() / max(1, len(bins)))


def _percent(share: float, number: int) -> str:
    return f"{100 * share:.1f}" if number else ""


def _by(results: Sequence[Result], name: Callable[[Result], str]) -> list[tuple[str, list[Result]]]:
    names = dict.fromkeys(name(result) for result in results)
    return [(each, [result for result in results if name(result) == each]) for each in names]
