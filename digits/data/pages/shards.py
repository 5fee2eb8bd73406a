"""Composed pages in files, several to a file; a page's pixels are read on access."""

from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple, overload

import numpy as np
import numpy.typing as npt

from digits.data.datasets import DataError
from digits.data.pages.page import Composed

ARRAYS = ("boxes", "labels", "lines", "others")  # fields of `Composed` beside the pixels and the layout

DAMAGES = (
    *(ValueError, KeyError, IndexError, EOFError, FileNotFoundError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error, struct.error),
)
"""The exceptions of reading a damaged file."""


def damaged(folder: Path, why: object) -> DataError:
    """The error for a folder whose files are not as they were written."""
    return DataError(f"{folder} holds damaged files ({why}); delete this folder, and its content is composed again")


class Shard(NamedTuple):
    """A number of pages from `start` on."""

    start: int
    pages: int

    def path(self, folder: Path) -> Path:
        """The shard's file; the pixels lie beside it, as `.raw`."""
        return folder / f"{self.start:06d}-{self.pages}.npz"


class Kept(NamedTuple):
    """A page in memory without its pixels, and their place in a file."""

    file: Path
    offset: int  # in bytes
    shape: tuple[int, int]
    boxes: npt.NDArray[np.float32]  # these as in `Composed`
    labels: npt.NDArray[np.int8]
    lines: npt.NDArray[np.int16]
    others: npt.NDArray[np.float32]
    layout: str

    def read(self) -> Composed:
        """Read the whole page. Raises DataError where its pixels are missing."""
        height, width = self.shape
        try:
            pixels = np.fromfile(self.file, np.uint8, height * width, offset=self.offset).reshape(self.shape)
        except DAMAGES as error:
            raise damaged(self.file.parent, error) from None
        return Composed(pixels, self.boxes, self.labels, self.lines, self.others, self.layout)


class KeptPages(Sequence[Composed]):
    """The pages of shards; no file stays open, since a process may be limited to 256.

    Raises DataError where the files are damaged, naming the folder to delete.
    """

    def __init__(self, folder: Path, shards: Sequence[Shard]) -> None:
        self._pages = [page for shard in shards for page in _read_shard(folder, shard)]

    def __len__(self) -> int:
        return len(self._pages)

    @overload
    def __getitem__(self, index: int) -> Composed: ...
    @overload
    def __getitem__(self, index: slice) -> list[Composed]: ...
    def __getitem__(self, index: int | slice) -> Composed | list[Composed]:
        if isinstance(index, slice):
            return [page.read() for page in self._pages[index]]
        return self._pages[index].read()


def _read_shard(folder: Path, shard: Shard) -> list[Kept]:
    path = shard.path(folder)
    pixels = path.with_suffix(".raw")
    try:
        with np.load(io.BytesIO(path.read_bytes())) as kept:
            shapes, counts, layouts = kept["shapes"], kept["counts"], kept["layouts"].tolist()
            boxes, labels, lines, others = (kept[name] for name in ARRAYS)
        sizes = np.concatenate([shapes.prod(1)[:, None], counts], axis=1)  # of each page its pixels, digits and others
        ends = np.cumsum(sizes, axis=0)
        found = (len(shapes), pixels.stat().st_size, len(labels), len(others))
        if found != (shard.pages, *ends[-1].tolist()):
            raise ValueError(f"{path.stem} has other sizes than it states")
    except DAMAGES as error:
        raise damaged(folder, error) from None
    pages = []
    for shape, start, end, layout in zip(shapes.tolist(), (ends - sizes).tolist(), ends.tolist(), layouts, strict=True):
        _, own, rest = (slice(*between) for between in zip(start, end, strict=True))
        kinds = (boxes[own], labels[own], lines[own], others[rest])
        pages.append(Kept(pixels, start[0], tuple(shape), *kinds, layout))
    return pages


def write_shard(folder: Path, shard: Shard, pages: Sequence[Composed]) -> None:
    """Write pages, the pixels first: the shard's own file exists only when they do too."""
    path = shard.path(folder)
    with _whole(path.with_suffix(".raw")) as file:
        for page in pages:
            file.write(page.pixels.tobytes())
    kept = {
        "shapes": np.array([page.pixels.shape for page in pages], np.int64),
        "counts": np.array([(len(page.labels), len(page.others)) for page in pages], np.int64),
        "layouts": np.array([page.layout for page in pages]),
        **{name: np.concatenate([getattr(page, name) for page in pages]) for name in ARRAYS},
    }
    with _whole(path) as file:
        np.savez(file, allow_pickle=False, **kept)


def write_array(path: Path, array: npt.NDArray[np.generic]) -> None:
    """Write an array as `.npy`, whole or not at all."""
    with _whole(path) as file:
        np.save(file, array)


@contextmanager
def _whole(path: Path) -> Iterator[BinaryIO]:
    """A file for writing, which appears under its name only when it is complete."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
