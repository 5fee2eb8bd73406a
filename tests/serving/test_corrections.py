"""Corrections in their folder: files, classes, bounds; and that data=image_folder takes it."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from digits.data.image_folder import read_folder
from digits.reading.pictures import PictureError, open_picture
from digits.reading.result import Digit, Reading
from digits.serving import corrections
from digits.serving.corrections import CLASSES, Collection, CollectionError
from digits.serving.cutting import as_png, cut
from digits.serving.read_queue import RefusedError
from tests.support.corrections import PATCH, drawn, files, kept


def keep(collection: Collection, picture: tuple[bytes, Reading], right: str) -> dict[str, object]:
    return asdict(collection.keep(*picture, right))


def test_each_digit_is_a_file_in_its_class(tmp_path: Path) -> None:
    collection = Collection(tmp_path / "some" / "where")
    picture = drawn("2026\n31", read="2826\n37")
    assert keep(collection, picture, "2026\n31") == kept(6, corrected=2, _2=2, _0=1, _6=1, _3=1, _1=1)
    assert files(collection.folder) == {"0": 1, "1": 1, "2": 2, "3": 1, "6": 1}
    parts = cut(open_picture(picture[0]), picture[1].digits)
    for part, label in zip(parts, "202631", strict=True):
        written = [open_picture(path).pixels for path in (collection.folder / label).iterdir()]
        assert any(np.array_equal(part, pixels) for pixels in written)


def test_what_is_no_digit_is_kept_apart_and_what_was_not_read_is_counted(tmp_path: Path) -> None:
    collection = Collection(tmp_path)
    assert keep(collection, drawn("20"), "2") == kept(2, _2=1, none=1)
    assert keep(collection, drawn("31"), "") == kept(2, none=2)
    assert keep(collection, drawn("45"), "4567") == kept(2, missing=2, _4=1, _5=1)
    nothing = as_png(np.full((50, 50, 3), 255, np.uint8)), Reading((), 50, 50, confidence=1.0)
    assert keep(collection, nothing, "12") == kept(0, missing=2)
    assert files(tmp_path) == {"2": 1, "4": 1, "5": 1, "none": 3}


def test_the_same_again_is_there_once_and_in_the_class_it_was_given_last(tmp_path: Path) -> None:
    """One picture in two classes would be a fault of the folder."""
    collection = Collection(tmp_path)
    picture = drawn("27")
    assert keep(collection, picture, "27") == kept(2, _2=1, _7=1)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.png")}
    assert keep(collection, picture, "27") == kept(0, _2=1, _7=1)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.png")} == before
    assert keep(Collection(tmp_path), picture, "21") == kept(1, corrected=1, _2=1, _1=1)
    assert files(tmp_path) == {"1": 1, "2": 1}  # and no empty folder, which would be a class without pictures


def test_a_box_without_ink_is_counted_and_not_kept(tmp_path: Path) -> None:
    """image_folder refuses a folder for one file that it can't use."""
    digit = Digit(3, 0.9, (0.1,) * 10, (10, 10, 20, 20), 0, PATCH)
    blank = as_png(np.full((50, 50, 3), 255, np.uint8)), Reading((digit,), 50, 50, confidence=1.0)
    assert keep(Collection(tmp_path), blank, "3") == kept(0, unusable=1)
    assert files(tmp_path) == {}


@pytest.mark.usefixtures("folders_read_anew")
def test_image_folder_takes_it(tmp_path: Path) -> None:
    collection = Collection(tmp_path)
    for height in (30, 45, 70):
        picture, reading = drawn("0123456789", read="0123466789", height=height)
        collection.keep(picture, reading, "0123456789")
        collection.keep(*drawn("17", height=height + 5), right="")
    (tmp_path / "3" / f".{'0' * 32}.png.123.part").write_bytes(b"of a server that was killed")
    found = read_folder(str(tmp_path), 11, 0)
    assert found.classes == CLASSES
    together = [*found.train.files, *found.test.files]
    assert sorted(Path(name).parent.name for name in together) == sorted([*"0123456789" * 3, *["none"] * 6])
    assert min(int(patch.max()) for patch in found.train.patches) > 200


