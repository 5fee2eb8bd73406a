"""An ONNX graph with 8-bit weights and activations, by onnxruntime's static quantisation (QDQ, per channel)."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from digits.exporting.onnx_graph import quiet

CALIBRATION_IMAGES = 1024  # images that give the ranges of the activations: about a hundred of each class
BATCH = 64

OPERATORS = ["Conv", "Gemm", "MatMul", "MaxPool"]
"""Quantised operators, which take the time; normalisation and residual sums stay in float32."""


class _Images(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
    """Batches of images, as onnxruntime's calibration reads them."""

    def __init__(self, images: npt.NDArray[np.uint8]) -> None:
        self._batches = iter([images[i : i + BATCH] for i in range(0, len(images), BATCH)])

    def get_next(self) -> dict[str, npt.NDArray[np.uint8]] | None:
        batch = next(self._batches, None)
        return None if batch is None else {"images": batch}


def quantised(graph: onnx.ModelProto, training: npt.NDArray[np.uint8]) -> onnx.ModelProto:
    """The graph in int8, calibrated on the first of the training images, uint8 (N, 1, H, W).

    Weights have 7 bits: with 8, sums of two products overflow on processors that have AVX2 but not VNNI. Logits stay
    float32: 256 steps over their range would be too coarse for probabilities.
    """
    with TemporaryDirectory() as folder, quiet():
        before, after = Path(folder, "float.onnx"), Path(folder, "int8.onnx")
        onnx.save(graph, before)
        quantize_static(
            before, after, _Images(training[:CALIBRATION_IMAGES]), quant_format=QuantFormat.QDQ, per_channel=True,
            activation_type=QuantType.QInt8, weight_type=QuantType.QInt8, reduce_range=True,
            op_types_to_quantize=OPERATORS, extra_options={"OpTypesToExcludeOutputQuantization": ["Gemm", "MatMul"]},
        )  # fmt: skip
        made = onnx.load(after)
    del made.graph.value_info[:], made.metadata_props[:]
    return made
