"""A page while it is written on (its ink, its print, the boxes of its digits), and the composed result."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Ink: TypeAlias = npt.NDArray[np.float32]
"""(H, W), 0..1: how much of a pixel the pen covers. As a stamp it is tight: no empty rows or columns around it."""

Grey: TypeAlias = npt.NDArray[np.uint8]
"""(H, W), 0..255: a picture as a camera gives it."""

Random: TypeAlias = np.random.Generator

Box: TypeAlias = tuple[float, float, float, float]
"""Centre x, centre y, width, height, in pixels."""

NO_DIGIT = None  # the label of letters, signs and other marks that are not targets
UNCLEAR = -1  # the label of a digit that is cut off or covered: finding it is neither correct nor wrong
READABLE = 0.85  # share of a digit that has to be on the page for it to be a target


class Composed(NamedTuple):
    """A picture, and the digits on it."""

    pixels: Grey
    boxes: npt.NDArray[np.float32]  # (n, 4): centre x, centre y, width, height of each digit's ink, in pixels
    labels: npt.NDArray[np.int8]  # (n,): 0..9, or UNCLEAR
    lines: npt.NDArray[np.int16]  # (n,): the text line, from the top; digits of a line stand in its order; -1: of none
    others: npt.NDArray[np.float32]  # (m, 4): the boxes of letters, signs and whatever else was written
    layout: str

    @property
    def text(self) -> str | None:
        """The digits line by line, separated by newlines; None where a digit has no line."""
        clear = self.labels != UNCLEAR
        if (self.lines[clear] < 0).any():
            return None
        numbers = sorted(set(self.lines[clear].tolist()))
        return "\n".join("".join(map(str, self.labels[clear & (self.lines == n)].tolist())) for n in numbers)


@dataclass
class Writer:
    """The constants of one person's writing: sizes in pixels, angles in radians."""

    height: float  # of a digit
    pen: float  # thickness of a stroke
    turn: float = 0.0  # of the text line, clockwise
    slant: float = 0.0  # how far a stroke leans to the right, of its height
    kinds: tuple[float, float, float, float] = (0.4, 0.25, 0.33, 0.02)
    """Shares of digits: MNIST's skeletons drawn with this pen, MNIST's own grey levels, strokes, handwriting fonts."""
    forms: dict[int, int] = field(default_factory=dict)
    """By class, this person's style of `digits.data.synthetic.strokes`: chosen once, then kept."""


class Page:
    """A page in progress. Nothing is written over things that lie on it, and little over other ink."""

    def __init__(self, height: int, width: int) -> None:
        self.ink: Ink = np.zeros((height, width), np.float32)  # by hand
        self.printed: Ink = np.zeros((height, width), np.float32)  # ruled lines, tables, forms, print
        self.covered = np.zeros((height, width), np.bool_)  # by what lies on the page, or beyond its edge
        self.used = np.zeros((height, width), np.bool_)  # by stamps
        self.boxes: list[Box] = []
        self.labels: list[int] = []
        self.lines: list[int] = []
        self.others: list[Box] = []  # boxes of non-digits
        self.next_line = 0

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width = self.ink.shape
        return height, width

    def new_line(self) -> int:
        """The number of a new text line."""
        self.next_line += 1
        return self.next_line - 1

    def put(
        self,
        stamp: Ink,
        x: float,
        y: float,
        label: int | None = NO_DIGIT,
        *,
        line: int = -1,
        overlap: float | None = 0.12,
        cut: bool = False,
        printed: bool = False,
    ) -> bool:
        """Put a stamp with its middle at (x, y), if there is room; returns whether it was put.

        `overlap` is the share of its box that other stamps may have used; None: any. A digit has to be on the page
        whole, unless it may be `cut`. Nothing is put where the page is covered.
        """
        high, wide = stamp.shape
        left, top = round(x - wide / 2), round(y - high / 2)
        height, width = self.size
        x0, y0, x1, y1 = max(0, left), max(0, top), min(width, left + wide), min(height, top + high)
        if x1 <= x0 or y1 <= y0:
            return False
        inside = (x1 - x0) * (y1 - y0) / (wide * high)
        if label is not None and inside < 1 and not cut:
            return False
        place = np.s_[y0:y1, x0:x1]
        if self.covered[place].any() or (overlap is not None and self.used[place].mean() > overlap):
            return False
        layer = self.printed if printed else self.ink
        np.maximum(layer[place], stamp[y0 - top : y1 - top, x0 - left : x1 - left], out=layer[place])
        self.used[place] = True
        box = ((x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0)
        if label is None:
            self.others.append(box)
        else:
            self.boxes.append(box)
            self.labels.append(label if inside >= READABLE else UNCLEAR)
            self.lines.append(line)
        return True

    def cut_out(self, left: int, top: int, right: int, bottom: int) -> None:
        """Keep a part of the page only: [top:bottom, left:right]. Digits that lose more than a little are unclear."""
        for name in ("ink", "printed", "covered", "used"):
            setattr(self, name, np.ascontiguousarray(getattr(self, name)[top:bottom, left:right]))
        labels, lines = self.labels, self.lines
        digits = [self._left_of(box, left, top) for box in self.boxes]
        kept = [i for i, (_, share) in enumerate(digits) if share > 0]
        self.boxes = [digits[i][0] for i in kept]
        self.labels = [labels[i] if digits[i][1] >= READABLE else UNCLEAR for i in kept]
        self.lines = [lines[i] for i in kept]
        self.others = [box for box, share in (self._left_of(box, left, top) for box in self.others) if share > 0]

    def _left_of(self, box: Box, left: int, top: int) -> tuple[Box, float]:
        """The rest of a box on a page whose corner is now at (left, top), and its share of the area."""
        (x, y, wide, high), (height, width) = box, self.size
        x0, x1 = max(0.0, x - wide / 2 - left), min(float(width), x + wide / 2 - left)
        y0, y1 = max(0.0, y - high / 2 - top), min(float(height), y + high / 2 - top)
        share = max(0.0, x1 - x0) * max(0.0, y1 - y0) / (wide * high)
        return ((x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0), share

    def composed(self, pixels: Grey, layout: str) -> Composed:
        """The page with the picture that was made of it."""
        return Composed(
            pixels,
            np.array(self.boxes, np.float32).reshape(-1, 4),
            np.array(self.labels, np.int8),
            np.array(self.lines, np.int16),
            np.array(self.others, np.float32).reshape(-1, 4),
            layout,
        )
