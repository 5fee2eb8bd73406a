"""Make a trained net a file that runs without PyTorch, checked on the test set before it is kept.

    python -m digits.export                    the latest run that is done
    python -m digits.export RUN
    python -m digits.export RUN --int8         a quantised net beside it, calibrated on training images
    python -m digits.export RUN --out DIR

Leaves in RUN/export: model.onnx, model.safetensors and model.json (the weights and what is needed to rebuild the net in
PyTorch), with --int8 model.int8.onnx. A graph takes `images`, uint8 (N, 1, side, side), white ink on black; it
normalises them itself and gives `logits`, float32 (N, classes). Its metadata say what a reader needs: classes, mean and
std (for people: they are in the graph), image_size, temperature (by which logits are divided before softmax, fitted on
the run's validation split), accuracy of this file on the test split, and provenance.

model.onnx is kept only if onnxruntime gives with it the same answer as PyTorch to every test image. A quantised net
gives others to some: how many, and its own accuracy, are printed; more than 1 point below model.onnx it is not kept,
which is then. Exit code: 0, or 1 when a file was not kept or could not be written, 2 when no such run can be exported.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from digits.config.faults import ConfigError, TargetError
from digits.config.files import FileError, check_stays_inside
from digits.config.types import Tree, Value
from digits.evaluating.members import Member
from digits.evaluating.plan import Question, plan
from digits.hydra_app.data_sets import named_data_set
from digits.runs.layout import WEIGHTS, RunError
from digits.runs.read import read_result


def run_export(member: Member, folder: Path, given: argparse.Namespace) -> int:
    """Export, check, write and print; returns the exit code."""
    from digits.evaluating import dataset, load
    from digits.exporting import onnx_export
    from digits.reading.model_file import check_model

    trust = tuple(given.trust)
    net = load.rebuild(member, trust)
    [data] = dataset.read_data([member.data], trust)
    sha256 = hashlib.sha256((member.weights / WEIGHTS).read_bytes()).hexdigest()
    made = onnx_export.export(net, data, onnx_export.provenance_of(read_result(member.run), sha256), int8=given.int8)
    files, refused = onnx_export.good_enough(made)
    described = [check_model(file.content, file.name) for file in files]  # what is kept, the reader runs
    onnx_export.leave(folder, files, net, member.model.model, data)
    notes = onnx_export.notes(files, data)
    if not described[0].reads_digits:
        notes.append("predict and serve do not take this net: they want 0 to 9, then perhaps none, on 28x28")
    tree: Tree = {
        "format": 1,
        "run": str(member.run),
        "data": data.name,
        "classes": list[Value](data.classes),
        "notes": list[Value](notes),
        "files": [file.tree() for file in files],
        "refused": list[Value](refused),
        "folder": str(folder),
    }
    if given.json:
        print(json.dumps(tree, indent=2, ensure_ascii=False))
    else:
        title = f"{member.run}: on the test split of {data.name}"
        print(f"{onnx_export.as_text(files, title, notes)}\n\nexported  {folder}")
    for sentence in refused:
        print(sentence, file=sys.stderr)
    return 1 if refused else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(
        "python -m digits.export", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", metavar="RUN", nargs="?", help="a run's directory (default: the latest that is done)")
    parser.add_argument("--int8", action="store_true", help="also a net quantised to 8 bits, about a third of the size "
                        "and half of the time")  # fmt: skip
    parser.add_argument("--out", metavar="DIR", type=Path, help="where the files go (default: RUN/export)")
    parser.add_argument("--root", metavar="DIR", help="folder that holds the data sets")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--trust", metavar="PACKAGE", action="append", default=[], help="a package of your own that "
                        "the run's net or data come from")  # fmt: skip
    given = parser.parse_args(arguments)
    try:
        member = plan(given.run, Question(root=given.root, views=1, trust=tuple(given.trust)), named_data_set)
        folder: Path = given.out or member.run / "export"
        if given.out is None:
            check_stays_inside(folder, member.run)
    except (RunError, ConfigError, FileError) as error:
        print(error, file=sys.stderr)
        return 2

    from digits.data.datasets import DataError
    from digits.exporting.onnx_graph import ExportError
    from digits.reading.model_file import ModelError

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
