from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from digits.data.datasets import read_dataset
from digits.data.split import stratified_split

UNEVEN = np.repeat(np.arange(4), [1, 2, 3, 4])
SYNTHETIC = np.arange(1000) * np.arange(1000) % 10  # classes of uneven size, in no order


def sha256(train: npt.NDArray[np.int64], held: npt.NDArray[np.int64]) -> str:
    return hashlib.sha256(train.astype("<i8").tobytes() + b"|" + held.astype("<i8").tobytes()).hexdigest()


def test_shares_by_hand() -> None:
    # 5 of 10: exact shares 0.5, 1, 1.5, 2; rounded down 0, 1, 1, 2; the one left goes to the first of the largest
    # remainders, 0.5 of class 0
    train, held = stratified_split(UNEVEN, 5, seed=0)
    assert np.bincount(UNEVEN[held], minlength=4).tolist() == [1, 1, 1, 2]
    assert np.bincount(UNEVEN[train], minlength=4).tolist() == [0, 1, 2, 2]


def test_largest_remainder_by_hand() -> None:
    # 3 of 10: exact shares 0.3, 0.6, 0.9, 1.2; rounded down 0, 0, 0, 1; two left, to 0.9 and 0.6
    _, held = stratified_split(UNEVEN, 3, seed=0)
    assert np.bincount(UNEVEN[held], minlength=4).tolist() == [0, 1, 1, 1]


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=80).flatmap(
        lambda labels: st.tuples(st.just(labels), st.integers(0, len(labels) - 1), st.integers(0, 2**32 - 1))
    )
)
def test_disjoint_complete_and_in_proportion(drawn: tuple[list[int], int, int]) -> None:
    labels, held_out, seed = np.array(drawn[0]), drawn[1], drawn[2]
    train, held = stratified_split(labels, held_out, seed)
    assert len(held) == held_out
    assert sorted([*train, *held]) == list(range(len(labels)))
    for label in np.unique(labels):
        exact = (labels == label).sum() * held_out / len(labels)
        assert abs((labels[held] == label).sum() - exact) < 1


def test_a_seed_is_a_split_for_good() -> None:
    train, held = stratified_split(SYNTHETIC, 100, seed=0)
    assert sha256(train, held) == "565657c18b667c1a63e4fc5ca1d286ddeb23f72a912bd6bfa48585228490a87b"
    assert train.dtype == held.dtype == np.int64


def test_global_random_state_has_no_part_in_it() -> None:
    first = stratified_split(SYNTHETIC, 100, seed=0)
    np.random.seed(1)
    before = np.random.get_state(legacy=False)["state"]["pos"]
    again = stratified_split(SYNTHETIC, 100, seed=0)
    assert sha256(*first) == sha256(*again)
    assert np.random.get_state(legacy=False)["state"]["pos"] == before


def test_other_seeds_are_other_splits() -> None:
    held = [frozenset(stratified_split(SYNTHETIC, 100, seed)[1].tolist()) for seed in range(20)]
    assert len(set(held)) == 20


def test_both_parts_are_in_random_order() -> None:
    """The first rows of a part are used on their own (data.limit): they must hold every class."""
    labels = np.repeat(np.arange(10), 100)
    for part in stratified_split(labels, 500, seed=0):
        assert len(np.unique(labels[part[:100]])) == 10


def test_nothing_held_out() -> None:
    train, held = stratified_split(SYNTHETIC, 0, seed=0)
    assert sorted(train) == list(range(1000))
    assert held.shape == (0,)
    assert held.dtype == np.int64


@pytest.mark.parametrize("held_out", [-1, 1000, 5000])
def test_a_split_that_leaves_nothing_is_refused(held_out: int) -> None:
    message = f"can't keep {held_out} of 1000 images for validation; set data.val_size lower"
    with pytest.raises(ValueError, match=message):
        stratified_split(SYNTHETIC, held_out, seed=0)


def test_the_split_of_mnist(mnist_root: Path) -> None:
    labels = read_dataset("mnist", str(mnist_root), ()).train_labels
    train, held = stratified_split(labels, 5000, seed=0)
    assert sha256(train, held) == "c3bf95e032e3a5948d6d40e7d9ecebacbbff64206cc0cfabf21a99c88e955c37"
    # 5000/60000 of each class's official count, which are 5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949
    assert np.bincount(labels[held]).tolist() == [494, 562, 496, 511, 487, 452, 493, 522, 487, 496]
