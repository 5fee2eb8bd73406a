"""The net that a run starts from (`init_from`): its record, before any weight is read. No torch."""

from __future__ import annotations

from pathlib import Path

from digits.config.check import PRETRAINED
from digits.config.data import NONE
from digits.config.faults import ConfigError, Fault
from digits.config.schema import data_set
from digits.config.trust import packages_of
from digits.config.types import Tree, Value
from digits.runs.layout import MODEL, WEIGHTS, RunError
from digits.runs.read import read_model, refused
from digits.runs.schema import ModelRecord

SHIPPED = Path(__file__).resolve().parents[1] / "reading" / "pretrained" / "classifier"
"""The shipped classifier: model.json and model.safetensors, as in a run's directory."""

FREE = {"num_classes", "dropout"}  # arguments of a model that may change: no weight that is kept depends on them


def source_of(init_from: str) -> Path:
    """The path of the weights: a run's directory or a file."""
    return SHIPPED if init_from == PRETRAINED else Path(init_from)


def knows_none(tree: Tree) -> bool:
    """Whether the net of a configuration's `init_from` has the class none, for images without a digit."""
    try:
        record = _record_of(tree) if isinstance(tree.get("init_from"), str) else None
    except ConfigError:  # reported by `begin`
        return False
    return record is not None and NONE in (record.input.classes or ())


def begin(tree: Tree, given: set[str], usual: Value) -> Tree:
    """A configuration with the model of its `init_from`, where the overrides choose none.

    `given` are the keys of the overrides, `usual` is the default model. With `init_from=pretrained`, or on an image
    folder, the configuration also gets the net's normalisation. Nothing is known here about a file of weights, nor
    about an untrusted net of a run: these must fit the configured model. Raises ConfigError.
    """
    name, data, model = str(tree["init_from"]), tree.get("data"), tree.get("model")
    shipped, record = name == PRETRAINED, _record_of(tree)
    if record is None or not isinstance(data, dict) or not isinstance(model, dict):
        return tree
    theirs: Tree = record.model.tree()
    takes: Tree = {"mean": record.input.mean, "std": record.input.std}
    chosen = {key for key in given if key.split(".")[0] == "model"} - {"model.dropout"}
    faults = []
    if not chosen and _same(model, usual):
        here: Tree = {"num_classes": data.get("num_classes")} if "num_classes" in theirs else {}
        here |= {key: value for key, value in model.items() if f"model.{key}" in given}
        tree = tree | {"model": theirs | here}
    elif shipped and not _same(model, theirs):
        what = "leave out " + ", ".join(sorted(chosen)) if chosen else "take an experiment that chooses no model"
        faults.append(Fault("model", f"init_from={name} begins with {in_words(theirs)}; {what}"))
    if shipped or data_set(data).users_own:
        why = "is {0}, but the net of init_from was trained with {1}; leave it out"
        faults += [
            Fault(f"data.{key}", why.format(data.get(key), takes[key]))
            for key in takes
            if f"data.{key}" in given and data.get(key) != takes[key]
        ]
        tree = tree | {"data": data | takes}
    if faults:
        raise ConfigError(*faults)
    return tree


def check_same(tree: Tree) -> None:
    """Raise ConfigError where a recorded run started from the shipped net, and another one is shipped now."""
    record = _record_of(tree)
    if tree["init_from"] == PRETRAINED and record is not None and not _same(tree.get("model"), record.model.tree()):
        why = f"the shipped net is now {in_words(record.model.tree())}, not the one that the run started from"
        raise ConfigError(Fault("init_from", f"{why}; install the version of digits that trained the run"))


def in_words(model: Tree) -> str:
    """A net in words: its class, and the arguments that its weights depend on."""
    name = str(model.get("_target_")).rpartition(".")[2]
    sizes = [f"{key} {value}" for key, value in model.items() if key not in {"_target_", "image_size", *FREE}]
    return f"a {name}" + (f" with {', '.join(sizes)}" if sizes else "")


def _record_of(tree: Tree) -> ModelRecord | None:
    """The model.json of the net of `init_from`; None where there is none, or none that is trusted."""
    source, shipped = source_of(str(tree["init_from"])), tree["init_from"] == PRETRAINED
    try:
        if not shipped and not (source / MODEL).is_file():
            return None
        record: ModelRecord | None = read_model(source)
    except OSError:  # a name too long for any file
        return None
    except RunError:
        if not shipped:  # reported when the weights are read
            return None
        record = None
    if shipped and not (record is not None and (source / WEIGHTS).is_file()):
        why = f"the shipped net is missing from this installation ({source}); install digits again"
        raise ConfigError(Fault("init_from", why))
    if record is None or not record.model.target or refused(record.model, packages_of(tree)):
        return None
    return record


def _same(one: Value, other: Value) -> bool:
    """Whether two models have the same weights, except for the rows of the last layer."""
    if not isinstance(one, dict) or not isinstance(other, dict):
        return False
    return {k: v for k, v in one.items() if k not in FREE} == {k: v for k, v in other.items() if k not in FREE}
