"""The reader's data: what is added to MNIST, from which pictures, and what is left alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import torch
from sklearn.datasets import load_digits
from torchvision import datasets

from digits.data import MNISTDataModule, ReaderDataModule
from digits.data.datasets import DataError, read_dataset
from digits.data.pages.composing import COMPOSED
from digits.data.split import stratified_split
from digits.data.synthetic.alter import FORMS, alter, box_of, chunk, cross, flag, rule, slash, speck, widen
from digits.data.synthetic.nondigits import HALVES, beside, blot, half, make_nondigits
from digits.evaluating.dataset import read_data
from digits.runs.schema import RecordedData
from tests.support.mnist_files import NAMES, idx, resources_of
from tests.support.pictures import digits

Labels = npt.NDArray[np.int64]
Images = npt.NDArray[np.uint8]
TRAIN, TEST, VAL = 400, 100, 60
LABELS: Labels = load_digits().target[: TRAIN + TEST].astype(np.int64)
IMAGES: Images = digits(TRAIN + TEST).numpy()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Images], str]]:
    """Puts pictures where MNIST's lie, with the labels that belong to them."""

    def put(images: Images) -> str:
        folder = tmp_path / "MNIST" / "raw"
        folder.mkdir(parents=True, exist_ok=True)
        labels = LABELS.astype(np.uint8)
        arrays = (images[:TRAIN], labels[:TRAIN], images[TRAIN:], labels[TRAIN:])
        for name, array in zip(NAMES, arrays, strict=True):
            (folder / name).write_bytes(idx(array))
        monkeypatch.setattr(datasets.MNIST, "resources", resources_of(folder))
        read_dataset.cache_clear()
        return str(tmp_path)

    yield put
    read_dataset.cache_clear()


def module(
    root: str, drawn: float = 0.5, altered: float = 0.3, nondigits: float = 0.4, limit: int | None = None
) -> MNISTDataModule:
    data = ReaderDataModule(
        "reader", root, None, 0.13, 0.31, 11, 28, VAL, 0, limit, 64, 64, drawn=drawn, altered=altered,
        nondigits=nondigits,
    )  # fmt: skip
    data.setup()
    return data


def test_eleven_classes_in_the_shares_that_were_asked_for(place: Callable[[Images], str]) -> None:
    data = module(place(IMAGES))
    assert data.classes == (*"0123456789", "none")
    assert data.val is not None
    for split, number in ((data.train, TRAIN - VAL), (data.val, VAL)):
        labels = split.truth()
        assert len(split) == round(number * 2.2)
        assert (labels == 10).sum() == number * 0.4
        assert sorted(split.rows.tolist()) == list(range(len(split)))
        drawn = number // 2 // 10
        assert all((labels == label).sum() >= drawn for label in range(10))


def test_the_test_split_is_mnists_own(place: Callable[[Images], str]) -> None:
    data = module(place(IMAGES))
    assert np.array_equal(data.test.pixels().numpy(), IMAGES[TRAIN:])
    assert np.array_equal(data.test.truth().numpy(), LABELS[TRAIN:])


def test_mnists_own_pictures_are_left_as_they_are(place: Callable[[Images], str]) -> None:
    data = module(place(IMAGES))
    train, val = stratified_split(LABELS[:TRAIN], VAL, 0)
    assert data.val is not None
    for split, rows in ((data.train, train), (data.val, val)):
        assert np.array_equal(split.images[: len(rows)].numpy(), IMAGES[rows])
        assert np.array_equal(split.labels[: len(rows)].numpy(), LABELS[rows])


def test_nothing_of_one_split_is_made_from_the_other(place: Callable[[Images], str]) -> None:
    train, val = stratified_split(LABELS[:TRAIN], VAL, 0)
    whole = module(place(IMAGES))
    for rows, kept, changed in ((val, "train", "val"), (train, "val", "train")):
        others = IMAGES.copy()
        others[rows] = IMAGES[rows][:, :, ::-1]
        data = module(place(others))
        assert torch.equal(data.split(kept).images, whole.split(kept).images)
        assert not torch.equal(data.split(changed).images, whole.split(changed).images)


def test_what_is_made_follows_from_the_split_seed(place: Callable[[Images], str]) -> None:
    root = place(IMAGES)
    first, again = module(root), module(root)
    assert torch.equal(first.train.images, again.train.images)
    assert torch.equal(first.train.rows, again.train.rows)


def test_a_limit_bounds_every_split(place: Callable[[Images], str]) -> None:
    data = module(place(IMAGES), limit=30)
    assert [len(data.split(name)) for name in ("train", "val", "test")] == [30, 30, 30]
    assert len(data.train.truth().unique()) > 5


def test_with_nothing_added_it_is_mnist(place: Callable[[Images], str]) -> None:
    data = module(place(IMAGES), drawn=0, altered=0, nondigits=0)
    assert len(data.train) == TRAIN - VAL
    assert int(data.train.truth().max()) == 9


# ---- With what is cut out of pages --------------------------------------------------------------------


