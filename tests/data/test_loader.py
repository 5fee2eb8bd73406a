from __future__ import annotations

import itertools
from math import ceil

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from digits.data import Batch, BatchLoader
from digits.data.loader import mix
from tests.support.batches import make_split, same

SIZES = st.tuples(st.integers(1, 40), st.integers(1, 12), st.integers(1, 5))


def indices(batches: list[Batch]) -> list[int]:
    return [row for batch in batches for row in batch.indices.tolist()]


# ---- One pass -----------------------------------------------------------------------------------


@given(SIZES, st.sampled_from([None, 0, 3]))
def test_every_row_once_an_epoch_with_its_own_image_and_label(sizes: tuple[int, int, int], seed: int | None) -> None:
    split = make_split(sizes[0])
    batches = list(BatchLoader(split, sizes[1], seed))
    assert sorted(indices(batches)) == split.rows.tolist()
    for batch in batches:
        assert batch.images.shape == (len(batch.indices), 1, 2, 2)
        assert batch.images.dtype == torch.uint8
        assert batch.images[:, 0, 1, 1].tolist() == batch.indices.tolist()
        assert batch.labels.tolist() == (3 * batch.indices).tolist()
    assert [len(batch.labels) for batch in batches[:-1]] == [sizes[1]] * (len(batches) - 1)


def test_without_a_seed_the_order_is_the_splits() -> None:
    loader = BatchLoader(make_split(10), 4)
    loader.set_epoch(3)
    assert indices(list(loader)) == list(range(5, 25, 2))


def test_order_is_a_function_of_seed_and_epoch() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        loader = BatchLoader(make_split(30), 7, seed)
        loader.set_epoch(epoch)
        list(loader)  # neither the passes before
        torch.manual_seed(99)  # nor the global generator matter
        return indices(list(loader))

    keys = list(itertools.product(range(4), range(4)))
    orders = {key: order(*key) for key in keys}
    assert orders == {key: order(*key) for key in reversed(keys)}
    assert len({tuple(o) for o in orders.values()}) == 16


def test_global_generator_is_left_alone() -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    list(BatchLoader(make_split(30), 7, seed=0))
    assert torch.equal(torch.rand(3), expected)


def test_order_of_one_epoch_for_good() -> None:
    loader = BatchLoader(make_split(8), 3, seed=0)
    loader.set_epoch(1)
    batches = list(loader)
    assert indices(batches) == [5, 17, 13, 11, 7, 15, 19, 9]
    assert [batch.seed for batch in batches] == [7530090308580795546, 2025672802176191410, 5057979369042196948]


# ---- Going on in the middle ---------------------------------------------------------------------


@given(st.integers(1, 30), st.integers(1, 8), st.data())
def test_a_new_loader_goes_on_where_the_state_says(rows: int, batch_size: int, data: st.DataObject) -> None:
    loader = BatchLoader(make_split(rows), batch_size, seed=1)
    loader.set_epoch(2)
    given_out = data.draw(st.integers(1, len(loader)))
    whole = list(loader)
    running = iter(loader)
    for _ in range(given_out):
        next(running)
    state = loader.state_dict()

    resumed = BatchLoader(make_split(rows), batch_size, seed=1)
    resumed.load_state_dict(state)
    at_end = given_out == len(loader)
    resumed.set_epoch(3 if at_end else 2)
    if at_end:
        loader.set_epoch(3)
        assert same(list(resumed), list(loader)), "a state from an epoch's end means the start of the next"
    else:
        assert same(list(resumed), whole[given_out:])
    resumed.set_epoch(2)
    assert same(list(resumed), whole), "only the first pass is cut short"


def test_position_counts_batches_of_the_whole_epoch_after_resuming() -> None:
    loader = BatchLoader(make_split(20), 4, seed=0)
    loader.load_state_dict({"position": 3})
    next(iter(loader))
    assert loader.state_dict() == {"position": 4}


def test_between_epochs_nothing_has_been_given_out() -> None:
    loader = BatchLoader(make_split(20), 4, seed=0)
    assert loader.state_dict() == {"position": 0}
    list(loader)
    assert loader.state_dict() == {"position": 0}


