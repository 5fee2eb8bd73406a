"""How accurate a net can honestly be: the test images that all nets get wrong, beside those whose labels people doubt.

    python -m benchmarks.accuracy.ceiling cnn_best=RUN,RUN mlp_best=RUN --sheet FILE.png

Every net counts alike, by as many views as it was tested by. FILE.png shows the images that at least half of the nets
get wrong and those of the published list of label errors (`benchmarks/accuracy/label_errors.py`), to be looked at.
Record: `benchmarks/records/ceiling.json`, each net known by the SHA-256 of its weights.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor

from benchmarks.accuracy.label_errors import AGREED, PEOPLE, SEEN
from benchmarks.commands import make_parser, named_runs, told
from benchmarks.records import RECORDS, RecordError, number, read_tree, write_lines
from benchmarks.results import machine
from benchmarks.results import table as markdown
from benchmarks.robustness.nets import Net, read_net, read_splits
from digits.config.types import Tree, Value
from digits.data import Split
from digits.evaluating.predictions import predict
from digits.exploring.canvas import LARGER, gallery
from digits.plots.drawing import STYLE, png
from digits.runs.atomic import write_bytes
from digits.runs.layout import RunError

RECORD = RECORDS / "ceiling.json"
IMAGES = 10_000
COLUMNS, DRAWN = 6, 120  # of the sheet: its columns, and its images, those that the fewest nets get right


@dataclass(frozen=True)
class Image:
    """A test image and what the nets say of it."""

    index: int  # in the official test split
    label: str
    said: dict[str, int]  # how many nets say each digit, the most frequent first

    @property
    def right(self) -> int:
        """How many nets say its label."""
        return self.said.get(self.label, 0)

    def answers(self, most: int | None = None) -> str:
        """What the nets say, in a few characters: 9 ×3, 8 ×1; at most so many digits."""
        return ", ".join(f"{digit} ×{count}" for digit, count in list(self.said.items())[:most])


def chosen(guesses: Tensor, labels: Tensor) -> list[Image]:
    """The images that at least half of the nets get wrong, and those of the published list.

    Takes the predicted digits, int64 (N, M) of N nets for M images, and the labels, int64 (M,).
    """
    wrong = (guesses != labels).sum(0)  # (M,)
    indices = sorted({*torch.nonzero(2 * wrong >= len(guesses)).flatten().tolist(), *AGREED})
    return [
        Image(
            i,
            str(int(labels[i])),
            {str(digit): count for digit, count in Counter(guesses[:, i].tolist()).most_common()},
        )
        for i in indices
    ]


def measured(named: dict[str, list[str]]) -> tuple[Tree, Split]:
    """The record of the nets of some runs, and the test split.

    Raises RunError where a run can't be used, RecordError where a net is named twice.
    """
    names = [name for name, runs in named.items() for _ in runs]
    nets = [read_net(run) for runs in named.values() for run in runs]
    if len({net.weights for net in nets}) < len(nets):
        raise RecordError("two of the runs have the same weights; name each net once")
    data, split = read_splits(nets, "test")
    if data.name != "mnist" or len(split) != IMAGES:
        raise RunError(f"the runs have {len(split):,} test images of {data.name}; take runs on all of MNIST")
    answers = [predict(net.net, split, net.normalise, data.eval_batch_size, views=net.views) for net in nets]
    guesses, labels = torch.stack([answer.guesses for answer in answers]), answers[0].labels
    tree: Tree = {
        "machine": machine(),
        "nets": [_line(*each) for each in zip(names, nets, (guesses != labels).sum(1).tolist(), strict=True)],
        "images": [
            {"image": image.index, "label": image.label, "said": dict[str, Value](image.said)}
            for image in chosen(guesses, labels)
        ],
    }
    return tree, split


def _line(name: str, net: Net, wrong: int) -> Tree:
    return {"recipe": name, "seed": net.seed, "weights": net.weights, "views": net.views, "wrong": wrong}


def images_of(record: Tree) -> list[Image]:
    """The images of a record."""
    return [
        Image(int(number(line, "image")), str(line["label"]), cast(dict[str, int], line["said"]))
        for line in cast(list[Tree], record["images"])
    ]


def tabled(images: Sequence[Image]) -> list[Image]:
    """Those of a record's images that have a line each: wrong for all nets, or of the published list."""
    return [image for image in images if not image.right or image.index in AGREED]


