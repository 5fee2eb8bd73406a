"""Ensembles: which nets can be averaged, and where their evaluation is written. No torch."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

from digits.evaluating.members import Member
from digits.runs.layout import RunError

OWN = {"mean", "std", "batch_size", "eval_batch_size", "root", "mirrors"}
"""Keys of `data` in which members may differ: they change neither the images nor their order."""

SPLIT = {"val_size", "split_seed"}  # keys that define the validation split
ENSEMBLES = Path("outputs", "evaluation")  # evaluations of several runs together


def check_agree(members: Sequence[Member], split: str) -> None:
    """Raise RunError unless all members can be evaluated on the same images and have the same classes."""
    if detector := next((member for member in members if member.detects and len(members) > 1), None):
        trained = f"{detector.run} was trained for {detector.task}"
        raise RunError(f"{trained}; only classifiers are averaged or compared: name it alone")
    named: dict[str, Path] = {}
    for member in members:
        real = os.path.realpath(member.run)
        if real in named:
            raise RunError(f"{named[real]} and {member.run} are the same run; name each net once")
        named[real] = member.run
    for a, b in pairwise(members):
        if a.trained_on.name != b.trained_on.name:
            sets = f"{a.run} was trained on {a.trained_on.name}, {b.run} on {b.trained_on.name}"
            raise RunError(f"{sets}; name runs of one data set")
        if a.data.kind.users_own and a.data.root != b.data.root:
            roots = f"{a.run} has data.root={a.data.root}, {b.run} data.root={b.data.root}"
            raise RunError(f"{roots}; name the pictures to ask about with --data {a.data.name} --root DIR")
        for key in sorted({*a.data.tree(), *b.data.tree()} - OWN - SPLIT):
            if a.data.at(key) != b.data.at(key):
                values = f"{a.run} has data.{key}={a.data.at(key)}, {b.run} data.{key}={b.data.at(key)}"
                whole = f"; --data {a.data.name} takes the whole set" if key == "limit" else ""
                raise RunError(f"{values}: they would be evaluated on different images{whole}")
        if split == "val" and any(a.data.at(key) != b.data.at(key) for key in SPLIT):
            kept = [", ".join(f"data.{key}={m.data.at(key)}" for key in sorted(SPLIT)) for m in (a, b)]
            raise RunError(
                f"{a.run} and {b.run} have different validation splits ({kept[0]}; {kept[1]}), "
                "so one was trained on the other's validation images; use --split test"
            )
    known = [member for member in members if member.classes]
    for a, b in pairwise(known):
        if a.classes != b.classes:
            names = f"{a.run} has the classes {', '.join(a.classes)}, {b.run} has {', '.join(b.classes)}"
            raise RunError(f"{names}; name runs with the same classes in the same order")


def default_folder(members: Sequence[Member], name: str) -> Path:
    """The folder of an evaluation: in the run, or for several runs one of their own, whatever their order."""
    if len(members) == 1:
        return members[0].run / "evaluation" / name
    runs = sorted(os.path.relpath(os.path.realpath(member.run)) for member in members)
    digest = hashlib.sha256("\n".join(runs).encode(errors="surrogateescape")).hexdigest()
    return ENSEMBLES / f"{name}-{len(members)}nets-{digest[:8]}"


@contextmanager
def telling_whose(run: Path, *, alone: bool) -> Iterator[None]:
    """Prefix a RunError with the run's path if there are several runs and it does not name this one."""
    try:
        yield
    except RunError as error:
        if alone or str(error).startswith(str(run)):
            raise
        raise RunError(f"{run}: {error}") from None
