"""Measure a trained model, or an ensemble of several, on a data set: metrics in the terminal, plots in a directory.

    python -m digits.evaluate                                the latest run that is done, on its test split
    python -m digits.evaluate RUN --split val
    python -m digits.evaluate RUN --checkpoint last --json
    python -m digits.evaluate RUN --data fashion_mnist
    python -m digits.evaluate RUN --data image_folder --root DIR
                                                             your own pictures, one folder per class
    python -m digits.evaluate RUN RUN RUN                    an ensemble: the mean of their probabilities
    python -m digits.evaluate RUN RUN --compare              is their difference more than chance?
    python -m digits.evaluate RUN --corrupt                  on MNIST-C's fifteen corruptions of the split
    python -m digits.evaluate RUN --views 9                  the mean over each image and its shifts by one pixel
    python -m digits.evaluate RUN                            a page detector: whole pages, decoded as the reader does

The model comes from the run's record, and so do the data unless --data names another set; pixels are always normalised
as in the model's training. Writes `RUN/evaluation/DATA-SPLIT/`, or for several runs
`outputs/evaluation/DATA-SPLIT-Nnets-DIGEST/`: evaluation.json, confusion_matrix.png, class_accuracy.png,
worst_mistakes.png and reliability.png. An ensemble may mix architectures and normalisations, but not data sets, nor,
with --split val, runs with different validation splits. Probabilities are softmax in float32.
--compare asks two runs, or the seeds of two configurations, for the same images, and writes comparison.json: McNemar's
exact test, and between several seeds Welch's t-test. --corrupt writes corrupted.json: the accuracy on the split as it
is and with each corruption, drawn with seed 0, and their mean.
If the model knows more classes than the set has, classes are matched by name. If the run was not trained on the folder
DIR, all its pictures are used, or only those in DIR/test where there are some; mistakes are listed by file name.

For a page detector it writes evaluation.json, pages.png and worst_pages.png, and reports the pages read without a
fault, the digits found (recall), the finds that are digits (precision), the digits found that are classified correctly
(accuracy), and the same by layout.
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
from digits.evaluating.members import check_corruptible
from digits.evaluating.plan import Question, folder_for, plan_all
from digits.evaluating.sides import sides_of
from digits.hydra_app.data_sets import named_data_set
from digits.processes.streams import print_all
from digits.runs.layout import RunError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    print_all()
    parser = argparse.ArgumentParser(
        "python -m digits.evaluate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", metavar="RUN", nargs="*", help="a run directory (default: the latest that is done); "
                        "with several, their probabilities are averaged")  # fmt: skip
    parser.add_argument("--data", metavar="SET", help="another set of conf/data, in full (default: the run's own)")
    parser.add_argument("--split", choices=["test", "val"], default="test", help="which images (default: test)")
    parser.add_argument("--checkpoint", choices=["best", "last"], help="weights of a checkpoint, also of an "
                        "interrupted run (default: model.safetensors, the best)")  # fmt: skip
    parser.add_argument("--root", metavar="DIR", help="folder that holds the data sets; with --data image_folder, "
                        "the folder of your pictures, with one folder per class")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--out", metavar="DIR", type=Path, help="where to write the files (default: inside RUN; for "
                        "several runs, outputs/evaluation)")  # fmt: skip
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--corrupt", action="store_true", help="evaluate on corrupted images: brightness, fog, blur, …")
    how.add_argument("--compare", action="store_true", help="compare two runs, or two configurations with several "
                        "seeds each, instead of averaging them")  # fmt: skip
    parser.add_argument("--views", metavar="N", type=int, choices=get_args(Views), help="average each model's "
                        "probabilities over the image and its shifts by one pixel in 4 directions (5 views) or 8 "
                        "(9 views), filled with background; each view costs one forward pass (default: as in each "
                        "run's test)")  # fmt: skip
    parser.add_argument("--trust", metavar="PACKAGE", action="append", default=[], help="a package of your own that "
                        "defines the run's model or data")  # fmt: skip
    given = parser.parse_intermixed_args(arguments)
    asked = Question(given.split, given.data, given.root, given.checkpoint, given.views, tuple(given.trust))
    try:
        members = plan_all(given.runs, asked, named_data_set)
        sides = sides_of(members) if given.compare else None
        if given.corrupt:
            check_corruptible(members)
        folder: Path = given.out if given.out is not None else folder_for(members, asked)
    except (RunError, ConfigError, FileError) as error:
        print(error, file=sys.stderr)
        return 2

    from digits.data.datasets import DataError
    from digits.evaluating import judge, judge_pages

    try:
        [first, *_] = members
        if sides is not None:
            judged = judge.judge_sides(members, sides, asked, folder)
        elif given.corrupt:
            judged = judge.judge_corrupted(members, asked, folder)
        else:
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
