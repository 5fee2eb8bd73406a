"""Of which digits the pages of a split are composed, and what is told where they can't be."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import pytest

from digits.config.check import check
from digits.config.faults import ConfigError
from digits.data import MNISTDataModule, PagesDataModule
from digits.data.datasets import Arrays, DataError
from digits.data.pages.cache import Digits
from digits.data.pages.composing import COMPOSED, Composing, digits_of
from digits.data.synthetic.draw import draw_digits
from tests.conftest import Compose
from tests.support.pages import assert_same


@pytest.fixture(scope="module")
def drawn() -> Arrays:
    """Drawn digits to train on, of which a page can be composed, and none to test."""
    images, labels = draw_digits(300, np.random.RandomState(3))
    return numbered(300)._replace(train_images=images, train_labels=labels)


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


def test_official_test_digits_are_not_read(tmp_path: Path, drawn: Arrays, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("digits.data.pages.datamodule.read_dataset", lambda *_: drawn)
    data = PagesDataModule(
        name="pages", root="", mirrors=None, mean=0.0, std=1.0, num_classes=10, image_size=64, val_size=100,
        split_seed=0, limit=2, batch_size=4, eval_batch_size=2, pages=10, val_pages=1, test_pages=3, crops=3,
        pages_seed=0, material=None, cache=str(tmp_path),
    )  # fmt: skip
    data.prepare_data()
    data.setup()
    assert [len(split.pages) for split in (data.train, data.val, data.test) if split is not None] == [2, 1, 2]
    assert (len(data.train), data.classes) == (6, tuple("0123456789"))
    assert data.checksums.keys() == {"train", COMPOSED}
    batch = next(iter(data.test_dataloader()))
    assert (len(batch.pages), batch.images.shape) == (2, (2, 1, 64, 64))
    only = data.split("val")
    assert_same(list(only.pages), list(data.val.pages if data.val is not None else ()))


def test_pages_are_prepared_without_reading_them(
    tmp_path: Path, drawn: Arrays, monkeypatch: pytest.MonkeyPatch
) -> None:
    composing = Composing(0, None, str(tmp_path))
    composing.compose(drawn, 100, 0, "val", 2)
    (folder,) = tmp_path.glob("val-*")
    (folder / "000000-2.raw").write_bytes(b"")
    monkeypatch.setattr("digits.data.pages.composing.digits_of", None)  # it is known already of which
    composing.compose(drawn, 100, 0, "val", 2)
    with pytest.raises(DataError, match=f"{folder} holds damaged files"):
        composing.pages(drawn, 100, 0, "val", 2)


def test_material_is_for_pages_to_train_on(tmp_path: Path, drawn: Arrays) -> None:
    without, with_material = Composing(0, None, str(tmp_path)), Composing(0, str(tmp_path / "none"), str(tmp_path))
    for name in ("val", "test"):
        assert_same(with_material.pages(drawn, 100, 0, name, 1), without.pages(drawn, 100, 0, name, 1))
    with pytest.raises(DataError, match=r"there is no folder .*none"):
        with_material.pages(drawn, 100, 0, "train", 1)


def test_to_train_on_all_none_is_kept() -> None:
    arrays = numbered(300)
    assert rows_of(digits_of(arrays, 0, 0, "train")) == set(range(300))


def test_digits_without_a_skeleton_are_told(tmp_path: Path, drawn: Arrays) -> None:
    images = np.where((drawn.train_labels == 4)[:, None, None], 0, drawn.train_images).astype(np.uint8)
    with pytest.raises(DataError, match=r"no pages can be composed of 100 digits: .*data\.val_size"):
        Composing(0, None, str(tmp_path)).pages(drawn._replace(train_images=images), 200, 0, "val", 1)


@pytest.mark.parametrize(
    ("overrides", "why"),
    [
        (["experiment=page_reader", "data.val_size=199"], "200"),
        (["experiment=page_reader", "data.val_size=60000"], "mnist has 60000 training images"),
        (["experiment=page_digits", "data.val_size=60000"], "mnist has 60000 training images"),
        (["experiment=page_digits", "data.val_size=3"], "one image of each of the 10 classes"),
    ],
)
def test_sizes_that_can_not_be_are_told_at_once(composed: Compose, overrides: list[str], why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check(composed(*overrides))
    (fault,) = caught.value.faults
    assert fault.key == "data.val_size"
    assert why in str(fault)


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    arrays = numbered(100)
    with pytest.raises(DataError, match=r"there is no folder .*/none; data\.material=null"):
        Composing(0, str(tmp_path / "none"), str(tmp_path)).pages(arrays, 20, 0, "train", 1)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"pages can't be kept in .*/file: .* choose another folder with data\.cache"):
        Composing(0, None, str(tmp_path / "file")).pages(arrays, 20, 0, "val", 1)
