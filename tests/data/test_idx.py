from __future__ import annotations

import re
import struct

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from digits.data.idx import parse_idx

SHAPES = st.lists(st.integers(0, 9), min_size=1, max_size=3).map(tuple)
UINT8 = arrays(np.uint8, SHAPES)


def idx_bytes(array: npt.NDArray[np.uint8]) -> bytes:
    """As Y. LeCun's page describes the format."""
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


@given(UINT8)
def test_round_trip_of_any_shape(array: npt.NDArray[np.uint8]) -> None:
    parsed = parse_idx(idx_bytes(array), "pixels")
    assert parsed.dtype == np.uint8
    assert parsed.shape == array.shape
    assert np.array_equal(parsed, array)


def test_array_shares_the_memory_it_was_read_into() -> None:
    content = bytearray(idx_bytes(np.zeros((2, 3), np.uint8)))
    parsed = parse_idx(content, "pixels")
    content[-1] = 7
    assert parsed[1, 2] == 7
    assert parsed.flags.writeable  # torch.from_numpy warns of memory it can't write


def test_sizes_are_big_endian() -> None:
    content = b"\0\0\x08\x01" + b"\0\0\x01\x02" + bytes(258)
    assert parse_idx(content, "labels").shape == (258,)


@given(UINT8, st.data())
def test_truncated_anywhere_is_refused(array: npt.NDArray[np.uint8], data: st.DataObject) -> None:
    content = idx_bytes(array)
    kept = data.draw(st.integers(0, len(content) - 1))
    with pytest.raises(ValueError, match=r"^pixels\.gz "):
        parse_idx(content[:kept], "pixels.gz")


@given(UINT8, st.binary(min_size=1, max_size=9))
def test_too_long_is_refused(array: npt.NDArray[np.uint8], more: bytes) -> None:
    content = idx_bytes(array)
    with pytest.raises(ValueError, match=re.escape(f"pixels has {len(content + more)} bytes where its header, (")):
        parse_idx(content + more, "pixels")


@pytest.mark.parametrize("kind", [0x00, 0x09, 0x0B, 0x0C, 0x0D, 0x0E])
def test_other_types_are_refused(kind: int) -> None:
    message = f"labels holds elements of type 0x{kind:02x}; only unsigned bytes (0x08) are read"
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_idx(bytes([0, 0, kind, 1, 0, 0, 0, 0]), "labels")


@pytest.mark.parametrize("content", [b"", b"\0\0\x08", b"\x1f\x8b\x08\x00rest", b"\0\x01\x08\x01\0\0\0\0"])
def test_other_files_are_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"labels is not an idx file: it doesn't begin with two zero bytes"):
        parse_idx(content, "labels")


@pytest.mark.parametrize("dimensions", [0, 4, 255])
def test_other_numbers_of_dimensions_are_refused(dimensions: int) -> None:
    content = bytes([0, 0, 8, dimensions]) + bytes(4 * dimensions)
    with pytest.raises(ValueError, match=f"labels has a damaged header: {dimensions} dimensions"):
        parse_idx(content, "labels")


def test_sizes_that_overflow_are_refused() -> None:
    content = b"\0\0\x08\x03" + b"\xff" * 12
    with pytest.raises(ValueError, match=str((2**32 - 1) ** 3 + 16)):
        parse_idx(content, "images")
