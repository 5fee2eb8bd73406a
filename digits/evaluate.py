"""Measure a trained net, or several together, on a data set: figures in the terminal, pictures in a directory.

    python -m digits.evaluate                                the latest run that is done, on its test split
    python -m digits.evaluate RUN --split val
    python -m digits.evaluate RUN --checkpoint last --json
    python -m digits.evaluate RUN --data fashion_mnist
    python -m digits.evaluate RUN --data image_folder --root DIR
                                                             your own pictures, a folder for each class
    python -m digits.evaluate RUN RUN RUN                    an ensemble: the mean of their probabilities
    python -m digits.evaluate RUN --views 9                  the mean over the picture and its shifts by one pixel
    python -m digits.evaluate RUN                            of a page detector: whole pages, by the reader's decoding

The net and, unless --data names another set, the data are those that the run recorded; the pixels are always
normalised as the net was trained. Leaves `RUN/evaluation/DATA-SPLIT/`, or for several runs
`outputs/evaluation/DATA-SPLIT-Nnets-DIGEST/`: evaluation.json, confusion_matrix.png, class_accuracy.png,
worst_mistakes.png and reliability.png. Runs of other nets and other normalisation can be averaged, not those of other
data sets, nor with --split val those that kept other images for validation. Probabilities are softmax in float32.
A net that knows more classes than the set has is asked about those of the same names. Of a folder that the run was not
trained on every picture is asked about, unless DIR/test has some; mistakes are told by the names of their files.

Of a page detector it leaves evaluation.json, pages.png and worst_pages.png: pages read without a fault, digits found
(recall), finds that are digits (precision), digits found that have their class (accuracy), and the same by layout.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from digits.config import training_packages  # noqa: F401 (first: it says what to install where they are missing)
from digits.config.faults import ConfigError, TargetError
from digits.config.files import FileError
from digits.config.schema import Views
from digits.evaluating.plan import Question, folder_for, plan_all
from digits.hydra_app.data_sets import named_data_set
from digits.processes.streams import print_all
from digits.runs.layout import RunError


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    print_all()
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
    asked = Question(given.split, given.data, given.root, given.checkpoint, given.views, tuple(given.trust))
    try:
        members = plan_all(given.runs, asked, named_data_set)
        folder: Path = given.out if given.out is not None else folder_for(members, asked)
    except (RunError, ConfigError, FileError) as error:
        print(error, file=sys.stderr)
        return 2

    from digits.data.datasets import DataError
    from digits.evaluating import judge, judge_pages

    try:
        [first, *_] = members
        judged = judge_pages.judge(first, asked, folder) if first.detects else judge.judge(members, asked, folder)
        print(json.dumps(judged.tree, indent=2, ensure_ascii=False) if given.json else judged.text)
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