def with_pages(
    root: Path | str, stage: str | None = None, *, val_size: int = 200, limit: int | None = None,
    material: str | None = None, cache: Path | None = None,
) -> ReaderDataModule:  # fmt: skip
    """MNIST, and what is cut out of a composed page for each 50 of its digits."""
    data = ReaderDataModule(
        "reader", str(root), None, 0.13, 0.31, 11, 28, val_size, 0, limit, 64, 64, drawn=0, altered=0, nondigits=0,
        pages=20, material=material, cache=str(cache or Path(root) / "pages"),
    )  # fmt: skip
    data.prepare_data()
    data.setup(stage)
    return data


def kept_in(cache: Path) -> set[str]:
    """The splits whose pages a cache holds, and that of the digits they are composed of."""
    return {path.name.split("-")[0] for path in cache.iterdir()}


def test_what_is_cut_out_of_pages_is_a_digit_or_none(drawn_mnist: Path) -> None:
    data = with_pages(drawn_mnist)
    for name, own in (("train", 400), ("val", 200)):
        split = data.split(name)
        cut = split.labels[own:]  # behind MNIST's own
        assert len(split.images) == len(split.labels)
        assert sorted(split.rows.tolist()) == list(range(len(split.labels)))
        assert set(cut.tolist()) <= set(range(11))
        assert int((cut < 10).sum()) > 10
        assert int((cut == 10).sum()) > 5
    assert len(data.test) == 20


def test_the_same_patches_are_cut_twice_and_recorded(drawn_mnist: Path, tmp_path: Path) -> None:
    first, again = with_pages(drawn_mnist), with_pages(drawn_mnist, cache=tmp_path)
    for name in ("train", "val"):
        one, other = first.split(name), again.split(name)
        assert all(torch.equal(part, same) for part, same in zip(one, other, strict=True))
    assert first.checksums == again.checksums
    plain = MNISTDataModule("mnist", str(drawn_mnist), None, 0.13, 0.31, 10, 28, 200, 0, None, 64, 64)
    plain.setup()
    assert first.checksums == plain.checksums | {COMPOSED: first.checksums[COMPOSED]}
    assert COMPOSED not in plain.checksums, "which are read once for all"


def test_patches_are_limited_too_and_need_no_validation(drawn_mnist: Path) -> None:
    data = with_pages(drawn_mnist, limit=100)
    assert [len(data.split(name)) for name in ("train", "val", "test")] == [100, 100, 20]
    data = with_pages(drawn_mnist, val_size=0)
    assert data.val is None
    assert len(data.train) > 600 + 10


def test_patches_of_one_split_show_no_digit_of_the_other(place: Callable[[Images], str], tmp_path: Path) -> None:
    train, val = stratified_split(LABELS[:TRAIN], 200, 0)
    whole = with_pages(place(IMAGES))
    for rows, kept, changed in ((val, "train", "val"), (train, "val", "train")):
        others = IMAGES.copy()
        others[rows] = IMAGES[rows][:, :, ::-1]
        data = with_pages(place(others), cache=tmp_path / kept)
        assert torch.equal(data.split(kept).images, whole.split(kept).images)
        assert not torch.equal(data.split(changed).images[200:], whole.split(changed).images[200:])


def test_only_what_a_stage_needs_is_made(drawn_mnist: Path, tmp_path: Path) -> None:
    data = with_pages(drawn_mnist, "test", cache=tmp_path, material=str(tmp_path / "none"))
    assert kept_in(tmp_path) == set()
    data.setup("validate")
    assert kept_in(tmp_path) == {"digits", "val"}, "for which no material is needed"
    assert [len(split) > own for split, own in ((data.train, 400), (data.split("val"), 200))] == [False, True]
    with pytest.raises(DataError, match=r"there is no folder .*none"):
        data.setup("fit")
    whole = with_pages(drawn_mnist)
    before = whole.train
    whole.setup("test")
    assert whole.train is before, "Lightning asks one module for one stage after another"
    assert torch.equal(data.split("val").images, whole.split("val").images)


def test_a_split_is_read_without_the_pages_of_others(drawn_mnist: Path, tmp_path: Path) -> None:
    section = RecordedData.model_validate({
        "_target_": "digits.data.ReaderDataModule", "name": "reader", "root": str(drawn_mnist), "mirrors": None,
        "mean": 0.13, "std": 0.31, "num_classes": 11, "image_size": 28, "val_size": 200, "split_seed": 0, "limit": None,
        "batch_size": 64, "eval_batch_size": 64, "drawn": 0, "altered": 0, "nondigits": 0, "pages": 20,
        "material": None, "cache": str(tmp_path),
    })  # fmt: skip
    assert len(read_data([section], (), "test")[0].split("test")) == 20
    assert kept_in(tmp_path) == set()
    read_data([section], (), "val")
    assert kept_in(tmp_path) == {"digits", "val"}
    read_data([section], ())
    assert kept_in(tmp_path) == {"digits", "val", "train"}


# ---- How it is made -----------------------------------------------------------------------------------


def random() -> np.random.RandomState:
    return np.random.RandomState(0)


def pictures_of(label: int) -> Images:
    found: Images = IMAGES[label == LABELS]
    return found


