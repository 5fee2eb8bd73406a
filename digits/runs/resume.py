"""A recorded run taken up again: gone on with, done once more, or met by its own command started again.

The configuration is then the recorded one. It comes from a file, so nothing is called for it but what
`digits.config.instantiate` trusts, the user named, or the command itself asks for.
"""

from __future__ import annotations

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
"""What may be given anew to a run that goes on; not max_steps, with which Lightning 2.6 repeats an epoch on resume."""

PLACES = {"data.root", "data.mirrors", "data.cache", "data.material"}
"""Where the data lie: on another machine a run that goes on finds them elsewhere."""

ANEW = {"seed", "test", "checkpoints", *PLACES}
"""What may be given anew to a run that is done once more."""

NO_LENGTH = "can't be changed on resume, only {0} can; to start from its weights: init_from"
NOT_THE_SAME = "can't be changed with config_from, only {0} can; give the run's own command with the change instead"
NOTHING_RECORDED = (
    "{0} has only just begun, or was cut off before anything was recorded; if so, give its command again with "
    "hydra.run.dir={0} (what it was asked for is in {0}/.hydra/overrides.yaml)"
)


def resumed(asked: Tree, overrides: list[str]) -> Tree:
    """A run's own recorded configuration, with the lengths and the places that were given anew."""
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
    """The recorded configuration of another run, for a new one: but for seed, places and what is kept, the same.

    Nothing else, since what was computed from it, as scheduler.max_lr is from optimizer.lr, would stay what it was.
    """
    recorded = _recorded(asked, "config_from")
    given = keys(overrides) - {"config_from", "trust"}
    if refused := sorted(given - ANEW):
        raise ConfigError(*[Fault(key, NOT_THE_SAME.format(", ".join(sorted(ANEW)))) for key in refused])
    own: Tree = {"resume": None, "config_from": asked["config_from"], "trust": asked["trust"]}
    return _given_anew(recorded, asked, given) | own


@dataclass(frozen=True)
class TakenUp:
    """What a command does in a directory where it may have been before."""

    tree: Tree | None  # the configuration to run; None: nothing, it is done
    remark: str = ""  # to be told
    value: float | None = None  # of a run that is done: what its task monitors


def taken_up(asked: Tree, overrides: list[str], directory: Path) -> TakenUp:
    """A sweep's job, or a requeued one, met again: left as it is, gone on with, or started anew in its place.

    Raises ConfigError where that can't be: it runs in another process, or it is another job's directory.
    """
    if not (directory / RESULT).exists():
        return TakenUp(asked)
    try:
        result = read_result(directory)
    except RunError as error:
        raise ConfigError(Fault("", f"{error}; delete {directory} to start it anew")) from None
    status, former = status_of(result), result.overrides
    if status == "running" and first_process():
        raise ConfigError(Fault("", f"{directory} {still_running(result)}"))
    if former is not None and identity(former) != identity(overrides):
        why = f"{directory} holds the run of other overrides ({' '.join(former)}); name another directory"
        raise ConfigError(Fault("", why))
    recorded = asked if result.config is None else _completed(result.config, asked)
    others = _changed(recorded, asked)
    if status == "done":
        value = result.metrics.get(result.task.monitored)
        note = f" (recorded with another {few(others)})" if others else ""
        return TakenUp(None, f"done already: {directory}{note}", value if isinstance(value, float) else None)
    _refuse_links(directory)
    # What the command itself names needs no trust=[…] to be called for the record of the same command
    own = {str(section["_target_"]) for _, section in targets_in(asked)}
    again: Tree = {"resume": str(directory), "trust": list[Value](own_packages(asked))}
    if not resumable(directory):
        return TakenUp(asked | again)
    _refuse(refused(recorded, packages_of(asked), own))
    remark = f"{directory} goes on as it was recorded; asked for now is another {few(others)}" if others else ""
    return TakenUp(recorded | again, remark)


def done_in(sweep: Path) -> list[set[str]]:
    """What tells the jobs of a sweep's directory that are done from others."""
    done = []
    for run in runs_in(sweep):
        with suppress(RunError):  # what is damaged is not done
            record = read_result(run)
            if record.status == "done" and record.overrides is not None:
                done.append(identity(record.overrides))
    return done


def resumable(run: Path) -> bool:
    """Whether something was saved that a run can go on from."""
    return (run / LAST).exists() or (run / PREVIOUS).exists()


def still_running(record: RunRecord) -> str:
    """What a run is that can't be touched now."""
    return f"is still running (process {record.pid} on {record.host}); end it first"


def _recorded(asked: Tree, key: str) -> Tree:
    """The configuration in the record of the run that a key names."""
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
    """Raise ConfigError for targets in a record that are not called for a file, and for what would do harm."""
    why = "the run's record names {0}, which is not called for a file; if you trust it, say trust=[{1}]"
    if faults:
        raise ConfigError(
            *(Fault(f.key, f.problem if f.target is None else why.format(f.target, f.package)) for f in faults)
        )


def _completed(config: RecordedConfig, asked: Tree) -> Tree:
    """A recorded configuration with the keys that are younger than it."""
    recorded = config.completed()
    trainer, todays = recorded.get("trainer"), asked.get("trainer")
    if isinstance(trainer, dict) and isinstance(todays, dict):
        recorded = recorded | {"trainer": todays | trainer}
    return asked | recorded


def _given_anew(recorded: Tree, asked: Tree, keys: set[str]) -> Tree:
    """A recorded configuration with some keys, at most a section deep, as they are asked for now."""
    tree = dict(recorded)
    for key in keys:
        section, _, leaf = key.rpartition(".")
        inner, source = (tree.get(section), asked.get(section)) if section else (tree, asked)
        if isinstance(inner, dict) and isinstance(source, dict):
            value = {leaf: source[leaf]}
            tree = tree | ({section: inner | value} if section else value)
    return tree


def _changed(recorded: Tree, asked: Tree, path: str = "") -> list[str]:
    """The keys at which two configurations differ, however deep, but for what says how to start."""
    keys = []
    for key in [*recorded, *(key for key in asked if key not in recorded)]:
        before, now = recorded.get(key), asked.get(key)
        if isinstance(before, dict) and isinstance(now, dict):
            keys += _changed(before, now, f"{path}{key}.")
        elif before != now and f"{path}{key}" not in ("resume", "trust") and not _settled(f"{path}{key}", now):
            keys.append(f"{path}{key}")
    return keys


def _settled(key: str, asked: Value) -> bool:
    """Whether a run chooses for itself what is asked for, and records its choice."""
    return key == "trainer.precision" and asked == "auto"


def keys(overrides: list[str]) -> set[str]:
    """What overrides set."""
    return {override.lstrip("+").split("=", 1)[0] for override in overrides}


def identity(overrides: list[str]) -> set[str]:
    """What tells one job from another: its overrides, but for those that a run may get anew when it goes on."""
    return {o for o in overrides if o.lstrip("+").split("=", 1)[0] not in LENGTHS | {"resume", "trust"}}