def test_a_full_folder_takes_no_more_and_says_so(tmp_path: Path) -> None:
    collection = Collection(tmp_path, most=3)
    collection.keep(*drawn("20"), right="20")
    with pytest.raises(RefusedError, match="full") as caught:
        collection.keep(*drawn("37"), right="37")
    assert caught.value.status == 507
    assert caught.value.sentence.endswith("it holds 2 pictures, and gets at most 3; nothing was kept.")
    assert files(tmp_path) == {"0": 1, "2": 1}
    assert keep(collection, drawn("20"), "26") == kept(1, corrected=1, _2=1, _6=1)  # what is there may change its class
    collection.keep(*drawn("4"), right="4")
    assert sum(files(tmp_path).values()) == 3


def test_other_files_are_neither_counted_nor_touched(tmp_path: Path) -> None:
    (tmp_path / "2").mkdir()
    for name in ("mine.png", "note.txt", "0.png"):
        (tmp_path / "2" / name).write_text("mine")
    (tmp_path / "L").mkdir()
    collection = Collection(tmp_path, most=1)
    assert keep(collection, drawn("2"), "2") == kept(1, _2=1)
    assert len(collection.held()) == 1
    assert [(tmp_path / "2" / name).read_text() for name in ("mine.png", "note.txt", "0.png")] == ["mine"] * 3


@pytest.mark.parametrize("right", ["2\n6", "26"])
def test_names_follow_from_the_pixels_alone(tmp_path: Path, right: str) -> None:
    """Nothing of what a client sends is in a path: the classes are eleven words, the names hashes."""
    Collection(tmp_path / "in").keep(*drawn("26"), right=right)
    made = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(made) == 2
    assert all(re.fullmatch(r"in/[26]/[0-9a-f]{32}\.png", name) for name in made)


def fails(number: int) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize(("number", "status", "why"), [
    (errno.ENOSPC, 507, "the disk is full"), (errno.EDQUOT, 507, "the disk is full"),
    (errno.EACCES, 500, "its folder can't be written"), (errno.EIO, 500, "its folder can't be written"),
])  # fmt: skip
def test_a_disk_that_fails_is_told_without_a_path_and_leaves_no_half_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, status: int, why: str
) -> None:
    collection = Collection(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fails(number))
        with pytest.raises(RefusedError) as caught:
            collection.keep(*drawn("26"), right="26")
    assert (caught.value.status, caught.value.sentence) == (status, f"The correction could not be kept: {why}.")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert keep(collection, drawn("26"), "26") == kept(2, _2=1, _6=1)  # the lock was given back


def test_a_class_that_can_not_be_a_folder_is_told(tmp_path: Path) -> None:
    collection = Collection(tmp_path)
    (tmp_path / "2").write_text("a file")
    with pytest.raises(RefusedError, match="can't be written") as caught:
        collection.keep(*drawn("2"), right="2")
    assert caught.value.status == 500
    assert (tmp_path / "2").read_text() == "a file"


def test_what_is_no_picture_comes_through(tmp_path: Path) -> None:
    with pytest.raises(PictureError):
        Collection(tmp_path).keep(b"hello", drawn("2")[1], "2")


@pytest.mark.parametrize("under", ["", "more", "more/and/more"])
def test_a_folder_that_can_not_be_made_is_told_at_the_start(tmp_path: Path, under: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CollectionError, match=r"can't be kept in .*file.*; choose another folder with --collect$"):
        Collection(tmp_path / "file" / under)


def test_one_that_can_not_be_written_is_told_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corrections, "TemporaryFile", fails(errno.EROFS))
    with pytest.raises(CollectionError, match="Read-only file system; choose another folder with --collect"):
        Collection(tmp_path)


def test_beside_train_and_test_there_is_no_place_for_classes(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "test").mkdir()
    with pytest.raises(CollectionError, match=r"holds train and test; collect in .*train with --collect"):
        Collection(tmp_path)
    assert keep(Collection(tmp_path / "train"), drawn("2"), "2") == kept(1, _2=1)


def test_several_at_once_lose_nothing(tmp_path: Path) -> None:
    """Different pictures, the same one, and the same one with another text."""
    collection = Collection(tmp_path)
    tasks = [(drawn(text, height=height), right) for height in (30, 40) for text, right in
             [("20", "20"), ("31", "31"), ("20", "26"), ("31", "31"), ("47", "")] * 3]  # fmt: skip
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda task: keep(collection, *task), tasks))
    assert len(answers) == 30
    assert sum(files(tmp_path).values()) == 12
    assert len(collection.held()) == 12
