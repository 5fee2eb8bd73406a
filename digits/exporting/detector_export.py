"""Export of a page detector to ONNX: compared with PyTorch, measured on pages, with its description as metadata."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnxruntime import InferenceSession
from torch import nn

from digits.config.task import DETECTION
from digits.config.types import Tree
from digits.data import PagesDataModule
from digits.data.pages.page import Composed
from digits.evaluating.pages import PagesScores, as_net, judge_page, total
from digits.evaluating.predictions import evaluating
from digits.exporting.measured import Share
from digits.exporting.onnx_export import FLOAT, FORMAT, INT8, TOLERANCE
from digits.exporting.onnx_graph import ExportError, detector_to_onnx, session_of
from digits.exporting.quantize import quantised_detector
from digits.reading.detect import Net, detect, levels
from digits.runs.table import Table

MOST_LOST = 0.02  # of the pages read without a fault, a fraction, that a quantised net may lose against the float one

CALIBRATED_ON, UP_TO = 64, 512  # pages that give the ranges of the activations; longest side of their levels, in pixels

COMPARED = 8  # pages on which the file is compared with PyTorch, at every level of the reader's pyramid


@dataclass(frozen=True)
class ExportedDetector:
    """A detector's ONNX file, not yet written, with its measurements."""

    name: str
    content: bytes
    counted: PagesScores  # of this file, on the pages of the test split
    largest_difference: float | None  # between its maps and PyTorch's; None for a quantised net
    calibration: ClassVar[None] = None  # its objectness is not calibrated

    @property
    def perfect(self) -> float:
        """The share of the pages that it reads without a fault."""
        return self.counted.metrics["pages"]

    @property
    def shares(self) -> dict[str, Share]:
        """The task's metrics, as `MadeFile` has them."""
        return {name: Share(hits, of, name == "pages") for name, (hits, of) in self.counted.ratios.items()}

    def tree(self) -> Tree:
        """Ready for JSON, without the content."""
        tree: Tree = {"name": self.name, "bytes": len(self.content), "largest_difference": self.largest_difference}
        return tree | self.counted.tree()


def export(
    net: nn.Module,
    data: PagesDataModule,
    pages: Sequence[Composed],
    provenance: str,
    calibration: Sequence[Composed] | None = None,
) -> list[ExportedDetector]:
    """The ONNX file of a detector, measured on pages of the test split; `provenance` is JSON.

    With pages for the calibration, also its quantised form. Raises ExportError if PyTorch can't export the net, or if
    the float file's maps differ from the net's.
    """
    net = net.cpu().to(memory_format=torch.contiguous_format)
    graph = detector_to_onnx(net)
    onnx.checker.check_model(graph, full_check=True)
    difference = compared(net, run_by(graph), pages[:COMPARED])
    files = [_measured(FLOAT, graph, data, pages, provenance, difference)]
    if calibration is not None:
        images = (level.image for page in calibration[:CALIBRATED_ON] for level in levels(page.pixels, UP_TO))
        files.append(_measured(INT8, quantised_detector(detector_to_onnx(net), images), data, pages, provenance, None))
    return files


def good_enough(files: Sequence[ExportedDetector]) -> tuple[list[ExportedDetector], list[str]]:
    """The files to keep, the float one first, and a sentence for a quantised one that reads far fewer pages."""
    least = files[0].perfect - MOST_LOST
    refused = [
        f"{file.name} was not kept: it reads {file.perfect:.2%} of the pages of the test split without a fault, more "
        f"than {100 * MOST_LOST:g} points below the {files[0].perfect:.2%} of {files[0].name}; use that one"
        for file in files
        if file.perfect < least
    ]
    return [file for file in files if file.perfect >= least], refused


def _measured(
    name: str,
    graph: onnx.ModelProto,
    data: PagesDataModule,
    pages: Sequence[Composed],
    provenance: str,
    difference: float | None,
) -> ExportedDetector:
    """A graph as a file with metadata, measured on pages."""
    run = run_by(graph)
    counted = total(judge_page(page, detect(run, page.pixels)) for page in pages)
    entries = {
        "format": FORMAT,
        "task": DETECTION.name,
        "classes": json.dumps(list(data.classes)),
        "mean": repr(data.mean),
        "std": repr(data.std),
        "image_size": str(data.image_size),  # side of its training crops; it takes pictures of any size
        **{name: repr(value) for name, value in counted.metrics.items()},
        "provenance": provenance,
    }
    onnx.helper.set_model_props(graph, entries)
    return ExportedDetector(name, graph.SerializeToString(deterministic=True), counted, difference)


def run_by(graph: onnx.ModelProto) -> Net:
    """A graph as a callable for the reader's decoding."""
    return as_callable(session_of(graph.SerializeToString(deterministic=True)))


def as_callable(session: InferenceSession) -> Net:
    """An ONNX session as a callable for the reader's decoding."""

    def answers(images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        maps: npt.NDArray[np.float32] = session.run(None, {"images": images})[0]
        return maps

    return answers


def compared(net: nn.Module, run: Net, pages: Sequence[Composed]) -> float:
    """The largest difference between a file's maps and PyTorch's; raises ExportError if it is too large."""
    difference = largest = 0.0
    in_torch = as_net(net)
    with evaluating(net):
        for level in (level for page in pages for level in levels(page.pixels)):
            expected = in_torch(level.image)
            if not np.isfinite(expected).all():
                raise ExportError("the model returned NaN or infinity; nothing was kept: train it again")
            largest = max(largest, float(np.abs(expected).max()))
            # np.maximum, unlike max, keeps a NaN, which is refused below
            difference = float(np.maximum(difference, np.abs(run(level.image) - expected).max()))
    if not difference <= TOLERANCE * max(1.0, largest):
        raise ExportError(
            f"the exported model differs from PyTorch's on some of {len(pages)} pages (the largest difference is "
            f"{difference:.2g}); nothing was kept"
        )
    return difference


def notes(files: Sequence[ExportedDetector], data: PagesDataModule) -> list[str]:
    """Notes to be shown with the metrics, one sentence each."""
    limited = f"measured on the first {files[0].counted.pages:,} test pages only: the run has data.limit={data.limit}"
    return [limited] if data.limit is not None else []


def as_table(files: Sequence[ExportedDetector]) -> str:
    """The measurements as a table for the terminal."""
    names = [metric.name for metric in DETECTION.headline if metric.name in files[0].counted.metrics]
    rows = [
        [
            file.name,
            f"{len(file.content):,}",
            *(f"{file.counted.metrics[name]:.2%}" for name in names),
            "" if file.largest_difference is None else f"{file.largest_difference:.2g}",
        ]
        for file in files
    ]
    headers = ["file", "bytes", *names, "largest difference\nfrom PyTorch"]
    return Table(headers, rows).text()
