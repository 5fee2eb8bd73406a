"""A user's own picture files as labelled patches, in an order that depends on their content alone."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from digits.config.files import few, shown
from digits.data.datasets import DataError
from digits.reading.patch import one_digit
from digits.reading.pictures import open_picture

log = logging.getLogger(__name__)

Rows = npt.NDArray[np.int64]

THREADS = 4  # decode at once, which releases the GIL; the largest picture takes 256 MB meanwhile
LISTED = 1000  # unusable pictures that are listed one by one


class Pictures(NamedTuple):
    """Pictures of one digit each."""

    patches: npt.NDArray[np.uint8]  # (N, 28, 28), white ink on black
    labels: Rows  # (N,)
    files: tuple[str, ...]  # their names in the folder
    digests: tuple[str, ...]  # SHA-256 of each file

    def at(self, rows: Rows) -> Pictures:
        """The pictures of these rows."""
        files, digests = (tuple(part[row] for row in rows.tolist()) for part in (self.files, self.digests))
        return Pictures(self.patches[rows], self.labels[rows], files, digests)


class _Found(NamedTuple):
    patch: npt.NDArray[np.uint8]
    digest: str
    label: int
    path: Path


def read_pictures(listed: Sequence[tuple[Path, int]], folder: Path) -> Pictures:
    """Labelled files as pictures, sorted by label and content; of copies, the first listed counts.

    Raises DataError with a line for each file that can't be used, or for each picture that has two labels.
    """
    with ThreadPoolExecutor(min(THREADS, os.cpu_count() or 1)) as threads:
        answers = list(threads.map(_read, listed))
    if faults := [answer for answer in answers if isinstance(answer, str)]:
        which = f"{len(faults):,} of the {len(listed):,} pictures in {shown(folder)}"
        raise DataError("\n".join([f"{which} can't be used; replace them, or move them away:", *_some(faults)]))
    found: dict[str, _Found] = {}
    copies, conflicts = [], []
    for answer in answers:
        assert isinstance(answer, _Found)
        former = found.setdefault(answer.digest, answer)
        if former.label != answer.label:
            conflicts.append(f"{shown(former.path)} and {shown(answer.path)}")
        elif former is not answer:
            copies.append(shown(answer.path.relative_to(folder)))
    if conflicts:
        head = "a picture can't be of two classes; of each two identical files, delete one:"
        raise DataError("\n".join([head, *_some(conflicts)]))
    if copies:
        log.warning("%s: skipped, since other files hold the same pictures: %s", shown(folder), few(copies))
    ordered = sorted(found.values(), key=lambda picture: (picture.label, picture.digest))
    return Pictures(
        np.stack([picture.patch for picture in ordered]),
        np.array([picture.label for picture in ordered], np.int64),
        tuple(picture.path.relative_to(folder).as_posix() for picture in ordered),
        tuple(picture.digest for picture in ordered),
    )


def _read(entry: tuple[Path, int]) -> _Found | str:
    """A picture, or its fault as a sentence."""
    path, label = entry
    try:
        patch = one_digit(open_picture(path).grey)
        with path.open("rb") as file:
            return _Found(patch, hashlib.file_digest(file, "sha256").hexdigest(), label, path)
    except ValueError as error:  # without ink, or not a picture (PictureError)
        return f"{shown(path)}: {error}"
    except OSError as error:
        return f"{shown(path)}: it can't be read: {error.strerror}"


def _some(lines: list[str]) -> list[str]:
    return lines[:LISTED] + [f"and {len(lines) - LISTED:,} more"] * (len(lines) > LISTED)
