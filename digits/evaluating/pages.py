"""How well pages are read: what was found held against what is written on them."""

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
"""A digit is found by a box whose middle is off by at most this share of its sides, and its height by this factor."""

SLENDER = 0.5
"""Share of its height that a digit counts as wide at least: a one is as wide as its stroke."""


NONE, NO_ROW = -2, -1
"""In place of a label, and of a page's row: found where no digit is."""


def as_net(detector: nn.Module) -> Net:
    """A torch detector as the reader's decoding takes it, on its own device."""
    device = next(detector.parameters()).device

    @torch.inference_mode()
    def answers(images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        found: torch.Tensor = detector(torch.from_numpy(images).to(device))
        return found.float().cpu().numpy()

    return answers


@dataclass(frozen=True, eq=False)
class PageScore:
    """What was found on a page. Digits that are cut off or covered count nowhere."""

    page: Composed
    found: Found
    matches: npt.NDArray[np.int64]  # for each that was found the row of the page's digit, or NO_ROW
    in_order: bool  # as far as the page's digits have an order, and nothing else is wrong

    @property
    def sought(self) -> int:
        """Digits on the page."""
        return int((self.page.labels != UNCLEAR).sum())

    @property
    def hits(self) -> int:
        """Digits that were found, whatever they were taken for."""
        return int((self.true_labels >= 0).sum())

    @property
    def false(self) -> int:
        """What was found where no digit is."""
        return int((self.matches == NO_ROW).sum())

    @property
    def correct(self) -> int:
        """Digits that were found and read correctly."""
        return int((self.true_labels == self.found.probabilities.argmax(1)).sum())

    @property
    def true_labels(self) -> npt.NDArray[np.int64]:
        """The label of each that was found: 0..9, UNCLEAR, or NONE where there is no digit."""
        return np.append(self.page.labels.astype(np.int64), NONE)[self.matches]

    @property
    def perfect(self) -> bool:
        """Whether every digit was found, read and in its order, and nothing else was."""
        return self.faults == 0 and self.in_order

    @property
    def faults(self) -> int:
        """Digits missed or read wrongly, and what is no digit."""
        return self.sought - self.correct + self.false


def find_on_pages(detector: nn.Module, pages: Iterable[Composed]) -> list[PageScore]:
    """Read pages as the reader does, with a torch detector."""
    net = as_net(detector)
    with evaluating(detector):
        return [judge_page(page, detect(net, page.pixels)) for page in pages]


def worst_first(scores: Sequence[PageScore]) -> list[PageScore]:
    """Those with the most faults first, then those that are wrong in their order alone."""
    return sorted(scores, key=lambda score: (-score.faults, score.perfect))


def judge_page(page: Composed, found: Found, text: str | None = None) -> PageScore:
    """Hold what was found against a page; each digit is found once, by the box that is surest.

    `text` is what a reader that orders digits itself says is written; else they are put into text lines here.
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
    """What was found on many pages."""

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
        """Digits that were found and taken for another."""
        return self.hits - self.correct

    @property
    def ratios(self) -> dict[str, tuple[int, int]]:
        """The task's metrics, each as so many of so many."""
        return {
            "pages": (self.perfect, self.pages),
            "recall": (self.hits, self.sought),
            "precision": (self.hits, self.hits + self.false),
            "accuracy": (self.correct, self.hits),
        }

    @property
    def metrics(self) -> dict[str, float]:
        """As the task has them, each 0..1; 1 where there was nothing to be measured."""
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
