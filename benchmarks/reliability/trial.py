"""One run from its first start through its faults to its end, and what became of it."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.reliability.matrix import overrides
from benchmarks.reliability.outcome import Outcome, broken_files, differences, outcome_of
from benchmarks.reliability.start import Ended, Fault, run_command
from digits.runs.layout import BEST, LAST, RESULT

Check = Callable[[Ended, Path], list[str]]
"""Complaints about how a start ended, and about its run's directory."""


@dataclass(frozen=True)
class Step:
    """A fault in the life of a run: in a start of the command, and perhaps to its files afterwards."""

    kind: str
    fault: Fault
    check: Check
    afterwards: Callable[[Path], list[str]] = lambda _: []
    next_says: str = ""  # what the next start must say


@dataclass
class Life:
    """What became of a run."""

    struck: list[str] = field(default_factory=list)  # the kinds of the faults that struck
    complaints: list[tuple[str, str]] = field(default_factory=list)  # after a fault of a kind; "": at the end

    @property
    def lost(self) -> list[str]:
        """The kinds that were not survived; what is wrong at the end may come of any of them."""
        blamed = {kind for kind, _ in self.complaints}
        return [kind for kind in self.struck if kind in blamed or "" in blamed]


@dataclass(frozen=True)
class Reference:
    """A run of the same configuration that was left alone."""

    run: Path
    outcome: Outcome
    passed: dict[str, int]  # how often each point of the plant was passed
    fitting: float  # seconds from its first line to its end


def reference(name: str, folder: Path) -> Reference:
    """Run a configuration with no fault and no checkpoint in mid-epoch."""
    run = folder / "run"
    ended = run_command([*overrides(name, often=False), f"hydra.run.dir={run}"], folder, Fault("count"))
    assert ended.code == 0, f"{name} fails without a fault:\n{ended.last_lines}"
    (log,) = folder.glob("strikes-*.log")
    assert ended.fitting is not None
    return Reference(run, outcome_of(run), json.loads(log.read_text(encoding="utf-8")), ended.fitting)


def lead(
    run: Path, first: list[str], steps: Sequence[Step], wanted: Outcome, *, screens: Path, end: Check | None = None
) -> Life:
    """Lead a run through its faults: the same command until there is a record, then `resume`, as its owner would.

    At its end it is compared with the run that was left alone; or, with `end`, its last start is checked.
    """
    life, says = Life(), ""
    for step in (*steps, None):
        again = (run / RESULT).exists()
        arguments = [f"resume={run}"] if again else [*first, f"hydra.run.dir={run}"]
        ended = run_command(arguments, screens, step.fault if step else Fault())
        if says not in ended.output:
            life.complaints.append((life.struck[-1], f"nothing was said of {says}:\n{ended.last_lines}"))
        # a run whose second process dies when there is nothing left to do together may end well: then it is compared
        if step is None or (ended.code == 0 and (not struck(step, ended) or step.check is failed)):
            life.struck += [step.kind] if step and struck(step, ended) else []
            complaints = misbehaviour(ended) + (end(ended, run) if end else done(ended, run) or compared(wanted, run))
            life.complaints += [("", complaint) for complaint in complaints]
            return life
        if not struck(step, ended):
            life.struck += [step.kind] * bool(ended.strikes)  # the first of two did
            life.complaints.append(("", f"exit code {ended.code} before {step.kind}:\n{ended.last_lines}"))
            return life
        life.struck.append(step.kind)
        complaints = step.check(ended, run) + misbehaviour(ended) + step.afterwards(run)
        if not step.next_says:  # else a file has just been damaged
            complaints += broken_files(run.parent)
        life.complaints += [(step.kind, complaint) for complaint in complaints]
        says = step.next_says
    raise AssertionError("the last start is no step")


def struck(step: Step, ended: Ended) -> bool:
    """Whether a start came to all that was planned for it."""
    if step.fault.plant:
        return len(ended.strikes) == step.fault.plant.count(";") + 1
    return ended.code == -signal.SIGKILL


