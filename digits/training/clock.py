"""A stop-watch for the parts of a run."""

from __future__ import annotations

import time

from digits.training.machine import seconds_alive


class Clock:
    """Seconds from lap to lap, by name; `start` is what the process had lived before it."""

    def __init__(self) -> None:
        self.laps: dict[str, float | None] = {"start": seconds_alive()}
        self._begun = self._last = time.perf_counter()

    def lap(self, name: str | None = None) -> None:
        """Note what has passed since the last lap; without a name, forget it."""
        now = time.perf_counter()
        if name is not None:
            self.laps[name] = now - self._last
        self._last = now

    @property
    def total(self) -> float:
        """Since it was made."""
        return time.perf_counter() - self._begun
