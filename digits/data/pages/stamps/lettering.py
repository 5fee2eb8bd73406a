"""Text in fonts: printed words, which are never targets, and digits, letters and words in handwriting fonts.

The fonts for print come with matplotlib. Handwriting fonts are optional: any folder of font files.
"""

from __future__ import annotations

import functools
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from digits.data.pages.page import Grey, Random

ENDINGS = (".ttf", ".otf", ".woff", ".woff2")  # of font files

DIGITS = "0123456789"

ALONE = "acdehkmnprtuvwxACEFHKLMNPRTUVWXY"  # letters that may stand alone: they look like a digit in no font

PRINTED = (  # a font that is listed twice is used twice as often
    "DejaVuSans.ttf",
    "DejaVuSans.ttf",
    "DejaVuSans-Bold.ttf",
    "DejaVuSans-Oblique.ttf",
    "DejaVuSansMono.ttf",
    "DejaVuSerif.ttf",
    "DejaVuSerif-Bold.ttf",
    "DejaVuSerif-Italic.ttf",
    "STIXGeneral.ttf",
    "STIXGeneral.ttf",
    "STIXGeneralBol.ttf",
    "STIXGeneralItalic.ttf",
    "cmr10.ttf",
    "cmss10.ttf",
    "cmti10.ttf",
    "cmtt10.ttf",
)

ON_FORMS = """
Name Date Datum Total Summe Betrag Amount Pay Bank Konto Street Adresse Phone Tel. Nr. Page Seite Signature
Unterschrift Class Klasse Note Points Punkte Time Uhr Preis Price Menge Rechnung Quittung Account number Telefon
Montag Dienstag Freitag Monday Friday January April March May Juni August mardi jeudi janvier mars prix rue nom
merci montant hundred thousand million dollars cents Euro Cent zwanzig drei vier sieben deux trois quatre cinq
"""

IN_CALCULATIONS = """
cm km kg mm min EUR USD kWh max sin cos tan lim log mod und and for from with per Rest mal minus plus gleich
Aufgabe Task Test Punkt Antwort Answer Result Check Proof Beweis falsch wahr true false yes nein maybe
"""

ELSEWHERE = """
the that have this with which their about make time year people know water house garden Hund Katze Baum Wetter
heute morgen Haus Wasser Brot Milch Eier Butter Zucker Mehl table chair window door green blue white apple lemon
farine beurre pain fromage pomme maison enfant chat chien jardin temps faire avec dans pour tout grand petite
für über Straße Mädchen müde Tür schön können Geräte été père frère garçon tête après
remember meeting market paper pencil machine number width height depth weight length power paid open left right
"""

WORDS = tuple(f"{ON_FORMS} {IN_CALCULATIONS} {ELSEWHERE}".split())
"""English, German and French words, none of which looks like digits in print."""


def printed_fonts() -> tuple[Path, ...]:
    """The font files of PRINTED that matplotlib has."""
    folder = Path(matplotlib.get_data_path(), "fonts", "ttf")
    return tuple(folder / name for name in PRINTED if (folder / name).is_file())


def handwriting_fonts(folder: Path | None) -> tuple[Path, ...]:
    """The fonts below a folder, sorted by path: files that Pillow opens, with all digits and the letters of ALONE.

    Of files that differ only in their ending, one is taken.
    """
    if folder is None:
        return ()
    found = sorted((path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS), reverse=True)
    files = sorted({path.with_suffix(""): path for path in found}.values())
    return tuple(path for path in files if _opens(path) and shows(path, DIGITS + ALONE))


def render(path: Path, text: str, size: int) -> Grey:
    """A text, white on black, uint8 (H, W), cropped to its ink; empty if it has none.

    `size` is the font's, in pixels.
    """
    font = _font(path, size)
    left, top, right, bottom = (round(side) for side in font.getbbox(text))
    picture = Image.new("L", (max(1, right - left + 4), max(1, bottom - top + 4)))
    ImageDraw.Draw(picture).text((2 - left, 2 - top), text, 255, font=font)
    pixels = np.asarray(picture)
    rows, columns = np.flatnonzero((pixels > 60).any(1)), np.flatnonzero((pixels > 60).any(0))
    if not len(rows):
        return np.zeros((0, 0), np.uint8)
    return pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def shows(path: Path, text: str) -> bool:
    """Whether a font has a shape of its own for each character of a text."""
    return all(_has(path, character) for character in text if character != " ")


@functools.cache
def capital(path: Path, size: int) -> int:
    """Height in pixels of a font's capital letters."""
    return max(1, len(render(path, "E", size)))


def phrase(random: Random) -> str:
    """One or several words drawn from WORDS, sometimes in capitals."""
    count = 1 if random.random() < 0.45 else int(random.integers(2, 7))
    text = " ".join(WORDS[index] for index in random.integers(len(WORDS), size=count))
    return text.upper() if random.random() < 0.12 and "ß" not in text and len(text) > 3 else text


@functools.lru_cache(maxsize=16384)
def _has(path: Path, character: str) -> bool:
    shape, missing = render(path, character, 24), render(path, "\uffff", 24)
    return shape.size > 0 and not np.array_equal(shape, missing)


def _opens(path: Path) -> bool:
    try:
        _font(path, 24)
    except OSError:
        return False
    return True


@functools.lru_cache(maxsize=1024)
def _font(path: Path, size: int) -> ImageFont.FreeTypeFont:
    """A font at a size in pixels: cached, since opening takes longer than drawing; without libraqm, so that the text is
    laid out alike on every machine."""
    return ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.BASIC)
