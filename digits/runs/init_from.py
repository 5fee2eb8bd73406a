"""The net that a run begins with (`init_from`): what its record says, before any weight is read. No torch."""

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
"""The classifier that ships: model.json and model.safetensors, as in a run's directory."""

FREE = {"num_classes", "dropout"}
"""Of a model's arguments, those that may be others than the net had: no weight that is kept depends on them."""


def source_of(init_from: str) -> Path:
    """Where the weights are: a run's directory or a file."""
    return SHIPPED if init_from == PRETRAINED else Path(init_from)


def knows_none(tree: Tree) -> bool:
    """Whether the net that a configuration begins with, if any, has a class for what is no digit."""
    try:
        record = _record_of(tree) if isinstance(tree.get("init_from"), str) else None
    except ConfigError:  # `begin` says so
        return False
    return record is not None and NONE in (record.input.classes or ())


def begin(tree: Tree, given: set[str], usual: Value) -> Tree:
    """A configuration whose `init_from` names a net, with that net's model where none was chosen.

    `given` are the keys of the overrides, `usual` the model that is trained where none is chosen. Who fine-tunes the
    net that ships, or trains on an image folder, also gets the net's own normalisation. Of a file of weights nothing is
    known here, nor of a run's net that is not called for a file: those have to fit. Raises ConfigError.
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
        why = "is {0}, but the net that it begins with was trained with {1}; leave it out"
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
    """Raise ConfigError where a recorded configuration began with a net that shipped, and another ships now."""
    record = _record_of(tree)
    if tree["init_from"] == PRETRAINED and record is not None and not _same(tree.get("model"), record.model.tree()):
        why = f"the net that ships is now {in_words(record.model.tree())}, not the one that the run began with"
        raise ConfigError(Fault("init_from", f"{why}; install the version of digits that it was done with"))


def in_words(model: Tree) -> str:
    """A net in words, by what its weights depend on."""
    name = str(model.get("_target_")).rpartition(".")[2]
    sizes = [f"{key} {value}" for key, value in model.items() if key not in {"_target_", "image_size", *FREE}]
    return f"a {name}" + (f" with {', '.join(sizes)}" if sizes else "")


def _record_of(tree: Tree) -> ModelRecord | None:
    """The model.json of the net that is named, or None where there is none that can be gone by."""
    source, shipped = source_of(str(tree["init_from"])), tree["init_from"] == PRETRAINED
    try:
        if not shipped and not (source / MODEL).is_file():
            return None
        record: ModelRecord | None = read_model(source)
    except OSError:  # a name too long for any file
        return None
    except RunError:
        if not shipped:  # whoever reads the weights says so
            return None
        record = None
    if shipped and not (record is not None and (source / WEIGHTS).is_file()):
        why = f"the net that ships is not in this installation (in {source}); install digits again"
        raise ConfigError(Fault("init_from", why))
    if record is None or not record.model.target or refused(record.model, packages_of(tree)):
        return None
    return record


def _same(one: Value, other: Value) -> bool:
    """Whether two models have the same weights but for the last layer's rows."""
    if not isinstance(one, dict) or not isinstance(other, dict):
        return False
    return {k: v for k, v in one.items() if k not in FREE} == {k: v for k, v in other.items() if k not in FREE}
