"""Describe a data set: statistics, plots, and the reason for each preprocessing step.

    python -m digits.explore
    python -m digits.explore --data fashion_mnist --root ~/data
    python -m digits.explore --run RUN

Writes to `outputs/explore/DATA/`, or with --run to `RUN/explore/DATA-SPLIT/`: `index.html`, a self-contained page whose
plots show their values where the pointer is; `statistics.json`, its numbers; and TensorBoard events with the same
plots. The counts are those of the default split, as training uses it, or those of the run.

With a run its model is asked about the validation split, the test split where there is none, or the one that --split
names, and the page also has the labels that are likely to be wrong, the images that the model finds hardest, and the
pairs in the whole set that are most alike. The data are the run's own, or those of --data.

Exit code: 0 done, 1 the data can't be read or the page not be written, 2 the run or the set can't be described.
"""

from __future__ import annotations

import argparse
import copy
import io
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from digits.config import training_packages  # noqa: F401 (first: it says what to install where they are missing)
from digits.processes.streams import print_all

if TYPE_CHECKING:
    from collections.abc import Mapping

    from digits.data import MNISTDataModule
    from digits.evaluating.plan import Question
    from digits.exploring.canvas import Plot
    from digits.exploring.doubts import Answers
    from digits.exploring.findings import Findings

EVENTS = ".explore"  # ends the names of our event files, so that no others are replaced
LISTED = 10  # likely label errors, and pairs of images, that are printed


class Subject(NamedTuple):
    """What is described."""

    data: MNISTDataModule  # set up
    command: str  # that was typed
    answers: Answers | None = None  # of the run, if one is asked
    notes: tuple[str, ...] = ()  # for the user


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    print_all()
    from digits.hydra_app.paths import conf_directory

    choices = sorted(path.stem for path in Path(conf_directory(), "data").glob("*.yaml"))
    parser = argparse.ArgumentParser(
        prog="python -m digits.explore",
        description="Describe a data set: statistics, plots, and the reason for each preprocessing step.",
    )
    sets = ", ".join(choices)
    parser.add_argument(
        "--data", choices=choices, metavar="SET", help=f"{sets} (default: mnist, or with --run the run's own)"
    )
    parser.add_argument(
        "--root", metavar="DIR", help="folder that holds the data sets (default: $DIGITS_DATA, or data/)"
    )
    parser.add_argument("--run", metavar="RUN", help="a run directory: its model looks for likely label errors; the "
                        "images that are most alike are listed, too")  # fmt: skip
    parser.add_argument("--split", choices=["val", "test"], help="with --run, the images that its model is asked about "
                        "(default: val, or test where the data have no validation split)")  # fmt: skip
    parser.add_argument("--checkpoint", choices=["best", "last"], help="with --run, weights of a checkpoint, "
                        "also of an interrupted run (default: model.safetensors, the best)")  # fmt: skip
    parser.add_argument("--trust", metavar="PACKAGE", action="append", default=[], help="with --run, a package of your "
                        "own that defines its model or data")  # fmt: skip
    parser.add_argument("--out", metavar="DIR", type=Path, help="where to write the page (default: outputs/explore/SET,"
                        " or RUN/explore/SET-SPLIT)")  # fmt: skip
    given = parser.parse_args(arguments)
    command = shlex.join(["python", "-m", "digits.explore", *(sys.argv[1:] if arguments is None else arguments)])
    if given.run is None and (given.split or given.checkpoint or given.trust):
        parser.error("--split, --checkpoint and --trust say how a run is asked: name one with --run RUN")
    from digits.evaluating.plan import Question

    try:
        if given.run is None:
            name = given.data or "mnist"
            return explore_set(name, given.root, given.out or Path("outputs/explore", name), command)
        # where no split is named, the data say later whether there is one for validation; all have one for the test
        asked = Question(given.split or "test", given.data, given.root, given.checkpoint, trust=tuple(given.trust))
        return explore_run(given.run, asked, given.out, command, any_split=given.split is None)
    except KeyboardInterrupt:
        return 130


