"""ONNX graphs with 8-bit weights and activations, by onnxruntime's static quantisation (QDQ, per channel)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from digits.exporting.onnx_graph import quiet

Images = npt.NDArray[np.generic]  # as a graph takes them

CALIBRATION_IMAGES = 1024  # images that give the ranges of a classifier's activations: about a hundred of each class
BATCH = 64

OPERATORS = ["Conv", "Gemm", "MatMul", "MaxPool"]
"""Quantised operators of a classifier, which take the time; normalisation and residual sums stay in float32."""


class _Batches(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
    """Batches of images, as onnxruntime's calibration reads them."""

    def __init__(self, batches: Iterable[Images]) -> None:
        self._batches = iter(batches)

    def get_next(self) -> dict[str, Images] | None:
        batch = next(self._batches, None)
        return None if batch is None else {"images": batch}


def quantised(graph: onnx.ModelProto, training: npt.NDArray[np.uint8]) -> onnx.ModelProto:
    """A classifier in int8, calibrated on the first of the training images, uint8 (N, 1, H, W).

    Logits stay float32: 256 steps over their range would be too coarse for probabilities.
    """
    chosen = training[:CALIBRATION_IMAGES]
    batches = (chosen[i : i + BATCH] for i in range(0, len(chosen), BATCH))
    kept = {"OpTypesToExcludeOutputQuantization": ["Gemm", "MatMul"]}
    return _quantised(graph, batches, QuantType.QInt8, OPERATORS, [], kept)


def quantised_detector(graph: onnx.ModelProto, images: Iterable[npt.NDArray[np.float32]]) -> onnx.ModelProto:
    """A page detector in int8, calibrated on images, float32 (1, 1, H, W), 0..1.

    The last convolutions stay in float32, for the same reason: boxes and classes share their output's range.
    """
    return _quantised(graph, images, QuantType.QUInt8, ["Conv"], _last_convolutions(graph.graph), {})


def _quantised(
    graph: onnx.ModelProto,
    batches: Iterable[Images],
    activations: QuantType,
    operators: Sequence[str],
    left_out: Sequence[str],
    options: dict[str, list[str]],
) -> onnx.ModelProto:
    """Weights have 7 bits: with 8, sums of two products overflow on processors that have AVX2 but not VNNI."""
    with TemporaryDirectory() as folder, quiet():
        before, after = Path(folder, "float.onnx"), Path(folder, "int8.onnx")
        onnx.save(graph, before)
        quantize_static(
            before, after, _Batches(batches), quant_format=QuantFormat.QDQ, per_channel=True,
            activation_type=activations, weight_type=QuantType.QInt8, reduce_range=True,
            op_types_to_quantize=list(operators), nodes_to_exclude=list(left_out), extra_options=options,
        )  # fmt: skip
        made = onnx.load(after)
    del made.graph.value_info[:], made.metadata_props[:]
    return made


def _last_convolutions(graph: onnx.GraphProto) -> list[str]:
    """The names of the convolutions between which and the output there is no other."""
    made_by = {output: node for node in graph.node for output in node.output}
    wanted, last = [output.name for output in graph.output], []
    while wanted:
        node = made_by.get(wanted.pop())
        if node is not None and node.op_type == "Conv":
            last.append(node.name)
        elif node is not None:
            wanted.extend(node.input)
    return last
