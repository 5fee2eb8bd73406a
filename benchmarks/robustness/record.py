"""What is recorded of the nets' robustness, a line for each net, and how it is told."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from benchmarks.recipes import BY_NAME
from benchmarks.records import RECORDS, RecordError, number, read_record, write_lines
from benchmarks.results import by_machine
from benchmarks.results import table as markdown
from digits.config.files import RECORD_LIMIT, read_json
from digits.config.types import Tree
from digits.data.corruptions import KINDS

RECORD = RECORDS / "robustness.json"
CLEAN, MEAN_ERROR = "clean", "mean corruption error"
PICTURES = ("semeion", "optdigits32")
Accuracy: TypeAlias = dict[str, float]
"""By the name of a set of pictures: the part of them that a net gets right, to eight places."""


@dataclass(frozen=True)
class Measured:
    """Nets and the accuracy of each, by the name of a set of pictures, all on the same pictures."""

    data: str
    split: str
    images: int  # of the clean set, and so of each corrupted one
    seed: int  # of the corruptions
    nets: list[Tree]

    @property
    def recipes(self) -> dict[str, list[Tree]]:
        """The nets by the name they were given, in the order of their first appearance."""
        found: dict[str, list[Tree]] = {}
        for net in self.nets:
            found.setdefault(str(net["recipe"]), []).append(net)
        return found


def read(path: Path) -> Measured:
    """The record; raises RecordError where there is none."""
    if not path.exists():
        raise RecordError(f"there is no record {path.name}; make it: python -m benchmarks.robustness NAME=RUN,RUN")
    tree = read_json(path, RECORD_LIMIT, finite=True)
    nets = tree.get("nets")
    if not isinstance(nets, list) or not {"data", "split", "images", "seed"} <= set(tree):
        raise RecordError(f"{path} is no record of robustness: it lacks its nets, or what they were measured on")
    kept = [net for net in nets if isinstance(net, dict)]
    return Measured(str(tree["data"]), str(tree["split"]), int(number(tree, "images")), int(number(tree, "seed")), kept)


def write(measured: Measured, path: Path) -> None:
    """Keep it, a net a line."""
    on: Tree = {"data": measured.data, "split": measured.split, "images": measured.images, "seed": measured.seed}
    write_lines(path, {**on, "nets": [*measured.nets]})


def merged(former: Measured | None, new: Measured, *, anew: bool) -> Measured:
    """What was recorded together with what was measured now; recipes keep their places.

    A net that was measured again, known by its weights, replaces its line; with `anew` all lines of its recipe go.
    Raises RecordError where the pictures were others, where a recipe has two nets of one seed, or where its nets were
    not measured on the same sets, also on those of before.
    """
    recipes = former.recipes if former else {}
    if former and _pictures(former) != _pictures(new):
        raise RecordError(f"the record is of {_pictures(former)}, this is {_pictures(new)}; both can't be one table")
    for name, nets in new.recipes.items():
        before = recipes.get(name, [])
        if anew and (lost := _sets(before) - _sets(nets)):
            raise RecordError(f"{name} was also measured on {', '.join(sorted(lost))}; give --pictures as before")
        kept = {} if anew else {str(net["weights"]): net for net in before}
        recipes[name] = sorted(
            (kept | {str(net["weights"]): net for net in nets}).values(), key=lambda net: number(net, "seed")
        )
        seeds = [net["seed"] for net in recipes[name]]
        if len(set(map(str, seeds))) < len(seeds):
            raise RecordError(f"{name} has two nets of one seed, with other weights; leave one out, or begin it again "
                              "with --anew")  # fmt: skip
        if len({frozenset(_accuracy(net)) for net in recipes[name]}) > 1:
            raise RecordError(f"the nets of {name} were not measured on the same sets; give --pictures as before, or "
                              "all its runs with --anew")  # fmt: skip
    return Measured(new.data, new.split, new.images, new.seed, [net for nets in recipes.values() for net in nets])


def table(recipes: dict[str, list[Tree]]) -> str:
    """The accuracies in % as Markdown: mean ± sample sd over each recipe's nets; empty where a set wasn't measured."""
    rows = []
    for name in (CLEAN, *KINDS, MEAN_ERROR, *PICTURES):
        cells = [_cell(name, nets) for nets in recipes.values()]
        if any(cells):
            rows.append([name, *(f"**{cell}**" if name == MEAN_ERROR else cell for cell in cells)])
    return markdown(["", *recipes], rows)


def as_text(measured: Measured, folder: Path = RECORDS) -> str:
    """The section of RESULTS.md."""
    recipes = measured.recipes
    return "\n".join([
        "Top-1 accuracy in % (the mean corruption error: 100 minus the mean over the fifteen kinds), mean ± sample sd "
        f"over the nets of a recipe. The first rows are {measured.images:,} images of {measured.data}'s "
        f"{measured.split} split, clean and with MNIST-C's corruptions (arXiv 1906.02337) as "
        f"`digits.data.corruptions` draws them with seed {measured.seed}; the sets below the mean are other people's "
        "digits, brought to MNIST's form. Record: `benchmarks/records/robustness.json`.",
        "", table(recipes), "", "Nets, with the first characters of their weights' SHA-256:", "",
        *(f"- {name}: {_sources(name, nets, folder)}" for name, nets in recipes.items()),
        "", "Measured on:", "", by_machine((name, _where(net)) for name, nets in recipes.items() for net in nets),
    ])  # fmt: skip


def _cell(name: str, nets: Sequence[Tree]) -> str:
    values = [value for net in nets if (value := _percent(name, _accuracy(net))) is not None]
    if not values:
        return ""
    sd = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.2f}{sd}"


def _percent(name: str, accuracy: Accuracy) -> float | None:
    if name != MEAN_ERROR:
        return 100 * accuracy[name] if name in accuracy else None
    of_kinds = [100 * accuracy[kind] for kind in KINDS if kind in accuracy]
    return 100 - statistics.mean(of_kinds) if len(of_kinds) == len(KINDS) else None


def _sets(nets: Sequence[Tree]) -> set[str]:
    return {name for net in nets for name in _accuracy(net)}


def _accuracy(net: Tree) -> Accuracy:
    found = net["accuracy"]
    assert isinstance(found, dict)
    return {name: number(found, name) for name in found}


def _sources(name: str, nets: Sequence[Tree], folder: Path) -> str:
    """Where a recipe's nets come from, and how many of its record's they are: none is chosen in silence."""
    texts = []
    for net in nets:
        commit = net["commit"]
        assert isinstance(commit, dict)
        changes = " with changes" if commit.get("dirty") else ""
        views = "" if net.get("views", 1) == 1 else f", mean of {net['views']} views"
        texts.append(f"seed {net['seed']} of {str(commit.get('id'))[:7]}{changes} ({str(net['weights'])[:8]}){views}")
    text = "; ".join(texts)
    recorded = {run.get("weights") for run in read_record(name, folder).runs} if name in BY_NAME else set()
    if not recorded:
        return text
    known = sum(net["weights"] in recorded for net in nets)
    others = len(nets) - known
    strangers = f"; {others} in no record" if others else ""
    return f"{text}: {known} of the recipe's {len(recorded)} recorded nets{strangers}"


def _where(net: Tree) -> str:
    device = "" if net["device"] == "cpu" else f"{net['device']} of "
    return f"{device}{net['machine']}"


def _pictures(measured: Measured) -> str:
    return f"{measured.images:,} images of {measured.data}'s {measured.split} split, seed {measured.seed}"
