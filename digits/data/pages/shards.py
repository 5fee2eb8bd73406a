"""Composed pages in files: so many of them together, their pixels read when they are looked at."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from digits.data.pages.page import Composed

ARRAYS = ("boxes", "labels", "lines", "others")
"""What a page has beside its pixels and its layout, by the names in `Composed`."""


class Shard(NamedTuple):
    """So many pages from a first one on."""

    start: int
    pages: int

    def path(self, folder: Path) -> Path:
        """Its file; the pixels lie beside it, as `.npy`."""
        return folder / f"{self.start:06d}-{self.pages}.npz"


def read_shard(path: Path) -> Iterator[Composed]:
    """The pages of a shard."""
    pixels = np.load(path.with_suffix(".npy"), mmap_mode="r")
    with np.load(path) as kept:
        shapes, counts, layouts = kept["shapes"], kept["counts"], kept["layouts"].tolist()
        boxes, labels, lines, others = (kept[name] for name in ARRAYS)
    sizes = np.concatenate([shapes.prod(1)[:, None], counts], axis=1)  # of each page its pixels, digits and others
    ends = np.cumsum(sizes, axis=0)
    for shape, start, end, layout in zip(shapes.tolist(), (ends - sizes).tolist(), ends.tolist(), layouts, strict=True):
        own, digits, rest = (slice(*ends) for ends in zip(start, end, strict=True))
        yield Composed(pixels[own].reshape(shape), boxes[digits], labels[digits], lines[digits], others[rest], layout)


def write_shard(path: Path, pages: Sequence[Composed]) -> None:
    """Write pages such that the shard's own file is there only when the pixels are there too."""
    write_array(path.with_suffix(".npy"), np.concatenate([page.pixels.ravel() for page in pages]))
    kept = {
        "shapes": np.array([page.pixels.shape for page in pages], np.int64),
        "counts": np.array([(len(page.labels), len(page.others)) for page in pages], np.int64),
        "layouts": np.array([page.layout for page in pages]),
        **{name: np.concatenate([getattr(page, name) for page in pages]) for name in ARRAYS},
    }
    part = _part(path)
    try:
        with part.open("wb") as file:
            np.savez(file, allow_pickle=False, **kept)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_array(path: Path, array: npt.NDArray[np.generic]) -> None:
    """Write an array as `.npy`, whole or not at all."""
    part = _part(path)
    try:
        with part.open("wb") as file:
            np.save(file, array)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _part(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.part")
