"""Writing a run's record, from its start to its end, successful or not. No torch."""

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
"""Keys of the results and the origins of a run, which stay in the record while the run is resumed."""


class RunDirectory:
    """Writes one run's record.

    The files of a finished run stay until the first step of a start that resumes it: a start that fails earlier, for
    example since its data or a package is missing, leaves no trace.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._record: Tree = {}
        self.keeps_former = False
        self._deferred = list[Callable[[], object]]()
        self._events = set[Path]()
        self._at_close = list[Callable[[str], object]]()
        self._ended = self._former = "failed"  # until it is closed
        self._last_sign = 0.0

    def begin(self, config: Tree, overrides: list[str], trial: TrialOf | None = None) -> None:
        """Write the record of a run that starts; an existing record (resume) keeps its results.

        `trial` identifies a search's trial: its search, number and parameters.
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
        self._former = str(former.status)
        self.keeps_former, self._events = former.status in FINISHED, set(self.path.glob(EVENTS))
        self.once_begun(self._tidy)
        self.sign_of_life(at_once=True)

    def once_begun(self, action: Callable[[], object]) -> None:
        """Run an action that changes the run's files: at once, or at the first step where a finished run is resumed."""
        if self.keeps_former:
            self._deferred.append(action)
        else:
            action()

    def first_step(self) -> None:
        """Run the deferred actions: from the first step on the run's files are those of this start."""
        if self.keeps_former:
            self.keeps_former = False
            for action in self._deferred:
                action()
            self.sign_of_life(at_once=True)

    def _tidy(self) -> None:
        """Remove files of the start before: half-written ones, and those about its failure."""
        left = [*self.path.glob(".*.part"), *self.path.glob("checkpoints/.*.part")]
        for path in (*left, self.path / ERROR, *self.path.glob(f"*{NONFINITE}")):
            path.unlink(missing_ok=True)

    def sign_of_life(self, *, at_once: bool = False) -> None:
        """Write a heartbeat, at most every SIGN_OF_LIFE seconds; cheap enough to be called every step."""
        if at_once or time.monotonic() - self._last_sign > SIGN_OF_LIFE:
            self._last_sign = time.monotonic()
            self._write({"pid": os.getpid(), "host": socket.gethostname(), "alive": round(time.time(), 1)})

    @property
    def begun(self) -> bool:
        """Whether the record has been started."""
        return bool(self._record)

    @property
    def record(self) -> RunRecord:
        """The record so far."""
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
        """Add values to the record as they become known."""
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
        """Close the record of a run that reached its end, with its outcome."""
        self._close(outcome.tree())

    def interrupt(self) -> None:
        """Close the record of a run that was interrupted."""
        self._close({"status": "interrupted"})

    def fail(self, reason: str, traceback: str) -> None:
        """Close the record of a run that failed."""
        if not self.keeps_former:
            write_text(self.path / ERROR, traceback)
        self._close({"status": "failed", "error": reason})

    def at_close(self, action: Callable[[str], object]) -> None:
        """Run an action in `close`, with the status in the run's record."""
        self._at_close.append(action)

    def close(self) -> None:
        """Run the actions of `at_close`: the record is final, so whatever happens in them costs the run nothing."""
        for action in self._at_close:
            action(self._former if self.keeps_former else self._ended)

    def _close(self, fields: Tree) -> None:
        """Write the final record; a resumed run that stops before its first step keeps its former record."""
        self._ended = str(fields["status"])
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
    """All overrides of a run: those of its first start, replaced by the lengths and paths given on resume."""
    asked = {override.split("=", 1)[0]: override for override in former}
    new = {override.split("=", 1)[0]: override for override in overrides}
    if asked:
        new = {key: override for key, override in new.items() if key not in ("resume", "trust")}
    return list({**asked, **new}.values())


def _lengthened(former: RunRecord, config: RecordedConfig) -> list[Value]:
    """The earlier lengths of a run that was lengthened, each of which its schedule followed until then."""
    before = former.config.trainer.max_epochs if former.config is not None else None
    return [*former.lengthened, *([before] if before not in (None, config.trainer.max_epochs) else [])]
