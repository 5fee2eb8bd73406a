"""Pictures of any kind decoded to plain pixels, within limits: an untrusted file can't do harm or exhaust the memory.

The format is recognised by the first bytes, never by the name. Only formats that Pillow decodes itself are read.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import BinaryIO, cast

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile, TiffImagePlugin

from digits.reading.rgb import as_rgb, factor_for

MAX_BYTES = 200_000_000  # of a file: enough for the largest picture, even uncompressed at 3 bytes a pixel

MAX_PIXELS = 64_000_000
"""Width times height: four bytes each while it is decoded, 256 MB. A sheet of A4 scanned at 600 dpi has 35 million."""

JPEG_SHARE, WEBP_SHARE = 4, 1 / 3
"""Factors of MAX_PIXELS: an ordinary JPEG is reduced while it is decoded, so a phone's 200 million pixels are accepted;
libwebp needs some 16 bytes a pixel."""

MAX_SIDE = 32_767  # pixels a side: the limit of OpenCV's cv2.remap and cv2.warpAffine

_FORMATS = (  # first bytes, format, Pillow's plugin, its opener
    (rb"\x89PNG\r\n\x1a\n", "PNG", "PngImagePlugin", "PngImageFile"),
    (rb"\xff\xd8\xff", "JPEG", "JpegImagePlugin", "jpeg_factory"),
    (rb"GIF8[79]a", "GIF", "GifImagePlugin", "GifImageFile"),
    (rb"BM", "BMP", "BmpImagePlugin", "BmpImageFile"),
    (rb"RIFF.{4}WEBP", "WebP", "WebPImagePlugin", "WebPImageFile"),
    (rb"II[*+]\0|MM\0[*+]", "TIFF", "TiffImagePlugin", "TiffImageFile"),
    (rb"P[1-6]\s", "PPM", "PpmImagePlugin", "PpmImageFile"),
)
_OTHERS = (
    (rb".{4}ftyp(hei|hev|mif1|msf1)", "a HEIC photo"),
    (rb".{4}ftypavi[fs]", "an AVIF picture"),
    (rb"\xff\x0a|.{4}JXL ", "a JPEG XL picture"),
    (rb"%PDF", "a PDF"),
    (rb"%!PS|\xc5\xd0\xd3\xc6", "PostScript"),
    (rb"8BPS", "a Photoshop file"),
    (rb"PK\x03\x04", "a zip or an office file"),
    (rb"(?i)\s*(<\?xml[^>]*>\s*)?<svg", "an SVG drawing"),
    (rb"(?i)\s*<(!doctype|html)", "a web page"),
)
_HEAD = 256  # bytes read to recognise the format


class PictureError(ValueError):
    """A picture that can't be read; the message is one sentence with the reason and the fix, without a path."""


@dataclass(frozen=True)
class Picture:
    """A picture as the reader takes it."""

    pixels: npt.NDArray[np.uint8]
    """(h, w, 3) RGB, turned upright, reduced by a whole factor where it had more than `rgb.ENOUGH` pixels."""
    width: int
    """Of the upright picture before it was reduced; boxes are in these pixels."""
    height: int

    @property
    def grey(self) -> npt.NDArray[np.uint8]:
        """The lightness of its pixels, uint8 (h, w)."""
        return np.asarray(cv2.cvtColor(self.pixels, cv2.COLOR_RGB2GRAY), np.uint8)


def open_picture(source: str | Path | bytes, max_pixels: int = MAX_PIXELS) -> Picture:
    """Decode a file, by its path or as its bytes: the first frame of an animation, the first of several pages.

    The picture is turned upright by its EXIF orientation, composited on white or black where it is transparent
    (whichever the ink stands out from), and converted to 8-bit RGB from any mode and depth. Raises PictureError.
    """
    if isinstance(source, bytes):
        return _decode(io.BytesIO(source), len(source), max_pixels)
    path = Path(source)
    try:
        # Checked before opening: opening a pipe waits for its other end, and some devices act on being opened
        mode = path.stat().st_mode
        _check_plain(mode)
        with path.open("rb") as file:
            return _decode(file, os.fstat(file.fileno()).st_size, max_pixels)
    except PictureError:
        raise
    except FileNotFoundError:
        raise PictureError("there is no such file; check its name") from None
    except OSError as error:
        raise PictureError(f"the file can't be opened ({error.strerror}); check its name and who may read it") from None
    except ValueError:  # a null character
        raise PictureError("no file can have this name; check it") from None


def from_array(array: npt.NDArray[np.uint8]) -> Picture:
    """Pixels that are already in memory: uint8, (H, W) grey, (H, W, 3) RGB or (H, W, 4) RGBA; raises PictureError."""
    if array.dtype != np.uint8 or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))):
        raise PictureError(
            f"an array of {array.dtype} and shape {array.shape} is not a picture; give uint8 of shape (height, width), "
            "(height, width, 3) or (height, width, 4)"
        )
    _check_size(array.shape[1], array.shape[0], MAX_PIXELS)
    return from_image(Image.fromarray(np.ascontiguousarray(array)))


def from_image(image: Image.Image) -> Picture:
    """A Pillow image; raises PictureError."""
    _check_size(*image.size, MAX_PIXELS)
    with _telling(image.format or "image's"):
        return Picture(*as_rgb(image, None))


