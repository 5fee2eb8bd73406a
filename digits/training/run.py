"""The run directory: what a training run leaves behind, and the only thing that later commands take.

    RUN/
      result.json         the record: status, config, metrics, seed, overrides, seconds, versions, commit
      model.json          what is needed to rebuild the net: plain data
      model.safetensors   its weights: those of the best epoch, averaged if the run averaged
      checkpoints/        best.ckpt, last.ckpt to resume from, and, until it is done, the one before that
      metrics.csv         every curve, one row a step
      events.out.tfevents…  the same and more for TensorBoard
      train.log           what was printed
      error.txt           the traceback, if it failed
      nonfinite.json      the batch whose loss or gradient was not finite, if there was one
      .hydra/             what Hydra was asked for, and no record
      .claim              who works here, while somebody does

`result.json` has `status`: running, done, failed, interrupted, or pruned, for a search's trial that was ended since
others were better, and then `trial` says which it is, with what parameters. While it runs, `pid`, `host` and `alive`
(seconds since 1970) are its signs of life. Each file is written beside its place and renamed, so a reader sees
the old one or the new one. Reading takes no torch.

`config` is what the run was asked for, with `trainer.precision: auto` settled before its first step.

`seconds` says where the time went:

    fit           Lightning's fit: the steps, the validation, and what is around them; over all starts of the run
      steps       from each epoch's start to the end of its last step, without validation; over all starts
      validation  in validation; over all starts
    first_step    the first of these steps, waiting for kernels and memory included; this and the rest: of this start
    start         from the start of the process to the experiment: Python, imports, Hydra, checks (Linux only)
    objects       net, loggers, callbacks, Trainer
    data          reading and splitting the data
    test          the test
    files         writing the weights
    this_start    the experiment: all of these but `start`
"""

from __future__ import annotations

import os
import platform
import re
import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from digits.config.files import MODEL_LIMIT, RECORD_LIMIT, FileError, read_json
from digits.config.types import Tree, Value
from digits.training.environment import commit, cpu_name, package_versions
from digits.training.storage import write_json, write_text

RESULT, MODEL, WEIGHTS, ERROR = "result.json", "model.json", "model.safetensors", "error.txt"
BEST, LAST, PREVIOUS = "checkpoints/best.ckpt", "checkpoints/last.ckpt", "checkpoints/previous.ckpt"
DAMAGED = "checkpoints/last.damaged"
NONFINITE = "nonfinite.json"
EVENTS = "events.out.tfevents*"
FINISHED = ("done", "interrupted", "pruned")
"""How a run ends from which another start can go on, and lose nothing if it can't."""

SIGN_OF_LIFE = 10.0
"""Seconds between two signs of life; after six of them without one, a run counts as lost."""

NAMED = "name a run's directory, as printed when it starts"

OUTCOME = (
    *("weights", "data", "teachers", "init_from", "metrics", "epoch", "epochs", "steps", "images_per_second"),
    *("seconds", "history"),
)
"""What the record says of a run that was done, and of what it was made from; it stays while the run goes on."""


class RunError(ValueError):
    """A run directory that isn't there or can't be used so; the message names the fix."""


class JobFailed(Exception):  # noqa: N818 (it says what happened to the job)
    """A run failed and said why; `code` is what a command exits with, `storage` tells that nothing could be written."""

    def __init__(self, reason: str, code: int = 1, *, storage: bool = False) -> None:
        super().__init__(reason)
        self.code, self.storage = code, storage


class JobDied(JobFailed):
    """A run's process died hard: killed by a signal, a segfault, the system when memory ran out."""


