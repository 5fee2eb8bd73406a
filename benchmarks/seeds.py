"""What a few seeds tell: a mean, its spread, and how far apart two of them may lie by chance."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass

import scipy.stats


@dataclass(frozen=True)
class Sample:
    """One figure of runs that differ by nothing but their seed; accuracies are fractions."""

    values: tuple[float, ...]

    @property
    def n(self) -> int:
        """How many seeds."""
        return len(self.values)

    @property
    def mean(self) -> float:
        """The mean over the seeds."""
        return statistics.fmean(self.values)

    @property
    def sd(self) -> float | None:
        """The sample standard deviation, which one seed has not."""
        return statistics.stdev(self.values) if self.n > 1 else None

    def percent(self) -> str:
        """Mean ± sd, in per cent."""
        sd = "" if self.sd is None else f" ± {100 * self.sd:.2f}"
        return f"{100 * self.mean:.2f}{sd}"


def standard_error(a: Sample, b: Sample) -> float | None:
    """Of the difference of two means with spreads of their own, sqrt(s1²/n1 + s2²/n2) (Welch 1947).

    None where one seed tells no spread.
    """
    if a.sd is None or b.sd is None:
        return None
    return math.sqrt(a.sd**2 / a.n + b.sd**2 / b.n)


def difference(a: Sample, b: Sample) -> str:
    """How much better `a` is than `b`, in points, and whether seeds alone make as much in one of twenty cases.

    Welch's t-test (1947): the fewer the seeds, the more standard errors it takes, 4.3 with two of each.
    """
    d, error = a.mean - b.mean, standard_error(a, b)
    if error is None:
        return f"{100 * d:+.2f} points; one seed tells no noise"
    if error == 0:
        return f"{100 * d:+.2f} points; the seeds are all alike, which tells no noise"
    chance = scipy.stats.ttest_ind(a.values, b.values, equal_var=False).pvalue
    verdict = "difference below the seed noise" if chance >= 0.05 else "above the seed noise"
    return f"{100 * d:+.2f} ± {100 * error:.2f} points, {verdict}"


def bound(recorded: Sample, again: int) -> float:
    """How far the mean of `again` new seeds may lie from the recorded mean: 3 sd sqrt(1/n + 1/k).

    Raises ValueError where the record tells no spread.
    """
    if recorded.sd is None:
        raise ValueError(f"the record has {recorded.n} seed, which tells no spread; record at least 2")
    if recorded.sd == 0:
        raise ValueError(f"the record's {recorded.n} seeds have all the same accuracy, so its sd of 0 is no bound; "
                         "record more seeds")  # fmt: skip
    return 3 * recorded.sd * math.sqrt(1 / recorded.n + 1 / again)
