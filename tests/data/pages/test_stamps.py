import copy
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import matplotlib
import numpy as np
import numpy.typing as npt
import pytest

from digits.data.pages.page import Ink, Random, Writer
from digits.data.pages.stamps import alphabet, lettering, pen, skeleton
from digits.data.pages.stamps.stock import FONT, GREY, SKELETON, STROKES, Stock
from digits.data.synthetic import strokes
from digits.data.synthetic.draw import draw_digits, parse

KINDS = {"skeleton": SKELETON, "grey": GREY, "strokes": STROKES}


@pytest.fixture(scope="module")
def stock() -> Stock:
    """Of drawn digits, which take no files, and no fonts."""
    images, labels = draw_digits(400, np.random.RandomState(3))
    return Stock(images, labels, skeleton.distance_maps(images))


@pytest.fixture
def random() -> Random:
    return np.random.default_rng(7)


def writer(kind: int, height: float = 60.0, thickness: float = 4.0) -> Writer:
    shares = tuple(float(kind == each) for each in range(4))
    return Writer(height, thickness, kinds=(shares[0], shares[1], shares[2], shares[3]))


def stamps(stock: Stock) -> dict[str, Callable[[Random], Ink]]:
    """All that a stock makes."""
    return {
        **{name: lambda random, kind=kind: stock.digit(random, 8, writer(kind)) for name, kind in KINDS.items()},  # type: ignore[misc]  # mypy infers no lambda that has a default
        "pixels": lambda random: stock.pixel_digit(random, 3),
        "letter": lambda random: stock.letter(random, writer(0)),
        "symbol": lambda random: stock.symbol(random, writer(0)),
        "brace": lambda random: stock.brace(random, writer(0), 200),
        "word": lambda random: stock.word(random, writer(0)),
        "text": lambda random: stock.text(random, 14),
        "small": lambda random: stock.digit(random, 4, replace(stock.new_writer(random, 14, 0.2))),
        "large": lambda random: stock.digit(random, 9, replace(stock.new_writer(random, 350, 0.1))),
    }


def test_stamps_are_tight_and_within_their_range(stock: Stock, random: Random) -> None:
    for name, stamp in stamps(stock).items():
        for _ in range(30):
            ink = stamp(random)
            assert ink.dtype == np.float32, name
            assert ink.min() >= 0, name
            assert 0.5 < ink.max() <= 1, name
            edges = [ink[0], ink[-1], ink[:, 0], ink[:, -1]]
            assert min(edge.max() for edge in edges) > 0.1, name


def test_the_same_seed_gives_the_same_bits_also_to_a_worker(stock: Stock) -> None:
    other = pickle.loads(pickle.dumps(stock))
    for name, stamp in stamps(stock).items():
        first, second = np.random.default_rng(5), np.random.default_rng(5)
        for _ in range(5):
            assert np.array_equal(stamp(first), stamps(other)[name](second)), name
        assert first.random() == second.random(), name


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_digits_are_as_tall_as_their_writer_writes(stock: Stock, random: Random, kind: int) -> None:
    for label in range(10):
        shapes = [stock.digit(random, label, writer(kind)).shape for _ in range(20)]
        heights = [max(high, pen.LYING * wide) for high, wide in shapes]
        assert abs(np.median(heights) / 60 - 1) < 0.06, label
        assert max(abs(height / 60 - 1) for height in heights) < 0.15, (label, heights)  # 6 % on purpose, and a turn


STICK = parse("0,0! 0,100!")


