"""An exported net, run by onnxruntime: patches in, calibrated probabilities out. No torch."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from digits.reading.model.check import FIX, ModelError, check_model, read_bytes
from digits.reading.model.metadata import NONE, SIDE, parse
from digits.reading.model.size import BATCH

__all__ = ["ModelError", "Net"]

SHIPPED = Path(__file__).resolve().parents[1] / "pretrained" / "classifier" / "model.onnx"

QUIET = 4
"""onnxruntime's level of messages: fatal ones only; what fails is raised anyway."""


class Net:
    """A net that reads single digits.

    `path` is a file, or a run's directory, in which `export/model.onnx` is meant; without one, the net that ships.
    It runs on `threads` threads of its own, which sleep when there is nothing to do; several callers may share it.
    Raises ModelError where there is no such file, or it is one that is not run (`digits.reading.model.check`).
    """

    classes: tuple[str, ...]
    """What the columns of the probabilities stand for: "0" to "9", and "none" for no digit where the net has it."""
    none: int | None
    """The column of "none"."""
    sha256: str
    """Of the file, in hexadecimal digits."""

    def __init__(self, path: str | Path | None = None, threads: int = 1) -> None:
        import onnxruntime

        file = find_model(path)
        content = read_bytes(file)
        if path is not None:  # the file that ships is as much to be trusted as the code beside it
            check_model(content, str(file))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # else a file that also begins as one of onnxruntime's own format is run as that, which was not looked at
        options.add_session_config_entry("session.load_model_format", "ONNX")
        options.log_severity_level = QUIET
        try:
            # without a fallback, which would print and try the same again
            self._session = onnxruntime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"], enable_fallback=0
            )
            described = parse(self._session.get_modelmeta().custom_metadata_map)
        except Exception as error:  # what onnxruntime raises has no common base
            raise ModelError(f"{file} can't be run: {_reason(error)}; {FIX}") from None
        if not described.reads_digits:
            names, side = ", ".join(described.classes), described.image_size
            raise ModelError(
                f"{file} tells {names!r:.80} apart on {side}x{side} pixels, and the reader wants 0 to 9, then none if "
                "a net has that, on 28x28; such a net serves `python -m digits.evaluate`, not the reader, for which "
                "train one with data=mnist, and export it"
            )
        self.path, self.classes, self.temperature = file, described.classes, described.temperature
        self.sha256 = hashlib.sha256(content).hexdigest()
        self.none = self.classes.index(NONE) if NONE in self.classes else None

    def probabilities(self, patches: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """White ink on black, uint8 (N, 28, 28), to the probability of every class, float32 (N, classes).

        Any number of patches takes the memory of BATCH of them. Raises ModelError when the net's answers are no
        numbers.
        """
        if patches.dtype != np.uint8 or patches.shape[1:] != (SIDE, SIDE):
            raise ValueError(f"patches are uint8 (N, {SIDE}, {SIDE}), but these are {patches.dtype} {patches.shape}")
        found = np.empty((len(patches), len(self.classes)), np.float32)
        for start in range(0, len(patches), BATCH):
            chunk = slice(start, start + BATCH)
            found[chunk] = self._logits(patches[chunk, None])
        found /= self.temperature or 1.0
        found -= found.max(1, keepdims=True, initial=-np.inf)
        np.exp(found, out=found)
        found /= found.sum(1, keepdims=True)
        return found

    def _logits(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Images (B, 1, 28, 28), B <= BATCH, to logits (B, classes)."""
        try:
            logits: npt.NDArray[np.float32] = self._session.run(None, {"images": np.ascontiguousarray(images)})[0]
        except Exception as error:  # what onnxruntime raises has no common base
            raise ModelError(f"{self.path} can't be run: {_reason(error)}; {FIX}") from None
        if not np.isfinite(logits).all():
            raise ModelError(f"{self.path} answers with what are no numbers; train it again, and export it")
        return logits


def _reason(error: Exception) -> str:
    """An error of onnxruntime in one line, without the signature of the function in C++ that it often begins with."""
    return f"{' '.join(str(error).split()).rpartition('&) ')[2]!r:.200}"


def find_model(path: str | Path | None) -> Path:
    """The ONNX file that a name means; raises ModelError where a directory holds none."""
    if path is None:
        return SHIPPED
    path = Path(path)
    if not os.path.isdir(path):  # noqa: PTH112 (Path's raises for a name too long)
        return path
    for name in ("export/model.onnx", "model.onnx"):
        if os.path.exists(path / name):  # noqa: PTH110 (likewise)
            return path / name
    if os.path.exists(path / "result.json"):  # noqa: PTH110 (likewise)
        raise ModelError(f"{path} has no export/model.onnx; python -m digits.export {path} makes it")
    raise ModelError(f"{path} is neither a run nor an exported net; name a run's directory or an ONNX file")
