"""Which runs can teach another (knowledge distillation, `teaching.py`), by their records. No torch."""

from __future__ import annotations

import os
from pathlib import Path
from typing import cast

from digits.config.faults import ConfigError, Fault
from digits.config.schema import Experiment
from digits.config.task import CLASSIFICATION
from digits.config.trust import untrusted
from digits.config.types import Tree, Value
from digits.data.class_folders import is_image_folder
from digits.runs.layout import WEIGHTS, RunError
from digits.runs.read import read_model, read_result, recorded_task, status_of

FOLDER = ("root", "test_size", "test_seed")
"""What settles which pictures of a folder are trained on."""


def find_teachers(config: Experiment) -> list[Value]:
    """What a run's record says of its teachers: the directory of each, absolute, and its weights' SHA-256.

    Raises ConfigError, with a fault for each teacher that can't be one: it is not done, its net takes other pictures
    or knows other classes, it learnt another data set, it was trained on images that are to be validated on, its net
    is of a package that nobody trusts, or it is named twice.
    """
    found: list[Value] = []
    faults: list[Fault] = []
    seen: dict[str, str] = {}
    for name in config.teachers:
        run, real = Path(os.path.abspath(name)), os.path.realpath(name)  # noqa: PTH100 (links in it stay as they are)
        if real in seen:
            faults.append(Fault("teachers", f"{name} is the same run as {seen[real]}; name each run once"))
            continue
        seen[real] = name
        try:
            found.append({"run": str(run), "weights": _weights(Path(name), config.data.tree(), config.trust)})
        except RunError as error:
            faults.append(Fault("teachers", str(error)))
    if faults:
        raise ConfigError(*faults)
    return found


def trained_anew(then: Value, now: Value) -> list[str]:
    """The teachers that have other weights in one record than in another; only what both know is compared."""
    before, here = _by_run(then), _by_run(now)
    return [run for run, weights in here.items() if None not in (weights, before.get(run)) and weights != before[run]]


def _by_run(teachers: Value) -> dict[str, Value]:
    listed = teachers if isinstance(teachers, list) else []
    return {str(teacher.get("run")): teacher.get("weights") for teacher in listed if isinstance(teacher, dict)}


def _weights(run: Path, data: Tree, trust: list[str]) -> Value:
    """The SHA-256 of a teacher's weights; raises RunError where it can't teach a run with this section `data`."""
    record = read_result(run)
    if (status := status_of(record)) != "done":
        way = "wait for its end" if status == "running" else f"go on with it by resume={run}"
        raise RunError(f"{run} is {status}, but a teacher has to be done; {way}, or name another")
    if (task := recorded_task(run, record)).name != CLASSIFICATION.name:
        raise RunError(f"{run} was trained for {task.name}, so its net's answers are no classes; name another run")
    model = read_model(run)
    if not (run / WEIGHTS).is_file():
        raise RunError(f"{run} has no {WEIGHTS}, the weights of its net; name another run")
    config = record.get("config")
    theirs = config.get("data") if isinstance(config, dict) else None
    if not isinstance(theirs, dict):
        raise RunError(f"{run} has no configuration in its record, so what it was trained on is not known")
    _check_net(run, model, theirs, data)
    for _, target in untrusted(model.get("model"), trust):
        package = target.partition(".")[0]
        raise RunError(
            f"{run} has a net {target}, which is not of this package; if you trust it, say trust=[{package}]"
        )
    _check_images(run, theirs, data)
    assert isinstance(config, dict)
    if data.get("val_size") and (config.get("init_from") or config.get("teachers")):
        raise RunError(
            f"{run} began with other nets, and what those were trained on is not known here, where images are "
            "validated on; take a teacher that has neither init_from nor teachers, or data.val_size=0"
        )
    weights = record.get("weights")
    return weights if isinstance(weights, str) else None


def _check_net(run: Path, model: Tree, theirs: Tree, data: Tree) -> None:
    """Raise RunError where a net takes other pictures, or tells another number of classes apart."""
    takes = cast(Tree, model["input"])
    for key in ("mean", "std", "image_size"):
        if key in data and takes[key] != data[key]:
            raise RunError(f"{run} takes pictures with {key} {takes[key]}, but here data.{key} is {data[key]}")
    classes = takes.get("classes")
    known = len(classes) if isinstance(classes, list) else theirs.get("num_classes")
    if "num_classes" in data and known != data["num_classes"]:
        raise RunError(f"{run} knows {known} classes, but here data.num_classes is {data['num_classes']}")


def _check_images(run: Path, theirs: Tree, data: Tree) -> None:
    """Raise RunError where a run was trained on another data set, or on images that are to be validated on."""
    if theirs.get("name") != data.get("name"):
        why = f"was trained on {theirs.get('name')}, but here data.name is {data.get('name')}"
        raise RunError(f"{run} {why}; name a run on the same data set")
    if is_image_folder(data) and (others := [key for key in FOLDER if theirs.get(key) != data.get(key)]):
        why = f"learnt other pictures than this run (data.{others[0]} was {theirs.get(others[0])})"
        raise RunError(f"{run} {why}, and so perhaps some that are tested on here; name a run on the same pictures")
    split = ("val_size", "split_seed")
    if data.get("val_size") and [theirs.get(key) for key in split] != [data.get(key) for key in split]:
        raise RunError(
            f"{run} was trained on other images than this run trains on, and so on some that are validated on here; "
            f"take a teacher with data.val_size={data['val_size']} data.split_seed={data.get('split_seed')}"
        )
