"""The nets that ship with the reader, out of two runs: exported, tested by that, and put into the package.

    python -m benchmarks.reading.ship DETECTOR_RUN CLASSIFIER_RUN

Either may be `-`, to leave what is there. Leaves model.onnx, model.safetensors and model.json in the folders `detector`
and `classifier` of digits/reading/pretrained. The detector's weights are rounded to half precision first, so that its
safetensors are half as large; its model.onnx is the one in 8 bits, a quarter as large.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from benchmarks.commands import make_parser
from digits import export
from digits.exporting.onnx_export import FLOAT, INT8
from digits.reading.model.net import SHIPPED, SHIPPED_DETECTOR
from digits.runs.layout import MODEL, RESULT, WEIGHTS


def ship(run: Path, folder: Path, *, light: bool) -> int:
    """Export a run into a folder of the package, `light` in half precision and 8 bits; returns that exit code."""
    with tempfile.TemporaryDirectory() as spare:
        copy, out = Path(spare, "run"), Path(spare, "out")
        copy.mkdir()
        for name in (RESULT, MODEL, WEIGHTS):
            shutil.copy(run / name, copy)
        if light:
            weights = load_file(copy / WEIGHTS)
            save_file({name: part.half() if part.dtype == torch.float32 else part for name, part in weights.items()},
                      copy / WEIGHTS)  # fmt: skip
        if code := export.main([str(copy), "--out", str(out), *["--int8"] * light]):
            return code
        folder.mkdir(parents=True, exist_ok=True)
        for file in (out / (INT8 if light else FLOAT), out / MODEL, copy / WEIGHTS):
            shutil.copyfile(file, folder / (SHIPPED.name if file.suffix == SHIPPED.suffix else file.name))
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Ship what is named; returns the exit code."""
    parser = make_parser("benchmarks.reading.ship", __doc__)
    parser.add_argument("detector", metavar="DETECTOR_RUN", help="a run of experiment=page_reader, or -")
    parser.add_argument("classifier", metavar="CLASSIFIER_RUN", help="a run of experiment=page_digits, or -")
    given = parser.parse_args(arguments)
    for run, file, light in ((given.detector, SHIPPED_DETECTOR, True), (given.classifier, SHIPPED, False)):
        if run != "-" and (code := ship(Path(run), file.parent, light=light)):
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
