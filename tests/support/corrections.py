"""Pictures with what is read on them, and what is kept of their corrections."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np

from digits.reading.result import Digit, Reading
from digits.serving.corrections import CLASSES, Kept
from digits.serving.cutting import as_png
from tests.support.drawing import draw

PATCH = np.zeros((28, 28), np.uint8)


def drawn(text: str, read: str | None = None, height: int = 40) -> tuple[bytes, Reading]:
    """A picture of some digits as a file, and what is read on it: `read`, digit for digit, or what stands there."""
    drawing = draw(text, height)
    labels = (read or text).split("\n")
    lines = [number for number, line in enumerate(labels) for _ in line]
    digits = tuple(
        Digit(int(label), 0.9, (0.1,) * 10, box, line, PATCH)
        for label, box, line in zip("".join(labels), drawing.boxes, lines, strict=True)
    )
    high, wide = drawing.pixels.shape[:2]
    return as_png(drawing.pixels), Reading(digits, wide, high, confidence=0.9)


def files(folder: Path) -> dict[str, int]:
    """How many files there are by class, whatever their names; a class without one has no folder."""
    found = {path.name: len(list(path.iterdir())) for path in folder.iterdir()}
    assert set(found) <= set(CLASSES)
    assert 0 not in found.values()
    return found


def kept(new: int, corrected: int = 0, missing: int = 0, unusable: int = 0, **classes: int) -> dict[str, object]:
    """The answer; `_7` stands for the class 7, which no argument can be called."""
    by_class = {name.removeprefix("_"): number for name, number in classes.items()}
    return asdict(Kept(by_class, new, corrected, missing, unusable))