@pytest.mark.parametrize("angle", [0.0, 0.3, 0.8])
@pytest.mark.parametrize("thickness", [0.9, 1.6, 3.0, 6.0, 11.0, 25.0])
def test_strokes_are_as_thick_as_the_pen(angle: float, thickness: float) -> None:
    """Ink for a pixel of the way, without the ends."""
    image = np.zeros((1, 28, 28), np.uint8)
    image[0, 4:24, 13:16] = 255
    way = (STICK.weights @ STICK.points).astype(np.float32)
    hand = pen.Hand(turn=angle)
    drawn = pen.draw(way, STICK.ends, 200 - thickness, thickness, hand)
    mapped = pen.from_distance(skeleton.distance_maps(image)[0], thickness * 25, thickness, hand)
    for ink in (drawn, mapped):
        middle = ink[len(ink) // 4 : len(ink) * 3 // 4]
        assert middle.sum() / len(middle) * np.cos(angle) == pytest.approx(thickness, rel=0.14, abs=0.15)


def test_digits_have_the_writers_pen(stock: Stock, random: Random) -> None:
    for kind in (SKELETON, STROKES):
        inks = [[stock.digit(random, 3, writer(kind, 60, thickness)).sum() for _ in range(40)] for thickness in (2, 5)]
        assert np.median(inks[1]) / np.median(inks[0]) == pytest.approx(2.5, rel=0.15)


def test_thinning_is_that_of_zhang_and_suen(random: Random) -> None:
    images, _ = draw_digits(12, np.random.RandomState(1))
    blots = cv2.GaussianBlur(random.normal(size=(28, 28)), (0, 0), 1.5) > 0
    pictures = np.concatenate([images > 90, blots[None], np.ones((1, 28, 28), np.bool_)])
    for thinned, picture in zip(skeleton.thin(pictures), pictures, strict=True):
        assert np.array_equal(thinned, slowly_thinned(picture))


def slowly_thinned(picture: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Pixel by pixel, as the paper says it."""
    now = np.pad(picture, 1)
    changed = True
    while changed:
        changed = False
        for first, second in (((0, 2, 4), (2, 4, 6)), ((0, 2, 6), (0, 4, 6))):
            leave = []
            for y, x in np.argwhere(now):
                ring = [(-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1)]
                around = [bool(now[y + down, x + right]) for down, right in ring]
                rises = sum(around[i - 1] < around[i] for i in range(8))
                free = not all(around[i] for i in first) and not all(around[i] for i in second)
                if 2 <= sum(around) <= 6 and rises == 1 and free:
                    leave.append((y, x))
            for pixel in leave:
                now[pixel] = False
            changed |= bool(leave)
    return now[1:-1, 1:-1]


def test_a_map_is_the_distance_from_the_middle_of_the_stroke() -> None:
    image = np.zeros((1, 28, 28), np.uint8)
    image[0, 4:24, 12:15] = 255  # its middle is that of column 13 of 28, between 26 and 27 of 56
    across = skeleton.distance_maps(image)[0, 28] / skeleton.UNITS
    columns = np.abs(np.arange(56) - 26.5)
    assert np.abs(across - columns)[(columns > 1) & (columns < 14)].max() < 0.6
    assert across.argmin() in (26, 27)


def test_digits_without_ink_or_with_a_filled_loop_have_no_map() -> None:
    images = np.zeros((2, 28, 28), np.uint8)
    images[1, 4:14, 13:15] = 255
    cv2.circle(images[1], (15, 18), 6, 255, -1)  # a six whose loop is full of ink: a stick, in the end
    maps = skeleton.distance_maps(images)
    assert maps.shape == (2, 56, 56)
    assert (maps == 255).all()
    assert skeleton.distance_maps(images[:0]).shape == (0, 56, 56)


def test_no_letter_is_a_digit() -> None:
    texts = [*lettering.WORDS, *alphabet.LETTERS, *lettering.ALONE]
    assert not any(character.isdigit() for text in texts for character in text)
    assert not set("oOlIsSqgbBDGQi") & {*alphabet.LETTERS, *lettering.ALONE}
    assert not set(alphabet.LETTERS) & set(alphabet.IN_WORDS)
    as_digits = {form for forms in (*strokes.DIGITS, *alphabet.EXTRA_DIGITS) for form in forms}
    assert not as_digits & {form for forms in alphabet.LETTERS.values() for form in forms}


def test_every_word_can_be_written_and_printed(random: Random) -> None:
    for word in lettering.WORDS:
        way, ends = alphabet.write(word, random, linked=True)
        assert ends[-1] == len(way)
        assert lettering.shows(lettering.printed_fonts()[0], word)


def test_words_stand_on_a_line(random: Random) -> None:
    """Tails go below it, the others end on it; capitals are twice as tall as small letters."""
    bottoms = {word: alphabet.write(word, random)[0][:, 1].max() for word in ("cum", "Tau", "pay")}
    tops = {word: alphabet.write(word, random)[0][:, 1].min() for word in ("cum", "Tau", "pay")}
    assert bottoms["cum"] == pytest.approx(1, abs=0.15)
    assert bottoms["Tau"] == pytest.approx(1, abs=0.15)
    assert bottoms["pay"] > 1.2
    assert tops["Tau"] == pytest.approx(0, abs=0.15)
    assert tops["cum"] > 0.25


def test_a_writer_keeps_one_form_of_each_class(stock: Stock, random: Random) -> None:
    someone = next(w for w in iter(lambda: stock.new_writer(random, 60, 0.0), None) if w.forms)
    assert set(someone.forms) == set(range(10))
    stick, flag = (strokes.DIGITS[1].index(text) for text in ("0,0! 0,100!", "0,46! 36,0! 36,100!"))
    one = replace(writer(STROKES, 60, 4))
    assert all(stock.digit(random, 1, replace(one, forms={1: stick})).shape[1] < 24 for _ in range(40))
    assert all(stock.digit(random, 1, replace(one, forms={1: flag})).shape[1] > 14 for _ in range(40))


def test_a_third_of_the_ones_have_a_flag(stock: Stock, random: Random) -> None:
    """Flags reach out to the left of the stick's upper half."""
    flags = 0
    for _ in range(300):
        flags += stock.digit(random, 1, writer(STROKES, 60, 5)).shape[1] > 18
    assert 100 < flags < 260


def test_bold_pens_leave_loops_open(stock: Stock, random: Random) -> None:
    bold = writer(STROKES, 40, 8)
    assert all(pen.loops(stock.digit(random, 5, bold)) == 0 for _ in range(40))
    closed = strokes.DIGITS[0].index("30,0 8,18 0,50 8,82 30,100 52,82 60,50 52,18 30,0")
    assert sum(pen.loops(stock.digit(random, 0, replace(bold, forms={0: closed}))) for _ in range(40)) >= 32


def test_every_form_that_no_one_else_has_is_drawn_whole() -> None:
    """No part is off the canvas: a stamp is as large as what the pen went round."""
    for forms in (*alphabet.EXTRA_DIGITS, *alphabet.LETTERS.values(), alphabet.SIGNS, alphabet.BRACES):
        for form in forms:
            style = parse(form)
            way = (style.weights @ style.points).astype(np.float32)
            ink = pen.draw(way, style.ends, 80, 6, pen.Hand())
            wide, high = np.ptp(way, axis=0) * 80 + 6
            assert ink.shape == (pytest.approx(high, abs=3), pytest.approx(wide, abs=3)), form


def test_pixel_drawings_have_steps(stock: Stock, random: Random) -> None:
    for label in range(10):
        ink = stock.pixel_digit(random, label)
        assert set(np.unique(ink)) <= {0, 1}
        assert 7 <= ink.shape[0] <= 34
        large = stock.pixel_digit(random, label, 120)
        assert 60 < large.shape[0] < 190
        assert any(np.array_equal(pen.enlarge(large[::times, ::times], times), large) for times in range(3, 15))


def test_letters_among_a_text(stock: Stock, random: Random) -> None:
    assert stock.letter(random, writer(0), "xyz").size
    with pytest.raises(ValueError, match="no letter"):
        stock.letter(random, writer(0), "oO0")


def test_stock_needs_every_class() -> None:
    images, labels = draw_digits(60, np.random.RandomState(3))
    maps = skeleton.distance_maps(images)
    with pytest.raises(ValueError, match="every class"):
        Stock(images[labels < 9], labels[labels < 9], maps[labels < 9])
    with pytest.raises(ValueError, match="don't match"):
        Stock(images, labels[:-1], maps)


def test_handwriting_fonts_are_those_that_have_digits_and_letters(stock: Stock, tmp_path: Path, random: Random) -> None:
    source = Path(matplotlib.get_data_path(), "fonts", "ttf")
    for name in ("DejaVuSans-Oblique.ttf", "STIXSizOneSymReg.ttf"):  # the second has brackets only
        (tmp_path / name).write_bytes((source / name).read_bytes())
    (tmp_path / "broken.woff").write_bytes(b"no font")
    assert [path.name for path in lettering.handwriting_fonts(tmp_path)] == ["DejaVuSans-Oblique.ttf"]
    assert lettering.handwriting_fonts(None) == ()
    with_font = copy.copy(stock)
    with_font.fonts = lettering.handwriting_fonts(tmp_path)
    for label in range(10):
        ink = with_font.digit(random, label, writer(FONT))
        assert abs(ink.shape[0] / 60 - 1) < 0.15
    assert with_font.new_writer(random, 40, 0).kinds[FONT] > 0
    assert stock.new_writer(random, 40, 0).kinds[FONT] == 0
    assert stock.digit(random, 7, writer(FONT)).size  # of a writer whose font isn't there
