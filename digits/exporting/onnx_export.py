"""Export of a classifier to ONNX: run on every test image, calibrated, with its description as metadata."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Protocol

import onnx
import torch
from torch import Tensor, nn

from digits.config.types import Tree
from digits.data import BatchLoader, MNISTDataModule
from digits.evaluating.predictions import evaluating
from digits.evaluating.scores import calibration_error
from digits.exporting.calibration import answers, fit_temperature
from digits.exporting.measured import Calibration, Share
from digits.exporting.onnx_graph import ExportError, logits_of, to_onnx
from digits.exporting.quantize import quantised
from digits.runs.atomic import write_bytes
from digits.runs.schema import ModelRecord, NetInput, RecordedTarget, RunRecord
from digits.runs.table import Table
from digits.runs.weights import save

FORMAT = "1"  # of the metadata, which `digits.reading.model.metadata` reads
FLOAT, INT8 = "model.onnx", "model.int8.onnx"

TOLERANCE = 1e-3
"""Allowed difference of logits, relative to the largest: onnxruntime sums in another order; 1e-6 is usual."""

MOST_LOST = 0.01  # test accuracy, a fraction, that a quantised net may lose against the float one

EXPORTED_WITH = ("torch", "onnx", "onnxscript", "onnxruntime")

PLACES = ("data.root", "data.mirrors", "data.cache", "hydra.", "logger", "tune.storage")
"""Beginnings of overrides that are left out: paths and URLs of the training machine, servers and their secrets."""

FOLDERS = re.compile(r"([^/\\,\[\]'\"=]*[/\\])+(?=[^/\\,\[\]'\"=])")  # in other overrides: the folders of a path


class MadeFile(Protocol):
    """An ONNX file, not yet written."""

    @property
    def name(self) -> str:
        """The file's name."""

    @property
    def content(self) -> bytes:
        """The file's content."""

    @property
    def shares(self) -> Mapping[str, Share]:
        """What was measured of it on the test split, by the metric's name."""

    @property
    def calibration(self) -> Calibration | None:
        """None for a page detector, whose objectness is not calibrated."""

    def tree(self) -> Tree:
        """The measurements, ready for JSON."""


@dataclass(frozen=True)
class Exported:
    """A classifier's ONNX file, not yet written, with its measurements."""

    name: str
    content: bytes
    images: int  # of the test split
    correct: int  # of these, predicted by this file
    different: int  # predictions that differ from PyTorch's
    largest_difference: float  # of a logit from PyTorch's
    temperature: float | None  # None: not calibrated
    calibration_error: float  # expected, on the test split, at that temperature
    uncalibrated_error: float  # the same at temperature 1

    @property
    def accuracy(self) -> float:
        """On the test split, a fraction."""
        return self.correct / self.images

    @property
    def shares(self) -> dict[str, Share]:
        """The accuracy, as `MadeFile` has it."""
        return {"accuracy": Share(self.correct, self.images, independent=True)}

    @property
    def calibration(self) -> Calibration:
        """Its temperature, and what that changes."""
        return Calibration(self.temperature, self.calibration_error, self.uncalibrated_error)

    def tree(self) -> Tree:
        """Ready for JSON, without the content."""
        tree: Tree = asdict(self)
        del tree["content"]
        return tree | {"bytes": len(self.content), "accuracy": self.accuracy}


def export(net: nn.Module, data: MNISTDataModule, provenance: str, *, int8: bool) -> list[Exported]:
    """The ONNX file of a net, and with `int8` its quantised form, both measured; `data` has been set up.

    `provenance` is JSON.

    Raises ExportError if PyTorch can't export the net, or if the float file's predictions differ from the net's.
    """
    net = net.cpu().to(memory_format=torch.contiguous_format)
    graph = to_onnx(net, data.normalise, data.image_size)
    expected = _torch_logits(net, data)
    files = [_measured(FLOAT, graph, expected, data, provenance)]
    _refuse_others(files[0], expected)
    if int8:
        training = data.train.pixels().unsqueeze(1).numpy()  # (N, 1, H, W)
        files.append(_measured(INT8, quantised(graph, training), expected, data, provenance))
    return files


def provenance_of(record: RunRecord, sha256: str) -> str:
    """The provenance of a net as JSON, from its run's record, without paths of the training machine."""
    origin = {
        "weights_sha256": sha256,
        "commit": record.at("commit"),
        "seed": record.seed,
        "overrides": None if record.overrides is None else without_places(record.overrides),
        "versions": record.at("versions"),
        "data": record.data.name,
        "epochs": record.epochs,
        "exported_with": {name: metadata.version(name) for name in EXPORTED_WITH},
    }
    return json.dumps(origin, ensure_ascii=False, sort_keys=True)


def without_places(overrides: Sequence[str]) -> list[str]:
    """Overrides without paths and URLs of the training machine, and without what may hold a secret."""
    parts = [override.partition("=") for override in overrides]
    return [
        key + sign + FOLDERS.sub("", value) for key, sign, value in parts if not key.lstrip("+~").startswith(PLACES)
    ]


def _torch_logits(net: nn.Module, data: MNISTDataModule) -> Tensor:
    with evaluating(net), torch.inference_mode():
        loader = BatchLoader(data.test, data.eval_batch_size)
        return torch.cat([net(data.normalise(batch.images)) for batch in loader])  # (M, C)


