"""A picture with the digits that were found on it: a box around each, its answer beside it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from math import ceil
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from digits.reading.pictures import Picture
from digits.reading.result import Digit, Reading

SURE, UNSURE = (0, 130, 60), (215, 80, 0)
"""Green, and orange for a digit that is doubtful; RGB."""

LEGIBLE = 480
"""Pixels of the longer side; what is smaller is enlarged, or the answers would cover it."""

LONGEST_NAME = 240
"""Bytes of a file's name; file systems take 255."""


def annotated(picture: Picture, reading: Reading) -> npt.NDArray[np.uint8]:
    """The picture, uint8 (H, W, 3) RGB, with boxes and answers; the confidence beside those that are doubtful.

    A small picture is enlarged by a whole factor; a large one stays as much reduced as the reader took it.
    """
    factor = ceil(LEGIBLE / max(picture.pixels.shape[:2]))
    drawn = np.ascontiguousarray(picture.pixels.repeat(factor, 0).repeat(factor, 1))
    scale = drawn.shape[1] / picture.width, drawn.shape[0] / picture.height
    line = max(1, round(max(drawn.shape) / 500))
    for digit in reading.digits:
        x, y, wide, high = digit.box
        left, top = round(x * scale[0]), round(y * scale[1])
        right, bottom = round((x + wide) * scale[0]) - 1, round((y + high) * scale[1]) - 1
        cv2.rectangle(drawn, (left, top), (right, bottom), UNSURE if digit.doubtful else SURE, line)
    for digit in reading.digits:  # after all boxes, so that none crosses an answer
        _write(drawn, digit, round(digit.box[0] * scale[0]), round(digit.box[1] * scale[1]), line)
    return drawn


def _write(drawn: npt.NDArray[np.uint8], digit: Digit, left: int, top: int, line: int) -> None:
    """An answer above its box, or within it where the picture ends; on a plate, to be read on any ground."""
    text = f"{digit.label} {digit.confidence:.0%}" if digit.doubtful else str(digit.label)
    size = 0.55 * line + 0.1
    (wide, high), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, line)
    x = max(0, min(left, drawn.shape[1] - wide))
    y = max(top - below, high + line)
    cv2.rectangle(drawn, (x, y - high - line), (x + wide, y + below - line), (255, 255, 255), cv2.FILLED)
    colour = UNSURE if digit.doubtful else SURE
    cv2.putText(drawn, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, size, colour, line, cv2.LINE_AA)


class AnnotationFolder:
    """Where annotated pictures go: PNG files, `photo.jpg.png` of `photo.jpg`, none over another or over a picture read.

    A file of that name from an earlier time is replaced, whole or not at all.
    """

    def __init__(self, folder: Path, pictures: Iterable[str]) -> None:
        """Makes the folder; `pictures` are the paths of all that is read. Raises OSError."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._taken: set[str] = set()
        self._read = {found for path in pictures for found in _identities(path)}

    def leave(self, label: str, pixels: npt.NDArray[np.uint8]) -> Path:
        """Write a picture, uint8 (H, W, 3) RGB, under a name made from `label`. Raises OSError."""
        label = "".join(letter if letter.isprintable() and letter not in '/\\:*?"<>|' else "_" for letter in label)
        while len(os.fsencode(label)) > LONGEST_NAME - len("-1000000.png"):
            label = label[1:]
        name, number = f"{label}.png", 2
        # A file system may hold A.png and a.png for the same
        while name.casefold() in self._taken or _identities(self.folder / name) & self._read:
            name, number = f"{label}-{number}.png", number + 1
        self._taken.add(name.casefold())
        content = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))[1]
        part = self.folder / f".{name}.part"
        try:
            part.write_bytes(content.tobytes())
            part.replace(self.folder / name)
        except OSError:
            part.unlink(missing_ok=True)
            raise
        return self.folder / name


def _identities(path: str | Path) -> set[tuple[int, int]]:
    """What the file system knows a file by, and the link that leads to it; nothing where there is no file."""
    found = set()
    for look in (os.stat, os.lstat):
        try:
            status = look(path)
        except (OSError, ValueError):
            continue
        found.add((status.st_dev, status.st_ino))
    return found
