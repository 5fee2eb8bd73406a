"""Metrics of reading pages: the digits found, compared with those written on them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from digits.config.types import Tree, Value
from digits.data.pages.page import UNCLEAR, Composed
from digits.evaluating.predictions import evaluating
from digits.reading.boxes import Found
from digits.reading.detect import Net, detect, text_of

APART, SIZES_APART = 0.5, 2.0
"""A box finds a digit if its centre is off by at most this share of the digit's sides, its height by this factor."""

SLENDER = 0.5  # minimum width of a digit in this comparison, as a share of its height: a 1 is as wide as its stroke
NONE, NO_ROW = -2, -1  # label and row of a find where there is no digit


def as_net(detector: nn.Module) -> Net:
    """A torch detector as a callable for the reader's decoding, on its own device."""
    device = next(detector.parameters()).device

    @torch.inference_mode()
    def answers(images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        found: torch.Tensor = detector(torch.from_numpy(images).to(device))
        return found.float().cpu().numpy()

    return answers


@dataclass(frozen=True, eq=False)
class PageScore:
    """The finds on a page and their matches. Digits that are cut off or covered do not count."""

    page: Composed
    found: Found
    matches: npt.NDArray[np.int64]  # for each find the row of the page's digit, or NO_ROW
    in_order: bool  # True also if the page's digits have no order, or anything else is wrong

    @property
    def sought(self) -> int:
        """Digits on the page."""
        return int((self.page.labels != UNCLEAR).sum())

    @property
    def hits(self) -> int:
        """Digits found, whatever their predicted class."""
        return int((self.true_labels >= 0).sum())

    @property
    def false(self) -> int:
        """Finds where there is no digit."""
        return int((self.matches == NO_ROW).sum())

    @property
    def correct(self) -> int:
        """Digits found and classified correctly."""
        return int((self.true_labels == self.found.probabilities.argmax(1)).sum())

    @property
    def true_labels(self) -> npt.NDArray[np.int64]:
        """The label of each find: 0..9, UNCLEAR, or NONE where there is no digit."""
        return np.append(self.page.labels.astype(np.int64), NONE)[self.matches]

    @property
    def perfect(self) -> bool:
        """Whether every digit was found, classified correctly and in order, and nothing else was found."""
        return self.faults == 0 and self.in_order

    @property
    def faults(self) -> int:
        """Digits missed or misclassified, and false finds."""
        return self.sought - self.correct + self.false


def find_on_pages(detector: nn.Module, pages: Iterable[Composed]) -> list[PageScore]:
    """Read pages as the reader does, with a torch detector."""
    net = as_net(detector)
    with evaluating(detector):
        return [judge_page(page, detect(net, page.pixels)) for page in pages]


def worst_first(scores: Sequence[PageScore]) -> list[PageScore]:
    """The pages with the most faults first; those with only their order wrong before the perfect ones."""
    return sorted(scores, key=lambda score: (-score.faults, score.perfect))


def judge_page(page: Composed, found: Found, text: str | None = None) -> PageScore:
    """Match the finds with a page's digits; each digit is matched once, by the box with the highest objectness.

    `text` is the text given by a reader that orders the digits itself; without it they are put into text lines here.
    """
    matches = np.full(len(found.boxes), NO_ROW, np.int64)
    free = np.ones(len(page.boxes), np.bool_)
    for i in np.argsort(-found.objectness):
        x, y, _, height = found.boxes[i]
        widths = np.maximum(page.boxes[:, 2], SLENDER * page.boxes[:, 3])
        off = np.maximum(np.abs(page.boxes[:, 0] - x) / widths, np.abs(page.boxes[:, 1] - y) / page.boxes[:, 3])
        ratio = page.boxes[:, 3] / max(float(height), 1e-6)
        off[~free | (off > APART) | (ratio > SIZES_APART) | (ratio < 1 / SIZES_APART)] = np.inf
        if len(off) and np.isfinite(off.min()):
            matches[i] = off.argmin()
            free[matches[i]] = False
    score = PageScore(page, found, matches, in_order=True)
    written = page.text
    if written is None or score.faults:
        return score
    if text is None:
        text = text_of(found.only(score.true_labels != UNCLEAR))
    return replace(score, in_order=text == written)


@dataclass(frozen=True)
class PagesScores:
    """The counts over many pages."""

    pages: int
    perfect: int
    sought: int
    hits: int
    false: int
    correct: int

    @property
    def missed(self) -> int:
        """Digits that were not found."""
        return self.sought - self.hits

    @property
    def wrong(self) -> int:
        """Digits that were found and misclassified."""
        return self.hits - self.correct

    @property
    def ratios(self) -> dict[str, tuple[int, int]]:
        """The task's metrics, each as (hits, total)."""
        return {
            "pages": (self.perfect, self.pages),
            "recall": (self.hits, self.sought),
            "precision": (self.hits, self.hits + self.false),
            "accuracy": (self.correct, self.hits),
        }

    @property
    def metrics(self) -> dict[str, float]:
        """The task's metrics, each 0..1; 1 for a total of zero."""
        return {name: hits / of if of else 1.0 for name, (hits, of) in self.ratios.items()}

    def tree(self) -> Tree:
        """Ready for JSON."""
        return {"metrics": dict[str, Value](self.metrics), "counts": dict[str, Value](vars(self))}


def total(scores: Iterable[PageScore]) -> PagesScores:
    """The sum over pages."""
    counts = [(1, int(s.perfect), s.sought, s.hits, s.false, s.correct) for s in scores]
    return PagesScores(*np.array(counts, int).reshape(-1, 6).sum(0).tolist())


def by_layout(scores: Sequence[PageScore]) -> dict[str, PagesScores]:
    """The sum over the pages of each layout."""
    ordered = sorted(scores, key=lambda score: score.page.layout)
    return {layout: total(group) for layout, group in groupby(ordered, key=lambda score: score.page.layout)}