def _measured(name: str, graph: onnx.ModelProto, expected: Tensor, data: MNISTDataModule, provenance: str) -> Exported:
    """A graph as a file with metadata, measured on the test split and calibrated on the validation split."""
    bare = graph.SerializeToString(deterministic=True)
    logits, labels = logits_of(bare, data.test, data.eval_batch_size), data.test.truth()
    temperature = None
    if data.val is not None:
        temperature = fit_temperature(logits_of(bare, data.val, data.eval_batch_size), data.val.truth())
    predicted = logits.argmax(1)
    correct = int((predicted == labels).sum())
    errors = [calibration_error(answers(logits, labels, data.test.rows, t)) for t in (temperature or 1.0, 1.0)]
    entries = {
        "format": FORMAT,
        "classes": json.dumps(list(data.classes), ensure_ascii=False),
        "mean": repr(data.mean),
        "std": repr(data.std),
        "image_size": str(data.image_size),
        "accuracy": repr(correct / len(labels)),
        "provenance": provenance,
    }
    if temperature is not None:
        entries["temperature"] = repr(temperature)
    onnx.helper.set_model_props(graph, entries)
    return Exported(
        name=name,
        content=graph.SerializeToString(deterministic=True),
        images=len(labels),
        correct=correct,
        different=int((predicted != expected.argmax(1)).sum()),
        largest_difference=float((logits - expected).abs().max()),
        temperature=temperature,
        calibration_error=errors[0],
        uncalibrated_error=errors[1],
    )


def _refuse_others(file: Exported, expected: Tensor) -> None:
    """Raise ExportError unless the file's predictions equal PyTorch's."""
    if not bool(expected.isfinite().all()):
        raise ExportError("the model returned NaN or infinity; nothing was kept: train it again")
    allowed = TOLERANCE * max(1.0, float(expected.abs().max()))
    # `not <=`, so that a NaN is refused too
    if file.different or not file.largest_difference <= allowed:
        raise ExportError(
            f"the exported model's predictions differ from PyTorch's for {file.different:,} of {file.images:,} test "
            f"images (the largest difference of a logit is {file.largest_difference:.2g}); nothing was kept"
        )


def good_enough(files: Sequence[Exported]) -> tuple[list[Exported], list[str]]:
    """The files to keep, the float one first, and a sentence for each quantised one that is much less accurate."""
    least = files[0].correct - MOST_LOST * files[0].images
    refused = [
        f"{file.name} was not kept: on the test split it has an accuracy of {file.accuracy:.2%}, more than "
        f"{100 * MOST_LOST:g} point below the {files[0].accuracy:.2%} of {files[0].name}; use that one"
        for file in files
        if file.correct < least
    ]
    return [file for file in files if file.correct >= least], refused


def leave(folder: Path, files: Sequence[MadeFile], net: nn.Module, model: RecordedTarget, takes: NetInput) -> None:
    """Write the files, each to a temporary one that is then renamed; `model` is the net's target and arguments.

    Removes the quantised net of an earlier export, which may have other weights. Raises ExportError if the folder
    can't be written to.
    """
    with writing_to(folder, "--out"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / INT8).unlink(missing_ok=True)
        write_files(folder, files, net, model, takes)


def write_files(
    folder: Path, files: Sequence[MadeFile], net: nn.Module, model: RecordedTarget, takes: NetInput
) -> None:
    """Write the files into a folder that exists, as `leave` does. Raises OSError."""
    save(folder, net, ModelRecord(format=1, model=model, input=takes))
    for file in files:
        write_bytes(folder / file.name, file.content)


@contextmanager
def writing_to(folder: Path, option: str) -> Iterator[None]:
    """Raise ExportError, which names the folder and the option that names another, for an OSError."""
    try:
        yield
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise ExportError(f"{folder} can't be written to ({why}); choose another folder with {option}") from None


def notes(files: Sequence[Exported], data: MNISTDataModule) -> list[str]:
    """Notes to be shown with the metrics, one sentence each."""
    found = []
    if data.limit is not None:
        found.append(f"checked on the first {files[0].images:,} test images only: the run has data.limit={data.limit}")
    why = ""
    if data.val is None:
        why = "the run kept no validation images (data.val_size is 0)"
    elif any(file.temperature is None for file in files):
        why = f"of the {len(data.val):,} validation images all are predicted correctly, or no more than by chance"
    if why:
        found.append(f"not calibrated, confidences are softmax probabilities: {why}")
    return found


def as_table(files: Sequence[Exported]) -> str:
    """The measurements as a table for the terminal."""
    rows = [
        [
            file.name,
            f"{len(file.content):,}",
            f"{file.accuracy:.2%}",
            f"{file.different:,} of {file.images:,}",
            f"{file.largest_difference:.2g}",
            "none" if file.temperature is None else f"{file.temperature:.3f}",
            f"{file.uncalibrated_error:.2%}",
            f"{file.calibration_error:.2%}",
        ]
        for file in files
    ]
    headers = ("file", "bytes", "test accuracy", "different\nfrom PyTorch", "largest difference\nof a logit",
               "temperature", "calibration error\nbefore", "\nafter")  # fmt: skip
    return Table(headers, rows).text()
