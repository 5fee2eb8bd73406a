"""A net as an ONNX graph, made by PyTorch's exporter and run by onnxruntime."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO

import numpy as np
import onnx
import torch
from onnxruntime import InferenceSession, SessionOptions
from torch import Tensor, nn

from digits.data import BatchLoader, Normalise, Split
from digits.evaluating.predictions import evaluating
from digits.reading.detect import MULTIPLE


class ExportError(Exception):
    """A net can't be exported, or its exported form differs from it; nothing was kept."""


def to_onnx(net: nn.Module, normalise: Normalise, image_size: int) -> onnx.ModelProto:
    """The graph of a net with its normalisation: `images` uint8 (N, 1, H, W) to `logits` float32 (N, classes), any N.

    The same net gives the same bytes. Raises ExportError if PyTorch's exporter fails.
    """
    whole = nn.Sequential()
    whole.add_module("normalise", normalise)
    whole.add_module("net", net)
    example = torch.zeros(2, 1, image_size, image_size, dtype=torch.uint8)  # PyTorch would make a batch of 1 a constant
    return _exported(whole, example, "logits", {0: torch.export.Dim("batch")})


def detector_to_onnx(net: nn.Module) -> onnx.ModelProto:
    """The graph of a page detector: `images` float32 (1, 1, H, W), 0..1, to `maps` float32, H and W multiples of 16.

    The same net gives the same bytes. Raises ExportError if PyTorch's exporter fails.
    """
    height, width = (MULTIPLE * torch.export.Dim(name) for name in ("height", "width"))
    return _exported(net, torch.zeros(1, 1, 6 * MULTIPLE, 8 * MULTIPLE), "maps", {2: height, 3: width})


def _exported(net: nn.Module, example: Tensor, output: str, dynamic: Mapping[int, torch.export.Dim]) -> onnx.ModelProto:
    try:
        with evaluating(net), quiet():
            program = torch.onnx.export(
                net, (example,), dynamo=True, verbose=False, external_data=False,
                input_names=["images"], output_names=[output], dynamic_shapes=(dict(dynamic),),
            )  # fmt: skip
    except Exception as error:  # the exporter can raise anything for a user's net
        reason = next(iter(str(error).splitlines()), "")
        raise ExportError(f"PyTorch can't export the net: {type(error).__name__}: {reason:.300}") from None
    assert program is not None
    graph: onnx.ModelProto = program.model_proto
    _strip(graph)
    return graph


def session_of(content: bytes) -> InferenceSession:
    """An onnxruntime session for a graph, on the CPU."""
    options = SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    return InferenceSession(content, options, providers=["CPUExecutionProvider"])


def logits_of(content: bytes, split: Split, batch_size: int) -> Tensor:
    """The logits that onnxruntime computes for every image of a split: float32 (M, C)."""
    session = session_of(content)
    found = [session.run(None, {"images": batch.images.numpy()})[0] for batch in BatchLoader(split, batch_size)]
    return torch.from_numpy(np.concatenate(found))


def _strip(graph: onnx.ModelProto) -> None:
    """Remove what the exporter adds about the source: file names, stack traces, and inferable shapes."""
    inner = graph.graph
    del inner.value_info[:], graph.metadata_props[:]
    graph.doc_string = ""
    for part in (inner, *inner.node, *inner.initializer, *inner.input, *inner.output):
        del part.metadata_props[:]
        part.doc_string = ""


@contextmanager
def quiet() -> Iterator[None]:
    """Silence an exporter's progress, advice and warnings; errors are still raised."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
