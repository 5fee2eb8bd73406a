"""Archives of single digits, read as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.reading.readers import Read
from benchmarks.results import table as markdown

MARGIN, SMALL = 0.5, 28
"""Arrays have their digits up to the edge: they get a margin of this share of their side, after those that are smaller
than 28 pixels were enlarged to at least that."""


def read_arrays(path: Path) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Images, uint8 (N, H, W), and labels, (N,), whatever an archive calls them.

    Raises ValueError where it holds no such two.
    """
    with np.load(path, allow_pickle=False) as archive:
        arrays = [archive[name] for name in archive.files]
    images = max(arrays, key=lambda array: array.size)
    labels = [array for array in arrays if array is not images and array.size == len(images)]
    if images.ndim == 4:
        images = images.reshape(len(images), *(side for side in images.shape[1:] if side != 1))
    if images.ndim == 2 and round(images.shape[1] ** 0.5) ** 2 == images.shape[1]:
        images = images.reshape(len(images), round(images.shape[1] ** 0.5), -1)
    if images.ndim != 3 or not labels:
        shapes = ", ".join(str(array.shape) for array in arrays)
        raise ValueError(f"{path} holds {shapes}; it needs images (N, H, W) or (N, H * W) and labels (N,)")
    scale = 255 / max(float(images.max()), 1e-6) if images.dtype != np.uint8 or images.max() <= 1 else 1.0
    return (images * scale).round().astype(np.uint8), labels[0].ravel().astype(np.int64)


def as_picture(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """A digit that fills its array, as a picture that people would take of it."""
    factor = -(-SMALL // min(image.shape))
    return np.pad(np.kron(image, np.ones((factor, factor), np.uint8)), round(MARGIN * factor * min(image.shape)))


def score_array(read: Read, path: Path) -> tuple[int, int]:
    """How many digits of an archive are read, as pictures, and how many there are."""
    images, labels = read_arrays(path)
    texts = [read(np.repeat(as_picture(image)[..., None], 3, axis=2)).reading.text for image in images]
    return sum(text == str(label) for text, label in zip(texts, labels, strict=True)), len(labels)


def table(read: Read, paths: Sequence[Path]) -> str:
    """A row for each archive, as Markdown."""
    scores = {path.stem: score_array(read, path) for path in paths}
    rows = [[name, right, number, f"{100 * right / number:.2f}"] for name, (right, number) in scores.items()]
    return markdown(["archive", "right", "of", "%"], rows)
