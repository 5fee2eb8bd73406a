"""Export a trained model to a file that runs without PyTorch, checked on the test set before it is kept.

    python -m digits.export                    the latest run that is done
    python -m digits.export RUN
    python -m digits.export RUN --int8         also a quantised model
    python -m digits.export RUN --out DIR
    python -m digits.export RUN --bundle DIR   a folder to give away, to be run with onnxruntime and numpy alone

Writes to RUN/export: model.onnx, model.safetensors and model.json (the weights and what is needed to rebuild the model
in PyTorch), and with --int8 model.int8.onnx. The graph takes `images`, uint8 (N, 1, side, side), white ink on black,
normalises them itself and returns `logits`, float32 (N, classes). Its metadata hold what a reader needs: classes, mean
and std (for information: the graph applies them), image_size, temperature (divides the logits before softmax; fitted
on the run's validation split), this file's accuracy on the test split, and provenance.

--bundle writes the same files to DIR, a new folder, and with them README.md, a model card whose YAML head the Hugging
Face Hub reads; config.json, with the classes and the temperature; example.py, which runs the model; and
SHA256SUMS. The card's metrics are those of this export and of the run's record; what neither has is called not
measured. --license states the licence of the weights. DIR is written as a whole, or not at all.

model.onnx is kept only if onnxruntime's predictions with it equal PyTorch's on every test image. A quantised model,
calibrated on training images, differs on some: their number and its own accuracy are printed; if it loses more than 1
point of accuracy against model.onnx, only model.onnx is kept. Exit code: 0 done, 1 a file was not kept or could not be
written, 2 the run does not exist or can't be exported.

A page detector takes `images`, float32 (1, 1, H, W), grey 0..1, of any size in multiples of 16, and returns `maps`,
float32 (1, 16, H / 4, W / 4), described in digits/reading/boxes.py. It is kept only if onnxruntime's maps equal
PyTorch's. Its metadata hold `task`, detection, and its metrics on the pages of the test split. --int8 is calibrated on
validation pages, and kept unless it reads 2 points fewer of the test pages without a fault.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from digits.config import training_packages  # noqa: F401 (first: it says what to install where they are missing)
from digits.config.faults import ConfigError, TargetError
from digits.config.files import FileError, check_stays_inside
from digits.config.types import Tree, Value
from digits.evaluating.members import Member
from digits.evaluating.plan import Question, plan
from digits.hydra_app.data_sets import named_data_set
from digits.processes.streams import print_all
from digits.runs.layout import WEIGHTS, RunError
from digits.runs.read import read_corrupted, read_evaluations, read_result
from digits.runs.schema import NetInput

if TYPE_CHECKING:
    from torch import nn

    from digits.exporting.onnx_export import MadeFile


def run_export(member: Member, folder: Path, given: argparse.Namespace) -> int:
    """Export, check, write and print; returns the exit code."""
    from digits.evaluating import load
    from digits.exporting.about import UNKNOWN, About
    from digits.exporting.bundle import write_bundle
    from digits.exporting.onnx_export import leave, provenance_of

    trust, record = tuple(given.trust), read_result(member.run)
    bundled = given.bundle is not None  # only a card tells of evaluations
    evaluations = read_evaluations(member.run) if bundled else []
    corruptions = read_corrupted(member.run) if bundled else []
    net = load.rebuild(member, trust)
    sha256 = hashlib.sha256((member.weights / WEIGHTS).read_bytes()).hexdigest()
    provenance = provenance_of(record, sha256)
    if member.detects:
        made = detector(net, member, trust, provenance, int8=given.int8)
    else:
        made = classifier(net, member, trust, provenance, int8=given.int8)
    notes = list(made.notes)
    if given.bundle is None:
        leave(folder, made.files, net, member.model.model, made.takes)
    else:
        licence = given.license or UNKNOWN
        about = About(record, member.trained_on, member.model.model, made.takes, made.files, made.notes, evaluations,
                      sha256, licence, corruptions)  # fmt: skip
        write_bundle(folder, about, net)
        if licence == UNKNOWN:
            notes.append("README.md has license: unknown; state the licence of your weights, such as --license mit")
    tree: Tree = {
        "format": 1,
        "run": str(member.run),
        "data": member.data.name,
        "classes": list[Value](made.takes.classes or ()),
        "notes": list[Value](notes),
        "files": [file.tree() for file in made.files],
        "refused": list[Value](made.refused),
        "folder": str(folder),
    }
    if given.json:
        print(json.dumps(tree, indent=2, ensure_ascii=False))
    else:
        head = [f"{member.run}: on the test split of {member.data.name}", *(f"note: {note}" for note in notes)]
        print("\n".join([*head, "", made.table, "", f"exported  {folder}"]))
    for sentence in made.refused:
        print(sentence, file=sys.stderr)
    return 1 if made.refused else 0


def check_bundle(folder: Path | None, licence: str | None) -> None:
    """Raise RunError where --bundle names something that exists, or --license is none of the Hub's identifiers."""
    if licence is not None and folder is None:
        raise RunError("--license is for the model card of a bundle; add --bundle DIR")
    if licence is not None and not re.fullmatch(r"[a-z0-9][a-z0-9.+-]*", licence):
        raise RunError(f"--license is {licence!r:.80}; write it as the Hugging Face Hub does, such as mit or cc-by-4.0")
    if folder is not None and os.path.lexists(folder):
        raise RunError(f"{folder} exists, and a bundle replaces nothing; remove it, or name a new folder")