def _check_plain(mode: int) -> None:
    if not S_ISREG(mode):
        kind = "a folder" if S_ISDIR(mode) else "a pipe or a device"
        raise PictureError(f"this is {kind}, not a file; name a picture's file")


def _decode(file: BinaryIO, size: int, max_pixels: int) -> Picture:
    if size > MAX_BYTES:
        raise PictureError(f"the file has {size:,} bytes, more than the {MAX_BYTES:,} that are read; make it smaller")
    head = file.read(_HEAD)
    if not head:
        raise PictureError("the file is empty; copy or download it again")
    known = next((known for begins, *known in _FORMATS if re.match(begins, head, re.DOTALL)), None)
    if known is None:
        raise PictureError(f"this is {_other(head)}, not a picture that can be read; save it as PNG or JPEG")
    name, plugin, opener = known
    if name == "WebP":  # before opening, which already allocates
        max_pixels = int(max_pixels * WEBP_SHARE)
        _check_size(*_webp_size(head), max_pixels)
    elif (
        name == "PNG" and head[12:16] == b"IHDR" and len(head) >= 24
    ):  # of one without pixels Pillow reports only that it is not a PNG
        _check_size(int.from_bytes(head[16:20]), int.from_bytes(head[20:24]), max_pixels)
    file.seek(0)
    with _telling(name):
        # Not by Image.open: its own limit, 180 million pixels, holds for all formats and warns at half of that
        open_image = cast(Callable[[BinaryIO], ImageFile.ImageFile], getattr(import_module(f"PIL.{plugin}"), opener))
        image = open_image(file)
        if name == "JPEG" and _in_one_scan(image, file):
            max_pixels *= JPEG_SHARE
        _check_size(*image.size, max_pixels)
        if isinstance(image, TiffImagePlugin.TiffImageFile):
            # Tiles are decoded whole, however little of them belongs to the picture
            _check_size(image.tag_v2.get(322, 1), image.tag_v2.get(323, 1), max_pixels)
        wide, high = image.size
        factor = factor_for(wide, high)
        # A JPEG is decoded at a half, a quarter or an eighth of its size; other formats ignore it
        drafted = image.draft(None, (max(1, wide // factor), max(1, high // factor)))
        return Picture(*as_rgb(image, (wide, high) if drafted else None))


@contextmanager
def _telling(name: str) -> Iterator[None]:
    """Turn whatever Pillow's decoders raise, which can be any exception, into one sentence."""
    try:
        yield
    except PictureError:
        raise
    except MemoryError:
        raise PictureError("the picture needs more memory than there is; make it smaller") from None
    except Image.DecompressionBombError:  # a GIF's frame that is larger than the GIF
        raise PictureError("the picture has more pixels than are read; make it smaller") from None
    except Exception as error:  # Pillow's decoders raise anything
        raise PictureError(
            f"the {name} data are damaged, cut short or of a kind that can't be decoded{_reason(error)}; "
            "copy the file again, or save it as PNG"
        ) from None


def _reason(error: Exception) -> str:
    """Pillow's own message; not Python's about a value, nor bytes of an untrusted file."""
    said = error.args[0] if isinstance(error, (OSError, SyntaxError)) and error.args else None
    return f" ({said})" if isinstance(said, str) and re.fullmatch(r"[\w ,.'()-]{1,80}", said, re.ASCII) else ""


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if not width or not height:
        raise PictureError(f"the picture has no pixels ({width} x {height}); save it again, or name another")
    if max(width, height) > MAX_SIDE:
        raise PictureError(
            f"the picture has {width:,} x {height:,} pixels, a side more than the {MAX_SIDE:,} that are read; cut it up"
        )
    if width * height > max_pixels:
        raise PictureError(
            f"the picture has {width:,} x {height:,} pixels, more than the {max_pixels / 1e6:.0f} million that are "
            "read; make it smaller"
        )


def _webp_size(head: bytes) -> tuple[int, int]:
    """Width and height of the canvas, which each of the three kinds of WebP stores in its own way (RFC 9649)."""
    kind = head[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return int.from_bytes(head[26:28], "little") & 0x3FFF, int.from_bytes(head[28:30], "little") & 0x3FFF


def _in_one_scan(image: ImageFile.ImageFile, file: BinaryIO) -> bool:
    """Whether all colours of a JPEG come in one scan; if not, libjpeg holds all coefficients, 6 bytes a pixel.

    Pillow has read up to the end of the first scan's header (ITU-T T.81, B.2.3), which has 8 bytes and 2 for a colour.
    """
    colours, end = len(image.getbands()), file.tell()
    file.seek(end - 8 - 2 * colours)
    header = file.read(5)
    file.seek(end)
    return "progressive" not in image.info and header == bytes([0xFF, 0xDA, 0, 6 + 2 * colours, colours])


def _other(head: bytes) -> str:
    for begins, name in _OTHERS:
        if re.match(begins, head, re.DOTALL):
            return name
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        text = head[: error.start].decode("utf-8") if error.start > len(head) - 4 else "\0"  # cut within a character
    return "a text" if all(letter.isprintable() or letter.isspace() for letter in text) else "an unknown kind of file"
