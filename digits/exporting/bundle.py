"""A model to give away: a new folder with everything that somebody without this package needs, written as a whole."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from torch import nn

from digits.config.types import Tree, Value
from digits.exporting.about import About
from digits.exporting.card import model_card
from digits.exporting.example import example
from digits.exporting.onnx_export import FLOAT, INT8, write_files, writing_to
from digits.runs.atomic import write_bytes, write_json, write_text
from digits.runs.layout import MODEL, WEIGHTS
from digits.runs.schema import ModelRecord

CARD, CONFIG, EXAMPLE, SUMS = "README.md", "config.json", "example.py", "SHA256SUMS"

CONTENT = {
    FLOAT: "the model, for ONNX Runtime",
    INT8: "the same with 8-bit weights and activations",
    WEIGHTS: "the weights, for PyTorch",
    MODEL: "what rebuilds the model in PyTorch, for the package `digits` (`init_from=FOLDER`)",
    CONFIG: "the classes, the temperature of model.onnx and the rest, for programs",
    EXAMPLE: "the program above",
    SUMS: "checksums of the other files",
}


def write_bundle(folder: Path, about: About, net: nn.Module) -> None:
    """Write all files under another name, then rename the folder, so that there is the whole of it or nothing.

    Raises ExportError where it can't be written.
    """
    part = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    program = example(about.takes.image_size, detects=about.detects)
    try:
        with writing_to(folder, "--bundle"):
            part.mkdir(parents=True)
            write_files(part, about.files, net, about.model, about.takes)
            write_json(part / CONFIG, config(about).tree())
            write_text(part / EXAMPLE, program)
            names = {path.name for path in part.iterdir()} | {SUMS}
            write_text(
                part / CARD, model_card(about, program, [(n, what) for n, what in CONTENT.items() if n in names])
            )
            write_bytes(part / SUMS, sums(part))
            part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def config(about: About) -> ModelRecord:
    """model.json, with what a program needs to run model.onnx; a temperature of 1 changes nothing."""
    calibration = about.files[0].calibration
    more: Tree = {
        "task": about.record.task.name,
        "license": about.licence,
        "classes": list[Value](about.classes),
        **({} if calibration is None else {"temperature": calibration.temperature or 1.0}),
    }
    return ModelRecord(format=1, model=about.model, input=about.takes).changed(more)


def sums(folder: Path) -> bytes:
    """The SHA-256 of every file of a folder, as `sha256sum --check` reads them."""
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}
    return "".join(f"{digest}  {name}\n" for name, digest in digests.items()).encode()
