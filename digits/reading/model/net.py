"""Exported nets, run by onnxruntime: a detector of digits on pages and a classifier of single ones. No torch."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from digits.reading.boxes import CHANNELS, STRIDE
from digits.reading.detect import MULTIPLE
from digits.reading.model.check import FIX, ModelError, check_model, read_bytes
from digits.reading.model.metadata import CLASSIFICATION, DETECTION, NONE, SIDE, Description, parse
from digits.reading.model.size import BATCH

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

__all__ = ["Classifier", "Detector", "ModelError", "load"]

PRETRAINED = Path(__file__).resolve().parents[1] / "pretrained"
SHIPPED = PRETRAINED / "classifier" / "model.onnx"
SHIPPED_DETECTOR = PRETRAINED / "detector" / "model.onnx"
QUIET = 4  # onnxruntime's log level for fatal errors only; failures are raised anyway
KINDS = {DETECTION: "page detector", CLASSIFICATION: "classifier of single digits"}


def load(*names: str | Path, threads: int = 1) -> tuple[Detector, Classifier]:
    """Both nets of the reader. Each name is a run directory or a file; its metadata state which of both it is.

    A net that is not named is the one that ships. Raises ModelError as the nets do, and where two are of one kind.
    """
    found: dict[str, Opened] = {}
    for name in names:
        opened = _open(name, threads)
        task = opened.described.task
        if task in found:
            both = f"{found[task].path} and {opened.path} are each a {KINDS[task]}"
            raise ModelError(f"{both}; name at most one {KINDS[DETECTION]} and one {KINDS[CLASSIFICATION]}")
        found[task] = opened
    return Detector(found.get(DETECTION), threads), Classifier(found.get(CLASSIFICATION), threads)


@dataclass(frozen=True, eq=False)
class Opened:
    """A checked file with its session."""

    path: Path
    sha256: str
    described: Description
    session: InferenceSession

    def run(self, images: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
        """The net's output for `images`. Raises ModelError where that fails, or is NaN or infinity."""
        try:
            answers: npt.NDArray[np.float32] = self.session.run(None, {"images": np.ascontiguousarray(images)})[0]
        except Exception as error:  # onnxruntime's exceptions have no common base
            raise ModelError(f"{self.path} can't be run: {_reason(error)}; {FIX}") from None
        if not np.isfinite(answers).all():
            raise ModelError(f"{self.path} returned NaN or infinity; train it again, and export it")
        return answers