def as_text(record: Tree) -> str:
    """The section of RESULTS.md."""
    nets, images = cast(list[Tree], record["nets"]), images_of(record)
    of = ", ".join(f"{count} `{name}`" for name, count in Counter(str(net["recipe"]) for net in nets).items())
    wrong = [int(number(net, "wrong")) for net in nets]
    for_all = {image.index for image in images if not image.right}
    hard = [image.index for image in images if 2 * image.right <= len(nets)]
    won = sum(image.right for image in images if image.index in AGREED) / len(nets)
    plain = [index for index, people in AGREED.items() if not people]
    shown = tabled(images)
    besides = ", ".join(str(index) for index in hard if index not in for_all and index not in AGREED)
    rows = [
        [image.index, image.label, f"{AGREED[image.index]} of {PEOPLE}" if image.index in AGREED else "",
         f"{image.right} of {len(nets)}", image.answers(), SEEN.get(image.index, "not looked at")]
        for image in shown
    ]  # fmt: skip
    return "\n\n".join([
        f"{len(nets)} nets ({of}), each wrong on {min(wrong)} to {max(wrong)} of {IMAGES:,} test images. "
        f"**{len(for_all)}** images are wrong for all of them, {len(hard)} for at least half.",
        f"Of the test images that other nets doubted, {PEOPLE} people were asked (arXiv 2103.14749): fewer than three "
        f"agreed with the label of {len(AGREED)}, nobody with that of {len(plain)}. Of the {len(for_all)} images that "
        f"are wrong for all nets here, {len(for_all & set(AGREED))} are among the {len(AGREED)}, of whose labels a net "
        f"gives {won:.1f} in the mean.",
        f"The honest ceiling is **{_percent(len(AGREED))}**: every image right but those whose label most people did "
        f"not agree with; the best net here is {min(wrong) - len(AGREED)} images short of it. More than "
        f"{_percent(len(plain))} can't be reached but by fitting the {len(plain)} labels that nobody agreed with; on "
        f"the other {len(AGREED) - len(plain)} people differ. An image that is wrong for all nets and not among these "
        "is hard, but its label can be won.",
        markdown(["image", "label", "people who agree", "nets that say it", "what nets say", "by eye"], rows),
        f"Besides, wrong for at least half of the nets: {besides or 'none'}.",
        f"Record: `benchmarks/records/{RECORD.name}`. {record['machine']}",
    ])  # fmt: skip


def _percent(lost: int) -> str:
    return f"{1 - lost / IMAGES:.2%}"


def section(path: Path = RECORD) -> str:
    """The same from what was recorded."""
    return as_text(read_tree(path, "python -m benchmarks.accuracy.ceiling NAME=RUN,RUN"))


@STYLE
@LARGER
def sheet(record: Tree, split: Split) -> bytes:
    """The record's images as a PNG, the hardest first: index and label above each, and what the most nets say."""
    pixels = split.pixels().cpu().numpy()
    assert pixels.dtype == np.uint8
    images = sorted(images_of(record), key=lambda image: image.right)[:DRAWN]
    pictures = [(f"{image.index}: {image.label}\n{image.answers(2)}", pixels[image.index]) for image in images]
    return png(gallery(pictures, COLUMNS))


def main(argv: Sequence[str] | None = None, path: Path = RECORD) -> None:
    """Predict, record, draw."""
    parser = make_parser("benchmarks.accuracy.ceiling", __doc__)
    parser.add_argument("recipes", metavar="NAME=RUN[,RUN...]", nargs="+", help="a recipe's name and its runs")
    parser.add_argument("--sheet", metavar="FILE.png", type=Path, help="draw the images there")
    given = parser.parse_args(argv)
    if given.sheet and not given.sheet.parent.is_dir():
        parser.error(f"there is no folder {given.sheet.parent}; name a file in one that is there")
    with told():
        record, split = measured(named_runs(given.recipes))
        write_lines(path, record)
        if given.sheet:
            write_bytes(given.sheet, sheet(record, split))
        print(as_text(record))
        if unseen := [str(image.index) for image in tabled(images_of(record)) if image.index not in SEEN]:
            print(f"look at {', '.join(unseen)}, and write into SEEN of benchmarks/accuracy/label_errors.py what they "
                  "are by eye", file=sys.stderr)  # fmt: skip


if __name__ == "__main__":
    main()
