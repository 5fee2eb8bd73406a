"""Reading pictures from Python with a shared reader. No torch."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from digits.reading import Reader, Reading

if TYPE_CHECKING:
    from digits.reading.reader import Source


@cache
def _reader() -> Reader:
    return Reader()


def read(picture: Source) -> Reading:
    """Find and read the digits on a picture: a path, the bytes of a file, a PIL image or a uint8 array.

    Uses the shipped models; for others make a `digits.reading.Reader(model=…)`. Raises ValueError where the picture
    can't be read.
    """
    return _reader().read(picture)