def test_a_seven_is_crossed_at_half_its_height() -> None:
    for image in pictures_of(7):
        crossed = cross(image, random())
        assert (crossed >= image).all()
        rows = np.flatnonzero((crossed > image).any(1))
        top, bottom = box_of(image)[1::2]
        assert top + 0.2 * (bottom - top) < rows.mean() < top + 0.8 * (bottom - top)
        assert len(rows) <= 9  # a bar, and not a stem


def test_a_nought_is_slashed_from_lower_left_to_upper_right() -> None:
    ring: Images = np.zeros((28, 28), np.uint8)
    cv2.circle(ring, (14, 14), 9, 255, 2)
    seen, dots = random(), 0
    for _ in range(100):
        y, x = np.nonzero(slash(ring, seen) > ring)
        if np.ptp(x) > 9:
            assert np.corrcoef(x, y)[0, 1] < -0.6
        else:
            assert [x.mean(), y.mean()] == pytest.approx([14, 14], abs=0.6)
            dots += 1
    assert 10 < dots < 35


def test_a_one_gets_a_flag_to_the_left_of_its_head_or_a_foot() -> None:
    stem = np.zeros((28, 28), np.uint8)
    stem[4:24, 13:15] = 255
    seen, kinds = random(), set()
    for _ in range(50):
        added = flag(stem, seen) > stem
        above, below = added[:12], added[21:]
        kinds.add((bool(above.any()), bool(below.any())))
        assert above[:, :13].sum() >= above[:, 15:].sum()
    assert kinds == {(True, False), (False, True), (True, True)}
    stem[[5, 22]] = 0  # a break right at either end
    assert (flag(stem, random()) >= stem).all()


def test_a_rule_lies_at_the_foot_and_a_seven_gets_none() -> None:
    for image in pictures_of(3):
        ruled = rule(image, image, random())
        assert np.flatnonzero((ruled > image).any(1)).min() > box_of(image)[3] - 7
    sevens = pictures_of(7)
    below = alter(np.repeat(sevens, 10, axis=0), np.full(10 * len(sevens), 7), random())[:, 20:]
    assert ((below > 60).sum(2) > 14).any(1).mean() < 0.05


def test_what_is_stuck_to_a_digit_is_small() -> None:
    seen = random()
    for image, other in zip(pictures_of(3), pictures_of(8), strict=False):
        assert (speck(image, other, seen) != image).sum() <= 12
        stuck = chunk(image, other, seen)
        assert (stuck[:, 6:34] >= image).all()
        assert int(stuck.astype(int).sum() - image.astype(int).sum()) < 0.4 * other.astype(int).sum()


def test_a_widened_digit_is_as_high_and_a_one_stays_a_stick() -> None:
    stem = np.zeros((28, 28), np.uint8)
    stem[4:24, 13:15] = 255
    seen = random()
    shapes = np.array([widen(stem, stem, seen).shape for _ in range(50)])
    assert (shapes[:, 0] == 20).all()
    assert shapes[:, 1].max() <= 12
    left, _, right, _ = box_of(IMAGES[0])
    wide = np.array([widen(IMAGES[0], stem, seen).shape[1] for _ in range(50)])
    assert wide.min() >= right - left + 1
    assert wide.max() > 18


def test_altered_digits_are_of_mnists_form_and_most_of_some_classes_are_of_another() -> None:
    altered = alter(IMAGES, LABELS, random())
    ink = altered > 0
    assert np.maximum(ink.any(1).sum(1), ink.any(2).sum(1)).max() == 20
    assert set(FORMS) == {0, 1, 7}
    assert np.array_equal(altered, alter(IMAGES, LABELS, random()))


def test_digits_side_by_side_are_all_there() -> None:
    seen = random()
    for first in range(0, 60, 3):
        several = beside(IMAGES[first : first + 3], seen)
        alone = IMAGES[first : first + 3].astype(float).sum()
        assert several.astype(float).sum() > 0.5 * alone  # each may be smaller by 0.7, and they may overlap


def test_half_a_digit_is_a_part_of_it() -> None:
    seen = random()
    for label in HALVES:
        for image in pictures_of(label):
            part = half(image, label, seen)
            left, top, right, bottom = box_of(image)
            whole = bottom - top + 1 if part.shape[1] == 28 else right - left + 1
            assert 0.3 < min(part.shape) / whole < 0.55


def test_non_digits_fill_the_box_and_follow_from_the_seed() -> None:
    made = make_nondigits(IMAGES, LABELS, 300, random())
    assert made.shape == (300, 28, 28)
    assert made.any((1, 2)).all()
    assert np.array_equal(made, make_nondigits(IMAGES, LABELS, 300, random()))
    assert len({picture.tobytes() for picture in made}) > 280
    assert all(blot(np.random.RandomState(seed)).any() for seed in range(100))


def test_digits_too_narrow_to_be_cut_are_not() -> None:
    narrow = IMAGES.copy()
    narrow[:, :, :10] = narrow[:, :, 18:] = 0
    assert make_nondigits(narrow, LABELS, 50, random()).shape == (50, 28, 28)
