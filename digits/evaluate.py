"""Measure a trained net, or several together, on a data set: figures in the terminal, pictures in a directory.

    python -m digits.evaluate                                the latest run that is done, on its test split
    python -m digits.evaluate RUN --split val
    python -m digits.evaluate RUN --checkpoint last --json
    python -m digits.evaluate RUN --data fashion_mnist
    python -m digits.evaluate RUN --data image_folder --root DIR
                                                             your own pictures, a folder for each class
    python -m digits.evaluate RUN RUN RUN                    an ensemble: the mean of their probabilities
    python -m digits.evaluate RUN --views 9                  the mean over the picture and its shifts by one pixel

The net and, unless --data names another set, the data are those that the run recorded; the pixels are always
normalised as the net was trained. Leaves `RUN/evaluation/DATA-SPLIT/`, or for several runs
`outputs/evaluation/DATA-SPLIT-Nnets-DIGEST/`: evaluation.json, confusion_matrix.png, class_accuracy.png,
worst_mistakes.png and reliability.png. Runs of other nets and other normalisation can be averaged, not those of other
data sets, nor with --split val those that kept other images for validation. Probabilities are softmax in float32.
A net that knows more classes than the set has is asked about those of the same names. Of a folder that the run was not
trained on every picture is asked about, unless DIR/test has some; mistakes are told by the names of their files.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import cast, get_args

from digits.config.faults import ConfigError, TargetError
from digits.config.files import FileError, check_stays_inside
from digits.config.schema import Views
from digits.config.types import Tree, Value
from digits.data.class_folders import is_image_folder
from digits.evaluating.ensemble import check_agree, default_folder, telling_whose
from digits.evaluating.members import (
    Member,
    check_classifies,
    check_data,
    check_fits,
    check_trust,
    data_root,
    own_pictures,
    read_net,
)
from digits.runs.layout import MODEL, RESULT, RunError
from digits.runs.read import find_run, read_result


def plan(given: argparse.Namespace) -> Member:
    """Settle what can be settled without torch for one run; raises RunError or FileError when something can't be."""
    run = find_run(given.run)
    record = read_result(run)
    config = record.get("config")
    if not isinstance(config, dict) or not isinstance(config.get("data"), dict):
        raise RunError(f"{run / RESULT} has no configuration, so the run's data are not known")
    check_classifies(run, record)
    trained_on = cast(Tree, config["data"])
    check_data(trained_on)
    weights, model, digest = read_net(run, record, given.checkpoint)
    takes = cast(Tree, model["input"])
    today = _named(given.data or "mnist", trained_on)
    data = today if given.data else trained_on
    check_trust({"data": data}, RESULT, given.trust)
    check_trust(model, MODEL if given.checkpoint is None else RESULT, given.trust)
    data = data | {"mean": takes["mean"], "std": takes["std"]}
    if is_image_folder(data):
        data = own_pictures(data, trained_on, given.root, named=given.data is not None)
    else:
        data |= {"root": given.root or data_root(data, today)}
    if "mirrors" in data:  # a record names no server: who made it would learn of it, and could send without end
        data["mirrors"] = today["mirrors"]
    check_fits(run, model, trained_on, data)
    if given.split == "val" and not data["val_size"]:
        raise RunError(f"{run} has no validation split (data.val_size is 0); take --split test")
    trainer = config.get("trainer")
    channels_last = isinstance(trainer, dict) and trainer.get("channels_last") is True
    views = given.views or config.get("test_views", 1)  # older records have none
    if not isinstance(views, int) or views not in get_args(Views):
        raise RunError(f"{run / RESULT}: test_views is {views!r}; give --views {', '.join(map(str, get_args(Views)))}")
    return Member(run, model, weights, digest, trained_on, data, channels_last, views)


def plan_all(given: argparse.Namespace) -> list[Member]:
    """Every run that is named, or the latest, and whether they can be one ensemble; raises as `plan`."""
    runs = [find_run(name) for name in given.runs or [None]]
    members = []
    for run in runs:
        with telling_whose(run, alone=len(runs) == 1):
            members.append(plan(argparse.Namespace(**vars(given), run=str(run))))
    check_agree(members, given.split)
    return members


def views_of(members: Sequence[Member]) -> int | None:
    """How many views each net answers with, None where they differ."""
    views = {member.views for member in members}
    return views.pop() if len(views) == 1 else None


def folder_for(members: Sequence[Member], given: argparse.Namespace) -> Path:
    """Where the files go; raises FileError where a link in a run leads elsewhere."""
    if given.out is not None:
        return cast(Path, given.out)
    name = f"{members[0].data['name']}-{given.split}"
    name += "-last" if given.checkpoint == "last" else ""
    views = views_of(members)
    name += "" if views == 1 else f"-{views or 'own-'}views"
    folder = default_folder(members, name)
    if len(members) == 1:
        check_stays_inside(folder, members[0].run)
    return folder


