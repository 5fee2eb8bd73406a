"""What is no picture, or one that was made to do harm, ends in one sentence; it neither hangs nor eats the memory."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from digits.reading.pictures import MAX_BYTES, MAX_PIXELS, PictureError, open_picture
from tests.support.bombs import BOMBS, png, saved
from tests.support.drawing import draw

KINDS = ["PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM"]
DRAWING = Image.fromarray(draw("7", 40).pixels)


def refused(source: bytes | Path | str) -> str:
    """The sentence; fails where there is none."""
    with pytest.raises(PictureError) as caught:
        open_picture(source)
    sentence = str(caught.value)
    assert sentence.isprintable()
    assert len(sentence) < 250
    assert ";" in sentence, "it must name a way out"
    return sentence


# ---- No pictures ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "the file is empty; copy or download it again"),
        (b"Shopping list:\n- milk\n", "this is a text, not a picture that can be read; save it as PNG or JPEG"),
        ("Größe: 4 m²\n".encode() * 40, "this is a text,"),
        (b"PNG", "this is a text,"),
        (png(0, 0), "the picture has no pixels (0 x 0); save it again, or name another"),
        (png(5, 0), "the picture has no pixels (5 x 0); save it again, or name another"),
        (b"  <!DOCTYPE html><html><body>Not found", "this is a web page,"),
        (b"<?xml version='1.0'?>\n<svg xmlns=''/>", "this is an SVG drawing,"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "this is a HEIC photo,"),
        (b"\0\0\0\x1cftypavif\0\0\0\0", "this is an AVIF picture,"),
        (b"\xff\x0a\xfa\x1f", "this is a JPEG XL picture,"),
        (b"%PDF-1.7\n", "this is a PDF,"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "this is PostScript,"),
        (b"8BPS\0\x01", "this is a Photoshop file,"),
        (b"PK\x03\x04\x14\0", "this is a zip or an office file,"),
        (bytes(range(256)), "this is an unknown kind of file,"),
        (bytes(5000), "this is an unknown kind of file,"),
    ],
)  # fmt: skip
def test_it_says_what_it_is_instead(content: bytes, told: str, tmp_path: Path) -> None:
    path = tmp_path / "renamed.png"
    path.write_bytes(content)
    assert refused(content).startswith(told)
    assert refused(path) == refused(content)


def test_what_is_no_file(tmp_path: Path) -> None:
    assert refused(tmp_path) == "this is a folder, not a file; name a picture's file"
    assert refused(tmp_path / "missing.png") == "there is no such file; check its name"
    assert refused("a\0b") == "no file can have this name; check it"
    assert refused("x" * 300 + ".png").startswith("the file can't be opened (File name too long)")
    (tmp_path / "round.png").symlink_to("round.png")
    assert refused(tmp_path / "round.png").startswith("the file can't be opened (Too many levels of symbolic links)")
    (tmp_path / "nowhere.png").symlink_to("gone")
    assert refused(tmp_path / "nowhere.png") == "there is no such file; check its name"
    (tmp_path / "file").touch()
    assert refused(tmp_path / "file" / "a.png").startswith("the file can't be opened (Not a directory)")


@pytest.mark.timeout(20)
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    for path in (tmp_path / "pipe.png", Path("/dev/zero"), Path("/dev/tty")):
        assert refused(path) == "this is a pipe or a device, not a file; name a picture's file"


def test_a_file_that_one_may_not_read(tmp_path: Path) -> None:
    path = tmp_path / "secret.png"
    path.write_bytes(saved(DRAWING, "PNG"))
    path.chmod(0)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65_534)  # nobody: root may read everything
    try:
        told = refused(path)
    finally:
        if root:
            os.seteuid(0)
    assert told == "the file can't be opened (Permission denied); check its name and who may read it"


# ---- Damaged --------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("kind", KINDS)
def test_one_that_is_cut_short(kind: str) -> None:
    content = saved(DRAWING, kind)
    name = kind.replace("WEBP", "WebP")
    told = re.compile(
        rf"the {name} data are damaged, cut short or of a kind that can't be decoded \(.+\); copy the file"
    )
    assert told.match(refused(content[: len(content) // 2]))
    for length in range(16, min(len(content) // 2, 400), 7):
        assert re.match(r"the .+ data are damaged|the picture has no pixels|the file is", refused(content[:length])), (
            length
        )


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("kind", KINDS)
def test_damage_anywhere_ends_in_a_picture_or_in_a_sentence(kind: str) -> None:
    chance = random.Random(kind)
    whole = saved(DRAWING, kind)
    read = 0
    for _ in range(150):
        content = bytearray(whole)
        for _ in range(chance.choice([1, 3, 30])):
            content[chance.randrange(chance.choice([64, len(content)])) % len(content)] = chance.randrange(256)
        try:
            picture = open_picture(bytes(content))
        except PictureError as error:
            assert str(error).isprintable()  # noqa: PT017 (either outcome is right)
        else:
            assert picture.pixels.ndim == 3
            read += 1
    assert read < 150, "nothing was damaged"


# ---- Too large ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_before_it_is_decoded(name: str) -> None:
    content, told = BOMBS[name]
    assert re.search(told, refused(content))


def test_a_kind_that_cannot_be_decoded_says_which() -> None:
    content = saved(DRAWING, "JPEG").replace(b"\xff\xc0\0\x11\x08", b"\xff\xc0\0\x11\x0c")
    assert "decoded (cannot handle 12-bit layers); copy the file again" in refused(content)


def test_the_limit_can_be_lowered() -> None:
    content = saved(DRAWING, "PNG")
    assert open_picture(content, max_pixels=DRAWING.width * DRAWING.height).width == DRAWING.width
    with pytest.raises(PictureError, match="more than the 0 million that are read"):
        open_picture(content, max_pixels=DRAWING.width * DRAWING.height - 1)


def test_a_file_of_too_many_bytes(tmp_path: Path) -> None:
    path = tmp_path / "long.png"
    with path.open("wb") as file:
        file.write(saved(DRAWING, "PNG"))
        file.truncate(MAX_BYTES + 1)
    assert refused(path) == "the file has 200,000,001 bytes, more than the 200,000,000 that are read; make it smaller"
    assert MAX_BYTES > 3 * MAX_PIXELS


HIGH_WATER = """
import re, sys
from pathlib import Path
from digits.reading.pictures import open_picture, PictureError
from PIL import BmpImagePlugin, GifImagePlugin, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin

