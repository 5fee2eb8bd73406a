"""A run done once more: what is different from the first time, and whether the same came out. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from digits.config.files import few
from digits.config.types import Tree, Value
from digits.runs.layout import RunError
from digits.runs.teachers import trained_anew

SPEED = {"epoch", "train/images_per_second"}
"""What an epoch's record has that is no result."""

HARDWARE = {"cpu": "processor", "cores": "cores", "threads": "threads"}


def differences(recorded: Tree, now: Tree) -> list[str]:
    """What two runs' records have that can make their results differ, one short sentence each.

    Only what both know is compared: at its start a run does not know its device and its data's checksums yet.
    """
    return [
        *_lengths(recorded),
        *_seed(recorded, now),
        *_versions(_section(recorded, "versions"), _section(now, "versions")),
        *_commit(_section(recorded, "commit"), _section(now, "commit")),
        *_hardware(recorded, now),
        *_data(_section(recorded, "data", "checksums"), _section(now, "data", "checksums")),
        *(
            f"the teacher {run} has been trained anew since"
            for run in trained_anew(recorded.get("teachers"), now.get("teachers"))
        ),
        *_data(
            {"what it begins with": _section(recorded, "init_from").get("weights")},
            {"what it begins with": _section(now, "init_from").get("weights")},
        ),
    ]


def check_unchanged(recorded: Value, checksums: Mapping[str, str], run: Path) -> None:
    """Raise RunError where a run that goes on would do so with other data than it has been trained on.

    What was kept apart for the test may then have been trained on.
    """
    then = recorded.get("checksums") if isinstance(recorded, dict) else None
    if not isinstance(then, dict) or then == checksums:
        return
    others = [name for name in {**then, **checksums} if then.get(name) != checksums.get(name)]
    raise RunError(
        f"the data are not those that {run} has been trained on (other: {few(others)}); put them back, or start a new "
        f"run from its weights with init_from={run}"
    )


def compare(recorded: Tree, now: Tree) -> str:
    """Whether a run that is done has the metrics of the one it did once more, to the bit, or which of them differ."""
    name = _section(now, "config").get("config_from")
    then, here = _section(recorded, "metrics"), _section(now, "metrics")
    common = [key for key in then if key in here and key not in SPEED]
    if not common:
        return f"{name} has no metrics to compare with: it is {recorded.get('status')}"
    others = [f"{key} {then[key]} then, {here[key]} now" for key in common if _differ(then[key], here[key])]
    if (epoch := _first_other_epoch(recorded.get("history"), now.get("history"))) is not None:
        others.append(f"the curves part in epoch {epoch}")
    weights = [record.get("weights") for record in (recorded, now)]
    if None not in weights and weights[0] != weights[1]:
        others.append("the weights are others")
    if not others:
        return f"the same metrics{' and weights' * (None not in weights)} to the bit as {name}"
    reasons = differences(recorded, now) or ["nothing that the records know of"]
    return "\n".join([f"other metrics than {name}:", *_listed(others), "what else is different:", *_listed(reasons)])


def _lengths(recorded: Tree) -> list[str]:
    lengths = recorded.get("lengthened")
    if not isinstance(lengths, list) or not lengths:
        return []
    return [f"it was first to have {lengths[0]} epochs, by whose schedule it began, and was given more then"]


def _seed(recorded: Tree, now: Tree) -> list[str]:
    then, here = recorded.get("seed"), now.get("seed")
    return [] if then is None or here is None else _then_and_now("seed", then, here)


def _versions(then: Tree, now: Tree) -> list[str]:
    if not then or not now:
        return []
    packages = dict.fromkeys([*then, *now])
    return [s for name in packages for s in _then_and_now(name, then.get(name, "absent"), now.get(name, "absent"))]


def _commit(then: Tree, now: Tree) -> list[str]:
    before, here = (str(commit["id"])[:7] if commit.get("id") else "unknown" for commit in (then, now))
    return [
        *_then_and_now("commit", before, here),
        *["the source had uncommitted changes then"] * bool(then.get("dirty")),
        *["the source has uncommitted changes now"] * bool(now.get("dirty")),
    ]


def _hardware(recorded: Tree, now: Tree) -> list[str]:
    sides = [_section(record, "hardware") for record in (recorded, now)]
    pairs = {label: [side.get(key) for side in sides] for key, label in HARDWARE.items()}
    pairs["device"] = [recorded.get("device"), now.get("device")]
    return [
        s for label, (then, here) in pairs.items() if None not in (then, here) for s in _then_and_now(label, then, here)
    ]


def _data(then: Tree, now: Tree) -> list[str]:
    return [f"{file} is another file than then" for file in then if file in now and then[file] != now[file]]


def _listed(sentences: list[str]) -> list[str]:
    return [f"  {sentence}" for sentence in sentences]


def _then_and_now(name: str, then: Value, now: Value) -> list[str]:
    return [] if then == now else [f"{name} {then} then, {now} now"]


def _first_other_epoch(then: Value, now: Value) -> int | None:
    """The first epoch, counted from 1, whose means differ; None where all are the same or one has no epochs."""
    if not isinstance(then, list) or not isinstance(now, list) or not then or not now:
        return None
    for i, (before, here) in enumerate(zip(then, now, strict=False), 1):
        if isinstance(before, dict) and isinstance(here, dict):
            common = before.keys() & here.keys() - SPEED
            if any(_differ(before[key], here[key]) for key in common):
                return i
    return None if len(then) == len(now) else min(len(then), len(now)) + 1


def _differ(then: Value, now: Value) -> bool:
    return repr(then) != repr(now)  # as written in JSON, to the last bit; NaN is NaN


def _section(record: Tree, *keys: str) -> Tree:
    """A part of a record, empty where it has none."""
    found: Value = record
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}
