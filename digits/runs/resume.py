"""Resuming a run, repeating it (config_from), and running its own command again in its directory.

The configuration is then the recorded one. It comes from a file, so it may name only targets that
`digits.config.trust` trusts, in packages that the user trusts, or that the command itself names.
"""

from __future__ import annotations

import shlex
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from digits.config.faults import ConfigError, Fault
from digits.config.files import FileError, check_stays_inside, few
from digits.config.trust import own_packages, packages_of
from digits.config.types import Tree, Value, targets_in
from digits.runs.layout import LAST, PREVIOUS, RESULT, WRITTEN, RunError
from digits.runs.read import Refused, find_run, first_process, read_result, refused, runs_in, status_of
from digits.runs.schema import RecordedConfig, RunRecord

LENGTHS = {"trainer.max_epochs"}
"""Keys that may be changed on resume; not max_steps, with which Lightning 2.6 repeats an epoch on resume."""

PLACES = {"data.root", "data.mirrors", "data.cache", "data.material"}  # paths of the data, which differ by machine

FOUND = {"trainer.find_lr", "optimizer.lr", "scheduler.max_lr"}
"""Keys whose values the search for a learning rate replaces, in the record too."""

ANEW = {"seed", "test", "checkpoints", *PLACES}  # keys that may be changed in a repeated run

NO_LENGTH = "can't be changed on resume, only {0} can; to start from its weights: init_from"
NOT_THE_SAME = "can't be changed with config_from, only {0} can; give the run's own command with the change instead"
NOTHING_RECORDED = (
    "{0} has only just started, or was interrupted before anything was recorded; if so, run its command again with "
    "hydra.run.dir={0} (its overrides are in {0}/.hydra/overrides.yaml)"
)


def resumed(asked: Tree, overrides: list[str]) -> Tree:
    """A run's recorded configuration, with the lengths and the paths of the data that were given on resume."""
    recorded = _recorded(asked, "resume")
    _refuse_links(Path(str(asked["resume"])))
    given = keys(overrides) - {"resume", "trust"}
    if refused := sorted(given - LENGTHS - PLACES):
        raise ConfigError(*[Fault(key, NO_LENGTH.format(", ".join(sorted(LENGTHS | PLACES)))) for key in refused])
    tree = _given_anew(recorded, asked, given) | {"resume": asked["resume"], "trust": asked["trust"]}
    trainer, done = tree.get("trainer"), read_result(Path(str(asked["resume"]))).epochs
    length = trainer.get("max_epochs") if isinstance(trainer, dict) else None
    if isinstance(length, int) and done is not None and length < done:
        why = f"is {length}, but {asked['resume']} has done {done} epochs; give as many or more"
        raise ConfigError(Fault("trainer.max_epochs", why))
    return tree


def once_more(asked: Tree, overrides: list[str]) -> Tree:
    """The recorded configuration of another run for a new one; only the keys in ANEW may be changed.

    No others, since values computed from them, as scheduler.max_lr is from optimizer.lr, would stay as recorded.
    """
    recorded = _recorded(asked, "config_from")
    given = keys(overrides) - {"config_from", "trust"}
    if refused := sorted(given - ANEW):
        raise ConfigError(*[Fault(key, NOT_THE_SAME.format(", ".join(sorted(ANEW)))) for key in refused])
    own: Tree = {"resume": None, "config_from": asked["config_from"], "trust": asked["trust"]}
    return _given_anew(recorded, asked, given) | own


@dataclass(frozen=True)
class TakenUp:
    """The decision about a directory that may hold the run of an earlier start."""

    tree: Tree | None  # the configuration to run; None: the run is done
    remark: str = ""  # to be printed
    value: float | None = None  # of a run that is done: its task's monitored metric


def taken_up(asked: Tree, overrides: list[str], directory: Path) -> TakenUp:
    """What to do with a sweep's job, or a requeued one, that was started before: nothing, resume it, or start it over.

    Raises ConfigError where it runs in another process, or the directory is another job's.
    """
    if not (directory / RESULT).exists():
        return TakenUp(asked)
    try:
        result = read_result(directory)
    except RunError as error:
        raise ConfigError(Fault("", f"{error}; delete {directory} to run it from scratch")) from None
    status, former = status_of(result), result.overrides
    if status == "running" and first_process():
        raise ConfigError(Fault("", f"{directory} {still_running(result)}"))
    if former is not None and identity(former) != identity(overrides):
        why = f"{directory} holds a run with other overrides ({' '.join(former)}); name another directory"
        raise ConfigError(Fault("", why))
    recorded = asked if result.config is None else _completed(result.config, asked)
    others = changed_keys(recorded, asked)
    trainer = asked.get("trainer")
    if isinstance(trainer, dict) and trainer.get("find_lr"):
        others = [key for key in others if key not in FOUND]
    if status == "done":
        value = result.metrics.get(result.task.monitored)
        note = f" (recorded with another {few(others)})" if others else ""
        return TakenUp(None, f"done already: {directory}{note}", value if isinstance(value, float) else None)
    _refuse_links(directory)
    # targets that the command itself names need no trust=[…] in the record of the same command
    own = {str(section["_target_"]) for _, section in targets_in(asked)}
    again: Tree = {"resume": str(directory), "trust": list[Value](own_packages(asked))}
    if not resumable(directory):
        return TakenUp(asked | again)
    _refuse(refused(recorded, packages_of(asked), own))
    remark = f"{directory} is resumed as recorded; this command has another {few(others)}" if others else ""
    return TakenUp(recorded | again, remark)


