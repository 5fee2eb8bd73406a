"""Files of pictures: as they are saved, and those that would fill the memory of who decodes them."""

from __future__ import annotations

import io
import struct
import zlib

from PIL import Image


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    """The bytes of a picture's file."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    """A PNG's chunk (its specification, 5.3)."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(wide: int, high: int, *more: bytes, depth: int = 8) -> bytes:
    """A grey PNG of a size that it need not have."""
    header = struct.pack(">IIBBBBB", wide, high, depth, 0, 0, 0, 0)
    content = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"".join([b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header), *more, content, chunk(b"IEND", b"")])


CHUNKED = b"".join(chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1 << 19))) for _ in range(300))
TILED = {256: 100, 257: 100, 258: 8, 259: 8, 262: 1, 277: 1, 322: 1 << 16, 323: 1 << 16, 324: 8, 325: 8}
WEBP_CANVAS = b"WEBPVP8X" + struct.pack("<IB3x", 10, 0) + (16_383 - 1).to_bytes(3, "little") * 2
BOMBS = {
    "a PNG of 3.6 billion pixels": (png(60_000, 60_000, depth=1), "the picture has 60,000 x 60,000 pixels, a side"),
    "a PNG of 900 million": (png(30_000, 30_000), "the picture has 30,000 x 30,000 pixels, more than the 64 million"),
    "a PNG of 81 million": (png(9_000, 9_000), "more than the 64 million that are read; make it smaller"),
    "one 50,000 pixels wide": (png(50_000, 20), "a side more than the 32,767 that are read; cut it up"),
    "one 50,000 pixels high": (png(20, 50_000), "the picture has 20 x 50,000 pixels, a side more"),
    "one of the largest size there is": (png(2**31 - 1, 2**31 - 1), "a side more than the 32,767"),
    "one without a width": (png(0, 7), r"has no pixels \(0 x 7\)"),
    "a GIF of 4 billion": (b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\x08\x01\0\0;", "65,535 x 65,535"),
    "a GIF with a larger picture in it": (b"GIF89a\5\0\5\0\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\x08\x01\0\0;", "more pix"),
    "a WebP of 268 million": (b"RIFF\xff\0\0\0" + WEBP_CANVAS + bytes(200), "more than the 21 million that are read"),
    "a TIFF of one tile of 4 billion": (
        b"II*\0\x08\0\0\0" + struct.pack("<H", len(TILED))
        + b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in TILED.items()) + bytes(8),
        "the picture has 65,536 x 65,536 pixels|the TIFF data are damaged",
    ),
    "150 MB of packed text": (png(28, 28, CHUNKED), "the PNG data are damaged"),
    "a BMP of 4 billion": (
        b"BM" + struct.pack("<IIIIiiHH6I", 0, 0, 54, 40, 65_000, 65_000, 1, 24, *[0] * 6),
        "65,000 x 65,000 pixels, a side",
    ),
    "a PPM of 900 million": (b"P6 30000 30000 255 ", "30,000 x 30,000 pixels, more than the 64 million"),
}  # fmt: skip
