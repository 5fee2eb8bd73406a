"""A repeated run: how its setup differs from the first run's, and whether its results are the same. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from digits.config.files import few
from digits.runs.layout import RunError
from digits.runs.schema import Commit, DataRead, RunRecord
from digits.runs.teachers import trained_anew

SPEED = {"epoch", "train/images_per_second"}  # keys of an epoch's record that are not results


def differences(recorded: RunRecord, now: RunRecord) -> list[str]:
    """The differences between two runs' records that can make their results differ, one short sentence each.

    Only what both records have is compared: at its start a run doesn't know its device and its data's checksums yet.
    """
    return [
        *_lengths(recorded),
        *_seed(recorded, now),
        *_versions(recorded.versions, now.versions),
        *_commit(recorded.commit, now.commit),
        *_hardware(recorded, now),
        *_data(recorded.data.checksums or {}, now.data.checksums or {}),
        *(f"the teacher {run} was retrained since" for run in trained_anew(recorded.teachers, now.teachers)),
        *_data(
            {"the file of init_from": recorded.init_from.weights},
            {"the file of init_from": now.init_from.weights},
        ),
    ]


def check_unchanged(recorded: DataRead, checksums: Mapping[str, str], run: Path) -> None:
    """Raise RunError where a resumed run would have other data than it was trained on so far.

    Otherwise test images may have been trained on.
    """
    then = recorded.checksums
    if then is None or then == checksums:
        return
    others = [name for name in {**then, **checksums} if then.get(name) != checksums.get(name)]
    raise RunError(
        f"the data differ from those that {run} was trained on: {few(others)}; restore them, or start a new run from "
        f"its weights: init_from={run}"
    )


def compare(recorded: RunRecord, now: RunRecord) -> str:
    """The report on a repeated run: that its metrics equal the first run's to the bit, or which of them differ."""
    name = now.config.config_from if now.config is not None else None
    then, here = recorded.metrics, now.metrics
    common = [key for key in then if key in here and key not in SPEED]
    if not common:
        return f"{name} has no metrics to compare with: it is {recorded.status}"
    others = [f"{key} {then[key]} then, {here[key]} now" for key in common if _differ(then[key], here[key])]
    if (epoch := _first_other_epoch(recorded.history, now.history)) is not None:
        others.append(f"the curves differ from epoch {epoch} on")
    weights = [record.weights for record in (recorded, now)]
    if None not in weights and weights[0] != weights[1]:
        others.append("the weights differ")
    if not others:
        return f"the same metrics{' and weights' * (None not in weights)} to the bit as {name}"
    reasons = differences(recorded, now) or ["nothing in the records"]
    return "\n".join([f"other metrics than {name}:", *_listed(others), "what else differs:", *_listed(reasons)])


def _lengths(recorded: RunRecord) -> list[str]:
    if not recorded.lengthened:
        return []
    return [f"it began with a schedule of {recorded.lengthened[0]} epochs, and was lengthened later"]


def _seed(recorded: RunRecord, now: RunRecord) -> list[str]:
    then, here = recorded.seed, now.seed
    return [] if then is None or here is None else _then_and_now("seed", then, here)


def _versions(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    if not then or not now:
        return []
    packages = dict.fromkeys([*then, *now])
    return [s for name in packages for s in _then_and_now(name, then.get(name, "absent"), now.get(name, "absent"))]


def _commit(then: Commit, now: Commit) -> list[str]:
    before, here = (commit.id[:7] if commit.id else "unknown" for commit in (then, now))
    return [
        *_then_and_now("commit", before, here),
        *["the source had uncommitted changes then"] * bool(then.dirty),
        *["the source has uncommitted changes now"] * bool(now.dirty),
    ]


def _hardware(recorded: RunRecord, now: RunRecord) -> list[str]:
    then, here = _machine(recorded), _machine(now)
    return [s for name in then if name in here for s in _then_and_now(name, then[name], here[name])]


def _machine(record: RunRecord) -> dict[str, int | str]:
    """The machine and device of a run, without what is not recorded."""
    hardware = record.hardware
    known = {
        "processor": hardware.cpu,
        "cores": hardware.cores,
        "threads": hardware.threads,
        "device": record.device,
    }
    return {name: value for name, value in known.items() if value is not None}


def _data(then: Mapping[str, str | None], now: Mapping[str, str | None]) -> list[str]:
    return [f"{file} has changed" for file in then if file in now and then[file] != now[file]]


def _listed(sentences: list[str]) -> list[str]:
    return [f"  {sentence}" for sentence in sentences]


def _then_and_now(name: str, then: object, now: object) -> list[str]:
    return [] if then == now else [f"{name} {then} then, {now} now"]


def _first_other_epoch(then: Sequence[Mapping[str, float]], now: Sequence[Mapping[str, float]]) -> int | None:
    """The first epoch, counted from 1, whose means differ; None where all are the same or one has no epochs."""
    if not then or not now:
        return None
    for i, (before, here) in enumerate(zip(then, now, strict=False), 1):
        if any(_differ(before[key], here[key]) for key in before.keys() & here.keys() - SPEED):
            return i
    return None if len(then) == len(now) else min(len(then), len(now)) + 1


def _differ(then: float, now: float) -> bool:
    return repr(then) != repr(now)  # as written in JSON, to the last bit; NaN is NaN
