"""People's own pictures as a data set: what is on them, how they are parted, and what can't be used."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from digits.data import ImageFolder
from digits.data.datasets import DataError, fault_in
from digits.data.image_folder import held_out, read_folder
from digits.reading.patch import one_digit
from digits.reading.pictures import open_picture
from tests.support.folders import draw, picture

pytestmark = pytest.mark.usefixtures("folders_read_anew")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """20 zeros, 10 ones, 10 sevens."""
    return draw(tmp_path / "mine", _0=20, _1=10, _7=10)


def make(root: Path, *, val_size: int = 6, test_size: int | None = 8, test_seed: int = 0, limit: int | None = None,
         num_classes: int = 3, nondigits: float = 0.0, split_seed: int = 0) -> ImageFolder:  # fmt: skip
    module = ImageFolder(
        "image_folder", str(root), 0.1307, 0.3081, num_classes, nondigits, 28, val_size, split_seed, test_size,
        test_seed, limit, 32, 64,
    )  # fmt: skip
    module.prepare_data()
    module.setup()
    return module


def digests(root: Path, files: tuple[str, ...]) -> list[str]:
    return [hashlib.sha256((root / name).read_bytes()).hexdigest() for name in files]


# ---- What is read ---------------------------------------------------------------------------------


def test_each_picture_is_what_the_reader_would_see_with_the_label_of_its_folder(root: Path) -> None:
    data = make(root)
    assert data.classes == ("0", "1", "7")
    for split, part in ((data.train, "train"), (data.test, "test")):
        assert split.images.dtype == torch.uint8
        assert split.images.shape[1:] == (28, 28)
        for row in split.rows.tolist():
            file = data.files[part][row]
            assert data.classes[int(split.labels[row])] == Path(file).parent.name
            assert np.array_equal(split.images[row].numpy(), one_digit(open_picture(root / file).grey))


def test_any_number_and_kind_of_file_names(tmp_path: Path) -> None:
    root = draw(tmp_path, _0=4, _1=4)
    (root / "0" / "000.png").rename(root / "0" / os.fsdecode(b"\xff.png"))
    picture("0", 9).convert("RGBA").save(root / "0" / "no suffix", "PNG")
    picture("1", 9).save(root / "1" / "really a jpeg.png", "JPEG")
    data = make(root, num_classes=2, test_size=2, val_size=2)
    assert len(data.train) + len(data.split("val")) + len(data.test) == 10


def test_every_picture_is_in_one_split_and_every_class_in_each(root: Path) -> None:
    data = make(root)
    train, val, test = (
        [data.files[name][row] for row in data.split(name).rows.tolist()] for name in ("train", "val", "test")
    )
    assert sorted([*train, *val, *test]) == sorted(str(p.relative_to(root)) for p in root.rglob("*.png"))
    assert torch.bincount(data.test.truth()).tolist() == [4, 2, 2]
    assert torch.bincount(data.split("val").truth()).tolist() == [3, 2, 1]
    assert torch.bincount(data.train.truth()).min() > 0


def test_the_first_images_of_the_test_split_are_of_several_classes(root: Path) -> None:
    assert len(set(make(root, test_size=None, val_size=0, limit=20).test.truth().tolist())) == 3


def test_names_places_and_order_of_the_files_do_not_matter(root: Path, tmp_path: Path) -> None:
    first = make(root)
    other = tmp_path / "elsewhere"
    for folder in root.iterdir():
        (other / folder.name).mkdir(parents=True)
        for i, path in enumerate(sorted(folder.iterdir(), reverse=True)):
            shutil.copy(path, other / folder.name / f"{i} renamed.png")
    second = make(other)
    for name in ("train", "val", "test"):
        one, two = first.split(name), second.split(name)
        assert torch.equal(one.pixels(), two.pixels())
        assert torch.equal(one.truth(), two.truth())
    assert first.checksums == second.checksums


def test_the_checksums_tell_which_pictures_these_are(root: Path) -> None:
    before = make(root).checksums
    assert set(before) == {f"{part}/{name}" for part in ("train", "test") for name in "017"}
    data = make(root)
    ones = sorted(digests(root, tuple(f for f in data.files["test"] if f.startswith("1/"))))
    assert before["test/1"] == hashlib.sha256("\n".join(ones).encode()).hexdigest()
    picture("7", 30).save(root / "7" / "new.png")
    read_folder.cache_clear()
    after = make(root).checksums
    assert {name for name in before if before[name] != after[name]} & {"train/7", "test/7"}
    assert [before[f"{part}/0"] for part in ("train", "test")] == [after[f"{part}/0"] for part in ("train", "test")]


def test_other_seeds_are_other_test_parts(root: Path) -> None:
    kept = {frozenset(make(root, test_seed=seed).files["test"]) for seed in range(5)}
    assert len(kept) == 5


def test_a_test_part_of_its_own_is_respected(tmp_path: Path) -> None:
    draw(tmp_path / "train", _0=6, _1=6)
    (tmp_path / "test" / "1").mkdir(parents=True)
    for number in (20, 21):
        picture("1", number).save(tmp_path / "test" / "1" / f"{number}.png")
    data = make(tmp_path, num_classes=2, val_size=2, test_size=2)
    assert sorted(data.files["test"]) == ["test/1/20.png", "test/1/21.png"]
    assert len(data.train) == 10
    assert data.test.truth().tolist() == [1, 1]


def test_all_pictures_can_be_asked_about(root: Path) -> None:
    data = make(root, test_size=None, val_size=0)
    assert len(data.test) == 40
    assert fault_in(data.read()) == ""


def test_it_is_read_once(root: Path) -> None:
    make(root)
    shutil.rmtree(root)
    assert len(make(root, limit=5).train) == 5


# ---- The class of what is no digit ----------------------------------------------------------------


def test_a_class_that_the_folder_lacks_is_made_for_training_and_nothing_else(root: Path) -> None:
    without, data = make(root), make(root, num_classes=4, nondigits=0.5)
    assert data.classes == ("0", "1", "7", "none")
    assert len(without.train) == 26
    assert torch.bincount(data.train.truth()).tolist() == [*torch.bincount(without.train.truth()).tolist(), 13]
    for name in ("val", "test"):
        assert torch.equal(data.split(name).rows, without.split(name).rows)
        assert torch.equal(data.split(name).truth(), without.split(name).truth())
    for row in data.train.rows[data.train.truth() < 3].tolist():
        assert Path(data.files["train"][row]).parent.name == data.classes[int(data.train.labels[row])]
    assert data.checksums == without.checksums


def test_what_is_made_follows_from_the_split(root: Path) -> None:
    one, same, other = (make(root, num_classes=4, nondigits=0.5, split_seed=seed) for seed in (0, 0, 1))
    assert torch.equal(one.train.pixels(), same.train.pixels())
    assert not torch.equal(one.train.pixels(), other.train.pixels())
    cut = make(root, num_classes=4, nondigits=0.5, limit=20)
    assert len(cut.train) == 20
    assert 3 in cut.train.truth()


def test_nothing_is_made_as_no_digit_that_might_be_of_a_class(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = draw(tmp_path / "mine", _0=10, L=10)
    with caplog.at_level(logging.INFO):
        data = make(root, num_classes=3, nondigits=0.5, val_size=2, test_size=2)
    assert data.classes == ("0", "L", "none")
    assert torch.bincount(data.train.truth()).tolist() == [8, 8]
    assert 'no images are generated for the class "none" beside L: a generated' in caplog.text


def test_a_folder_of_its_own_for_what_is_no_digit_can_be_added_to(tmp_path: Path) -> None:
    root = draw(tmp_path / "mine", _0=10, none=10)
    data = make(root, num_classes=2, nondigits=0.5, val_size=2, test_size=2)
    assert data.classes == ("0", "none")
    assert torch.bincount(data.train.truth()).tolist() == [8, 16]
    few = [make(root, num_classes=2, nondigits=0.5, val_size=2, test_size=2, split_seed=s, limit=1) for s in range(4)]
    assert {len(data.train) for data in few} == {1}  # of them some have no digit to make any of
    assert {int(data.train.truth()[0]) for data in few} == {0, 1}


# ---- Copies ---------------------------------------------------------------------------------------


def test_a_copy_counts_once_and_that_is_told(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    for i in range(7):
        shutil.copy(root / "0" / "000.png", root / "0" / f"copy{i}.png")
    with caplog.at_level(logging.WARNING):
        data = make(root)
    assert len(data.files["train"]) + len(data.files["test"]) == 40
    assert "skipped, since other files hold the same pictures: 0/copy0.png, 0/copy1.png" in caplog.text
    assert "and 2 more" in caplog.text


def test_what_is_tested_on_is_not_trained_on(tmp_path: Path) -> None:
    draw(tmp_path / "train", _0=6, _1=6)
    shutil.copytree(tmp_path / "train" / "0", tmp_path / "test" / "0")
    (tmp_path / "test" / "0" / "000.png").unlink()
    data = make(tmp_path, num_classes=2, val_size=0, test_size=5)
    assert len(data.files["train"]) == 7
    assert len(data.files["test"]) == 5
    shutil.copy(tmp_path / "train" / "0" / "000.png", tmp_path / "test" / "0")
    read_folder.cache_clear()
    with pytest.raises(DataError, match=r"every picture of 0 in .*/train is in test/ too; add others"):
        make(tmp_path, num_classes=2, val_size=0, test_size=5)


def test_a_picture_of_two_classes_is_refused(root: Path) -> None:
    shutil.copy(root / "0" / "003.png", root / "7" / "a.png")
    shutil.copy(root / "0" / "004.png", root / "1" / "b.png")
    with pytest.raises(DataError) as caught:
        make(root)
    assert str(caught.value).replace(str(root), "DIR").splitlines() == [
        "a picture can't be of two classes; of each two identical files, delete one:",
        "DIR/0/004.png and DIR/1/b.png",
        "DIR/0/003.png and DIR/7/a.png",
    ]


# ---- What can't be used ---------------------------------------------------------------------------


def test_all_that_can_not_be_used_is_named_at_once(root: Path) -> None:
    (root / "0" / "empty.png").touch()
    (root / "1" / "list.csv").write_text("a,b\n1,2\n")
    whole = (root / "7" / "000.png").read_bytes()
    (root / "7" / "half.png").write_bytes(whole[: len(whole) // 2])
    picture("0", 0).point(lambda _: 255).save(root / "7" / "blank.png")
    with pytest.raises(DataError) as caught:
        make(root)
    first, *lines = str(caught.value).replace(str(root), "DIR").splitlines()
    assert first == "4 of the 44 pictures in DIR can't be used; replace them, or move them away:"
    assert [line.split(": ")[0] for line in lines] == [
        "DIR/0/empty.png", "DIR/1/list.csv", "DIR/7/blank.png", "DIR/7/half.png"
    ]  # fmt: skip
    assert "no ink was found on the picture" in lines[2]


def test_what_is_wrong_with_the_folder_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere does not exist; it should hold one folder for each class"):
        make(tmp_path / "nowhere")


def test_a_split_that_copies_leave_no_room_for(tmp_path: Path) -> None:
    draw(tmp_path, _0=4, _1=4)
    for i in range(9):
        shutil.copy(tmp_path / "0" / "000.png", tmp_path / "0" / f"copy{i}.png")
    with pytest.raises(
        DataError, match=r"data\.val_size is 6, but .* holds 6 pictures to train on and validate on, wh"
    ):
        make(tmp_path, num_classes=2, val_size=6, test_size=2)
    with pytest.raises(
        DataError, match=r"data\.test_size is 7: with 8 pictures .* does not leave each class one to test"
    ):
        make(tmp_path, num_classes=2, val_size=0, test_size=7)


# ---- The test part --------------------------------------------------------------------------------


@given(
    st.lists(st.integers(2, 30), min_size=2, max_size=8).flatmap(
        lambda counts: st.tuples(
            st.just(counts), st.integers(len(counts), sum(counts) - len(counts)), st.integers(0, 2**32 - 1)
        )
    )
)
def test_each_class_has_its_share_in_the_test_but_at_least_one(drawn: tuple[list[int], int, int]) -> None:
    counts, number, seed = drawn
    labels = np.repeat(np.arange(len(counts)), counts)
    rows = held_out(labels, number, seed)
    kept = np.bincount(labels[rows], minlength=len(counts))
    assert len(set(rows.tolist())) == len(rows) == number
    assert ((kept >= 1) & (kept < counts)).all()
    exact = np.array(counts) * number / len(labels)
    if (exact >= 1).all() and (exact <= np.array(counts) - 1).all():
        assert (np.abs(kept - exact) < 1).all()


def test_a_test_part_for_good() -> None:
    rows = np.sort(held_out(np.repeat(np.arange(3), [20, 10, 5]), 7, seed=0))
    assert rows.tolist() == [1, 8, 18, 19, 22, 25, 32]