def explore_set(name: str, root: str | None, out: Path, command: str) -> int:
    """Describe a set of `conf/data`, as `command` asks for; returns the exit code."""
    from digits.config.schema import data_set
    from digits.data.class_folders import counted
    from digits.hydra_app.compose import compose_section

    section = compose_section(f"data/{name}")
    if (task := data_set(section).made_for) is not None:
        print(
            f"{name} is a data set for {task}; explore describes images of classes: name another set", file=sys.stderr
        )
        return 2
    if root is not None:
        section["root"] = str(Path(root).expanduser())
    section, faults = counted(section)
    if faults:
        print("\n".join(faults.values()), file=sys.stderr)
        return 2

    from digits.config.instantiate import instantiate
    from digits.data import MNISTDataModule
    from digits.data.datasets import DataError

    data = cast(MNISTDataModule, instantiate(section))
    try:
        data.setup()
    except (DataError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return describe(Subject(data, command), out)


def explore_run(name: str, asked: Question, out: Path | None, command: str, *, any_split: bool = False) -> int:
    """Describe a run's data set, or another one, with the run's predictions; returns the exit code.

    With `any_split` the model is asked about the validation split if the data have one. `out` is by default a folder of
    the run.
    """
    from digits.config.faults import ConfigError, TargetError
    from digits.config.files import FileError, check_stays_inside
    from digits.evaluating.plan import folder_name, plan
    from digits.hydra_app.data_sets import named_data_set
    from digits.runs.layout import RunError

    try:
        member = plan(name, asked, named_data_set)
        if any_split and member.data.val_size:
            asked = replace(asked, split="val")
        if out is None:
            out = member.run / "explore" / folder_name(member.data, asked)
            check_stays_inside(out, member.run)
    except (RunError, ConfigError, FileError) as error:
        print(error, file=sys.stderr)
        return 2
    if member.detects:
        print(f"{name} was trained for {member.task}; explore asks classifiers: name another run", file=sys.stderr)
        return 2

    from digits.data.datasets import DataError
    from digits.evaluating import dataset, load
    from digits.evaluating.predictions import predict
    from digits.exploring.doubts import Answers

    try:
        net = load.rebuild(member, asked.trust)
        [data] = dataset.read_data([member.data], asked.trust)
        known = copy.copy(data)  # with the classes of the net, which may be more than the data have
        notes = [*dataset.name_classes(known, member.classes), *dataset.changed_pictures(member, data)]
    except (RunError, ConfigError, TargetError) as error:
        print(error, file=sys.stderr)
        return 2
    except (DataError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    if any_split and asked.split == "test":
        notes.append("the model was asked about the test split: the data have no validation split")
    found = predict(net, known.split(asked.split), data.normalise, data.eval_batch_size, views=member.views)
    columns = [known.classes.index(label) for label in data.classes]
    answers = Answers(
        run=str(member.run),
        split=asked.split,
        probabilities=found.probabilities.numpy()[:, columns],
        losses=found.losses.numpy(),
        guesses=[known.classes[guess] for guess in found.guesses.tolist()],
        confidences=found.confidences.numpy(),
    )
    return describe(Subject(data, command, answers, tuple(notes)), out)


def describe(subject: Subject, out: Path) -> int:
    """Measure, draw and write; returns the exit code."""
    from tqdm import tqdm

    from digits.config.instantiate import instantiate
    from digits.data import RandomAffine
    from digits.exploring.findings import PARTS, examine, statistics
    from digits.exploring.page import FIGURES, RUN_FIGURES, make_page, render_all
    from digits.hydra_app.compose import compose_section
    from digits.runs.atomic import write_json, write_text

    section = compose_section("augment/affine")["affine"]
    assert isinstance(section, dict)
    augment = cast(RandomAffine, instantiate(section))
    parts = PARTS + len(FIGURES) + (0 if subject.answers is None else len(RUN_FIGURES))
    with tqdm(total=parts, leave=False, disable=None) as bar:

        def tell(part: str) -> None:
            bar.update()
            bar.set_description(part)

        found = examine(subject.data, augment, subject.answers, tell)
        plots = render_all(found, tell)
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_text(out / "index.html", make_page(found, plots, augment, out, subject.command))
        write_json(out / "statistics.json", statistics(found))
        write_events(out, plots)
    except OSError as error:
        print(f"can't write {out}: {error}; choose another folder with --out DIR", file=sys.stderr)
        return 1
    print("\n".join([summary(found), *doubted(found), *subject.notes]))
    board = shlex.join(["tensorboard", "--logdir", str(out)])
    print(f"\npage      {out / 'index.html'}\nnumbers   {out / 'statistics.json'}\npictures  {board}")
    return 0


def write_events(out: Path, plots: Mapping[str, Plot]) -> None:
    """Write the plots for TensorBoard, replacing those of an earlier call; the PNGs as they are, not encoded again."""
    from PIL import Image
    from tensorboard.compat.proto.summary_pb2 import Summary
    from torch.utils.tensorboard.writer import FileWriter

    for former in out.glob(f"events.out.tfevents.*{EVENTS}"):
        former.unlink()
    writer = FileWriter(str(out), filename_suffix=EVENTS)
    for name, plot in plots.items():
        width, height = Image.open(io.BytesIO(plot.png)).size
        image = Summary.Image(width=width, height=height, colorspace=4, encoded_image_string=plot.png)
        writer.add_summary(Summary(value=[Summary.Value(tag=f"explore/{name}", image=image)]))
    writer.close()


def summary(found: Findings) -> str:
    """Counts and moments as tables for the terminal."""
    from digits.runs.table import Table

    rows = [[name, *(f"{count[i]:,}" for count in found.counts.values())] for i, name in enumerate(found.classes)]
    rows.append(["all", *(f"{count.sum():,}" for count in found.counts.values())])
    measured = {**found.moments, "train + val": found.official, "configured": found.configured}
    moments = [[name, f"{mean:.4f}", f"{sd:.4f}"] for name, (mean, sd) in measured.items()]
    repeated = sum(found.copies.counts.values())
    return "\n".join(
        [
            Table(["class", *found.splits], rows).text(),
            "",
            Table(["pixels", "mean", "sd"], moments).text(),
            "" if found.agrees else "The configured mean and sd differ from the recomputed ones.",
            "The training and the test split are the same images: all are there to be evaluated on."
            if found.one_split
            else f"exact copies: {repeated:,}; under more than one label: {found.copies.conflicts:,}",
        ]
    )


def doubted(found: Findings) -> list[str]:
    """The first likely label errors and the pairs most alike, as tables for the terminal, if a run was asked."""
    from digits.runs.table import Table

    if found.doubts is None:
        return []
    split, suspects = found.doubts.answers.split, found.doubts.suspects
    rows = [
        [found.image_name(split, s.row), found.classes[s.label], found.classes[s.suggested], f"{s.probability:.1%}"]
        for s in suspects[:LISTED]
    ]
    head = f"likely label errors in {split}: {len(suspects):,} of {len(found.doubts.answers.losses):,}"
    alike = [
        [*(found.image_name(*place) for place in (pair.one, pair.other)),
         *(found.label(*place) for place in (pair.one, pair.other)), f"{pair.share:.2f}"]
        for pair in found.doubts.pairs[:LISTED]
    ]  # fmt: skip
    told = [head, *([Table(["image", "label", "suggested", "probability"], rows).text()] if rows else [])]
    if alike:
        told.append("most alike of all images; whether they are duplicates is for you to see:")
        told.append(Table(["image", "and image", "label", "and label", "distance / usual"], alike).text())
    if not found.files:
        told.append("train #N and val #N are row N, from 0, of the official training split; test #N of the test split")
    return told


if __name__ == "__main__":
    sys.exit(main())
