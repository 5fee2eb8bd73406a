"""Quantities as places from 0 to 1 along an axis, and the numbers to write beside it.

All figures of a search share it, because its quantities are unlike: learning rates over decades, accuracies of which
only the distance to 100 % tells anything, names; and one hopeless trial must not flatten all the others.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from matplotlib.ticker import MaxNLocator

from digits.tuning.results import Objective, Outcome, Setting, Span, setting_text

STEEP = 5.0
"""A ratio of largest to smallest from which an objective's axis is logarithmic."""

OUTLYING = 1.35
"""What lies this many times further from the best than nine tenths of the values do is cut off at the axis's edge."""

ENOUGH_TO_CUT = 8
"""Values of an objective from which on one may be called an outlier."""

DECADES_OF_ROUND = 1.7
"""Decades of a logarithmic axis up to which 2 and 5 have their ticks, too."""

SHORTEST = 6
"""Characters that a shortened name keeps."""


@dataclass(frozen=True)
class Axis:
    """One quantity; `low` and `high` are its ends as `kind` measures them."""

    kind: Literal["linear", "log", "error", "names"]
    low: float
    high: float
    names: tuple[str, ...] = ()
    percent: bool = False
    whole: bool = False
    floor: float = 0.0  # of kind error: what 100 % counts as

    def place(self, setting: Setting) -> float:
        """From 0 to 1; beyond where it is off the axis; NaN where it has no place."""
        where = self._measure(setting)
        if not math.isfinite(where):
            return math.nan
        return 0.5 if self.high <= self.low else (where - self.low) / (self.high - self.low)

    def on_axis(self, setting: Setting) -> float:
        """The place, at the axis's edge for what is beyond it."""
        where = self.place(setting)
        return where if math.isnan(where) else min(max(where, 0.0), 1.0)

    def ticks(self, most: int = 6, room: int = 1000) -> list[tuple[float, str]]:
        """Places and what to write there: at most so many, in so many characters side by side."""
        found = [(self.place(value), text) for value, text in self._candidates(most)]
        found = [(place, text) for place, text in found if -0.001 <= place <= 1.001]
        if self.kind == "names":
            found = found[:: math.ceil(len(found) / max(1, min(len(found), room // (SHORTEST + 1))))]
            each = max(SHORTEST, room // len(found) - 1)
            return [(place, shortened(text, each)) for place, text in found]
        while len(found) > 2 and (len(found) > most or sum(len(text) + 2 for _, text in found) > room):
            found = found[::2]
        return found

    def crowded(self, room: int) -> bool:
        """Whether it has names that don't all fit side by side."""
        longest = max((len(name) for name in self.names), default=0)
        return len(self.names) * (longest + 1) > room

    def _measure(self, setting: Setting) -> float:
        if self.kind == "names":
            text = setting_text(setting)
            return float(self.names.index(text)) if text in self.names else math.nan
        if isinstance(setting, str) or setting is None or math.isnan(setting):
            return math.nan
        if self.kind == "error":
            return -math.log10(max(1 - setting, self.floor))
        if self.kind == "log":
            return math.log10(setting) if setting > 0 else math.nan
        return float(setting)

    def _candidates(self, most: int) -> list[tuple[Setting, str]]:
        if self.kind == "names":
            return [(name, name) for name in self.names]
        if self.kind == "error":
            steps = [1 - part * 10**-decade for decade in range(1, 6) for part in (5, 2, 1)]
            values = [v for v in (0.0, *steps, 1.0) if self.low <= self._measure(v) <= self.high]
        elif self.kind == "log":
            decades = range(math.floor(self.low), math.ceil(self.high) + 1)
            parts = (1, 2, 5) if self.high - self.low < DECADES_OF_ROUND else (1,)
            values = [part * 10.0**decade for decade in decades for part in parts]
            values = [v for v in values if self.low - 1e-9 <= math.log10(v) <= self.high + 1e-9]
        else:
            values = []
        if len(values) < 2 and self.high > self.low:
            low, high = sorted((self._value(self.low), self._value(self.high)))
            locator = MaxNLocator(most, steps=[1, 2, 5, 10], integer=self.whole)
            values = [float(v) for v in locator.tick_values(low, high)]
            values = [v for v in values if self.kind != "log" or v > 0]
        if self.high <= self.low:
            values = [self._value(self.low)]
        return [(value, percentage(value) if self.percent else number(value)) for value in values]

    def _value(self, where: float) -> float:
        if self.kind == "error":
            return 1 - 10**-where
        return 10**where if self.kind == "log" else where


def parameter_axis(span: Span) -> Axis:
    """A parameter's whole range, whether or not it was tried."""
    if span.choices:
        return Axis("names", -0.5, len(span.choices) - 0.5, names=span.choices)
    if span.log and span.low > 0:
        return Axis("log", math.log10(span.low), math.log10(span.high))
    return Axis("linear", span.low, span.high, whole=span.whole)


def objective_axis(objective: Objective, values: Iterable[float]) -> Axis:
    """The values that an objective took, but for outliers among the bad ones.

    An accuracy's axis is logarithmic in its distance to 100 % where that varies much: from 99 to 99.5 % half of
    the mistakes are gone, from 50 to 50.5 % nearly none.
    """
    found = sorted((value for value in values if math.isfinite(value)), key=objective.badness)
    if not found:
        return Axis("linear", 0, 1, percent=objective.fraction)
    if len(found) >= ENOUGH_TO_CUT:
        usual = found[math.ceil(0.9 * len(found)) - 1]
        found = [v for v in found if abs(v - found[0]) <= OUTLYING * abs(usual - found[0])]
    low, high = min(found), max(found)
    percent = objective.fraction and low >= 0 and high <= 1
    if percent and objective.maximize:
        floor = min((1 - v for v in found if v < 1), default=1.0) / 2
        plain = Axis("error", 0, 0, floor=floor, percent=True)
        ends = plain._measure(low), plain._measure(high)
        if ends[1] - ends[0] > math.log10(STEEP):
            return Axis("error", *ends, floor=floor, percent=True)
    elif low > 0 and high / low > STEEP:
        return Axis("log", math.log10(low), math.log10(high), percent=percent)
    return Axis("linear", low, high, percent=percent)


def value_axis(outcome: Outcome, objective: int = 0) -> Axis:
    """The values of a search's complete trials."""
    values = [trial.values[objective] for trial in outcome.trials if trial.values]
    return objective_axis(outcome.objectives[objective], values)


def percentage(value: float) -> str:
    """A fraction as a tick says it."""
    return f"{float(f'{100 * value:.6g}'):g} %"


def number(value: float) -> str:
    """A number as a tick says it, as short as can be."""
    size = abs(value)
    for factor, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if size >= 10 * factor or (size >= factor and factor > 1e3):
            return f"{value / factor:.4g}{unit}"
    if 0 < size < 0.01:
        digits, _, power = f"{value:.3e}".partition("e")
        return f"{float(digits):g}e{int(power)}"
    return f"{value:.6g}"


def shortened(text: str, room: int) -> str:
    """A text in so many characters: its middle goes, since long lists differ at their ends."""
    if len(text) <= room:
        return text
    kept = max(room, SHORTEST) - 1
    return f"{text[: kept - kept // 2]}…{text[len(text) - kept // 2 :]}"
