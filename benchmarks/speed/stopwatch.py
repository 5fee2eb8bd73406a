"""A callback that says where the seconds of a training go, for `benchmarks.speed.speedrun`.

python -m digits.train +callbacks.stopwatch._target_=benchmarks.speed.stopwatch.StopWatch
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import lightning as L
from lightning.pytorch.callbacks import Callback

FILE = "stopwatch.json"


def seconds_alive() -> float:
    """Seconds since this process began, its imports included; by Linux's /proc."""
    began = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    return time.clock_gettime(time.CLOCK_BOOTTIME) - int(began) / os.sysconf("SC_CLK_TCK")


class StopWatch(Callback):
    """Writes `stopwatch.json` into the run's directory: the seconds of one start, on the CPU, by their part.

    made        from the process's start until the callbacks are made: imports, checks, the net
    ready       from there until fit begins: the Trainer, the data
    steps       from each epoch's start to the end of its last step, without validation
    first_step  the first of these, waiting for kernels and memory included
    validation  in validation
    test        in the test
    """

    def __init__(self, run_directory: Path) -> None:
        self.file = run_directory / FILE
        self.seconds = {"made": seconds_alive(), "steps": 0.0, "validation": 0.0}
        self._last = time.perf_counter()

    def _lap(self) -> float:
        """Seconds since the last lap."""
        last, self._last = self._last, time.perf_counter()
        return self._last - last

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Before fit, and before the test."""
        self.seconds.setdefault("ready", self._lap())

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """What lies between two epochs is no step."""
        self._lap()

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: object, batch: object, batch_idx: int
    ) -> None:
        """One step."""
        span = self._lap()
        self.seconds["steps"] += span
        self.seconds.setdefault("first_step", span)

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """What lies before it is no validation."""
        self._lap()

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """One validation."""
        self.seconds["validation"] += self._lap()

    def on_test_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """What lies before it is no test."""
        self._lap()

    def on_test_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """The test."""
        self.seconds["test"] = self._lap()

    def teardown(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Write what there is: after fit, and again after the test."""
        self.file.write_text(json.dumps({name: round(span, 3) for name, span in self.seconds.items()}))