def peak():  # not ru_maxrss, which begins with what the parent process had
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024

before = peak()
try:
    print(open_picture(sys.argv[1]).pixels.size > 3_000_000, end=" ")
except PictureError:
    print("refused", end=" ")
print(peak() - before)
"""


def megabytes(path: Path) -> tuple[str, float]:
    """What opening a file in a fresh process came to, and the memory that took at its peak, in MiB."""
    if not Path("/proc/self/status").exists():
        pytest.skip("only Linux tells how much memory was used at the peak")
    done = subprocess.run([sys.executable, "-c", HIGH_WATER, path], capture_output=True, text=True, timeout=100)
    assert not done.stderr
    outcome, peak = done.stdout.split()
    return outcome, float(peak)


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_takes_no_memory(name: str, tmp_path: Path) -> None:
    path = tmp_path / "bomb"
    path.write_bytes(BOMBS[name][0])
    outcome, peak = megabytes(path)
    assert outcome == "refused"
    assert peak < (100 if "text" in name else 15)  # Pillow keeps up to 64 MB of text


@pytest.mark.parametrize(
    ("mode", "size", "kind", "most"),
    [
        ("RGBA", (8_000, 8_000), "PNG", 420), ("L", (16_000, 15_000), "JPEG", 120),
        ("RGB", (8_000, 8_000), "PROG", 430), ("RGB", (4_600, 4_600), "WEBP", 380),
        ("I;16", (8_000, 8_000), "PNG", 280), ("P", (8_000, 8_000), "GIF", 160),
    ],
)  # fmt: skip
def test_the_largest_that_are_read_take_a_bounded_amount(
    mode: str, size: tuple[int, int], kind: str, most: int, tmp_path: Path
) -> None:
    """Measured: RGBA 368 MB, JPEG 42 (of 200 million pixels), progressive 382, WebP 330, 16 bits 227, GIF 111."""
    path = tmp_path / "large"
    image = Image.new(mode, size)
    if kind == "PROG":
        image.save(path, "JPEG", progressive=True, subsampling=0)
    elif kind == "PNG":
        image.save(path, kind, compress_level=1)
    else:
        image.save(path, kind)
    outcome, peak = megabytes(path)
    assert outcome == "True"
    assert 10 < peak < most


def test_a_jpeg_in_many_scans_is_not_given_the_larger_limit() -> None:
    """libjpeg holds all coefficients of such a one; it may say that it isn't progressive and have many scans still."""
    image = Image.new("RGB", (64, 64), (250, 250, 240))
    for options in ({"progressive": True}, {}):
        content = saved(image, "JPEG", **options)
        if not options:
            start = content.index(b"\xff\xda")
            content = content[:start] + b"\xff\xda\0\x08\x01" + content[start + 5 : start + 7] + content[-20:]
        with pytest.raises(PictureError, match="the picture has 64 x 64 pixels, more than"):
            open_picture(content, max_pixels=64 * 64 - 1)
    ordinary = saved(image, "JPEG")
    assert open_picture(ordinary, max_pixels=64 * 64 // 4).width == 64
    with pytest.raises(PictureError, match="more than"):
        open_picture(ordinary, max_pixels=64 * 64 // 4 - 1)


def test_no_format_is_read_that_starts_another_program() -> None:
    """Pillow would start Ghostscript for PostScript."""
    code = "import sys; from digits.reading.pictures import open_picture\ntry: open_picture(sys.stdin.buffer.read())\n"
    code += "except ValueError as error: sys.exit('PIL.EpsImagePlugin' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], input=b"%!PS-Adobe-3.0 EPSF-3.0\n", check=False, timeout=60)
    assert done.returncode == 0


def test_an_odd_but_readable_one_is_read() -> None:
    for size in ((1, 1), (1, 3000), (3000, 1), (28, 28)):
        picture = open_picture(saved(Image.new("RGB", size, "white"), "PNG"))
        assert (picture.width, picture.height) == size
        assert np.all(picture.pixels == 255)
