"""Reading pictures from Python without keeping a reader oneself. No torch."""

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

    By the nets that ship; for others keep a `digits.reading.Reader(model=…)`. Raises ValueError where it can't be read.
    """
    return _reader().read(picture)