def compared(wanted: Outcome, run: Path) -> list[str]:
    """What a run that is done has come to, against one that was left alone."""
    try:
        return differences(wanted, outcome_of(run))
    except Exception as error:  # whatever is missing or can't be read was lost
        return [f"its outcome can't be read: {type(error).__name__}: {error}"]


# ---- Checks -----------------------------------------------------------------------------------------


def misbehaviour(ended: Ended) -> list[str]:
    """What no start may do."""
    complaints = ["it hung, and was killed"] if ended.hung else []
    return complaints + (["it left a process behind"] if ended.left_behind else [])


def done(ended: Ended, _: Path) -> list[str]:
    """The last start: to its end."""
    return [f"exit code {ended.code} in place of 0:\n{ended.last_lines}"] if ended.code else []


def killed(ended: Ended, _: Path) -> list[str]:
    """Killed it was."""
    return [] if ended.code == -signal.SIGKILL else [f"exit code {ended.code} in place of {-signal.SIGKILL:d}"]


def failed(_: Ended, __: Path) -> list[str]:
    """Ended badly, in whatever way: a run whose second process was killed; one that ends well is compared."""
    return []


def left_cleanly(number: signal.Signals, best_before: Path) -> Check:
    """After a signal: the right exit code in time, the record, the checkpoints."""

    def check(ended: Ended, run: Path) -> list[str]:
        complaints = unclear(ended, "Traceback", at_most=0)
        if ended.code != 128 + number:
            complaints.append(f"exit code {ended.code} in place of {128 + number}:\n{ended.last_lines}")
        if ended.seconds_after_strike > 10:
            complaints.append(f"it took {ended.seconds_after_strike:.1f} s to leave")
        status = json.loads((run / RESULT).read_text(encoding="utf-8"))["status"]
        if status != "interrupted":
            complaints.append(f"its status is {status}")
        if not (run / LAST).exists():
            complaints.append("it left no checkpoint")
        if best_before.exists() and (run / BEST).read_bytes() != best_before.read_bytes():
            complaints.append("its best checkpoint was written anew")
        best_before.unlink(missing_ok=True)
        return complaints

    return check


def keep_best(run: Path, best_before: Path) -> str:
    """A shell command that keeps the best checkpoint as it is, to compare with it later."""
    return f"cp '{run / BEST}' '{best_before}' 2>/dev/null || true"


def left_at_once(number: signal.Signals) -> Check:
    """After a second signal."""

    def check(ended: Ended, _: Path) -> list[str]:
        complaints = [] if ended.code in (128 + number, -number) else [f"exit code {ended.code}:\n{ended.last_lines}"]
        if ended.seconds_after_strike > 1:
            complaints.append(f"it took {ended.seconds_after_strike:.1f} s to leave after the second signal")
        return complaints

    return check


def told_clearly(pattern: str, *codes: int) -> Check:
    """After a fault that the command can tell of: its exit code, one line that says it, no traceback."""

    def check(ended: Ended, _: Path) -> list[str]:
        wrong = [] if ended.code in codes else [f"exit code {ended.code} in place of {codes}:\n{ended.last_lines}"]
        for noise in ("Traceback", "Logging error", "Exception in thread", "Exception ignored"):
            wrong += unclear(ended, noise, at_most=0)
        return wrong + unclear(ended, pattern, at_least=1, at_most=1)

    return check


def unclear(ended: Ended, pattern: str, *, at_least: int = 0, at_most: int) -> list[str]:
    """A complaint where too many or too few of the lines that a start wrote fit a pattern."""
    lines = [line for line in ended.output.splitlines() if re.search(pattern, line)]
    if at_least <= len(lines) <= at_most:
        return []
    return [f"{len(lines)} lines with {pattern!r}:\n{ended.last_lines}"]
