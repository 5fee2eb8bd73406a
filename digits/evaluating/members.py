"""A net to be evaluated, alone or in an ensemble: its run's record, read and checked. No torch."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from digits.config.data import Data
from digits.config.schema import DESCRIBED
from digits.config.task import CLASSIFICATION, DETECTION
from digits.config.trust import is_trusted
from digits.data.class_folders import counted
from digits.runs.layout import BEST, LAST, RESULT, RunError
from digits.runs.read import parsed, read_model
from digits.runs.schema import ModelRecord, NetInput, RecordedConfig, RecordedData, RunRecord

NEEDED = ("name", "root", "mean", "std", "num_classes", "image_size", "val_size", "split_seed")
"""Keys that the data section of a user's DataModule must have."""

CORRUPTED_SIZE = 28  # pixels, as `digits.data.corruptions` takes them


@dataclass(frozen=True)
class Member:
    """One net, and the data in its normalisation."""

    run: Path
    model: ModelRecord
    weights: Path
    sha256: str | None  # of the weights, if recorded
    trained_on: RecordedData
    data: RecordedData  # what it is evaluated on
    channels_last: bool
    views: int = 1  # of each image: it averages their probabilities
    task: str = CLASSIFICATION.name

    @property
    def classes(self) -> list[str]:
        """The net's class names; empty if it is read from a checkpoint."""
        return self.model.input.classes or []

    @property
    def which(self) -> str:
        """The epoch of the weights: "best" or "last"."""
        return "last" if self.weights.name == Path(LAST).name else "best"

    @property
    def detects(self) -> bool:
        """Whether it is a page detector."""
        return self.task == DETECTION.name


def read_net(run: Path, record: RunRecord, checkpoint: str | None) -> tuple[Path, ModelRecord, str | None]:
    """The path of the weights, the record to rebuild the net, and the weights' recorded SHA-256.

    With `checkpoint`, also for an interrupted run. Raises RunError when there are no such weights.
    """
    if checkpoint is None:
        try:
            model = read_model(run)
        except RunError as error:
            kept = [name for name, path in (("best", BEST), ("last", LAST)) if (run / path).exists()]
            raise RunError(f"{error}" + (f"; use --checkpoint {kept[0]}" if kept else "")) from None
        return run, model, record.weights
    weights = run / {"best": BEST, "last": LAST}[checkpoint]
    if not weights.exists():
        hint = "; its best weights are in model.safetensors: leave out --checkpoint" if checkpoint == "best" else ""
        raise RunError(f"{run} did not keep its {checkpoint} checkpoint: it has no {weights.name}{hint}")
    config = record.config or RecordedConfig()
    takes = {key: config.at(f"data.{key}") for key in ("mean", "std", "image_size")}
    return weights, parsed(ModelRecord, {"model": config.at("model"), "input": takes}, run / RESULT), None


def check_fits(takes: NetInput, trained_on: RecordedData, data: RecordedData) -> None:
    """Raise RunError when a net and a data set differ in image size or number of classes."""
    known = len(takes.classes or ())
    number, size = known or trained_on.num_classes, data.image_size
    fewer = data.num_classes is not None and data.num_classes < known  # they are matched by name later
    if size != takes.image_size or not (fewer or data.num_classes == number):
        raise RunError(
            f"{data.name} has {data.num_classes} classes of {size}x{size} pixels, but the model takes "
            f"{takes.image_size}x{takes.image_size} pixels and has {number} classes"
        )


def by_name(known: Sequence[str], classes: Sequence[str], name: str) -> list[int] | None:
    """The net's index of each class of a set, matched by name; None if the classes are matched in order.

    They are matched in order if the names are the same, or if there are as many and no name is shared. Raises RunError
    for a class that the net does not know.
    """
    if not known or list(known) == list(classes):
        return None
    strange = [label for label in classes if label not in known]
    if len(strange) == len(classes) == len(known):
        return None
    if strange:
        raise RunError(
            f"{name} has the classes {', '.join(strange)}, which the model does not know; its classes are "
            f"{', '.join(known)}; remove those classes, or train on them with init_from"
        )
    return [list(known).index(label) for label in classes]


