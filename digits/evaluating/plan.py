"""The plan of an evaluation or export, made from the runs' records before torch is imported."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from digits.config.files import check_stays_inside
from digits.config.schema import Views
from digits.config.task import DETECTION
from digits.evaluating.ensemble import check_agree, default_folder, telling_whose
from digits.evaluating.members import (
    Member,
    check_data,
    check_fits,
    check_made_for,
    check_task,
    data_cache,
    data_root,
    own_pictures,
    read_net,
)
from digits.runs.layout import MODEL, RESULT, RunError
from digits.runs.read import check_trust, find_run, read_result
from digits.runs.schema import RecordedData

Sets: TypeAlias = Callable[[str], RecordedData]  # the set of `conf/data` of that name; raises RunError if there is none


@dataclass(frozen=True)
class Question:
    """The options of an evaluation, of one net or an ensemble."""

    split: Literal["test", "val"] = "test"
    data: str | None = None  # a set of conf/data; None: the run's own
    root: str | None = None  # the folder of the data; None: the recorded or configured one
    checkpoint: Literal["best", "last"] | None = None  # the one to take the weights of; None: model.safetensors
    views: int | None = None  # of each image; None: as in the run's own test
    trust: tuple[str, ...] = ()  # the user's packages whose classes a record may name


def plan(name: str | None, asked: Question, sets: Sets) -> Member:
    """The net of one run and the data to evaluate it on, read and checked without torch.

    Raises RunError or FileError for a request that is impossible.
    """
    run = find_run(name)
    record = read_result(run)
    config = record.config
    if config is None or config.data is None:
        raise RunError(f"{run / RESULT} has no configuration, so the run's data are unknown; name another run")
    task = record.task.name
    check_task(run, task, asked.views)
    trained_on = config.data
    check_data(trained_on)
    weights, model, digest = read_net(run, record, asked.checkpoint)
    today = _set(asked.data or "mnist", trained_on, sets)  # as conf/data has it now, unlike the record
    if asked.data:
        check_made_for(run, task, today)
    data = today if asked.data else trained_on
    check_trust(data, RESULT, asked.trust, at="data")
    check_trust(model, MODEL if asked.checkpoint is None else RESULT, asked.trust)
    data = data.changed({"mean": model.input.mean, "std": model.input.std})
    if data.kind.users_own:
        data = own_pictures(data, trained_on, asked.root, named=asked.data is not None)
    else:
        data = data.changed({"root": asked.root or data_root(data, today)})
    if "cache" in data.tree():
        data = data.changed({"cache": data_cache(data, today, asked.root)})
    if task == DETECTION.name:  # a detector takes pictures of any size
        data = data.changed({"image_size": model.input.image_size})
    if "mirrors" in data.tree():  # a record must not choose a server: it would see the request, and could send anything
        data = data.changed({"mirrors": today.at("mirrors")})
    check_fits(model.input, trained_on, data)
    if asked.split == "val" and not data.val_size:
        raise RunError(f"{run} has no validation split (data.val_size is 0); use --split test")
    views = asked.views or config.test_views
    if views is None or views not in get_args(Views):
        choices = ", ".join(map(str, get_args(Views)))
        raise RunError(f"{run / RESULT}: test_views is {views!r}, not one of {choices}; give --views N")
    return Member(run, model, weights, digest, trained_on, data, config.trainer.channels_last, views, task)


def plan_all(names: Sequence[str], asked: Question, sets: Sets) -> list[Member]:
    """The nets of all named runs, or of the latest run, checked to be one ensemble; raises as `plan` does."""
    runs = [find_run(name) for name in names] or [find_run(None)]
    members = []
    for run in runs:
        with telling_whose(run, alone=len(runs) == 1):
            members.append(plan(str(run), asked, sets))
    check_agree(members, asked.split)
    return members


def views_of(members: Sequence[Member]) -> int | None:
    """The number of views that each net averages, None if it differs between them."""
    views = {member.views for member in members}
    return views.pop() if len(views) == 1 else None


def folder_name(data: RecordedData, asked: Question) -> str:
    """The name of a folder for findings on a split: the data, the split, and the weights if not the best."""
    return f"{data.name}-{asked.split}{'-last' if asked.checkpoint == 'last' else ''}"


def folder_for(members: Sequence[Member], asked: Question) -> Path:
    """The default folder of an evaluation's files; raises FileError if a link in the run leads outside it."""
    name, views = folder_name(members[0].data, asked), views_of(members)
    name += "" if views == 1 else f"-{views or 'own-'}views"
    folder = default_folder(members, name)
    if len(members) == 1:
        check_stays_inside(folder, members[0].run)
    return folder


def _set(name: str, trained_on: RecordedData, sets: Sets) -> RecordedData:
    """A set of conf/data. The one that the run was trained on gets the run's split.

    Otherwise there could be training images in its validation split.
    """
    data = sets(name)
    same = data.name == trained_on.name
    return data.changed({key: trained_on.at(key) for key in ("val_size", "split_seed")}) if same else data
