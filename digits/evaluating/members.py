"""A net that is evaluated, alone or in an ensemble: what its run's record says of it, checked. No torch."""

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
"""What the data section of a DataModule from elsewhere has to say."""


@dataclass(frozen=True)
class Member:
    """One net, and the data as it takes them."""

    run: Path
    model: ModelRecord
    weights: Path
    sha256: str | None  # of the weights, where the record has it
    trained_on: RecordedData
    data: RecordedData  # what it is evaluated on
    channels_last: bool
    views: int = 1  # whose mean it answers with
    task: str = CLASSIFICATION.name

    @property
    def classes(self) -> list[str]:
        """The names that the net was trained with; none where only a checkpoint is left."""
        return self.model.input.classes or []

    @property
    def which(self) -> str:
        """Whose weights: of the best epoch or of the last."""
        return "last" if self.weights.name == Path(LAST).name else "best"

    @property
    def detects(self) -> bool:
        """Whether it finds digits on pages, and is judged by whole ones."""
        return self.task == DETECTION.name


def read_net(run: Path, record: RunRecord, checkpoint: str | None) -> tuple[Path, ModelRecord, str | None]:
    """The weights, what is needed to rebuild the net, and the weights' recorded SHA-256.

    A checkpoint will do for a run that was cut off. Raises RunError where there is no such net.
    """
    if checkpoint is None:
        try:
            model = read_model(run)
        except RunError as error:
            kept = [name for name, path in (("best", BEST), ("last", LAST)) if (run / path).exists()]
            raise RunError(f"{error}" + (f"; take --checkpoint {kept[0]}" if kept else "")) from None
        return run, model, record.weights
    weights = run / {"best": BEST, "last": LAST}[checkpoint]
    if not weights.exists():
        hint = "; its best weights are in model.safetensors: leave out --checkpoint" if checkpoint == "best" else ""
        raise RunError(f"{run} did not keep its {checkpoint} checkpoint (there is no {weights.name}){hint}")
    config = record.config or RecordedConfig()
    takes = {key: config.at(f"data.{key}") for key in ("mean", "std", "image_size")}
    return weights, parsed(ModelRecord, {"model": config.at("model"), "input": takes}, run / RESULT), None


def check_fits(takes: NetInput, trained_on: RecordedData, data: RecordedData) -> None:
    """Raise RunError where a net can't be asked about a set."""
    known = len(takes.classes or ())
    number, size = known or trained_on.num_classes, data.image_size
    fewer = data.num_classes is not None and data.num_classes < known  # their names say whether it knows them
    if size != takes.image_size or not (fewer or data.num_classes == number):
        raise RunError(
            f"{data.name} has {data.num_classes} classes of {size}x{size} pixels, but the net takes "
            f"{takes.image_size}x{takes.image_size} and knows {number} classes"
        )


def by_name(known: Sequence[str], classes: Sequence[str], name: str) -> list[int] | None:
    """For each class of a set its place among those that the net knows, by its name; None where it is the same.

    Sets that share no name, but have as many classes, are compared in their order. Raises RunError where the net
    doesn't know a class.
    """
    if not known or list(known) == list(classes):
        return None
    strange = [label for label in classes if label not in known]
    if len(strange) == len(classes) == len(known):
        return None
    if strange:
        raise RunError(
            f"{name} has {', '.join(strange)}, which the net doesn't know: it tells apart {', '.join(known)}; leave "
            "these classes out, or train it on them with init_from"
        )
    return [list(known).index(label) for label in classes]


def own_pictures(data: RecordedData, trained_on: RecordedData, root: str | None, *, named: bool) -> RecordedData:
    """The section `data` of the user's own pictures, counted.

    A run's own folder, where it may have been moved to, has the run's test pictures; of any other, that is `named`,
    all are asked about, unless it has some apart in `test/`. Raises RunError for what is wrong with the folder.
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
    told = [fault if key == "root" else f"data.{key} {fault}" for key, fault in faults.items()]
    if told and not os.path.isdir(str(section["root"])):  # noqa: PTH112 (Path's raises for a name too long)
        told.append("name the folder with --root DIR")
    if told:
        raise RunError("; ".join(told))
    return RecordedData.model_validate(section)


def data_root(data: RecordedData, today: RecordedData) -> str | None:
    """Where the data lie: where they were, if they still do; so nothing is fetched into a folder that a file names."""
    name = str(data.kind.made_of or data.name).replace("_", "")
    return str(data.root) if _holds(str(data.root), re.escape(name)) else today.root


def data_cache(data: RecordedData, today: RecordedData, root: str | None) -> str:
    """Where composed pages lie: where they were, if some still do; so nothing is written into a folder a file names."""
    recorded = str(data.at("cache"))
    there = root is None and _holds(recorded, r"digits-[0-9a-f]{12}")
    return recorded if there else str(Path(root or str(today.root), "pages"))


def _holds(folder: str, name: str) -> bool:
    """Whether something is in a folder whose name, in lower case, is like this."""
    try:
        return any(re.fullmatch(name, path.name.lower()) for path in Path(folder).iterdir())
    except (OSError, ValueError):
        return False


def check_task(run: Path, task: str, views: int | None) -> None:
    """Raise RunError where a run was trained for a task of one's own, or is to average what its task can't."""
    if task not in (CLASSIFICATION.name, DETECTION.name):
        known = f"{CLASSIFICATION.name} and {DETECTION.name}"
        raise RunError(f"{run} was trained for {task}; what is evaluated and exported is {known}")
    if task == DETECTION.name and views not in (None, 1):
        raise RunError(f"{run} was trained for {task}; only a classifier averages several views: leave out --views")


def check_made_for(run: Path, task: str, data: RecordedData) -> None:
    """Raise RunError where a set of `conf/data` is not for a run's task."""
    if data.kind.made_for != (task if task == DETECTION.name else None):
        raise RunError(f"{run} was trained for {task}, and {data.name} is not made for that; leave out --data")


def check_data(section: RecordedData) -> None:
    """Hold the recorded section against its schema: by its name a folder is made, by its sizes the data are split."""
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
        faults.append(f"data.name is {data['name']!r:.80}; a folder is called by it, so take letters, digits and _")
    if faults:
        raise RunError("\n".join(f"{RESULT}: {fault}" for fault in faults))