class RunDirectory:
    """Writes one run's record.

    What a finished run left is kept until the first step of a start that goes on with it: one that fails before, since
    its data or a package is gone, say, leaves no trace.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.record: Tree = {}
        self.keeps_former = False
        self._deferred = list[Callable[[], object]]()
        self._events = set[Path]()
        self._last_sign = 0.0

    def begin(self, config: Tree, overrides: list[str], trial: Tree | None = None) -> None:
        """Say that the run has started; a record already there (resume) keeps what it knows.

        `trial` is what a search says of its trial: its name, number and parameters.
        """
        (self.path / LAST).parent.mkdir(parents=True, exist_ok=True)
        former = read_result(self.path) if (self.path / RESULT).exists() else {}
        self.record = {key: former[key] for key in OUTCOME if key in former} | {
            "format": 1,
            "status": "running",
            "started": former.get("started") or datetime.now(UTC).isoformat(timespec="seconds"),
            "lengthened": _lengthened(former, config),
            "overrides": _merged(former.get("overrides"), overrides),
            "seed": config.get("seed"),
            "config": config,
            "versions": dict[str, Value](python=platform.python_version(), **package_versions()),
            "commit": commit(),
            "hardware": {"cpu": cpu_name(), "cores": os.cpu_count(), "system": platform.platform()},
        }
        if (of_search := trial or former.get("trial")) is not None:
            self.record["trial"] = of_search
        self.keeps_former, self._events = former.get("status") in FINISHED, set(self.path.glob(EVENTS))
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

    def add(self, **fields: Value) -> None:
        """Add to the record what is known by now."""
        self.record |= fields
        self.sign_of_life(at_once=True)

    def finish(self, status: str, **fields: Value) -> None:
        """Close the record with a status and what came out; one that ends before its first step is as it was."""
        if self.keeps_former and status not in ("done", "pruned"):
            for path in set(self.path.glob(EVENTS)) - self._events:
                path.unlink(missing_ok=True)
            return
        self.first_step()
        self.record |= {
            "status": status,
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        } | fields
        self._write({})

    def fail(self, reason: str, traceback: str) -> None:
        """Close the record of a run that failed."""
        if not self.keeps_former:
            write_text(self.path / ERROR, traceback)
        self.finish("failed", error=reason)

    def _write(self, more: Tree) -> None:
        if not self.keeps_former:
            write_json(self.path / RESULT, self.record | more)


def read_result(run: Path) -> Tree:
    """The record of a run; raises RunError where there is none, or none that can be read (`digits.config.files`)."""
    return _read_json(run / RESULT, RECORD_LIMIT, f"{run} is no run's directory (it has no {RESULT})")


def read_model(run: Path) -> Tree:
    """What is needed to rebuild a run's net: `model`, and in `input` what it takes; raises RunError where it isn't."""
    record = _read_json(run / MODEL, MODEL_LIMIT, f"{run} has no {MODEL}: it was not trained to its end", finite=True)
    takes = record.get("input")
    numbers = [takes.get(key) for key in ("std", "mean", "image_size")] if isinstance(takes, dict) else []
    if not numbers or not all(isinstance(n, int | float) and n >= 0 for n in numbers) or numbers[0] == 0:
        raise RunError(f"{run / MODEL} is damaged: it doesn't say what the net takes (input.mean, .std, .image_size)")
    return record


def _read_json(path: Path, limit: int, missing: str, *, finite: bool = False) -> Tree:
    try:
        return read_json(path, limit, finite=finite)
    except (FileNotFoundError, NotADirectoryError):
        raise RunError(missing) from None
    except FileError as error:
        raise RunError(str(error)) from None


def first_process() -> bool:
    """Whether this is a run's only process or the first of several, on this node or another: it keeps the record."""
    return all(os.environ.get(rank, "0") == "0" for rank in ("RANK", "SLURM_PROCID", "NODE_RANK", "LOCAL_RANK"))


def status_of(result: Tree) -> str:
    """The status, where a running run without a sign of life is called lost."""
    status = str(result.get("status"))
    if status != "running":
        return status
    pid, alive = result.get("pid"), result.get("alive")
    alive = alive if isinstance(alive, int | float) else 0
    if result.get("host") == socket.gethostname() and isinstance(pid, int):
        return "running" if _lives(pid, alive) else "lost"
    # compared, not subtracted: a record may hold a number that no float can be
    return "running" if alive > time.time() - 6 * SIGN_OF_LIFE else "lost"


def _lives(pid: int, alive: float) -> bool:
    """Whether a process is there, and was when it gave its last sign: after a restart another may have its number."""
    if pid <= 0:  # which would be groups of processes, our own among them
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    try:
        began = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
        boot = re.search(r"^btime (\d+)", Path("/proc/stat").read_text(encoding="utf-8"), re.MULTILINE)
    except (OSError, IndexError):  # no Linux
        return True
    return boot is None or int(boot[1]) + int(began) / os.sysconf("SC_CLK_TCK") < alive + 2


def runs_in(folder: Path) -> Iterator[Path]:
    """Every run's directory in a folder, at any depth, in the order of their names."""
    for path in sorted(folder.rglob(RESULT)):
        if path.is_file():
            yield path.parent


def find_run(name: str | None, outputs: Path = Path("outputs")) -> Path:
    """The run that a command was given; without a name, the latest that is done."""
    if name is not None:
        path = Path(name)
        if not os.path.isdir(path):  # noqa: PTH112 (Path's raises for a name too long)
            raise RunError(f"there is no directory {name}; {NAMED}")
        if not (path / RESULT).is_file():
            inside = list(runs_in(path))
            hint = f"it holds {len(inside)} runs, name one of them, such as {inside[0]}" if inside else NAMED
            raise RunError(f"{name} is no run's directory (it has no {RESULT}); {hint}")
        return path
    done = [
        (str(result.get("finished")), run)
        for run in runs_in(outputs)
        if (result := peek(run)).get("status") == "done" and (run / MODEL).exists()  # a fast_dev_run leaves no net
    ]
    if not done:
        raise RunError(f"no run in {outputs}/ is done yet; train one first, or name a run's directory")
    return max(done)[1]


def peek(run: Path) -> Tree:
    """The record of a run, empty where there is none that can be read."""
    try:
        return read_result(run)
    except RunError:
        return {}


def _merged(former: Value, overrides: list[str]) -> list[Value]:
    """What a run was asked for in all: at its start, and the new lengths when it went on."""
    asked = {str(override).split("=", 1)[0]: override for override in (former if isinstance(former, list) else [])}
    new = {override.split("=", 1)[0]: override for override in overrides}
    if asked:
        new = {key: override for key, override in new.items() if key not in ("resume", "trust")}
    return list({**asked, **new}.values())


def _lengthened(former: Tree, config: Tree) -> list[Value]:
    """The lengths that a run had before it was given another: its schedule was theirs until then."""
    lengths = former.get("lengthened")
    before, now = (
        trainer.get("max_epochs") if isinstance(trainer, dict) else None
        for trainer in (
            tree.get("trainer") if isinstance(tree, dict) else None for tree in (former.get("config"), config)
        )
    )
    return [*(lengths if isinstance(lengths, list) else []), *([before] if before not in (None, now) else [])]
