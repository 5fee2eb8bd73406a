"""Export of a page detector to ONNX: compared with PyTorch, measured on pages, with its description as metadata."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

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
from digits.exporting.onnx_export import FLOAT, FORMAT, TOLERANCE
from digits.exporting.onnx_graph import ExportError, detector_to_onnx, session_of
from digits.reading.detect import Net, detect, levels
from digits.runs.table import Table

COMPARED = 8  # pages on which the file is compared with PyTorch, at every level of the reader's pyramid


@dataclass(frozen=True)
class ExportedDetector:
    """A detector's ONNX file, not yet written, with its measurements."""

    name: str
    content: bytes
    counted: PagesScores  # of this file, on the pages of the test split
    largest_difference: float  # between its maps and PyTorch's

    def tree(self) -> Tree:
        """Ready for JSON, without the content."""
        tree: Tree = {"name": self.name, "bytes": len(self.content), "largest_difference": self.largest_difference}
        return tree | self.counted.tree()


def export(net: nn.Module, data: PagesDataModule, pages: Sequence[Composed], provenance: str) -> ExportedDetector:
    """The ONNX file of a detector, measured on pages of the test split; `provenance` is JSON.

    Raises ExportError if PyTorch can't export the net, or if the file's maps differ from the net's.
    """
    net = net.cpu().to(memory_format=torch.contiguous_format)
    graph = detector_to_onnx(net)
    onnx.checker.check_model(graph, full_check=True)
    run = as_callable(session_of(graph.SerializeToString(deterministic=True)))
    difference = compared(net, run, pages[:COMPARED])
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
    return ExportedDetector(FLOAT, graph.SerializeToString(deterministic=True), counted, difference)


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


def notes(file: ExportedDetector, data: PagesDataModule) -> list[str]:
    """Notes to be shown with the metrics, one sentence each."""
    limited = f"measured on the first {file.counted.pages:,} test pages only: the run has data.limit={data.limit}"
    return [limited] if data.limit is not None else []


def as_table(file: ExportedDetector) -> str:
    """The measurements as a table for the terminal."""
    metrics = file.counted.metrics
    names = [metric.name for metric in DETECTION.headline if metric.name in metrics]
    row = [file.name, f"{len(file.content):,}", *(f"{metrics[name]:.2%}" for name in names)]
    headers = ["file", "bytes", *names, "largest difference\nfrom PyTorch"]
    return Table(headers, [[*row, f"{file.largest_difference:.2g}"]]).text()
