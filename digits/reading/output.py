"""The output of a reading: a table row for people, a JSON object or a CSV row for programs, a picture with boxes.

Each function that makes text takes a picture's name and its reading, or the message why it can't be read.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable
from itertools import groupby
from math import ceil
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from digits.reading.pictures import Picture
from digits.reading.result import DOUBTFUL, Digit, Reading

CSV_COLUMNS = ("path", "text", "confidence", "confidences", "boxes", "error", "sure", "doubtful")
LEGEND = (
    f"? follows a digit that is less than {DOUBTFUL:.0%} sure, and the share of a picture that a person should look at"
)
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet evaluates cells that begin so (OWASP, CSV injection)
CERTAIN, UNCERTAIN = (0, 130, 60), (215, 80, 0)  # RGB: green, and orange for a doubtful digit
LEGIBLE = 480  # pixels of the longer side; smaller pictures are enlarged, or the labels would cover them
LONGEST_NAME = 240  # bytes of a file's name; file systems take 255


def as_json(name: str, result: Reading | str) -> str:
    """One line of ASCII: `path`, and `error` or the reading.

    The reading is `text`, the whole picture's `confidence`, whether it is `doubtful`, `digits` (`label`, `confidence`,
    `box`), and `left_out` where a picture has more marks than are examined.
    """
    if isinstance(result, str):
        return json.dumps({"path": name, "error": result})
    digits = [
        {"label": digit.label, "confidence": round(digit.confidence, 4), "box": list(digit.box)}
        for digit in result.digits
    ]
    unseen = {"left_out": result.left_out} if result.left_out else {}
    whole = {"text": result.text, "confidence": round(result.confidence, 4), "doubtful": result.doubtful}
    return json.dumps({"path": name, **whole, "digits": digits, **unseen})


def as_csv(name: str, result: Reading | str) -> str:
    """One row of CSV_COLUMNS: the lowest confidence, each digit's confidence and box in reading order, the picture's.

    Names are escaped as in the table, and never begin like a formula.
    """
    name = safe(name)
    if name.startswith(FORMULA) and name != "-":
        name = "'" + name
    if isinstance(result, str):
        return _row([name, "", "", "", "", result, "", ""])
    confidences = [f"{digit.confidence:.4f}" for digit in result.digits]
    boxes = [" ".join(map(str, digit.box)) for digit in result.digits]
    unseen = f"{result.left_out} more marks were not examined" if result.left_out else ""
    digits = [result.text, min(confidences, default=""), " ".join(confidences), "; ".join(boxes)]
    return _row([name, *digits, unseen, f"{result.confidence:.4f}", "?" * result.doubtful])


def csv_header() -> str:
    """The first line of the CSV."""
    return _row(CSV_COLUMNS)


def as_row(name: str, result: Reading | str, width: int) -> str:
    """A line of the table, or several where the picture has several lines of writing; names are `width` wide."""
    if isinstance(result, str):
        return f"{safe(name):<{width}}  {'':>6}  can't be read: {result}"
    lines = groupby(result.digits, lambda digit: digit.line)
    text = ["".join(f"{digit.label}{'?' * digit.doubtful}" for digit in line) for _, line in lines]
    text = text or ["no digits"]
    if result.left_out:
        text.append(f"({result.left_out:,} more marks were not examined; cut the picture up)")
    sure = f"{result.confidence:.0%}{'?' * result.doubtful}"
    return f"{safe(name):<{width}}  {sure:>6}  " + f"\n{'':<{width + 10}}".join(text)


def table_header(width: int) -> str:
    """The first two lines of the table; `sure` is the probability that the whole picture is read without a fault."""
    return f"{'picture':<{width}}  {'sure':>6}  text\n{'-' * width}  {'-' * 6}  {'-' * 12}"


def safe(text: str) -> str:
    """A name with control, invisible and bidirectional characters written as escapes."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape", "surrogatepass").decode() for letter in text
    )


def _row(cells: list[str] | tuple[str, ...]) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerow(cells)  # "\n", so that it quotes a newline within a cell
    return file.getvalue().removesuffix("\n")


def annotated(picture: Picture, reading: Reading) -> npt.NDArray[np.uint8]:
    """The picture, uint8 (H, W, 3) RGB, with boxes and labels, and the confidence beside the doubtful ones.

    A small picture is enlarged by a whole factor; a large one stays reduced as the reader took it.
    """
    factor = ceil(LEGIBLE / max(picture.pixels.shape[:2]))
    drawn = np.ascontiguousarray(picture.pixels.repeat(factor, 0).repeat(factor, 1))
    scale = drawn.shape[1] / picture.width, drawn.shape[0] / picture.height
    line = max(1, round(max(drawn.shape) / 500))
    for digit in reading.digits:
        x, y, wide, high = digit.box
        left, top = round(x * scale[0]), round(y * scale[1])
        right, bottom = round((x + wide) * scale[0]) - 1, round((y + high) * scale[1]) - 1
        cv2.rectangle(drawn, (left, top), (right, bottom), UNCERTAIN if digit.doubtful else CERTAIN, line)
    for digit in reading.digits:  # after all boxes, so that none crosses a label
        _write(drawn, digit, round(digit.box[0] * scale[0]), round(digit.box[1] * scale[1]), line)
    return drawn


def _write(drawn: npt.NDArray[np.uint8], digit: Digit, left: int, top: int, line: int) -> None:
    """Write a label above its box, or within it where the picture ends, on a white plate to be legible anywhere."""
    text = f"{digit.label} {digit.confidence:.0%}" if digit.doubtful else str(digit.label)
    size = 0.55 * line + 0.1
    (wide, high), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, line)
    x = max(0, min(left, drawn.shape[1] - wide))
    y = max(top - below, high + line)
    cv2.rectangle(drawn, (x, y - high - line), (x + wide, y + below - line), (255, 255, 255), cv2.FILLED)
    colour = UNCERTAIN if digit.doubtful else CERTAIN
    cv2.putText(drawn, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, size, colour, line, cv2.LINE_AA)


class AnnotationFolder:
    """A folder of annotated pictures: PNG files, `photo.jpg.png` for `photo.jpg`; none overwrites another or an input.

    A file of that name from an earlier run is replaced atomically.
    """

    def __init__(self, folder: Path, pictures: Iterable[str]) -> None:
        """Make the folder; `pictures` are the paths of all pictures to read. Raises OSError."""
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
    """Device and inode of a file, and of the link that leads to it; empty where there is no file."""
    found = set()
    for look in (os.stat, os.lstat):
        try:
            status = look(path)
        except (OSError, ValueError):
            continue
        found.add((status.st_dev, status.st_ino))
    return found
