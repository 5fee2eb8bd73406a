"""The idx format of MNIST's files: a big-endian header, then unsigned bytes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

UNSIGNED_BYTE = 0x08


def parse_idx(content: bytes | bytearray, name: str) -> npt.NDArray[np.uint8]:
    """The array in an idx file of unsigned bytes; it shares the content's memory.

    Header: two zero bytes, the type's code, the number of dimensions, then each dimension's size as a
    big-endian 32-bit number (LeCun, http://yann.lecun.com/exdb/mnist/).
    Raises ValueError, naming the file, when the header or the length is wrong.
    """
    if len(content) < 4 or content[0] or content[1]:
        raise ValueError(f"{name} is not an idx file: it doesn't begin with two zero bytes")
    kind, dimensions = content[2], content[3]
    if kind != UNSIGNED_BYTE:
        raise ValueError(f"{name} holds elements of type 0x{kind:02x}; only unsigned bytes (0x08) are read")
    start = 4 + 4 * dimensions
    if not 1 <= dimensions <= 3 or len(content) < start:
        raise ValueError(f"{name} has a damaged header: {dimensions} dimensions in {len(content)} bytes")
    shape = tuple(int.from_bytes(content[4 + 4 * i : 8 + 4 * i], "big") for i in range(dimensions))
    expected = start + int(np.prod(shape, dtype=object))
    if len(content) != expected:
        raise ValueError(f"{name} has {len(content)} bytes where its header, {shape}, promises {expected}")
    try:
        return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
    except ValueError:  # one size is 0, and another too large for numpy
        raise ValueError(f"{name} has a damaged header: the sizes {shape}") from None