class Made(NamedTuple):
    """The result of an export, before anything is written."""

    files: Sequence[MadeFile]
    takes: NetInput
    table: str  # what was measured
    notes: list[str]
    refused: list[str]


def classifier(net: nn.Module, member: Member, trust: tuple[str, ...], provenance: str, *, int8: bool) -> Made:
    """The exported files of a classifier, checked as the reader runs them."""
    from digits.evaluating.dataset import net_input, read_data
    from digits.exporting import onnx_export
    from digits.reading.model.check import check_model

    [data] = read_data([member.data], trust, None if int8 else "val")  # quantising is calibrated on training images
    files, refused = onnx_export.good_enough(onnx_export.export(net, data, provenance, int8=int8))
    described = [
        check_model(file.content, file.name) for file in files
    ]  # the reader must accept every file that is kept
    notes = onnx_export.notes(files, data)
    if not described[0].reads_digits:
        notes.append("predict and serve can't use this model: they need the classes 0 to 9, optionally none, on 28x28")
    return Made(files, net_input(data), onnx_export.as_table(files), notes, refused)


def detector(net: nn.Module, member: Member, trust: tuple[str, ...], provenance: str, *, int8: bool) -> Made:
    """The exported files of a page detector, checked as the reader runs them."""
    from digits.evaluating.dataset import net_input, read_pages
    from digits.exporting import detector_export
    from digits.reading.model.check import check_model

    data, pages = read_pages(member.data, "test", trust)
    calibration = read_pages(member.data, "val", trust)[1].pages if int8 else None
    exported = detector_export.export(net, data, pages.pages, provenance, calibration)
    files, refused = detector_export.good_enough(exported)
    for file in files:
        check_model(file.content, file.name)  # the reader must accept every file that is kept
    notes = detector_export.notes(files, data)
    return Made(files, net_input(data), detector_export.as_table(files), notes, refused)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    print_all()
    parser = argparse.ArgumentParser(
        "python -m digits.export", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", metavar="RUN", nargs="?", help="a run directory (default: the latest that is done)")
    parser.add_argument("--int8", action="store_true", help="also write a model quantised to 8 bits, about a third of "
                        "the size and half of the time")  # fmt: skip
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--out", metavar="DIR", type=Path, help="where to write the files (default: RUN/export)")
    where.add_argument("--bundle", metavar="DIR", type=Path, help="write a new folder to give away instead: the files "
                       "with a model card, an example and checksums")  # fmt: skip
    parser.add_argument("--license", metavar="ID", help="licence of the weights for the model card, as the Hugging "
                        "Face Hub writes it, such as mit (default: unknown)")  # fmt: skip
    parser.add_argument("--root", metavar="DIR", help="folder that holds the data sets")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--trust", metavar="PACKAGE", action="append", default=[], help="a package of your own that "
                        "defines the run's model or data")  # fmt: skip
    given = parser.parse_args(arguments)
    try:
        member = plan(given.run, Question(root=given.root, views=1, trust=tuple(given.trust)), named_data_set)
        check_bundle(given.bundle, given.license)
        folder: Path = given.bundle or given.out or member.run / "export"
        if given.bundle is None and given.out is None:
            check_stays_inside(folder, member.run)
    except (RunError, ConfigError, FileError) as error:
        print(error, file=sys.stderr)
        return 2

    from digits.data.datasets import DataError
    from digits.exporting.onnx_graph import ExportError
    from digits.reading.model.check import ModelError

    try:
        return run_export(member, folder, given)
    except (RunError, ConfigError, TargetError) as error:
        print(error, file=sys.stderr)
        return 2
    except (DataError, ExportError, ModelError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
