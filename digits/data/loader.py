"""Batches indexed from a tensor: no worker processes, no copies but the batch itself, resumable."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from typing import Generic, NamedTuple, Protocol, Self, TypeVar

import torch
from torch import Tensor


class Batch(NamedTuple):
    """The input of one step. Its seed makes the step's randomness (augmentation, dropout) repeatable."""

    images: Tensor  # uint8 (B, 1, H, W), float32 after the DataModule's transforms
    labels: Tensor  # int64 (B,)
    indices: Tensor  # int64 (B,): rows of the split, to find an image again
    seed: int


T = TypeVar("T", covariant=True)  # a batch


class Rows(Protocol[T]):
    """Rows of a data set from which batches are made; `Split` is one."""

    @property
    def rows(self) -> Tensor:
        """Indices into the data set, int64 (M,)."""

    def batch(self, rows: Tensor, seed: int) -> T:
        """A batch of these rows."""

    def to(self, device: torch.device) -> Self:
        """A copy on another device, or itself where that does not pay."""

    def __len__(self) -> int: ...


class Split(NamedTuple):
    """Rows of a data set. The images are shared with the other splits, not copied."""

    images: Tensor  # uint8 (N, H, W)
    labels: Tensor  # int64 (N,)
    rows: Tensor  # int64 (M,): which of the N belong to the split

    def __len__(self) -> int:
        return len(self.rows)

    def pixels(self) -> Tensor:
        """The split's own images, uint8 (M, H, W)."""
        return self.images[self.rows]

    def truth(self) -> Tensor:
        """The split's own labels, int64 (M,)."""
        return self.labels[self.rows]

    def batch(self, rows: Tensor, seed: int) -> Batch:
        """The images of these rows, and their labels."""
        return Batch(self.images.index_select(0, rows).unsqueeze(1), self.labels.index_select(0, rows), rows, seed)

    def to(self, device: torch.device) -> Split:
        """The split on another device."""
        return Split(*(tensor.to(device) for tensor in self))


class BatchLoader(Generic[T]):
    """Iterates over a split in batches.

    With a `seed` the order of every epoch is a function of (seed, epoch); without one it is the split's. `rank` and
    `world_size` distribute the rows over processes: in training each gets the same number (a few rows come twice so
    that all take the same number of steps), in evaluation every row comes exactly once.

    Lightning calls `set_epoch` through `sampler`, and `state_dict` / `load_state_dict` to resume in the middle of an
    epoch; it reads `batch_sampler` too. `limit` tells where Lightning ends every pass, as `trainer.limit_train_batches`
    does: a number of batches, or as a float a share of them.
    """

    batch_sampler = None
    sampler: BatchLoader[T]
    limit: int | float = 1.0

    def __init__(
        self, split: Rows[T], batch_size: int, seed: int | None = None, rank: int = 0, world_size: int = 1
    ) -> None:
        self.split, self.batch_size, self.seed = split, batch_size, seed
        self.rank, self.world_size = rank, world_size
        self.epoch = self.position = self._start = 0
        if seed is not None:
            self.sampler = self  # a loader with a sampler counts as shuffled

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of the next pass."""
        self.epoch = epoch

    def __len__(self) -> int:
        rows = ceil(len(self.split) / self.world_size)
        if self.seed is not None and rows > 1 and rows % self.batch_size == 1:
            return max(1, rows // self.batch_size)  # a lone image joins the last batch: BatchNorm can't train on one
        return ceil(rows / self.batch_size)

    def __iter__(self) -> Iterator[T]:
        rows, steps = self._order(), len(self)
        if len(rows) > (steps - 1) * self.batch_size:
            batches = rows.tensor_split(list(range(self.batch_size, steps * self.batch_size, self.batch_size)))
        else:  # one row less than another process, hence one batch less: DDP's forward pass would wait for it there
            batches = rows.tensor_split(steps)
        start, self._start = self._start, 0
        for step in range(start, steps):
            self.position = step + 1
            yield self.split.batch(batches[step], self._step_seed(step))
        self.position = 0

    def _order(self) -> Tensor:
        """This rank's rows for this epoch."""
        rows = self.split.rows
        if self.seed is not None:
            generator = torch.Generator().manual_seed(mix(self.seed, self.epoch))
            rows = rows[torch.randperm(len(rows), generator=generator).to(rows.device)]
            even = ceil(len(rows) / self.world_size) * self.world_size
            rows = rows[torch.arange(even, device=rows.device) % len(rows)]
        return rows[self.rank :: self.world_size]

    def _step_seed(self, step: int) -> int:
        return 0 if self.seed is None else mix(self.seed, self.epoch, step, self.rank)

    def state_dict(self) -> dict[str, int]:
        """The number of batches of the epoch that have been yielded."""
        return {"position": self.position}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Make the next pass start at the saved position; at an epoch's end, that is the beginning.

        Raises ValueError when an epoch has no such position.
        """
        position: object = state.get("position") if isinstance(state, dict) else state
        steps = self._steps()
        if type(position) is not int or not 0 <= position <= steps:
            raise ValueError(
                f"the checkpoint resumes after batch {position!r:.40} of an epoch of {steps}: it is damaged, or from "
                "other data; use the run's other checkpoint, or start from its weights with init_from"
            )
        self.position = self._start = position % steps if steps else 0

    def _steps(self) -> int:
        """The number of batches in a pass, `limit` applied."""
        return int(len(self) * self.limit) if isinstance(self.limit, float) else min(len(self), self.limit)


def mix(*numbers: int) -> int:
    """One seed from several integers, unrelated for neighbouring ones (splitmix64, Steele et al. 2014)."""
    mask, state = (1 << 64) - 1, 0
    for number in numbers:
        state = (state + number + 0x9E3779B97F4A7C15) & mask
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & mask
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & mask
        state ^= state >> 31
    return state >> 1  # torch takes seeds below 2**63
