"""Describe a data set: statistics, plots, and the reason for each preprocessing step.

    python -m digits.explore
    python -m digits.explore --data fashion_mnist --root ~/data
    python -m digits.explore --run RUN

Writes to `outputs/explore/DATA/`, or with --run to `RUN/explore/`: `index.html`, a self-contained page whose plots show
their values where the pointer is; `statistics.json`, its numbers; and TensorBoard events with the same plots. The
counts are those of the default split, as training uses it, or those of the run.

With a run its model is asked about the validation split, or the one that --split names, and the page also has the
labels that are likely to be wrong, the images that the model finds hardest, and near duplicates in the whole set. The
data are the run's own, or those of --data.
"""

from __future__ import annotations

import argparse
import io
import sys
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
LISTED = 10  # likely label errors that are printed


class Subject(NamedTuple):
    """What is described."""

    data: MNISTDataModule  # set up
    answers: Answers | None = None  # of the run, if one is asked
    notes: tuple[str, ...] = ()  # for the user


def main() -> None:
    """Run the command."""
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
    parser.add_argument("--run", metavar="RUN", help="a run directory: its model looks for likely label errors; near "
                        "duplicates are looked for, too")  # fmt: skip
    parser.add_argument("--split", choices=["val", "test"], help="with --run, the images that its model is asked about "
                        "(default: val)")  # fmt: skip
    parser.add_argument("--checkpoint", choices=["best", "last"], help="with --run, weights of a checkpoint, "
                        "also of an interrupted run (default: model.safetensors, the best)")  # fmt: skip
    parser.add_argument("--trust", metavar="PACKAGE", action="append", default=[], help="with --run, a package of your "
                        "own that defines its model or data")  # fmt: skip
    parser.add_argument("--out", metavar="DIR", help="where to write the page (default: outputs/explore/SET, or "
                        "RUN/explore)")  # fmt: skip
    given = parser.parse_args()
    if given.run is None:
        if given.split or given.checkpoint or given.trust:
            parser.error("--split, --checkpoint and --trust say how a run is asked: name one with --run RUN")
        name = given.data or "mnist"
        sys.exit(explore_set(name, given.root, Path(given.out or Path("outputs/explore", name))))
    from digits.evaluating.plan import Question

    asked = Question(given.split or "val", given.data, given.root, given.checkpoint, trust=tuple(given.trust))
    sys.exit(explore_run(given.run, asked, Path(given.out or Path(given.run, "explore"))))


def explore_set(name: str, root: str | None, out: Path) -> int:
    """Describe a set of `conf/data`; returns the exit code."""
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
    return describe(Subject(data), out)


def explore_run(name: str, asked: Question, out: Path) -> int:
    """Describe a run's data set, or another one, with the run's predictions; returns the exit code."""
    from digits.config.faults import ConfigError, TargetError
    from digits.config.files import FileError, check_stays_inside
    from digits.evaluating.plan import plan
    from digits.hydra_app.data_sets import named_data_set
    from digits.runs.layout import RunError

    try:
        member = plan(name, asked, named_data_set)
        if out == member.run / "explore":
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
        notes = [*dataset.name_classes(data, member.classes), *dataset.changed_pictures(member, data)]
    except (RunError, ConfigError, TargetError) as error:
        print(error, file=sys.stderr)
        return 2
    except (DataError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    found = predict(net, data.split(asked.split), data.normalise, data.eval_batch_size, views=member.views)
    answers = Answers(str(member.run), asked.split, found.probabilities.numpy(), found.losses.numpy())
    return describe(Subject(data, answers, tuple(notes)), out)


def describe(subject: Subject, out: Path) -> int:
    """Measure, draw and write; returns the exit code."""
    from digits.config.instantiate import instantiate
    from digits.data import RandomAffine
    from digits.exploring.findings import examine, statistics
    from digits.exploring.page import make_page, render_all
    from digits.hydra_app.compose import compose_section
    from digits.runs.atomic import write_json, write_text

    section = compose_section("augment/affine")["affine"]
    assert isinstance(section, dict)
    augment = cast(RandomAffine, instantiate(section))
    found = examine(subject.data, augment, subject.answers)
    plots = render_all(found)
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_text(out / "index.html", make_page(found, plots, augment, out))
        write_json(out / "statistics.json", statistics(found))
        write_events(out, plots)
    except OSError as error:
        print(f"can't write {out}: {error}; choose another folder with --out DIR", file=sys.stderr)
        return 1
    print("\n".join([summary(found), *doubted(found), *subject.notes]))
    print(
        f"\npage      {out / 'index.html'}\nnumbers   {out / 'statistics.json'}\npictures  tensorboard --logdir {out}"
    )
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
    """The first likely label errors as a table for the terminal, if a run was asked."""
    from digits.runs.table import Table

    if found.doubts is None:
        return []
    split, suspects = found.doubts.answers.split, found.doubts.suspects
    rows = [
        [found.image_name(split, s.row), found.classes[s.label], found.classes[s.suggested], f"{s.probability:.1%}"]
        for s in suspects[:LISTED]
    ]
    head = f"likely label errors in {split}: {len(suspects):,} of {len(found.doubts.answers.losses):,}"
    return [head, *([Table(["image", "label", "suggested", "probability"], rows).text()] if rows else [])]


if __name__ == "__main__":
    main()
