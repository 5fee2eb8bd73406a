"""Pictures of every mode and format come out as the same plain pixels, upright, on a ground the ink stands out from."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageOps

from digits.reading.pictures import Picture, PictureError, from_array, from_image, open_picture
from digits.reading.rgb import ENOUGH, as_rgb
from tests.support.bombs import saved
from tests.support.drawing import Pixels, draw

DRAWING = draw("27")
WHITE, BLACK = [255, 255, 255], [0, 0, 0]


def grey(pixels: npt.NDArray[np.generic]) -> npt.NDArray[np.float64]:
    """Brightness 0..255, (h, w), as ITU-R BT.601 weighs the colours."""
    weighted: npt.NDArray[np.float64] = pixels[..., :3] @ np.array([0.299, 0.587, 0.114])
    return weighted


def of_mode(mode: str) -> Image.Image:
    """The drawing as an image of a mode."""
    image = Image.fromarray(DRAWING.pixels)
    deep = np.rint(grey(DRAWING.pixels))
    if mode == "I;16":
        return Image.fromarray((deep * 257).astype(np.uint16))
    if mode == "I":
        return Image.fromarray((deep * 257).astype(np.int32))
    if mode == "F":
        return Image.fromarray((deep / 255).astype(np.float32))
    if mode == "1":
        return image.convert("L").point(lambda value: 255 * (value > 127)).convert("1")
    return image.quantize(256) if mode == "P" else image.convert(mode)


# ---- Modes and formats ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "kind", "furthest"),
    [
        ("1", "PNG", 70), ("1", "TIFF", 70), ("L", "PNG", 1), ("LA", "PNG", 1), ("P", "PNG", 8), ("P", "GIF", 8),
        ("RGB", "PNG", 0), ("RGB", "BMP", 0), ("RGB", "PPM", 0), ("RGB", "TIFF", 0), ("RGBA", "PNG", 0),
        ("RGBA", "TIFF", 0), ("I;16", "PNG", 1), ("I;16", "TIFF", 1), ("I", "TIFF", 1), ("F", "TIFF", 1),
        ("L", "JPEG", 12), ("RGB", "JPEG", 16), ("CMYK", "JPEG", 16), ("CMYK", "TIFF", 1), ("YCbCr", "TIFF", 2),
        ("RGB", "WEBP", 30), ("RGBA", "WEBP", 30),
    ],
)  # fmt: skip
def test_every_mode_and_format_shows_the_same(mode: str, kind: str, furthest: int) -> None:
    options = {"quality": 95} if kind in ("JPEG", "WEBP") else {}
    picture = open_picture(saved(of_mode(mode), kind, **options))
    assert picture.pixels.dtype == np.uint8
    assert picture.pixels.shape == (picture.height, picture.width, 3) == DRAWING.pixels.shape
    difference = np.abs(grey(picture.pixels) - grey(DRAWING.pixels))
    inside = (DRAWING.ink == 0) | (DRAWING.ink == 255)  # two colours have no grey between paper and ink
    assert difference[inside].max() <= furthest
    if mode in ("RGB", "RGBA", "CMYK") and kind in ("PNG", "TIFF"):
        assert np.array_equal(picture.pixels, DRAWING.pixels)


def test_a_depth_whose_white_is_not_told_keeps_its_contrast() -> None:
    for white in (1, 255, 4095, 65535):
        image = Image.fromarray((grey(DRAWING.pixels) / 255 * white).astype(np.float32))
        found = open_picture(saved(image, "TIFF")).pixels
        assert np.abs(grey(found) - grey(DRAWING.pixels)).max() <= 1, white
    strange = Image.fromarray((grey(DRAWING.pixels) * 1e6 - 7e7).astype(np.float32))
    found = open_picture(saved(strange, "TIFF")).pixels
    assert (found.min(), found.max()) == (0, 255)
    values = np.full((4, 6), np.nan, np.float32)
    values[1, 2] = np.inf
    assert np.array_equal(open_picture(saved(Image.fromarray(values), "TIFF")).pixels, np.zeros((4, 6, 3)))


def test_what_it_is_is_told_by_its_content_and_not_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "really-a-jpeg.png"
    path.write_bytes(saved(of_mode("RGB"), "JPEG", quality=95))
    assert open_picture(path).width == DRAWING.pixels.shape[1]
    nameless = tmp_path / "picture"
    nameless.write_bytes(saved(of_mode("RGB"), "PNG"))
    assert np.array_equal(open_picture(str(nameless)).pixels, DRAWING.pixels)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_an_animation_or_of_several_pages_the_first_is_read(kind: str) -> None:
    first, *others = [Image.new("RGB", (40, 30), (value, value, value)) for value in (200, 90, 20)]
    options = {"lossless": True} if kind == "WEBP" else {}
    picture = open_picture(saved(first, kind, save_all=True, append_images=others, **options))
    assert np.array_equal(picture.pixels, np.full((30, 40, 3), 200))


# ---- Upright --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_it_is_turned_as_its_exif_asks_for(orientation: int, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = saved(Image.fromarray(DRAWING.pixels), kind, exif=exif)
    with Image.open(io.BytesIO(content)) as image:
        wanted = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    picture = open_picture(content)
    assert np.array_equal(picture.pixels, wanted)
    assert (picture.height, picture.width) == wanted.shape[:2]
    assert (picture.height > picture.width) == (orientation > 4)


def test_exif_that_makes_no_sense_is_passed_over() -> None:
    image = Image.fromarray(DRAWING.pixels)
    for exif in (b"Exif\0\0nonsense", b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x63\0\0\0\0\0\0"):
        picture = open_picture(saved(image, "JPEG", exif=exif))
        assert (picture.height, picture.width) == DRAWING.pixels.shape[:2]


# ---- Transparency ---------------------------------------------------------------------------------


def see_through(ink: tuple[int, int, int], hidden: tuple[int, int, int]) -> Image.Image:
    """Strokes of a colour, transparent where there are none; `hidden` is the colour under full transparency."""
    pixels = np.empty((*DRAWING.ink.shape, 4), np.uint8)
    pixels[..., :3] = np.where(DRAWING.ink[..., None] > 0, ink, hidden)
    pixels[..., 3] = DRAWING.ink
    return Image.fromarray(pixels)


@pytest.mark.parametrize("hidden", [(0, 0, 0), (255, 255, 255), (90, 10, 200)])
@pytest.mark.parametrize(
    ("ink", "ground"),
    [
        ((0, 0, 0), WHITE),
        ((20, 20, 160), WHITE),
        ((200, 0, 0), WHITE),
        ((255, 255, 255), BLACK),
        ((255, 230, 0), BLACK),
    ],
)
def test_transparency_is_laid_on_what_the_ink_stands_out_from(
    ink: tuple[int, int, int], ground: list[int], hidden: tuple[int, int, int]
) -> None:
    found = open_picture(saved(see_through(ink, hidden), "PNG")).pixels
    part = DRAWING.ink[..., None] / 255
    wanted = np.array(ground) * (1 - part) + np.array(ink) * part
    assert np.abs(found - wanted).max() <= 1
    assert np.array_equal(found[0, 0], ground)


@pytest.mark.parametrize("colour", [0, 255])
def test_other_ways_to_be_transparent(colour: int) -> None:
    inked = DRAWING.ink > 127
    letters = np.where(inked, colour, 128).astype(np.uint8)  # 128 is told to be transparent
    grey_alpha = Image.merge(
        "LA", (Image.fromarray(letters), Image.fromarray(np.where(inked, 255, 0).astype(np.uint8)))
    )
    palette = Image.fromarray(letters).convert("P")
    files = {
        "LA": saved(grey_alpha, "PNG"),
        "grey with a transparent value": saved(Image.fromarray(letters), "PNG", transparency=128),
        "RGB with a transparent colour": saved(Image.fromarray(letters).convert("RGB"), "PNG", transparency=(128,) * 3),
        "a palette with a transparent entry": saved(palette, "GIF", transparency=128, optimize=False),
        "a palette with alphas": saved(palette, "PNG", transparency=bytes(0 if i == 128 else 255 for i in range(256))),
    }
    for name, content in files.items():
        found = open_picture(content).pixels
        assert np.array_equal(found, np.where(inked, colour, 255 - colour)[..., None].repeat(3, 2)), name


@pytest.mark.parametrize(("ink", "paper", "ground"), [(30, 240, 255), (250, 25, 0)])
def test_a_sheet_cut_out_of_its_surroundings_goes_on_in_its_own_colour(ink: int, paper: int, ground: int) -> None:
    pixels = draw("3", ink=(ink,) * 3, paper=(paper,) * 3).pixels
    alpha = np.full((*pixels.shape[:2], 1), 255, np.uint8)
    alpha[:12], alpha[:, :12] = 0, 0
    found = open_picture(saved(Image.fromarray(np.concatenate([pixels, alpha], 2)), "PNG")).pixels
    assert np.array_equal(np.unique(found[:12]), [ground])
    assert np.array_equal(found[12:, 12:], pixels[12:, 12:])


def test_where_nothing_can_be_seen_there_is_no_ink() -> None:
    unseen = np.dstack([DRAWING.pixels, np.zeros_like(DRAWING.ink)])
    assert len(np.unique(open_picture(saved(Image.fromarray(unseen), "PNG")).pixels)) == 1


# ---- Large ones -----------------------------------------------------------------------------------


def dot(wide: int, high: int) -> tuple[Image.Image, tuple[float, float]]:
    """A dark square on white, and where its middle is."""
    pixels = np.full((high, wide), 255, np.uint8)
    x, y = wide * 3 // 4, high // 5
    pixels[y : y + 80, x : x + 80] = 0
    return Image.fromarray(pixels), (x + 40, y + 40)


def middle(picture: Picture) -> tuple[float, float]:
    """The centre of what is dark, in pixels of the original."""
    rows, columns = np.nonzero(picture.pixels[..., 0] < 128)
    high, wide = picture.pixels.shape[:2]
    return (columns.mean() + 0.5) * picture.width / wide, (rows.mean() + 0.5) * picture.height / high


@pytest.mark.parametrize(
    ("wide", "high", "kind"),
    [(4000, 3001, "JPEG"), (4000, 3001, "PNG"), (2999, 6001, "TIFF"), (9000, 4001, "JPEG"), (32_000, 300, "PNG")],
)
def test_a_large_one_is_reduced_and_remembers_its_size(wide: int, high: int, kind: str) -> None:
    image, at = dot(wide, high)
    picture = open_picture(saved(image, kind))
    assert (picture.width, picture.height) == (wide, high)
    assert ENOUGH / 5 < picture.pixels.size / 3 <= ENOUGH * 1.01
    assert middle(picture) == pytest.approx(at, abs=4)


def test_a_large_one_that_lies_on_its_side() -> None:
    image, (x, y) = dot(4000, 3000)
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter clockwise
    picture = open_picture(saved(image, "JPEG", exif=exif))
    assert (picture.width, picture.height) == (3000, 4000)
    assert middle(picture) == pytest.approx((3000 - y, x), abs=4)


def test_bands_leave_no_seam(random_pixels: Pixels) -> None:
    image = Image.fromarray(random_pixels)
    found, wide, high = as_rgb(image, None)
    assert (wide, high) == image.size
    assert np.array_equal(found, np.asarray(image.reduce(2)))


@pytest.fixture
def random_pixels() -> Pixels:
    """A picture that needs three bands."""
    return np.random.default_rng(0).integers(0, 256, (3501, 3003, 3), np.uint8)


# ---- Arrays and images ----------------------------------------------------------------------------


def test_arrays() -> None:
    rgb = DRAWING.pixels
    assert np.array_equal(from_array(rgb).pixels, rgb)
    assert np.array_equal(from_array(rgb[..., 0]).pixels, rgb[..., :1].repeat(3, 2))
    assert np.array_equal(from_array(rgb[::-2, ::3]).pixels, rgb[::-2, ::3])
    clear = np.dstack([np.zeros_like(rgb), DRAWING.ink])
    assert np.array_equal(from_array(clear).pixels[..., 0], 255 - DRAWING.ink)


@pytest.mark.parametrize(
    "array", [np.zeros((4, 4)), np.zeros((4, 4, 2), np.uint8), np.zeros(4, np.uint8), np.zeros((1, 4, 4, 3), np.uint8)]
)
def test_arrays_that_are_no_pictures(array: Pixels) -> None:
    with pytest.raises(PictureError, match=r"^an array of .* is not a picture; give uint8 of shape \(height, width\)"):
        from_array(array)


def test_an_array_without_pixels() -> None:
    with pytest.raises(PictureError, match=r"^the picture has no pixels \(0 x 5\); save it again, or name another$"):
        from_array(np.zeros((5, 0), np.uint8))


def test_an_image_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    dot(4000, 3000)[0].save(path)
    with Image.open(path) as image:
        picture = from_image(image)
        assert (picture.width, picture.height) == image.size == (4000, 3000)
        assert np.asarray(image).shape == (3000, 4000)
