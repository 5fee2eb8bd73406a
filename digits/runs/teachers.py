"""Checks of teachers, by their records, for knowledge distillation (`digits.training.distillation`). No torch."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from digits.config.faults import ConfigError, Fault
from digits.config.schema import Experiment
from digits.config.task import CLASSIFICATION
from digits.runs.layout import WEIGHTS, RunError
from digits.runs.read import read_model, read_result, refused, status_of
from digits.runs.schema import NetInput, RecordedData, TeacherOf


def find_teachers(config: Experiment) -> list[TeacherOf]:
    """The teachers of a run as recorded: the absolute directory of each, and the SHA-256 of its weights.

    Raises ConfigError, with a fault for each teacher that doesn't fit: it is not done, its net takes other images or
    knows other classes, it was trained on another data set or on validation images of this run, its net is of an
    untrusted package, or it is named twice.
    """
    found: list[TeacherOf] = []
    faults: list[Fault] = []
    seen: dict[str, str] = {}
    data = RecordedData.model_validate(config.data.tree())
    for name in config.teachers:
        run, real = Path(os.path.abspath(name)), os.path.realpath(name)  # noqa: PTH100 (links in it stay as they are)
        if real in seen:
            faults.append(Fault("teachers", f"{name} is the same run as {seen[real]}; name each run once"))
            continue
        seen[real] = name
        try:
            found.append(TeacherOf(run=str(run), weights=_weights(Path(name), data, config.trust)))
        except RunError as error:
            faults.append(Fault("teachers", str(error)))
    if faults:
        raise ConfigError(*faults)
    return found


def trained_anew(then: Sequence[TeacherOf], now: Sequence[TeacherOf]) -> list[str]:
    """The teachers whose weights differ between two records; only teachers with weights in both are compared."""
    before, here = _by_run(then), _by_run(now)
    return [run for run, weights in here.items() if None not in (weights, before.get(run)) and weights != before[run]]


def _by_run(teachers: Sequence[TeacherOf]) -> dict[str, str | None]:
    return {str(teacher.run): teacher.weights for teacher in teachers}


def _weights(run: Path, data: RecordedData, trust: list[str]) -> str | None:
    """The SHA-256 of a teacher's weights; raises RunError where it doesn't fit a run with this section `data`."""
    record = read_result(run)
    if (status := status_of(record)) != "done":
        way = "wait for its end" if status == "running" else f"resume it with resume={run}"
        raise RunError(f"{run} is {status}, but a teacher has to be done; {way}, or name another")
    if record.task.name != CLASSIFICATION.name:
        raise RunError(
            f"{run} was trained for {record.task.name}, so its net does not predict classes; name another run"
        )
    model = read_model(run)
    if not (run / WEIGHTS).is_file():
        raise RunError(f"{run} has no {WEIGHTS}, the weights of its net; name another run")
    config = record.config
    if config is None or config.data is None:
        raise RunError(f"{run} has no configuration in its record, so what it was trained on is not known")
    _check_net(run, model.input, config.data, data)
    for fault in refused(model.model, trust):
        if fault.target is not None:  # harmful values are refused where the net is built
            raise RunError(
                f"{run} has a net outside the trusted packages: {fault.target}; to allow it: trust=[{fault.package}]"
            )
    _check_images(run, config.data, data)
    if data.val_size and (config.init_from or config.teachers):
        raise RunError(
            f"{run} started from other nets, which may have been trained on the validation images here; take a "
            "teacher that has neither init_from nor teachers, or data.val_size=0"
        )
    return record.weights


def _check_net(run: Path, takes: NetInput, theirs: RecordedData, data: RecordedData) -> None:
    """Raise RunError where a net takes other images, or has another number of classes."""
    pairs = {
        "mean": (takes.mean, data.mean),
        "std": (takes.std, data.std),
        "image_size": (takes.image_size, data.image_size),
    }
    for key, (taken, here) in pairs.items():
        if here is not None and taken != here:
            raise RunError(f"{run} takes images with {key} {taken}, but here data.{key} is {here}")
    known = theirs.num_classes if takes.classes is None else len(takes.classes)
    if data.num_classes is not None and known != data.num_classes:
        raise RunError(f"{run} knows {known} classes, but here data.num_classes is {data.num_classes}")


def _check_images(run: Path, theirs: RecordedData, data: RecordedData) -> None:
    """Raise RunError where a run was trained on another data set, or on this run's validation images."""
    if theirs.name != data.name:
        why = f"was trained on {theirs.name}, but here data.name is {data.name}"
        raise RunError(f"{run} {why}; name a run on the same data set")
    if others := [key for key in data.kind.chosen_by if theirs.at(key) != data.at(key)]:
        why = f"was trained on other pictures than this run (data.{others[0]} was {theirs.at(others[0])})"
        raise RunError(f"{run} {why}, perhaps on some of its test pictures; name a run on the same pictures")
    if data.val_size and (theirs.val_size, theirs.split_seed) != (data.val_size, data.split_seed):
        raise RunError(
            f"{run} was trained on another split, so on some of the validation images here; "
            f"take a teacher with data.val_size={data.val_size} data.split_seed={data.split_seed}"
        )