def own_pictures(data: RecordedData, trained_on: RecordedData, root: str | None, *, named: bool) -> RecordedData:
    """The section `data` for the user's own pictures, counted.

    From the folder that the run was trained on, even if it was moved, the run's test split is used; from any other
    folder (`named`) all pictures, or those in `test/` if it has any. Raises RunError for faults in the folder.
    """
    section = data.tree() | ({} if root is None else {"root": root})
    theirs = trained_on.tree()
    own = trained_on.kind.users_own
    if own and named and root is None:
        section["root"] = theirs["root"]
    if own and (not named or os.path.realpath(str(section["root"])) == os.path.realpath(str(theirs["root"]))):
        same = {"val_size", "split_seed", "limit", *data.kind.chosen_by} - {"root"}
        section |= {key: theirs[key] for key in theirs if key in same}
    else:
        section |= data.kind.all_of_it
    section, faults = counted(section | {"num_classes": None})
    problems = [fault if key == "root" else f"data.{key} {fault}" for key, fault in faults.items()]
    if problems and not os.path.isdir(str(section["root"])):  # noqa: PTH112 (Path's raises for a name too long)
        problems.append("name the folder with --root DIR")
    if problems:
        raise RunError("; ".join(problems))
    return RecordedData.model_validate(section)


def data_root(data: RecordedData, today: RecordedData) -> str | None:
    """The recorded root if the data are still there, else today's: a record must not choose where to download to."""
    name = str(data.kind.made_of or data.name).replace("_", "")
    return str(data.root) if _holds(str(data.root), re.escape(name)) else today.root


def data_cache(data: RecordedData, today: RecordedData, root: str | None) -> str:
    """The recorded cache of composed pages if it still holds some, else today's: a record must not choose where to
    write."""
    recorded = str(data.at("cache"))
    there = root is None and _holds(recorded, r"digits-[0-9a-f]{12}")
    return recorded if there else str(Path(root or str(today.root), "pages"))


def _holds(folder: str, name: str) -> bool:
    """Whether a folder has an entry whose name, in lower case, matches the pattern `name`."""
    try:
        return any(re.fullmatch(name, path.name.lower()) for path in Path(folder).iterdir())
    except (OSError, ValueError):
        return False


def check_task(run: Path, task: str, views: int | None) -> None:
    """Raise RunError for a run of a user's task, or when several views are asked of a detector."""
    if task not in (CLASSIFICATION.name, DETECTION.name):
        known = f"{CLASSIFICATION.name} and {DETECTION.name}"
        raise RunError(f"{run} was trained for {task}; only {known} can be evaluated and exported")
    if task == DETECTION.name and views not in (None, 1):
        raise RunError(f"{run} was trained for {task}; only a classifier averages several views: leave out --views")


def check_made_for(run: Path, task: str, data: RecordedData) -> None:
    """Raise RunError when a set of `conf/data` is not for a run's task."""
    if data.kind.made_for != (task if task == DETECTION.name else None):
        raise RunError(f"{run} was trained for {task}, and {data.name} is not a data set for it; leave out --data")


def check_corruptible(members: Sequence[Member]) -> None:
    """Raise RunError for nets whose images the corruptions are not defined for."""
    first = members[0]
    if first.detects or first.data.image_size != CORRUPTED_SIZE:
        side = first.data.image_size
        what = "a page detector" if first.detects else f"a classifier of {side}x{side} pixels"
        raise RunError(
            f"{first.run} is {what}; --corrupt is for classifiers of {CORRUPTED_SIZE}x{CORRUPTED_SIZE} pixels, as "
            "MNIST-C's corruptions are"
        )


def check_data(section: RecordedData) -> None:
    """Validate the recorded section: its name becomes a folder's, its sizes split the data; raises RunError."""
    faults, data = [], section.tree()
    if is_trusted(str(data.get("_target_"))):
        try:
            DESCRIBED.get(str(data["_target_"]), Data).model_validate(data)
        except ValidationError as error:
            for fault in error.errors():
                key = ".".join(map(str, ("data", *fault["loc"])))
                faults.append(f"{key} is {fault['input']!r:.80}; {fault['msg'][0].lower()}{fault['msg'][1:]}")
    elif missing := [key for key in NEEDED if key not in data]:
        faults.append(f"data.{missing[0]} is missing")
    elif not re.fullmatch(r"\w[\w .-]*", str(data["name"])):
        faults.append(f"data.name is {data['name']!r:.80}; it names a folder, so use letters, digits and _")
    if faults:
        raise RunError("\n".join(f"{RESULT}: {fault}" for fault in faults))
