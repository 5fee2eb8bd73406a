"""Scores of readers on pictures: errors counted by hand, answers that are known, and the command."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.reading import __main__ as command
from benchmarks.reading.changes import CHANGES, Pixels
from benchmarks.reading.errors import errors
from benchmarks.reading.pictures import (
    accuracy_table,
    calibration_error,
    calibration_table,
    label_of,
    pictures_in,
    read_all,
    stability_table,
)
from benchmarks.reading.readers import NOTHING, Answer, Read, of_checkout, of_package
from benchmarks.results import Section
from digits.reading.model.net import SHIPPED, SHIPPED_DETECTOR
from digits.reading.reader import Reader
from digits.reading.result import Digit, Reading
from tests.support.drawing import draw

ROOT = Path(__file__).parents[2]


def answer(text: str, *confidences: float, marked: bool = False) -> Answer:
    digits = tuple(
        Digit(int(digit), sure, (0.0,) * 10, (0, 0, 1, 1), 0, np.zeros((28, 28), np.uint8))
        for digit, sure in zip(text, confidences, strict=True)
    )
    return Answer(Reading(digits, 50, 40, 0.5), marked, 0.01)


@pytest.mark.parametrize(
    ("label", "answer", "counts", "correct"),
    [
        ("123", "123", (0, 0, 0), [True] * 3),
        ("123", "143", (1, 0, 0), [True, False, True]),
        ("123", "13", (0, 1, 0), [True, True]),
        ("123", "1923", (0, 0, 1), [True, False, True, True]),
        ("", "77", (0, 0, 2), [False, False]),
        ("12", "", (0, 2, 0), []),
        ("12\n34", "1234", (0, 0, 0), [True] * 4),
        ("12345", "2346", (1, 1, 0), [True, True, True, False]),
        ("12", "21", (2, 0, 0), [False, False]),
    ],
)
def test_errors(label: str, answer: str, counts: tuple[int, int, int], correct: list[bool]) -> None:
    found = errors(label, answer)
    assert (found.wrong, found.missing, found.false) == counts
    assert list(found.correct) == correct


@pytest.mark.parametrize(
    ("name", "label"), [("000_42.png", "42"), ("1_12-3.jpg", "12\n3"), ("2_6p3x5.png", "635"), ("3_none.png", "")]
)
def test_labels(name: str, label: str) -> None:
    assert label_of(Path(name)) == label


@pytest.mark.parametrize("name", ["42.png", "000_nothing.png", "000_.png"])
def test_a_name_without_a_label_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="LABEL"):
        label_of(Path(name))


def test_tables(tmp_path: Path) -> None:
    grey = {"strings/one/0_12.png": 10, "strings/one/1_34.png": 20, "blank/two/0_none.png": 30}
    for name, level in grey.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (50, 40), (level, level, level)).save(tmp_path / name)
    answers = {10: answer("12", 0.9, 0.9), 20: answer("84", 0.6, 0.9, marked=True), 30: answer("1", 0.9)}

    def read(source: Path | Pixels) -> Answer:
        pixels = np.asarray(Image.open(source)) if isinstance(source, Path) else source
        wider = pixels.shape[1] > 90 and pixels[0, 0, 0] == 10  # the first, twice as large
        return answer("7", 0.5) if wider else answers[int(pixels[0, 0, 0])]

    results = list(read_all(read, pictures_in(tmp_path), changes=True))
    accuracy = [row.split("|")[1:-2] for row in accuracy_table(results).splitlines()[2:]]
    assert [[cell.strip() for cell in row] for row in accuracy] == [
        ["blank", "two", "0", "1", "0.00", "0", "0", "1"],
        ["**blank**", "**all**", "0", "1", "0.00", "0", "0", "1"],
        ["strings", "one", "1", "2", "50.00", "1", "0", "0"],
        ["**strings**", "**all**", "1", "2", "50.00", "1", "0", "0"],
    ]
    assert "| strings | 2 | 50.0 | 0.0 | 0.0 | 0.0 | 50.0 |" in stability_table(results)
    assert "| blank | 1 | 90.0 | 1 | 0.0 | 0 |  |" in calibration_table(results)
    # three digits of 0.9, all right, and one of 0.6 that is wrong: (3 * 0.1 + 0.6) / 4
    assert "| strings | 4 | 22.5 | 1 | 100.0 | 1 | 0.0 |" in calibration_table(results)


def test_calibration_error_by_hand() -> None:
    confidences, correct = [1.0, 1.0, 0.5, 0.5, 0.1], [True, False, True, False, False]
    assert calibration_error(confidences, correct) == pytest.approx((2 * 0.5 + 2 * 0.0 + 0.1) / 5)
    assert calibration_error([], []) == 0


def test_changes_keep_the_picture() -> None:
    pixels = np.full((60, 100, 3), (250, 240, 200), np.uint8)
    pixels[20:40, 30:70] = 20
    shapes = {name: change(pixels).shape for name, change in CHANGES.items()}
    assert shapes["twice as large"] == (120, 200, 3)
    assert shapes["a margin"] == (72, 112, 3)
    assert shapes["as JPEG"] == (60, 100, 3)
    assert shapes["turned by 2°"] == (64, 103, 3)  # 60 cos + 100 sin, 100 cos + 60 sin
    for change in CHANGES.values():
        changed = change(pixels).astype(int)
        assert np.abs(changed[0, 0] - (250, 240, 200)).max() <= 6
        larger = 4 if len(changed) == 120 else 1
        assert (changed[..., 0] < 128).sum() == pytest.approx(800 * larger, rel=0.05)


# ---- Readers ----------------------------------------------------------------------------------------


def test_another_checkout_reads_the_same_pictures(tmp_path: Path) -> None:
    """Here this checkout itself: what it answers there is what it answers here."""
    drawn = draw("2048")
    Image.fromarray(drawn.pixels).save(tmp_path / "year.png")
    (tmp_path / "none.png").write_bytes(b"no picture")
    here = of_package(Reader())
    with of_checkout(ROOT) as there:
        for source in (tmp_path / "year.png", drawn.pixels):
            one, other = here(source), there(source)
            assert one.reading.text == other.reading.text
            assert [digit.box for digit in one.reading.digits] == [digit.box for digit in other.reading.digits]
            assert one.reading.confidence == pytest.approx(other.reading.confidence)
            assert one.marked == other.marked
            assert other.seconds > 0
        assert there(tmp_path / "none.png").reading.text == here(tmp_path / "none.png").reading.text == ""


def test_what_is_no_checkout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="git worktree add"), of_checkout(tmp_path):
        pass


# ---- The command ------------------------------------------------------------------------------------


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[Section]:
    """The sections that the command records. Its readers read nothing."""
    sections: list[Section] = []

    @contextmanager
    def of_nothing(models: Sequence[Path], beside: Path | None) -> Iterator[dict[str, Read]]:
        Reader(models)
        yield {name: lambda _: NOTHING for name in ("The reader", "The reader of abc")[: 1 + (beside is not None)]}

    monkeypatch.setattr(command, "readers", of_nothing)
    monkeypatch.setattr(Section, "keep", lambda section, _: sections.append(section))
    return sections


@pytest.fixture
def white(tmp_path: Path) -> list[str]:
    """The argument for two white pictures, one of which is said to have digits."""
    for name in ("strings/one/0_12.png", "blank/one/1_none.png"):
        (tmp_path / name).parent.mkdir(parents=True)
        Image.new("RGB", (60, 40), (250, 250, 250)).save(tmp_path / name)
    return [str(tmp_path)]


def test_the_command_records_what_it_measured_and_of_which_models(
    white: list[str], recorded: list[Section], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main([*white, "--changes", "--beside", str(ROOT), "--model", str(SHIPPED)]) == 0
    (section,) = recorded
    text = section.text
    assert section.command == "python -m benchmarks.reading DIR --model RUN --changes --beside CHECKOUT"
    for file in (SHIPPED, SHIPPED_DETECTOR):
        assert f" {hashlib.sha256(file.read_bytes()).hexdigest()[:8]}" in text
    assert white[0] not in text, "where the pictures lie is nobody's business"
    assert text.count("| blank | one | 1 | 1 | 100.00 | 0 | 0 | 0 |") == 2
    assert text.count("| strings | one | 0 | 1 | 0.00 | 0 | 2 | 0 |") == 2
    assert text.count("twice as large") == 2
    assert text in capsys.readouterr().out


def test_the_command_prints_only_what_would_be_less_than_is_recorded(
    white: list[str], recorded: list[Section], capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments in (white, [*white, "--changes"], [*white, "--failures"], [*white, "--beside", str(ROOT)]):
        assert command.main(arguments) == 0
        assert "| blank | one | 1 | 1 | 100.00 |" in capsys.readouterr().out
    assert not recorded


def test_the_command_says_which_file_is_missing(white: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([*white, "--model", f"{white[0]}/absent.onnx"]) == 2
    assert "absent.onnx" in capsys.readouterr().err
