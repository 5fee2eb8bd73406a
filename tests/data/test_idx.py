from __future__ import annotations

import re
import struct
import tracemalloc
from contextlib import suppress

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from digits.data.idx import parse_idx
from tests.support.mnist_files import idx_bytes

SHAPES = st.lists(st.integers(0, 9), min_size=1, max_size=3).map(tuple)
UINT8 = arrays(np.uint8, SHAPES)


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


# ---- Any bytes ----------------------------------------------------------------------------------


def read_slowly(content: bytes) -> tuple[list[int], list[int]] | None:
    """Sizes and elements as the format's description has them, a byte at a time; None where it has no such file."""
    if len(content) < 4 or content[:3] != b"\0\0\x08" or not 1 <= content[3] <= 3:
        return None
    head = 4 + 4 * content[3]
    sizes = [struct.unpack(">I", content[i : i + 4])[0] for i in range(4, head, 4) if len(content) >= i + 4]
    elements = list(content[head:])
    number = 1
    for size in sizes:
        number *= size
    return (sizes, elements) if len(sizes) == content[3] and number == len(elements) else None


SIZE = st.integers(0, 4) | st.sampled_from([255, 256, 2**16, 2**31 - 1, 2**31, 2**32 - 1])
HEADED = st.builds(
    lambda sizes, dimensions, elements: (
        struct.pack(f">BBBB{len(sizes)}I", 0, 0, 8, len(sizes) if dimensions is None else dimensions, *sizes) + elements
    ),
    st.lists(SIZE, max_size=4),
    st.none() | st.integers(0, 255),
    st.binary(max_size=64),
)


@given(st.binary(max_size=40) | HEADED | UINT8.map(idx_bytes))
@example(struct.pack(">BBBB3I", 0, 0, 8, 3, 0, 2**32 - 1, 2**32 - 1))
@example(struct.pack(">BBBB3I", 0, 0, 8, 3, 2**32 - 1, 0, 2**32 - 1))
@example(struct.pack(">BBBB2I", 0, 0, 8, 2, 2**32 - 1, 2**32 - 1))
@example(struct.pack(">BBBB3I", 0, 0, 8, 3, 0, 2**31, 2**31))
@settings(max_examples=500, deadline=None)
def test_any_bytes_are_what_they_say_or_refused_by_name(content: bytes) -> None:
    """Found: no elements, but other sizes too large for numpy, was numpy's ValueError and named no file."""
    expected = read_slowly(content)
    try:
        parsed = parse_idx(content, "pixels.gz")
    except ValueError as error:
        refused = str(error)
    else:
        assert expected == (list(parsed.shape), parsed.flatten().tolist())
        return
    assert refused.startswith("pixels.gz ")
    assert expected is None or expected[1] == [], "a file that can be read was refused"


def test_sizes_that_are_only_claimed_take_no_memory() -> None:
    for content in (
        struct.pack(">BBBB3I", 0, 0, 8, 3, 60_000, 2**31, 2**31),
        struct.pack(">BBBB1I", 0, 0, 8, 1, 2**32 - 1) + bytes(9),
        struct.pack(">BBBB3I", 0, 0, 8, 3, 0, 2**31, 2**31),
        b"\0\0\x08\xff" + b"\xff" * 1020,
    ):
        tracemalloc.start()
        try:
            with suppress(ValueError):
                parse_idx(content, "pixels")
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 100_000
