"""An image of any mode converted to 8-bit RGB: transparency composited, depth reduced, turned upright."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from PIL import Image

ENOUGH = 4_000_000  # pixels for the reader: a page of writing still has digits of 40 pixels then


def factor_for(wide: int, high: int) -> int:
    """The smallest whole factor by which a picture is reduced to ENOUGH pixels."""
    return math.ceil(math.sqrt(wide * high / ENOUGH))


def as_rgb(image: Image.Image, size: tuple[int, int] | None) -> tuple[npt.NDArray[np.uint8], int, int]:
    """An image's pixels, uint8 (h, w, 3), upright, at most ENOUGH, and its width and height before they were reduced.

    `size` is what it measured before Pillow's draft mode made it smaller, where that was used. Raises whatever Pillow's
    decoders raise.
    """
    image.load()
    wide, high = size or image.size
    factor = factor_for(*image.size)
    rows = max(1, ENOUGH // (image.width * factor)) * factor
    bands = []  # so that the picture is never held twice in full
    for top in range(0, image.height, rows):
        band = _simple(image.crop((0, top, image.width, min(top + rows, image.height))))
        bands.append(np.asarray(band.reduce(factor) if factor > 1 else band))
    pixels = np.concatenate(bands)
    if pixels.dtype != np.uint8:
        pixels = _eight_bits(pixels)
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[:, :, None], 3, 2)
    elif pixels.shape[2] == 4:
        pixels = _laid_on_ground(pixels)
    orientation = _orientation(image)
    pixels = np.ascontiguousarray(_turned(pixels, orientation))
    return pixels, *((high, wide) if orientation > 4 else (wide, high))


def _simple(image: Image.Image) -> Image.Image:
    """The image in one of the modes L, RGB, RGBA and F."""
    if image.mode.startswith("I;"):
        image = image.convert("I")
    if image.mode in ("I", "F"):
        return image.convert("F")
    if image.has_transparency_data:
        return image.convert("RGBA")
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def _eight_bits(values: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Values of unknown depth scaled to 8 bits: white is at 1, 255, 4095 or 65535, or else at the largest value."""
    values = np.nan_to_num(values, posinf=0, neginf=0)
    low, high = float(values.min()), float(values.max())
    whites = [white for white in (1, 0xFF, 0xFFF, 0xFFFF) if low >= 0 and high <= white]
    black, white = (0.0, whites[0]) if whites else (low, high)
    scaled: npt.NDArray[np.uint8] = np.rint((values - black) * (255 / ((white - black) or 1))).astype(np.uint8)
    return scaled


def _laid_on_ground(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """RGBA (h, w, 4) composited on white or black: the one that ink stands out from, or that continues the paper.

    The opaque part is ink alone where it is all of about one brightness, or covers less than half; otherwise it is a
    sheet with writing on it, cut out of its surroundings.
    """
    alpha = pixels[:, :, 3:].astype(np.uint16)
    opaque = pixels[pixels[:, :, 3] > 127][:, :3]
    white = True
    if len(opaque):
        grey = opaque @ np.array([0.299, 0.587, 0.114], np.float32)
        low, middle, high = np.percentile(grey, [5, 50, 95])
        sheet = high - low > 100 and len(opaque) > alpha.size / 2
        white = bool(middle >= 128) if sheet else float(grey.mean()) < 128
    laid = pixels[:, :, :3] * alpha + (255 if white else 0) * (255 - alpha) + 127
    return (laid // 255).astype(np.uint8)


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1..8; 1 (upright) where it is missing or invalid."""
    try:
        found = image.getexif().get(0x0112, 1)
    except Exception:  # damaged EXIF is no reason to leave the picture unread
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def _turned(pixels: npt.NDArray[np.uint8], orientation: int) -> npt.NDArray[np.uint8]:
    """The pixels turned upright (EXIF 2.32, tag Orientation): 5 to 8 swap rows and columns; the others mirror them."""
    if orientation > 4:
        pixels = pixels.transpose(1, 0, 2)
    rows, columns = orientation in (3, 4, 7, 8), orientation in (2, 3, 6, 7)
    return pixels[:: -1 if rows else 1, :: -1 if columns else 1]