class Detector:
    """A net that finds the digits on a page, as `digits.reading.detect` calls it.

    `model` is a file, or a run directory, of which `export/model.onnx` is used; without one, the net that ships.
    It runs on `threads` threads of its own, which sleep when there is nothing to do; several callers may share it.
    Raises ModelError where there is no such file, or `digits.reading.model.check` refuses it.
    """

    path: Path
    sha256: str
    """Of the file, in hexadecimal digits."""

    def __init__(self, model: str | Path | Opened | None = None, threads: int = 1) -> None:
        self._opened = _of_task(DETECTION, model, threads)
        self.path, self.sha256 = self._opened.path, self._opened.sha256

    def __call__(self, images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Grey 0..1, float32 (1, 1, H, W), to maps, float32 (1, CHANNELS, H / STRIDE, W / STRIDE).

        H and W are multiples of MULTIPLE; an untrusted net was measured for up to PAGE. Raises ModelError when the
        output is NaN or infinity, or of another shape.
        """
        height, width = images.shape[2:] if images.shape[:2] == (1, 1) and images.ndim == 4 else (0, 0)
        if images.dtype != np.float32 or not height * width or height % MULTIPLE or width % MULTIPLE:
            found = f"but these are {images.dtype} {images.shape}"
            raise ValueError(f"images are float32 (1, 1, H, W), sides multiples of {MULTIPLE}, {found}")
        maps = self._opened.run(images)
        if maps.shape != (shape := (1, CHANNELS, height // STRIDE, width // STRIDE)):
            raise ModelError(
                f"{self.path} returned the shape {maps.shape}, not {shape}, for {height} x {width} pixels; {FIX}"
            )
        return maps


class Classifier:
    """A net that reads single digits; `model`, `threads` and the errors are as for `Detector`."""

    path: Path
    classes: tuple[str, ...]
    """The classes of the probabilities' columns: "0" to "9", and "none" for no digit where the net has it."""
    none: int | None
    """The column of "none"."""
    temperature: float | None
    """The divisor of its logits before softmax; None where it was not calibrated."""
    sha256: str
    """Of the file, in hexadecimal digits."""

    def __init__(self, model: str | Path | Opened | None = None, threads: int = 1) -> None:
        self._opened = _of_task(CLASSIFICATION, model, threads)
        described = self._opened.described
        self.path, self.sha256 = self._opened.path, self._opened.sha256
        self.classes, self.temperature = described.classes, described.temperature
        self.none = self.classes.index(NONE) if NONE in self.classes else None

    def probabilities(self, patches: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """White ink on black, uint8 (N, 28, 28), to the probability of every class, float32 (N, classes).

        Any number of patches takes the memory of BATCH of them. Raises ModelError when the output is NaN or infinity.
        """
        if patches.dtype != np.uint8 or patches.shape[1:] != (SIDE, SIDE):
            raise ValueError(f"patches are uint8 (N, {SIDE}, {SIDE}), but these are {patches.dtype} {patches.shape}")
        found = np.empty((len(patches), len(self.classes)), np.float32)
        for start in range(0, len(patches), BATCH):
            chunk = slice(start, start + BATCH)
            found[chunk] = self._opened.run(patches[chunk, None])  # (B, 1, 28, 28) to logits (B, classes)
        found /= self.temperature or 1.0
        found -= found.max(1, keepdims=True, initial=-np.inf)
        np.exp(found, out=found)
        found /= found.sum(1, keepdims=True)
        return found


def _of_task(task: str, model: str | Path | Opened | None, threads: int) -> Opened:
    """The net for a task; raises ModelError where `model` can't be used, or is for the other task."""
    if model is None:  # the net that ships is as trusted as the code beside it
        return _ready(SHIPPED_DETECTOR if task == DETECTION else SHIPPED, threads, checked=False)
    opened = model if isinstance(model, Opened) else _open(model, threads)
    if opened.described.task != task:
        raise ModelError(f"{opened.path} is a {KINDS[opened.described.task]}; name a {KINDS[task]} here")
    return opened


def _open(name: str | Path, threads: int) -> Opened:
    """A net of either kind that the reader can use. Raises ModelError."""
    opened = _ready(find_model(name), threads)
    described = opened.described
    names, side = ", ".join(described.classes), described.image_size
    if described.reads_digits:
        return opened
    if described.task == DETECTION:
        raise ModelError(
            f"{opened.path} finds {names!r:.80} on pages, but the reader needs 0 to 9; train one with "
            "experiment=page_reader, and export it"
        )
    raise ModelError(
        f"{opened.path} classifies {names!r:.80} on {side}x{side} pixels, but the reader needs 0 to 9, then none if "
        "a net has that, on 28x28; use this net with `python -m digits.evaluate`, or train one for the reader with "
        "data=mnist, and export it"
    )


def _ready(file: Path, threads: int, *, checked: bool = True) -> Opened:
    """A file ready to be run, checked unless it ships. Raises ModelError."""
    import onnxruntime

    content = read_bytes(file)
    if checked:
        check_model(content, str(file))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # otherwise a file that also begins like onnxruntime's own format would be run as that, unchecked
    options.add_session_config_entry("session.load_model_format", "ONNX")
    options.log_severity_level = QUIET
    try:
        # without the fallback, which would print and retry the same
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"], enable_fallback=0)
        described = parse(session.get_modelmeta().custom_metadata_map)
    except Exception as error:  # onnxruntime's exceptions have no common base
        raise ModelError(f"{file} can't be run: {_reason(error)}; {FIX}") from None
    return Opened(file, hashlib.sha256(content).hexdigest(), described, session)


def _reason(error: Exception) -> str:
    """An error of onnxruntime in one line, without the signature of the function in C++ that it often begins with."""
    return f"{' '.join(str(error).split()).rpartition('&) ')[2]!r:.200}"


def find_model(name: str | Path) -> Path:
    """The ONNX file that a name means; raises ModelError where a directory holds none."""
    path = Path(name)
    if not os.path.isdir(path):  # noqa: PTH112 (Path's raises for a name too long)
        return path
    for file in (path / "export" / "model.onnx", path / "model.onnx"):
        if os.path.exists(file):  # noqa: PTH110 (likewise)
            return file
    if os.path.exists(path / "result.json"):  # noqa: PTH110 (likewise)
        raise ModelError(f"{path} has no export/model.onnx; python -m digits.export {path} makes it")
    raise ModelError(f"{path} is neither a run nor an exported net; name a run's directory or an ONNX file")
