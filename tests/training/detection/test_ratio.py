"""A share over unequal batches."""

from __future__ import annotations

import torch

from digits.training.detection.ratio import Ratio


def test_batches_count_by_what_there_was_to_hit() -> None:
    ratio = Ratio()
    ratio.update(1, 1)
    ratio.update(torch.tensor(0), torch.tensor(99))
    assert ratio.compute() == torch.tensor(0.01)


def test_a_batch_without_any_counts_for_nothing_and_only_such_are_one() -> None:
    ratio = Ratio()
    ratio.update(0, 0)
    assert ratio.compute() == 1
    ratio.update(1, 2)
    assert ratio.compute() == 0.5


def test_its_state_is_two_numbers_which_a_checkpoint_keeps() -> None:
    ratio = Ratio()
    ratio.update(3, 4)
    assert ratio.metric_state == {"hits": torch.tensor(3.0), "of": torch.tensor(4.0)}
    ratio.reset()
    assert ratio.metric_state == {"hits": torch.tensor(0.0), "of": torch.tensor(0.0)}