def _named(name: str, trained_on: Tree) -> Tree:
    """A set of conf/data; the run's own with the run's split, so that nothing it was trained on is validated on."""
    from digits.hydra_app.compose import compose_section
    from digits.hydra_app.paths import conf_directory

    choices = sorted(path.stem for path in Path(conf_directory(), "data").glob("*.yaml"))
    if name not in choices:
        raise RunError(f"there is no data set {name}; there is {', '.join(choices)}")
    data = compose_section(f"data/{name}")
    same = data["name"] == trained_on["name"]
    return data | {key: trained_on[key] for key in ("val_size", "split_seed") if same}


def run_plan(members: Sequence[Member], folder: Path, given: argparse.Namespace) -> None:
    """Evaluate, print and leave the files."""
    from digits.evaluating import dataset, evaluation, load, tables

    alone, trust = len(members) == 1, tuple(given.trust)
    nets = []
    for member in members:
        with telling_whose(member.run, alone=alone):
            nets.append(load.rebuild(member, trust))
    with telling_whose(members[0].run, alone=alone):
        modules = dataset.read_data([member.data for member in members], trust)
    data = modules[0]
    classes = next((member.classes for member in members if member.classes), [])
    notes = dataset.name_classes(data, classes)
    notes += [note for member in members for note in dataset.changed_pictures(member, data)]
    found = evaluation.evaluate(members, nets, modules, given.split)
    which, files = members[0].which, dataset.file_names(data, given.split)
    if data.limit is not None:
        notes.append(f"only the first {found.scores.images:,} images: the run has data.limit={data.limit}")
    views = views_of(members)
    tree: Tree = {
        "format": 1,
        "run": str(members[0].run) if alone else None,
        "members": [score.tree() for score in found.members],
        "weights": which,
        "data": members[0].data,
        "split": given.split,
        "views": views,
        "notes": list[Value](notes),
        **found.scores.tree(),
        **({"files": [files[m.index] for m in found.scores.mistakes]} if files else {}),
        "folder": str(folder),
    }
    evaluation.leave(folder, tree, found.pictures)
    if given.json:
        print(json.dumps(tree, indent=2, ensure_ascii=False))
        return
    whose = f"{members[0].run}" if alone else f"the mean of these {len(members)} nets' probabilities"
    seen = "" if views == 1 else f", mean of {views} views" if views else ", each by the views it was tested by"
    title = f"{whose}: {which} weights on the {given.split} split of {data.name}{seen}"
    if not alone:
        print(f"{tables.members_table(found.members)}\n")
    print(f"{tables.as_text(found.scores, title, notes, files)}\n\npictures  {folder}")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(
        "python -m digits.evaluate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", metavar="RUN", nargs="*", help="a run's directory (default: the latest that is done); "
                        "of several the probabilities are averaged")  # fmt: skip
    parser.add_argument("--data", metavar="SET", help="another set of conf/data, whole (default: the run's own)")
    parser.add_argument("--split", choices=["test", "val"], default="test", help="which images (default: test)")
    parser.add_argument("--checkpoint", choices=["best", "last"], help="weights of a checkpoint, also of a run that "
                        "was cut off (default: model.safetensors, the best)")  # fmt: skip
    parser.add_argument("--root", metavar="DIR", help="folder that holds the data sets; with --data image_folder, "
                        "the one that holds your pictures, in a folder for each class")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--out", metavar="DIR", type=Path, help="where the files go (default: inside RUN; of "
                        "several runs in outputs/evaluation)")  # fmt: skip
    parser.add_argument("--views", metavar="N", type=int, choices=get_args(Views), help="average each net's "
                        "probabilities over the picture and its shifts by one pixel, to 4 sides (5) or 8 (9), filled "
                        "with background; every view costs one more forward pass (default: as each run "
                        "was tested)")  # fmt: skip
    parser.add_argument("--trust", metavar="PACKAGE", action="append", default=[], help="a package of your own that "
                        "the run's net or data come from")  # fmt: skip
    given = parser.parse_intermixed_args(arguments)
    try:
        members = plan_all(given)
        folder = folder_for(members, given)
    except (RunError, ConfigError, FileError) as error:
        print(error, file=sys.stderr)
        return 2

    from digits.data.datasets import DataError

    try:
        run_plan(members, folder, given)
    except (RunError, ConfigError, TargetError) as error:
        print(error, file=sys.stderr)
        return 2
    except (DataError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