def resume_command(run: Path, config: Tree) -> str:
    """The command that resumes a run of this configuration, quoted, trusting the packages that it names."""
    trusted = own_packages(config)
    words = ["python", "-m", "digits.train", f"resume={run}", *([f"trust=[{','.join(trusted)}]"] if trusted else [])]
    return shlex.join(words)


def done_in(sweep: Path) -> list[set[str]]:
    """The identities of the jobs in a sweep's directory that are done."""
    done = []
    for run in runs_in(sweep):
        with suppress(RunError):  # a damaged run is not done
            record = read_result(run)
            if record.status == "done" and record.overrides is not None:
                done.append(identity(record.overrides))
    return done


def ended_since(sweep: Path, moment: float) -> Counter[str]:
    """How many runs in a sweep's directory have ended since a moment, in seconds since 1970, by their status."""
    ended = Counter[str]()
    for run in runs_in(sweep):
        with suppress(RunError, OSError):  # a damaged run, or one that is moved away meanwhile
            if (run / RESULT).stat().st_mtime >= moment:
                ended[str(read_result(run).status)] += 1
    return ended


def resumable(run: Path) -> bool:
    """Whether a run has a checkpoint to resume from."""
    return (run / LAST).exists() or (run / PREVIOUS).exists()


def still_running(record: RunRecord) -> str:
    """The message for a run that another process is training."""
    return f"is still running (process {record.pid} on {record.host}); end it first"


def _recorded(asked: Tree, key: str) -> Tree:
    """The configuration in the record of the run that a key (`resume`, `config_from`) names."""
    name = str(asked[key])
    try:
        run = find_run(name)
        recorded = read_result(run).config
    except RunError as error:
        nothing = (Path(name) / ".hydra").is_dir() and not (Path(name) / RESULT).exists()
        raise ConfigError(Fault(key, NOTHING_RECORDED.format(name) if nothing else str(error))) from None
    if recorded is None or not recorded.whole:
        raise ConfigError(Fault(key, f"{run} has no whole configuration in its record"))
    _refuse(refused(recorded, packages_of(asked)))
    return _completed(recorded, asked)


def _refuse_links(run: Path) -> None:
    """Raise ConfigError where a link in a run's directory leads out of it by which the run would write.

    What a logger keeps in a folder of its own is the logger's: W&B's links lead to its cache.
    """
    try:
        check_stays_inside(run, run, WRITTEN)
    except FileError as error:
        raise ConfigError(Fault("resume", str(error))) from None


def _refuse(faults: list[Refused]) -> None:
    """Raise ConfigError for the untrusted targets and harmful values in a record."""
    why = "the run's record names a class outside the trusted packages: {0}; to allow it: trust=[{1}]"
    if faults:
        raise ConfigError(
            *(Fault(f.key, f.problem if f.target is None else why.format(f.target, f.package)) for f in faults)
        )


def _completed(config: RecordedConfig, asked: Tree) -> Tree:
    """A recorded configuration with the keys added since it was written."""
    recorded = config.completed()
    trainer, todays = recorded.get("trainer"), asked.get("trainer")
    if isinstance(trainer, dict) and isinstance(todays, dict):
        recorded = recorded | {"trainer": todays | trainer}
    return asked | recorded


def _given_anew(recorded: Tree, asked: Tree, keys: set[str]) -> Tree:
    """A recorded configuration with some keys, at most a section deep, taken from the new one."""
    tree = dict(recorded)
    for key in keys:
        section, _, leaf = key.rpartition(".")
        inner, source = (tree.get(section), asked.get(section)) if section else (tree, asked)
        if isinstance(inner, dict) and isinstance(source, dict):
            value = {leaf: source[leaf]}
            tree = tree | ({section: inner | value} if section else value)
    return tree


def changed_keys(recorded: Tree, asked: Tree, path: str = "") -> list[str]:
    """The keys at which two configurations differ, except those about how to start, and those that a run chooses."""
    keys = []
    for key in [*recorded, *(key for key in asked if key not in recorded)]:
        before, now = recorded.get(key), asked.get(key)
        if isinstance(before, dict) and isinstance(now, dict):
            keys += changed_keys(before, now, f"{path}{key}.")
        elif before != now and f"{path}{key}" not in ("resume", "trust") and not _settled(f"{path}{key}", now):
            keys.append(f"{path}{key}")
    return keys


def _settled(key: str, asked: Value) -> bool:
    """Whether a run chooses the value of a key itself, and records its choice."""
    return key == "trainer.precision" and asked == "auto"


def keys(overrides: list[str]) -> set[str]:
    """The keys that overrides set."""
    return {override.lstrip("+").split("=", 1)[0] for override in overrides}


def identity(overrides: list[str]) -> set[str]:
    """The overrides that identify a job: all but those that may change on resume."""
    return {o for o in overrides if o.lstrip("+").split("=", 1)[0] not in LENGTHS | {"resume", "trust"}}
