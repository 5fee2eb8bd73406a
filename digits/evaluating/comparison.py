"""Two models, or the seeds of two configurations, compared on the same images: is their difference more than chance?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

import torch
from scipy.stats import binomtest, ttest_ind

from digits.config.types import Tree, Value
from digits.evaluating.predictions import Predictions

LEVEL = 0.05  # a difference is more than chance where every p-value is below it


@dataclass(frozen=True)
class Side:
    """The runs of one side."""

    runs: tuple[str, ...]
    accuracies: tuple[float, ...]  # fractions, one a run

    @property
    def mean(self) -> float:
        """The mean accuracy."""
        return fmean(self.accuracies)

    @property
    def text(self) -> str:
        """Its runs and its accuracy, for a sentence."""
        if len(self.runs) == 1:
            return f"{self.runs[0]} ({self.mean:.2%})"
        return f"{self.runs[0]} and its seeds ({self.mean:.2%} ± {stdev(self.accuracies):.2%} over {len(self.runs)})"


@dataclass(frozen=True)
class Comparison:
    """Two sides, and how likely their difference is where both are equally good."""

    first: Side
    second: Side
    images: int
    for_first: int  # images that the first side gets right more often; with one run each: that only it gets right
    for_second: int
    p_images: float  # two-sided, by the exact sign test; with one run each it is McNemar's exact test
    p_seeds: float | None  # two-sided, by Welch's t-test of the runs' accuracies; None unless both sides have several

    @property
    def more_than_chance(self) -> bool:
        """Whether every test says so, and the images are in favour of the side whose accuracy is higher."""
        agree = (self.for_first > self.for_second) == (self.first.mean > self.second.mean)
        return agree and max(self.p_images, self.p_seeds or 0.0) < LEVEL

    @property
    def sentence(self) -> str:
        """The result for people."""
        better, worse = sorted((self.first, self.second), key=lambda side: -side.mean)
        points = f"{100 * (better.mean - worse.mean):.2f} points"
        alone = len(self.first.runs) == len(self.second.runs) == 1
        differing, test = self.for_first + self.for_second, "McNemar's exact test" if alone else "the exact sign test"
        ours = self.for_first if better is self.first else self.for_second
        often = "alone gets right" if alone else "gets right more often"
        why = [f"of the {differing:,} images that one of them {often}, the former has {ours:,} "
               f"({_p(self.p_images)} by {test})"]  # fmt: skip
        if self.p_seeds is not None:
            why.append(f"between the seeds, {_p(self.p_seeds)} by Welch's t-test")
        elif not alone:
            why.append("seeds were not compared, which needs several on both sides")
        if not differing:
            why[0] = "they get the same images right"
        if self.more_than_chance:
            return f"{better.text} is better than {worse.text} by {points}, which is more than chance: {'; '.join(why)}"
        return f"{better.text} and {worse.text} differ by {points}, which may be chance: {'; '.join(why)}"

    def tree(self) -> Tree:
        """Ready for JSON."""
        sides = [
            dict[str, Value](runs=[*side.runs], accuracies=[*side.accuracies], accuracy=side.mean)
            for side in (self.first, self.second)
        ]
        return {
            "sides": list[Value](sides),
            "images": self.images,
            "better": [self.for_first, self.for_second],
            "p_images": self.p_images,
            "p_seeds": self.p_seeds,
            "more_than_chance": self.more_than_chance,
            "sentence": self.sentence,
        }


def compare(first: Sequence[tuple[str, Predictions]], second: Sequence[tuple[str, Predictions]]) -> Comparison:
    """Compare two sides, each the names of its runs with their predictions for the same images in the same order.

    For each image the share of a side's runs that are right is taken; under chance, an image on which the shares
    differ is as likely to be in favour of either side (McNemar 1947, Psychometrika 12, in its exact form). Seeds are
    compared by Welch's t-test (1947, Biometrika 34), since two recipes may vary differently.
    """
    one, other = ([answer for _, answer in side] for side in (first, second))
    assert all(torch.equal(answer.rows, one[0].rows) for answer in (*one, *other))
    right, with_right = (torch.stack([answer.right.double() for answer in side]).mean(0) for side in (one, other))
    sides = _side(first), _side(second)
    for_first, for_second = int((right > with_right).sum()), int((right < with_right).sum())
    differing = for_first + for_second
    p_images = float(binomtest(for_first, differing).pvalue) if differing else 1.0
    return Comparison(*sides, len(right), for_first, for_second, p_images, _between_seeds(*sides))


def _side(named: Sequence[tuple[str, Predictions]]) -> Side:
    accuracies = (float(answer.right.double().mean()) for _, answer in named)
    return Side(tuple(name for name, _ in named), tuple(accuracies))


def _between_seeds(first: Side, second: Side) -> float | None:
    if min(len(first.runs), len(second.runs)) < 2:
        return None
    if len(set(first.accuracies)) == len(set(second.accuracies)) == 1:  # the test divides by their deviation
        return 1.0 if first.mean == second.mean else 0.0
    return float(ttest_ind(first.accuracies, second.accuracies, equal_var=False).pvalue)


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"
