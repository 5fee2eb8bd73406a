"""What a command left behind, item by item, so that two trees' can be compared to the bit."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import optuna
import torch
import yaml
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.compat.proto.graph_pb2 import GraphDef

from benchmarks.trees.masks import MASK, Places, flat, masked, masked_csv

Outcome = dict[str, str]
"""Each item by its name; a text may have many lines."""

WRONG = "WRONG"
"""How an item begins that is a fault in itself, whatever the other tree says."""

RESULT = "result.json"
"""What makes a directory that of a run."""


def outcomes_of(name: str, place: Path, places: Places) -> dict[str, Outcome]:
    """All that is in a folder, by the name of the case and, below it, those of the runs inside."""
    if place.is_file():
        return {name: read(place, place.name, places)}
    runs = {path.parent for path in place.rglob(RESULT)} - {place}
    found: dict[str, Outcome] = {name: {}}
    met = Counter[tuple[Path, str]]()
    for path in sorted(path for path in place.rglob("*") if path.is_file()):
        run = next((folder for folder in path.parents if folder in runs), place)
        row = name if run == place else f"{name} {run.relative_to(place)}"
        file = common_name(path.relative_to(run))
        met[run, file] += 1
        again = f" {met[run, file]}" if met[run, file] > 1 else ""
        found.setdefault(row, {}).update(read(path, f"{file}{again}", places))
    return found


def common_name(path: Path) -> str:
    """A file's name without what is of the moment: TensorBoard's event files are called by time, host and process."""
    if path.name.startswith("events.out.tfevents"):
        return str(path.with_name("events"))
    return str(path)


def read(path: Path, name: str, places: Places) -> Outcome:
    """One file as items; the bytes of what is neither plain data nor text."""
    for ending, reader in READERS.items():
        if path.name.endswith(ending) or (ending == "events" and path.name.startswith("events.out")):
            try:
                found = reader(path, places)
            except Exception as error:  # whatever is wrong with it is something to compare
                found = {"": f"{WRONG}: can't be read: {type(error).__name__}: {error}"}
            return {f"{name}: {key}".rstrip(": "): value for key, value in found.items()}
    return {name: digest(path.read_bytes())}


def digest(content: bytes) -> str:
    """A short name for bytes."""
    return hashlib.sha256(content).hexdigest()[:16]


def of_json(path: Path, places: Places) -> Outcome:
    """Plain data, leaf by leaf."""
    return flat(json.loads(path.read_text(encoding="utf-8")), places)


def of_yaml(path: Path, places: Places) -> Outcome:
    """Hydra's files and TensorBoard's."""
    return flat(yaml.load(path.read_text(encoding="utf-8"), yaml.BaseLoader), places)


def of_text(path: Path, places: Places) -> Outcome:
    """A log."""
    return {"": masked(path.read_text(encoding="utf-8"), places)}


def of_csv(path: Path, _: Places) -> Outcome:
    """Curves, row by row."""
    rows = masked_csv(path.read_text(encoding="utf-8"))
    return {f"row {number}": ", ".join(f"{k}={v}" for k, v in row.items()) for number, row in enumerate(rows)}


def there(_path: Path, _places: Places) -> Outcome:
    """A file that is not looked into."""
    return {"": "there"}


def of_checkpoint(path: Path, places: Places) -> Outcome:
    """A checkpoint's whole state, its keys among it."""
    return flat(without_tensors(torch.load(path, map_location="cpu", weights_only=True)), places)


def without_tensors(tree: object) -> object:
    """A tree in which the bytes of each tensor stand for it."""
    if isinstance(tree, torch.Tensor):
        content = tree.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        return f"{tree.dtype} {tuple(tree.shape)} {digest(content)}"
    if isinstance(tree, dict):
        return {key: without_tensors(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [without_tensors(value) for value in tree]
    return tree


def of_model(path: Path, places: Places) -> Outcome:
    """An exported net: its answers to fixed images, what it says of itself, and its graph."""
    content = path.read_bytes()
    model = onnx.load_from_string(content)
    about = {entry.key: entry.value for entry in model.metadata_props}
    found = {"metadata " + key: masked(value, places) for key, value in sorted(about.items())}
    del model.metadata_props[:]
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    shape = [size if isinstance(size, int) else 8 for size in given.shape]
    random = np.random.default_rng(0)
    kind = np.uint8 if "uint8" in given.type else np.float32
    images = random.integers(0, 256, shape).astype(kind)
    (answers,) = session.run(None, {given.name: images})[:1]
    found["graph"] = digest(model.SerializeToString(deterministic=True))
    return found | {
        "input": f"{given.name} {given.type} {given.shape}",
        "answers": digest(np.ascontiguousarray(answers).tobytes()),
    }


def of_events(path: Path, places: Places) -> Outcome:
    """TensorBoard's series and pictures, without the times at which they were written."""
    found: dict[str, list[str]] = {}
    for event in EventFileLoader(str(path)).Load():
        for value in event.summary.value:
            if value.tag.endswith("images_per_second") or value.tag.startswith(TIMED):
                point = MASK
            elif value.metadata.plugin_data.plugin_name == "text":
                point = "\n".join(masked(text.decode(), places) for text in value.tensor.string_val)
            else:
                point = digest(value.SerializeToString(deterministic=True))
            found.setdefault(value.tag, []).append(f"{event.step} {point}")
        if event.graph_def:
            graph = GraphDef.FromString(event.graph_def)
            found["graph"] = sorted(f"{node.name.rpartition('/')[0]} {node.op}" for node in graph.node)
    return {tag: "\n".join(points) for tag, points in found.items()}


def of_study(path: Path, places: Places) -> Outcome:
    """The trials of a search."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.load_study(study_name=None, storage=f"sqlite:///{path}")
    tree = {
        "directions": [direction.name for direction in study.directions],
        "attributes": study.user_attrs,
        "trials": [
            {
                "state": trial.state.name,
                "values": trial.values,
                "params": trial.params,
                "distributions": {key: repr(value) for key, value in trial.distributions.items()},
                "intermediate": trial.intermediate_values,
                "attributes": trial.user_attrs,
                "system": trial.system_attrs,
            }
            for trial in study.get_trials()
        ],
    }
    return flat(tree, places)


TIMED = ("_hparams_/session", "__run_graph__")
"""Tags that hold times."""

READERS: dict[str, Callable[[Path, Places], Outcome]] = {
    ".json": of_json, ".yaml": of_yaml, ".csv": of_csv, ".log": of_text, ".txt": of_text, ".ckpt": of_checkpoint,
    ".onnx": of_model, ".sqlite": of_study, ".html": there, "events": of_events,
}  # fmt: skip
"""How files are read, by the ends of their names."""


def weights(folder: Path, runs: tuple[str, str]) -> str:
    """Whether two runs have come to the same weights, as they should."""
    try:
        one, other = (digest((folder / run / "model.safetensors").read_bytes()) for run in runs)
    except FileNotFoundError as error:
        return f"{WRONG}: {error.filename} is missing"
    return "the same" if one == other else f"{WRONG}: {runs[0]} has {one}, {runs[1]} has {other}"


def status(items: Outcome, wanted: str) -> str:
    """Whether a run ended as it should."""
    found = items.get(f"{RESULT}: status", "no record")
    return found if found == wanted else f"{WRONG}: {found}, not {wanted}: {items.get(f'{RESULT}: error', '')}"
