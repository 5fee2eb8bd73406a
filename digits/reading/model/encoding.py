"""Protobuf's encoding of an ONNX file, walked through before anything is built from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor  # type: ignore[import-untyped]  # protobuf ships no types

MOST_PARTS = 1 << 18
"""Nodes, tensors, attributes and their entries. `model=resnet` has 1,000, but two bytes in a file can stand for an
empty part, which takes 200 bytes of memory."""

DEEPEST = 16
"""Parts inside one another; a graph without graphs inside has 7."""

VARINT, BYTES, FIXED = 0, 2, {1: 8, 5: 4}
"""Protobuf's wire types, https://protobuf.dev/programming-guides/encoding: what follows, and of how many bytes."""

TEXT = 9
"""Protobuf's type of a string, whose bytes it does not look at."""

WHOLE_NUMBERS = {1, 2, 3, 4, 7, 8}
"""Protobuf's C++ types of numbers that are written as varints: int32, int64, uint32, uint64, bool and enum."""

DAMAGED = "it is no ONNX file, or is damaged"

BEGINNING = b"\x08"
"""Of every ONNX file: the version of its format is the first part, and a number."""


def check_parts(content: bytes) -> None:
    """Refuse, with ValueError, what is no ONNX file, is cut short, or would become many parts in memory.

    Bytes that were made to do damage can raise other errors, too.
    """
    if not content.startswith(BEGINNING):
        raise ValueError("it is no ONNX file")
    import onnx

    _count(memoryview(content), onnx.ModelProto.DESCRIPTOR, MOST_PARTS, 0)


def _count(content: memoryview, kind: Descriptor, left: int, depth: int) -> int:
    """Gives how many parts there may still be."""
    if depth > DEEPEST:
        raise ValueError(f"its parts are nested deeper than {DEEPEST} levels")
    place = 0
    while place < len(content):
        tag, place = _varint(content, place)
        field, wire, length = kind.fields_by_number.get(tag >> 3), tag & 7, 0
        left -= 1
        if field is None:
            raise ValueError(f"it has a part {tag >> 3} in {kind.name}, which the installed onnx does not know")
        if wire == VARINT:
            _, place = _varint(content, place)
        elif wire == BYTES:
            length, place = _varint(content, place)
            inside = content[place : place + length]
            if field.message_type is not None:
                left = _count(inside, field.message_type, left, depth + 1)
            elif field.type == TEXT:
                str(inside, "utf-8")
            elif field.cpp_type in WHOLE_NUMBERS:  # packed: a byte can stand for eight
                left -= length
        elif wire in FIXED:
            length = FIXED[wire]
        else:
            raise ValueError(DAMAGED)
        place += length
        if left < 0:
            raise ValueError(f"it has more than {MOST_PARTS:,} parts")
    if place > len(content):
        raise ValueError(DAMAGED)
    return left


def _varint(content: memoryview, place: int) -> tuple[int, int]:
    """A number as protobuf writes it, seven bits a byte, and where the next thing begins."""
    number = 0
    for i, byte in enumerate(content[place : place + 10]):
        number |= (byte & 127) << 7 * i
        if byte < 128:
            return number, place + i + 1
    raise ValueError(DAMAGED)
