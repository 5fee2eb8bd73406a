"""Corrections: the digits of a picture, saved under the classes that a user gives them.

    DIR/0/ … DIR/9/   the digits, each a PNG with its surroundings on the picture
    DIR/none/         marks that were read as a digit but are not one

`digits.train experiment=finetune data.root=DIR` trains on it. A file's name is the hash of its pixels: a digit is saved
once, however often it is sent, under the class that it was given last. Nothing that a client sends becomes a path.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

from digits.reading.pictures import open_picture
from digits.reading.result import Reading
from digits.serving.alignment import NONE, align
from digits.serving.cutting import Pixels, as_png, cut, has_ink
from digits.serving.read_queue import RefusedError

CLASSES = (*"0123456789", NONE)
MOST_PICTURES = 20_000  # in a folder: 200 KB each at most, a few KB as a rule
NAMES = re.compile(r"[0-9a-f]{32}\.png")


class CollectionError(ValueError):
    """A folder in which corrections can't be saved; the message names the fix."""


@dataclass(frozen=True)
class Kept:
    """What became of a correction, as numbers of digits."""

    kept: dict[str, int]
    """In the folder now, by class."""
    new: int
    """Of them, those that were not there before, or in another class."""
    corrected: int
    """Of them, those that were read as another digit."""
    missing: int
    """In the correction but not read: their place on the picture is unknown."""
    unusable: int
    """Read, but without ink to train on."""


class Collection:
    """A folder of corrections; several threads may keep some at once."""

    def __init__(self, folder: Path, most: int = MOST_PICTURES) -> None:
        """Make the folder, for at most `most` pictures. Raises CollectionError where none can be saved there."""
        self.folder, self.most = folder.absolute(), most
        self._lock = threading.Lock()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with TemporaryFile(dir=self.folder):
                self.held()
        except OSError as error:
            why = f"corrections can't be kept in {folder}: {error.strerror}"
            raise CollectionError(f"{why}; choose another folder with --collect") from None
        if all((self.folder / part).is_dir() for part in ("train", "test")):  # classes beside them can't be trained on
            raise CollectionError(f"{folder} holds train and test; collect in {folder / 'train'} with --collect")

    def keep(self, picture: bytes, reading: Reading, right: str) -> Kept:
        """Save the digits that were read on a picture, under the classes that `right` (of `right_text`) gives them.

        Raises RefusedError where the folder is full or can't be written, PictureError for anything but a picture.
        """
        classes, missing = align(reading.digits, right)
        parts = zip(cut(open_picture(picture), reading.digits), classes, reading.digits, strict=True)
        usable = [(part, label, digit) for part, label, digit in parts if has_ink(part)]
        files = {_name(part): (part, label) for part, label, _ in usable}
        try:
            with self._lock:
                held = self.held()
                if len(held.keys() | files.keys()) > max(self.most, len(held)):
                    raise RefusedError(507, f"The folder of corrections is full: it holds {len(held):,} pictures, and "
                                       f"gets at most {self.most:,}; nothing was kept.")  # fmt: skip
                for name, (part, label) in files.items():
                    self._put(name, part, label, held.get(name))
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            why = "the disk is full" if full else "its folder can't be written"
            raise RefusedError(507 if full else 500, f"The correction could not be kept: {why}.") from error
        return Kept(
            kept=dict(Counter(label for _, label, _ in usable)),
            new=sum(held.get(name) != label for name, (_, label) in files.items()),
            corrected=sum(label not in (NONE, str(digit.label)) for _, label, digit in usable),
            missing=missing,
            unusable=len(classes) - len(usable),
        )

    def held(self) -> dict[str, str]:
        """The class of each saved picture, by its file's name; raises OSError."""
        folders = [(label, self.folder / label) for label in CLASSES if (self.folder / label).is_dir()]
        files = [(path.name, label) for label, folder in folders for path in folder.iterdir()]
        return {name: label for name, label in files if NAMES.fullmatch(name)}

    def _put(self, name: str, part: Pixels, label: str, before: str | None) -> None:
        """Write a picture, or move it from the class that it had before: one of two classes can't be trained on."""
        if before == label:
            return
        target = self.folder / label / name
        target.parent.mkdir(exist_ok=True)
        if before is not None:
            (self.folder / before / name).replace(target)
            with suppress(OSError):  # it holds others; an empty one would be a class without pictures
                (self.folder / before).rmdir()
            return
        unfinished = target.with_name(f".{name}.{os.getpid()}.part")
        try:
            with unfinished.open("wb") as file:
                file.write(as_png(part))
                file.flush()
                os.fsync(file.fileno())  # else a power failure could leave the name with nothing in it
            unfinished.replace(target)
        except OSError:
            with suppress(OSError):
                unfinished.unlink()
            raise


def _name(part: Pixels) -> str:
    return f"{hashlib.sha256(repr(part.shape).encode() + part.tobytes()).hexdigest()[:32]}.png"
