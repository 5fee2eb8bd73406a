"""Pages on a disk: of which digits, the same whoever composes them, and whole after an interruption."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import pytest

from digits.data import MNISTDataModule, PagesDataModule
from digits.data.datasets import Arrays, DataError
from digits.data.pages import cache
from digits.data.pages.cache import Digits, cached_pages, digest_of_pages
from digits.data.pages.compose import compose
from digits.data.pages.composing import Composing, digits_of
from digits.data.pages.page import Composed
from digits.data.pages.shards import Shard, read_shard, write_shard
from digits.data.pages.stamps.skeleton import distance_maps
from digits.data.pages.stamps.stock import Stock
from digits.data.synthetic.draw import draw_digits


@pytest.fixture(scope="module")
def digits() -> Digits:
    return Digits(*draw_digits(300, np.random.RandomState(3)))


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "SHARD", 2)


def assert_same(pages: Sequence[Composed], others: Sequence[Composed]) -> None:
    assert len(pages) == len(others)
    for page, other in zip(pages, others, strict=True):
        for part, same in zip(page, other, strict=True):
            np.testing.assert_array_equal(part, same)
            assert np.asarray(part).dtype == np.asarray(same).dtype


def made_here(digits: Digits, number: int, seed: int, split: str) -> list[Composed]:
    """The same pages, one after another in this process."""
    stock = Stock(*digits, distance_maps(digits.images))
    name = int.from_bytes(split.encode())
    return [compose(np.random.default_rng([seed, name, index]), stock) for index in range(number)]


def composed_now(monkeypatch: pytest.MonkeyPatch) -> list[Shard]:
    """The shards that are composed from here on, in this process."""
    found: list[Shard] = []

    def compose_all(work: cache.Work, missing: Sequence[Shard]) -> None:
        for shard in missing:
            found.append(shard)
            cache._compose_shard(work, shard)

    monkeypatch.setattr(cache, "_compose_all", compose_all)
    return found


# ---- The same pages ---------------------------------------------------------------------------------


def test_many_processes_compose_what_one_does(tmp_path: Path, digits: Digits) -> None:
    pages = cached_pages(tmp_path, "train", 5, 7, digits, None)  # three shards: by a pool
    assert_same(pages, made_here(digits, 5, 7, "train"))
    first = cached_pages(tmp_path / "other", "train", 1, 7, digits, None)  # one: in this process
    assert_same(first, pages[:1])


def test_nothing_is_composed_twice(tmp_path: Path, digits: Digits, monkeypatch: pytest.MonkeyPatch) -> None:
    shards = composed_now(monkeypatch)
    pages = cached_pages(tmp_path, "val", 4, 0, digits, None)
    assert shards == [Shard(0, 2), Shard(2, 2)]
    assert_same(cached_pages(tmp_path, "val", 4, 0, digits, None), pages)
    more = cached_pages(tmp_path, "val", 5, 0, digits, None)
    assert shards == [Shard(0, 2), Shard(2, 2), Shard(4, 1)]
    assert_same(more[:4], pages)


def test_what_pages_follow_from_has_a_folder_of_its_own(tmp_path: Path) -> None:
    fonts = tmp_path / "fonts"
    fonts.mkdir()
    (fonts / "a.ttf").write_bytes(b"123")
    asked = [("ab", "train", 0, None), ("cd", "train", 0, None), ("ab", "val", 0, None), ("ab", "train", 1, None)]
    names = [digest_of_pages(*which) for which in (*asked, ("ab", "train", 0, fonts))]
    (fonts / "b.ttf").write_bytes(b"1")
    names.append(digest_of_pages("ab", "train", 0, fonts))
    assert len(set(names)) == 6
    assert digest_of_pages(*asked[0]) == names[0]


# ---- Interrupted ------------------------------------------------------------------------------------


def test_what_was_interrupted_goes_on_where_it_was(
    tmp_path: Path, digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    shards = composed_now(monkeypatch)
    expected, calls = made_here(digits, 6, 3, "test"), 0

    def interrupted(random: np.random.Generator, stock: Stock) -> Composed:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise KeyboardInterrupt
        return compose(random, stock)

    with monkeypatch.context() as patch:
        patch.setattr(cache, "compose", interrupted)
        with pytest.raises(KeyboardInterrupt):
            cached_pages(tmp_path, "test", 6, 3, digits, None)
    assert shards == [Shard(0, 2), Shard(2, 2)]
    (folder,) = tmp_path.glob("test-*")
    assert {path.name for path in folder.iterdir()} - {".lock"} == {"000000-2.npy", "000000-2.npz"}
    (folder / "000002-2.npy").write_bytes(b"half")  # of a process that was killed between a shard's two files
    assert_same(cached_pages(tmp_path, "test", 6, 3, digits, None), expected)
    assert shards[2:] == [Shard(2, 2), Shard(4, 2)]


def test_a_shard_that_can_not_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space"):
        write_shard(Shard(0, 1).path(tmp_path), [blank((4, 6))])
    assert [path.name for path in tmp_path.iterdir()] == ["000000-1.npy"], "pixels alone are no shard"


def blank(size: tuple[int, int], digits: int = 0, others: int = 0) -> Composed:
    """A page whose numbers are all different."""
    random = np.random.default_rng([*size, digits, others])
    return Composed(
        random.integers(0, 256, size, np.uint8),
        random.random((digits, 4), np.float32),
        random.integers(-1, 10, digits).astype(np.int8),
        random.integers(-1, 3, digits).astype(np.int16),
        random.random((others, 4), np.float32),
        f"layout {digits}",
    )


@pytest.mark.parametrize(
    "pages",
    [
        [blank((5, 9))],
        [blank((3, 4), 2, 1), blank((30, 2)), blank((1, 1), 0, 4), blank((7, 7), 5)],
    ],
)
def test_a_shard_is_read_as_it_was_written(tmp_path: Path, pages: list[Composed]) -> None:
    path = Shard(50, len(pages)).path(tmp_path)
    write_shard(path, pages)
    assert_same(list(read_shard(path)), pages)


# ---- Of which digits --------------------------------------------------------------------------------


def numbered(number: int) -> Arrays:
    """Training digits each of which is told by its pixels, and no test digits to read."""
    images = np.zeros((number, 28, 28), np.uint8)
    images[:, 0, 0], images[:, 0, 1] = np.arange(number) // 256, np.arange(number) % 256
    none = cast(npt.NDArray[np.uint8], None)
    labels = np.random.default_rng(0).permutation(number) % 10
    return Arrays(images, labels, none, cast(npt.NDArray[np.int64], none), tuple("0123456789"), {"train": "sum"})


def rows_of(digits: Digits) -> set[int]:
    return {int(image[0, 0]) * 256 + int(image[0, 1]) for image in digits.images}


def test_no_digit_is_on_pages_of_two_splits(monkeypatch: pytest.MonkeyPatch) -> None:
    arrays = numbered(2000)
    rows = {name: rows_of(digits_of(arrays, 400, 5, name)) for name in ("train", "val", "test")}
    assert {name: len(found) for name, found in rows.items()} == {"train": 1600, "val": 200, "test": 200}
    assert set.union(*rows.values()) == set(range(2000))
    for name, found in rows.items():
        labels = digits_of(arrays, 400, 5, name).labels
        assert np.bincount(labels).tolist() == [len(found) // 10] * 10
    readable = arrays._replace(test_images=arrays.train_images[:10], test_labels=arrays.train_labels[:10])
    monkeypatch.setattr("digits.data.datamodule.read_dataset", lambda *_: readable)
    mnist = MNISTDataModule("mnist", "", None, 0.1, 0.3, 10, 28, 400, 5, None, 10, 10)
    mnist.setup()
    assert set(mnist.train.rows.tolist()) == rows["train"], "what data=mnist validates on is on no training page"


def test_official_test_digits_are_not_read(tmp_path: Path, digits: Digits, monkeypatch: pytest.MonkeyPatch) -> None:
    arrays = numbered(300)._replace(train_images=digits.images, train_labels=digits.labels)
    monkeypatch.setattr("digits.data.pages.datamodule.read_dataset", lambda *_: arrays)
    data = PagesDataModule(
        name="pages", root="", mirrors=None, mean=0.0, std=1.0, num_classes=10, image_size=64, val_size=100,
        split_seed=0, limit=2, batch_size=4, eval_batch_size=2, pages=10, val_pages=1, test_pages=3, crops=3,
        pages_seed=0, fonts=None, cache=str(tmp_path),
    )  # fmt: skip
    data.prepare_data()
    data.setup()
    assert [len(split.pages) for split in (data.train, data.val, data.test) if split is not None] == [2, 1, 2]
    assert (len(data.train), data.classes, data.checksums) == (6, tuple("0123456789"), {"train": "sum"})
    batch = next(iter(data.test_dataloader()))
    assert (len(batch.pages), batch.images.shape) == (2, (2, 1, 64, 64))
    only = data.split("val")
    assert_same(list(only.pages), list(data.val.pages if data.val is not None else ()))


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    arrays = numbered(100)
    with pytest.raises(DataError, match=r"there is no folder of fonts .*/none; with data\.fonts=null"):
        Composing(0, str(tmp_path / "none"), str(tmp_path)).pages(arrays, 20, 0, "val", 1)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"pages can't be kept in .*/file: .* choose another folder with data\.cache"):
        Composing(0, None, str(tmp_path / "file")).pages(arrays, 20, 0, "val", 1)
