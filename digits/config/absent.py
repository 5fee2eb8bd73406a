"""Keys that a configuration may lack, and what their absence means: in a record, and in a new configuration.

A record keeps the behaviour that it was written with. In a new configuration a missing value follows from the other
keys, so that no library's default silently replaces a value that was given. No torch.
"""

from __future__ import annotations

from collections.abc import Iterator

from digits.config.task import CLASSIFIER, Task, task_in
from digits.config.types import Tree, Value

THEN: dict[str, Tree] = {
    "torch.optim.lr_scheduler.OneCycleLR": {"cycle_momentum": True},
    "torch.optim.lr_scheduler.CyclicLR": {"cycle_momentum": True},
    "torch.optim.lr_scheduler.ConstantLR": {"total_iters": 5},
    "torch.optim.lr_scheduler.LinearLR": {"total_iters": 5},
    "torch.optim.lr_scheduler.PolynomialLR": {"total_iters": 5},
}
"""Arguments of schedules that older records lack, with torch's defaults, which applied."""

NOW: Tree = {"cycle_momentum": False, "total_iters": None}  # the same in a new configuration; null: all of it, not 5

READER = "digits.data.ReaderDataModule"
NO_PAGES: Tree = {"pages": 0, "pages_seed": 0, "material": None, "cache": "pages"}
"""Keys of `data=reader` that older records lack: no patches were cut out of composed pages."""

OF_PAGES = (READER, "digits.data.PagesDataModule")  # their `material` was called `fonts` before it held pictures too

TOP_LEVEL: Tree = {"task": {"_target_": CLASSIFIER}, "test_views": 1, "init_from": None, "teachers": []}
"""Top-level keys that older records lack."""

OF_TRAINER: Tree = {"find_lr": False}
"""Keys of the trainer that older records lack."""

WATCHING = (".EarlyStopping", ".ReduceLROnPlateau")
"""Classes whose `monitor: null` means the task's monitored metric; in other classes null may mean none."""


def completed(recorded: Tree) -> Tree:
    """A recorded configuration with the keys added since it was written, set to what their absence meant."""
    scheduler = recorded.get("scheduler")
    if isinstance(scheduler, dict):
        recorded = recorded | {"scheduler": THEN.get(str(scheduler.get("_target_")), {}) | scheduler}
    data = recorded.get("data")
    if isinstance(data, dict) and data.get("_target_") in OF_PAGES and "fonts" in data:
        data = {"material" if key == "fonts" else key: value for key, value in data.items()}
        recorded = recorded | {"data": data}
    if isinstance(data, dict) and data.get("_target_") == READER:
        recorded = recorded | {"data": NO_PAGES | data}
    if isinstance(trainer := recorded.get("trainer"), dict):
        recorded = recorded | {"trainer": OF_TRAINER | trainer}
    return TOP_LEVEL | recorded


def filled(asked: Tree) -> Tree:
    """A new configuration, with the values filled in that its schedule and its callbacks leave open.

    A schedule cycles the momentum only where its key says so; early stopping and a plateau schedule monitor the task's
    metric; `mode` follows from the metric that `monitor` names.
    """
    scheduler, callbacks = asked.get("scheduler"), asked.get("callbacks")
    task = task_in(asked)
    if isinstance(scheduler, dict):
        left_open = THEN.get(str(scheduler.get("_target_")), {})
        scheduler = {name: NOW[name] for name in left_open} | scheduler
        watches = str(scheduler.get("_target_")).endswith(WATCHING)
        asked = asked | {"scheduler": _with_mode(scheduler, task) if watches else scheduler}
    if isinstance(callbacks, dict):
        asked = asked | {"callbacks": {name: _with_mode(section, task) for name, section in callbacks.items()}}
    return asked


def _with_mode(section: Value, task: Task) -> Value:
    if not isinstance(section, dict) or "monitor" not in section:
        return section
    if section["monitor"] is None and str(section.get("_target_")).endswith(WATCHING):
        section = section | {"monitor": task.monitored}
    if section.get("mode") is not None:
        return section
    mode = task.better(section["monitor"])
    return section if mode is None else section | {"mode": mode}


def watching(tree: Tree) -> Iterator[tuple[str, Tree]]:
    """The callbacks and the schedule that monitor a metric, with their keys."""
    callbacks = tree.get("callbacks")
    named = {f"callbacks.{name}": section for name, section in callbacks.items()} if isinstance(callbacks, dict) else {}
    for key, section in (named | {"scheduler": tree.get("scheduler")}).items():
        if isinstance(section, dict) and "monitor" in section:
            yield key, section


def senseless_modes(asked: Tree) -> Iterator[tuple[str, str]]:
    """Every `mode` that contradicts its `monitor`: the key, and what is wrong with it."""
    if asked.get("resume") or asked.get("config_from"):  # a record keeps its values
        return
    task = task_in(asked)
    for key, section in watching(asked):
        monitor, mode, given = section.get("monitor"), task.better(section.get("monitor")), section.get("mode")
        if mode is not None and given in ("max", "min") and given != mode:
            why = f"is {given}, but {'lower' if mode == 'min' else 'higher'} is better for {monitor}"
            yield f"{key}.mode", f"{why}; leave it out to follow {key}.monitor"
