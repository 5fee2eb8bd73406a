"""A picture of any kind to the digits on it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from math import prod
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from digits.reading.components import Piece
from digits.reading.crop import SPAN, whole_digits
from digits.reading.lines import find_lines
from digits.reading.model.net import Net
from digits.reading.patch import as_mnist
from digits.reading.pictures import Picture, from_array, from_image, open_picture
from digits.reading.result import Digit, Reading
from digits.reading.segment import SQUARE, Candidate, Row, cut_doubtful, parse, start
from digits.reading.writing import find_writing

Source = str | Path | bytes | Image.Image | npt.NDArray[np.uint8] | Picture

DIGITS = "0123456789"
PRIOR = 0.6
"""How much likelier the net takes what stands in a line for no digit than it is."""
UNLIKELY = 0.1
"""Nothing is taken for a digit below this probability."""
ONE = 0.5
"""The only thing on a picture is one digit, not several, if it is at most so likely none, as several would be."""
SMALL, LEAST = 112, 0.003
"""A picture of at most so many pixels a side was taken of a digit: the only thing on it is one down to this."""
LIKELIER = 0.8
"""A picture is taken for one digit that fills it if that is so many times as likely as what else is read."""
SURE, SURER = 0.9, 0.97
"""What is so certain and lies within the picture may have paper around it: the whole must then be so certain."""
MOST_CUT = 200.0
"""How much of a page is looked at for digits that touch, in lengths of writing as long as they are high; a page of
scribbles would take long, and has none."""
CHUNK = 64
"""Pictures whose digits the net sees in one batch."""


@dataclass(eq=False)
class _Page:
    picture: Picture
    factor: float
    """Pixels of the original to one of those that are read."""
    rows: list[Row]
    wholes: list[Row]
    """The whole picture as one digit, if dark and if light, where it may be one that was cut out along its box."""
    small: bool
    """Whether it has room for a digit only."""
    left_out: int


class Reader:
    """Reads the digits on pictures."""

    def __init__(self, model: str | Path | None = None, threads: int = 1) -> None:
        """`model` is an exported ONNX file or an exported run's directory, by default the net that the package ships.

        Raises ModelError where it can't be used.
        """
        self.net = Net(Path(model) if model is not None else None, threads)
        self._columns = [self.net.classes.index(digit) for digit in DIGITS]

    def read(self, picture: Source) -> Reading:
        """The digits on one picture: a path, the bytes of a file, a PIL image, a `Picture`, or an array.

        Arrays are uint8 (H, W), (H, W, 3) in RGB or (H, W, 4). Raises PictureError where it can't be read.
        """
        return self.read_many([picture])[0]

    def read_many(self, pictures: Iterable[Source]) -> list[Reading]:
        """The digits on each of many pictures; the net sees those of 64 pictures at a time."""
        readings: list[Reading] = []
        remaining = iter(pictures)
        while chunk := [_page(picture) for picture in islice(remaining, CHUNK)]:
            readings += self._read(chunk)
        return readings

    def _read(self, pages: Sequence[_Page]) -> list[Reading]:
        wholes = [row for page in pages for row in page.wholes]
        rows = [row for page in pages for row in page.rows]
        scored = self._scored([*wholes, *rows])
        one, uncut = iter(scored[: len(wholes)]), scored[len(wholes) :]
        unread = iter(uncut)
        cut = [row for page in pages for row in _cut([next(unread) for _ in page.rows])]
        anew = iter(self._scored([row for row in cut if row is not None]))
        pairs = iter([(each, each if row is None else next(anew)) for row, each in zip(cut, uncut, strict=True)])
        return [_reading(page, [next(pairs) for _ in page.rows], [next(one) for _ in page.wholes]) for page in pages]

    def _scored(self, rows: Sequence[Row]) -> list[_Scored]:
        candidates = [row.candidates() for row in rows]
        patches = [as_mnist(candidate.whole.ink) for each in candidates for candidate in each]
        stacked = np.stack(patches) if patches else np.zeros((0, 28, 28), np.uint8)
        probabilities = self.net.probabilities(stacked)
        digits = probabilities[:, self._columns]
        # where the net has no class for it, its doubt stands in for "none"
        none = 1 - digits.max(1, initial=0) if self.net.none is None else probabilities[:, self.net.none]
        ends = np.cumsum([len(each) for each in candidates])
        parts = [slice(end - len(each), end) for each, end in zip(candidates, ends, strict=True)]
        return [
            _Scored(row, each, digits[part], none[part], stacked[part])
            for row, each, part in zip(rows, candidates, parts, strict=True)
        ]


@dataclass(frozen=True, eq=False)
class _Found:
    whole: Piece
    probabilities: npt.NDArray[np.float32]
    """Of 0..9."""
    patch: npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class _Scored:
    row: Row
    candidates: list[Candidate]
    digits: npt.NDArray[np.float32]
    """Of each candidate the probabilities of 0..9: (N, 10)."""
    rejected: npt.NDArray[np.float32]
    """And that it is no digit."""
    patches: npt.NDArray[np.uint8]

    @property
    def digit(self) -> npt.NDArray[np.float32]:
        """The probability of the likeliest digit."""
        return np.asarray(self.digits.max(1, initial=0), np.float32)

    @property
    def none(self) -> npt.NDArray[np.float32]:
        """The probability of no digit, for what stands in a line of writing."""
        return self.rejected * np.float32(PRIOR)

    def parse(self) -> list[_Found]:
        """The digits of the likeliest way to read the row."""
        digit = self.digit
        taken = parse(self.row, self.candidates, digit, self.none)
        return [self._found(index) for index in taken if digit[index] >= UNLIKELY]

    def only(self, small: bool, read: bool) -> _Found | None:
        """The one digit of a picture on which there is no other row: where its pieces together look like one.

        Where no digit was `read`, they are taken for one even if they are likelier none.
        """
        for index, candidate in enumerate(self.candidates):
            if candidate.last - candidate.first == len(self.row.pieces):
                one = candidate.whole.width <= SQUARE * candidate.whole.height and self.rejected[index] < ONE
                if one or (not read and self.digit[index] >= (LEAST if small else UNLIKELY)):
                    return self._found(index)
        return None

    def _found(self, index: int) -> _Found:
        return _Found(self.candidates[index].whole, self.digits[index], self.patches[index])


def _cut(rows: Sequence[_Scored]) -> list[Row | None]:
    """The rows of a page with their doubtful pieces cut, None for those without; so much of them as is allowed."""
    cut: list[Row | None] = []
    left = MOST_CUT
    for scored in rows:
        row, spent = cut_doubtful(scored.row, scored.candidates, scored.digit, scored.none, left)
        left -= spent
        cut.append(row)
    return cut


def _reading(page: _Page, rows: Sequence[tuple[_Scored, _Scored]], wholes: Sequence[_Scored]) -> Reading:
    """The digits of a page, whose rows are given without cuts and with them."""
    lines = [line for _, row in rows if (line := row.parse())]
    if len(rows) == 1 and (only := rows[0][0].only(page.small, bool(lines))):
        lines = [[only]]
    if best := _whole(page, wholes, [found for line in lines for found in line]):
        lines = [[best]]
    digits = [
        Digit(
            int(found.probabilities.argmax()),
            float(found.probabilities.max()),
            tuple(float(value) for value in found.probabilities),
            _box(found.whole, page),
            number,
            found.patch,
        )
        for number, line in enumerate(lines)
        for found in line
    ]
    return Reading(tuple(digits), page.picture.width, page.picture.height, page.left_out)


def _whole(page: _Page, wholes: Sequence[_Scored], rivals: Sequence[_Found]) -> _Found | None:
    """The one digit that fills the picture, None where what else was read is likelier."""
    found = [whole for scored in wholes if (whole := scored.only(page.small, False))]
    if not found:
        return None
    best = max(found, key=_certainty)
    within = any(_certainty(each) >= SURE for each in rivals) and not any(_fills(each.whole, page) for each in rivals)
    least = SURER if within else LIKELIER * prod(_certainty(each) for each in rivals)
    if not rivals and page.small:
        least = 0.0
    return best if _certainty(best) >= least else None


def _certainty(found: _Found) -> float:
    return float(found.probabilities.max())


def _fills(piece: Piece, page: _Page) -> bool:
    return max(piece.height * page.factor / page.picture.height, piece.width * page.factor / page.picture.width) >= SPAN


def _page(source: Source) -> _Page:
    picture = _opened(source)
    pieces, left_out, frame = find_writing(picture.pixels)
    rows = [start(line) for line in find_lines(pieces, frame)]
    wholes = [start([piece]) for piece in whole_digits(picture.pixels)]
    return _Page(picture, picture.width / frame[1], rows, wholes, max(frame) <= SMALL, left_out)


def _opened(source: Source) -> Picture:
    if isinstance(source, Picture):
        return source
    if isinstance(source, np.ndarray):
        return from_array(source)
    if isinstance(source, Image.Image):
        return from_image(source)
    return open_picture(source if isinstance(source, bytes) else Path(source))


def _box(piece: Piece, page: _Page) -> tuple[int, int, int, int]:
    left, top = round(piece.left * page.factor), round(piece.top * page.factor)
    right = min(page.picture.width, round(piece.right * page.factor))
    bottom = min(page.picture.height, round(piece.bottom * page.factor))
    return left, top, max(1, right - left), max(1, bottom - top)