# ---- Several processes --------------------------------------------------------------------------


@given(SIZES)
def test_evaluation_deals_each_row_to_one_rank(sizes: tuple[int, int, int]) -> None:
    rows, batch_size, world = sizes
    ranks = [list(BatchLoader(make_split(rows), batch_size, None, rank, world)) for rank in range(world)]
    assert sorted(row for batches in ranks for row in indices(batches)) == make_split(rows).rows.tolist()


@given(SIZES)
def test_training_deals_as_many_rows_and_steps_to_every_rank(sizes: tuple[int, int, int]) -> None:
    rows, batch_size, world = sizes
    ranks = [list(BatchLoader(make_split(rows), batch_size, 0, rank, world)) for rank in range(world)]
    assert {len(indices(batches)) for batches in ranks} == {ceil(rows / world)}
    each = ceil(rows / world)
    joined = each > 1 and each % batch_size == 1  # a lone image joins the batch before it
    assert {len(batches) for batches in ranks} == {max(1, ceil(each / batch_size) - joined)}
    assert all(len(batch.labels) > 1 for batches in ranks for batch in batches) or batch_size == 1 or each == 1
    dealt = [row for batches in ranks for row in indices(batches)]
    assert set(dealt) == set(make_split(rows).rows.tolist())
    if rows >= world:
        assert len(dealt) - len(set(dealt)) < world, "fewer rows come twice than there are ranks"


@given(SIZES, st.sampled_from([None, 0]))
def test_every_rank_has_as_many_batches_as_it_says(sizes: tuple[int, int, int], seed: int | None) -> None:
    rows, batch_size, world = sizes
    lengths = set()
    for rank in range(world):
        loader = BatchLoader(make_split(rows), batch_size, seed, rank, world)
        batches = list(loader)
        lengths |= {len(loader), len(batches)}
        assert all(len(batch.labels) for batch in batches) or rows // world < len(loader), "no batch is empty"
    assert len(lengths) == 1, "a rank with more batches would wait for the others in DDP's forward pass"


@pytest.mark.parametrize("rank", range(3))
def test_lengths_by_hand(rank: int) -> None:
    # 17 rows to 3 ranks: 6, 6, 5 to evaluate; by 2 and 2 and the rest
    assert len(BatchLoader(make_split(17), 2, None, rank, 3)) == 3
    # 13 rows: 5, 4, 4: the first rank needs 3 batches of 2, so all have 3
    batches = [len(batch.labels) for batch in BatchLoader(make_split(13), 2, None, rank, 3)]
    assert batches == ([2, 2, 1] if rank == 0 else [2, 1, 1])
    # to train, each gets 5, and the lone one joins the batch before it
    assert [len(batch.labels) for batch in BatchLoader(make_split(13), 2, 0, rank, 3)] == [2, 3]


# ---- Seeds --------------------------------------------------------------------------------------


def test_every_step_epoch_and_rank_has_its_own_seed() -> None:
    seeds = []
    for seed, epoch, rank in itertools.product(range(3), range(3), range(4)):
        loader = BatchLoader(make_split(40), 2, seed, rank, 4)
        loader.set_epoch(epoch)
        seeds += [batch.seed for batch in loader]
    assert len(seeds) == 3 * 3 * 4 * 5
    assert len(set(seeds)) == len(seeds)
    for seed in seeds:
        torch.manual_seed(seed)


def test_mix_tells_numbers_and_their_places_apart() -> None:
    keys = [*itertools.product(range(12), repeat=2), *itertools.product(range(12), repeat=3)]
    assert len({mix(*key) for key in keys}) == len(keys)
    assert all(0 <= mix(*key) < 2**63 for key in keys)


def test_neighbouring_seeds_share_nothing() -> None:
    flipped = [(mix(0, step) ^ mix(0, step + 1)).bit_count() for step in range(1000)]
    assert 30 < sum(flipped) / 1000 < 33, "half of the 63 bits differ"
