"""A run's record written, from its start to its end, good or bad. No torch."""

from __future__ import annotations

import os
import platform
import socket
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from digits.config.task import Task
from digits.config.types import Tree, Value
from digits.runs.atomic import write_json, write_text
from digits.runs.environment import commit, cpu_name, package_versions
from digits.runs.layout import ERROR, EVENTS, FINISHED, LAST, NONFINITE, RESULT, SIGN_OF_LIFE
from digits.runs.read import parsed, read_result
from digits.runs.schema import BeganWith, DataRead, Outcome, RecordedConfig, RunRecord, TeacherOf, TrialOf

OUTCOME = (
    *("task", "weights", "data", "teachers", "init_from", "metrics", "epoch", "epochs", "steps", "images_per_second"),
    *("seconds", "history"),
)
"""What the record says of a run that was done, and of what it was made from; it stays while the run goes on."""


class RunDirectory:
    """Writes one run's record.

    What a finished run left is kept until the first step of a start that goes on with it: one that fails before, since
    its data or a package is gone, say, leaves no trace.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._record: Tree = {}
        self.keeps_former = False
        self._deferred = list[Callable[[], object]]()
        self._events = set[Path]()
        self._last_sign = 0.0

    def begin(self, config: Tree, overrides: list[str], trial: TrialOf | None = None) -> None:
        """Say that the run has started; a record already there (resume) keeps what it knows.

        `trial` is what a search says of its trial: its name, number and parameters.
        """
        (self.path / LAST).parent.mkdir(parents=True, exist_ok=True)
        former = read_result(self.path) if (self.path / RESULT).exists() else RunRecord()
        known = former.tree()
        self._record = {key: known[key] for key in OUTCOME if key in known} | {
            "format": 1,
            "status": "running",
            "started": former.started or datetime.now(UTC).isoformat(timespec="seconds"),
            "lengthened": _lengthened(former, RecordedConfig.model_validate(config)),
            "overrides": _merged(former.overrides or [], overrides),
            "seed": config.get("seed"),
            "config": config,
            "versions": dict[str, Value](python=platform.python_version(), **package_versions()),
            "commit": commit().tree(),
            "hardware": {"cpu": cpu_name(), "cores": os.cpu_count(), "system": platform.platform()},
        }
        if (of_search := trial or former.trial) is not None:
            self._record["trial"] = of_search.tree()
        self.keeps_former, self._events = former.status in FINISHED, set(self.path.glob(EVENTS))
        self.once_begun(self._tidy)
        self.sign_of_life(at_once=True)

    def once_begun(self, action: Callable[[], object]) -> None:
        """Do something that changes the run's files: at once, or at the first step where a finished run is there."""
        if self.keeps_former:
            self._deferred.append(action)
        else:
            action()

    def first_step(self) -> None:
        """From here on the run's files are this start's."""
        if self.keeps_former:
            self.keeps_former = False
            for action in self._deferred:
                action()
            self.sign_of_life(at_once=True)

    def _tidy(self) -> None:
        """Remove what belongs to the start before: files that a kill left half-written, and why it failed."""
        left = [*self.path.glob(".*.part"), *self.path.glob("checkpoints/.*.part")]
        for path in (*left, self.path / ERROR, *self.path.glob(f"*{NONFINITE}")):
            path.unlink(missing_ok=True)

    def sign_of_life(self, *, at_once: bool = False) -> None:
        """Show that the process lives; cheap enough to be called every step."""
        if at_once or time.monotonic() - self._last_sign > SIGN_OF_LIFE:
            self._last_sign = time.monotonic()
            self._write({"pid": os.getpid(), "host": socket.gethostname(), "alive": round(time.time(), 1)})

    @property
    def begun(self) -> bool:
        """Whether there is anything to record yet."""
        return bool(self._record)

    @property
    def record(self) -> RunRecord:
        """What is recorded by now."""
        return parsed(RunRecord, self._record, self.path / RESULT)

    def add(
        self,
        *,
        config: Tree | None = None,
        threads: int | None = None,
        device: str | None = None,
        task: Task | None = None,
        parameters: int | None = None,
        data: DataRead | None = None,
        teachers: Sequence[TeacherOf] | None = None,
        init_from: BeganWith | None = None,
        weights: str | None = None,
    ) -> None:
        """Add to the record what is known by now."""
        hardware = None if threads is None else self.record.hardware.changed({"threads": threads}).tree()
        fields: Tree = {
            "config": config,
            "hardware": hardware,
            "device": device,
            "task": None if task is None else task.tree(),
            "parameters": parameters,
            "data": None if data is None else data.tree(),
            "teachers": None if teachers is None else [teacher.tree() for teacher in teachers],
            "init_from": None if init_from is None else init_from.tree(),
            "weights": weights,
        }
        self._record |= {key: value for key, value in fields.items() if value is not None}
        self.sign_of_life(at_once=True)

    def finish(self, outcome: Outcome) -> None:
        """Close the record of a run that came to its end, with what came out."""
        self._close(outcome.tree())

    def interrupt(self) -> None:
        """Close the record of a run that was asked to leave."""
        self._close({"status": "interrupted"})

    def fail(self, reason: str, traceback: str) -> None:
        """Close the record of a run that failed."""
        if not self.keeps_former:
            write_text(self.path / ERROR, traceback)
        self._close({"status": "failed", "error": reason})

    def _close(self, fields: Tree) -> None:
        """Write the record's last; one that ends before its first step, and not by its own end, is as it was."""
        if self.keeps_former and fields["status"] not in ("done", "pruned"):
            for path in set(self.path.glob(EVENTS)) - self._events:
                path.unlink(missing_ok=True)
            return
        self.first_step()
        self._record |= {"finished": datetime.now(UTC).isoformat(timespec="seconds")} | fields
        self._write({})

    def _write(self, more: Tree) -> None:
        if not self.keeps_former:
            write_json(self.path / RESULT, self._record | more)


def _merged(former: Sequence[str], overrides: Sequence[str]) -> list[Value]:
    """What a run was asked for in all: at its start, and the new lengths when it went on."""
    asked = {override.split("=", 1)[0]: override for override in former}
    new = {override.split("=", 1)[0]: override for override in overrides}
    if asked:
        new = {key: override for key, override in new.items() if key not in ("resume", "trust")}
    return list({**asked, **new}.values())


def _lengthened(former: RunRecord, config: RecordedConfig) -> list[Value]:
    """The lengths that a run had before it was given another: its schedule was theirs until then."""
    before = former.config.trainer.max_epochs if former.config is not None else None
    return [*former.lengthened, *([before] if before not in (None, config.trainer.max_epochs) else [])]
