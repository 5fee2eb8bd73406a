"""What a run came to, item by item, so that two runs can be compared to the bit."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file

from benchmarks.reliability.curves import data_server_curves, multiplexer_curves
from benchmarks.reliability.matrix import OFTEN
from digits.runs.layout import BEST, LAST, MODEL, RESULT, WEIGHTS

Outcome = dict[str, tuple[str, ...]]
"""Each item by its name; a series has a text for each of its points."""

OF_THE_MOMENT = ("images_per_second", "seconds", "started", "finished", "pid", "host", "alive", "versions", "commit",
                 "hardware", "config")  # fmt: skip
"""What of `result.json` says when, where and how fast it was (`config` holds `resume`, and `overrides` the rest)."""

SPEED = "train/images_per_second"
ASIDE = ("events.out.tfevents.", "train.log", "train_ddp_process_", "previous.ckpt")
"""Names of files that an interrupted run has more of, or other ones."""


def outcome_of(run: Path) -> Outcome:
    """Everything about a run that is done which an interruption may not change."""
    items: Outcome = {}
    result = json.loads((run / RESULT).read_text(encoding="utf-8"))
    result["overrides"] = [override for override in result["overrides"] if override != OFTEN]
    for key, value in result.items():
        if key not in OF_THE_MOMENT:
            items |= flat(f"{RESULT}: {key}", value)
    items |= flat(MODEL, json.loads((run / MODEL).read_text(encoding="utf-8")))
    items |= flat(WEIGHTS, load_file(run / WEIGHTS))
    for name in (BEST, LAST):
        if (run / name).exists():
            checkpoint = torch.load(run / name, map_location="cpu", weights_only=True)
            for key in ("epoch", "global_step", "state_dict", "optimizer_states", "lr_schedulers"):
                items |= flat(f"{name}: {key}", checkpoint[key])
    items |= rows(run / "metrics.csv")
    for reader, curves in (("TensorBoard", data_server_curves(run)), ("EventMultiplexer", multiplexer_curves(run))):
        for tag, points in curves.items():
            if tag != SPEED:
                items[f"{reader}: {tag}"] = tuple(points)
    for path in sorted(run.rglob("*")):
        if path.is_file() and ".hydra" not in path.parts and not path.name.startswith(ASIDE):
            items[f"file {path.relative_to(run)}"] = ("there",)
    return items


def flat(name: str, tree: object) -> Outcome:
    """A tree of plain data and tensors, a leaf an item; a float as its shortest exact text, a tensor as its bytes."""
    if isinstance(tree, Mapping):
        return {k: v for key in tree if key != SPEED for k, v in flat(f"{name} {key}", tree[key]).items()}
    if isinstance(tree, list | tuple):
        items = {name: (f"{len(tree)} of them",)}
        return items | {k: v for i, value in enumerate(tree) for k, v in flat(f"{name} {i}", value).items()}
    if isinstance(tree, torch.Tensor):
        content = tree.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        return {name: (f"{tree.dtype} {tuple(tree.shape)} {hashlib.sha256(content).hexdigest()[:16]}",)}
    return {name: (repr(tree),)}


def rows(path: Path) -> Outcome:
    """The cells of `metrics.csv`, by step, those of the speed left out."""
    items: Outcome = {}
    if not path.exists():
        return items
    for number, row in enumerate(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")))):
        items[f"{path.name} row {number}"] = tuple(f"{key}={value}" for key, value in row.items() if key != SPEED)
    return items


def differences(wanted: Outcome, found: Outcome) -> list[str]:
    """What differs, a line each: the item, and where it first differs."""
    lines = []
    for name in dict.fromkeys([*wanted, *found]):
        ours, theirs = found.get(name, ()), wanted.get(name, ())
        if ours == theirs:
            continue
        shorter = min(len(ours), len(theirs))
        at = next((i for i in range(shorter) if ours[i] != theirs[i]), shorter)
        here, there = (series[at] if at < len(series) else "nothing" for series in (ours, theirs))
        place = f" (point {at}; {len(ours)} points for {len(theirs)})" if max(len(ours), len(theirs)) > 1 else ""
        lines.append(f"{name}: {here} for {there}{place}")
    return lines


# ---- Files that look whole ------------------------------------------------------------------------


def broken_files(folder: Path) -> list[str]:
    """Files whose names say that they are whole, and which can't be read; a line each."""
    found = []
    for path in sorted(folder.rglob("*")):
        try:
            if path.is_file():
                read(path)
        except Exception as error:  # whatever a reader raises, the file is broken
            found.append(f"{path.relative_to(folder)} is broken: {type(error).__name__}: {str(error).splitlines()[:1]}")
    return found


def read(path: Path) -> None:
    """Read a file as its name says; raises where it can't be."""
    if path.suffix == ".ckpt":
        torch.load(path, map_location="cpu", weights_only=True)
    elif path.suffix == ".safetensors":
        load_file(path)
    elif path.suffix == ".json":
        json.loads(path.read_text(encoding="utf-8"))
    elif path.suffix == ".csv":
        text = path.read_text(encoding="utf-8")
        head, *lines = csv.reader(io.StringIO(text))
        if not text.endswith("\n") or any(len(line) != len(head) for line in lines):
            raise ValueError("a row is cut off")
