"""The base of every DataModule in this package: three splits, their batches, and the transforms of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, Protocol, Self, TypeAlias, TypeVar

import lightning as L
import torch
from torch import Tensor, nn
from typing_extensions import override

from digits.data.loader import BatchLoader, Rows
from digits.data.normalise import Normalise


class ImageBatch(Protocol):
    """A batch: a NamedTuple with these fields, such as `digits.data.Batch`."""

    @property
    def images(self) -> Tensor:
        """uint8 (B, 1, H, W), float32 after the DataModule's transforms."""

    @property
    def seed(self) -> int:
        """Seed of the step's randomness."""

    def _replace(self, *, images: Tensor) -> Self: ...


B = TypeVar("B", bound=ImageBatch)


class SplitsDataModule(L.LightningDataModule, Generic[B]):
    """Splits in memory, or read from disk on access; batches without worker processes, resumable.

    A subclass makes the splits in `setup`: `train`, `val` (None without validation) and `test`, with `classes` and the
    `checksums` of what was read. `mean` and `std` normalise the pixels, `image_size` is the side of the images that the
    model is trained on, and `val_size=0` means no validation.
    """

    train: Rows[B]
    val: Rows[B] | None
    test: Rows[B]
    classes: tuple[str, ...]
    checksums: dict[str, str]

    def __init__(
        self,
        name: str,
        mean: float,
        std: float,
        num_classes: int,
        image_size: int,
        val_size: int,
        batch_size: int,
        eval_batch_size: int,
        seed: int = 0,
        augment: Sequence[nn.Module] = (),
    ) -> None:
        super().__init__()
        self.name = name
        self.mean, self.std = mean, std
        self.num_classes, self.image_size, self.val_size = num_classes, image_size, val_size
        self.batch_size, self.eval_batch_size = batch_size, eval_batch_size
        self.seed = seed
        self.augment, self.normalise = nn.Sequential(*augment), Normalise(mean, std)

    @override
    def train_dataloader(self) -> BatchLoader[B]:
        """Shuffled batches of this process's share; with trainer.overfit_batches the same ones every epoch."""
        loader = self._loader(self.train, self.batch_size, self.seed)
        if self.trainer is not None:
            loader.limit = self.trainer.limit_train_batches  # Lightning sets it to overfit_batches if that is given
            if getattr(self.trainer, "overfit_batches", 0):
                # else Lightning would call its set_epoch: it fixes the order of torch's DataLoader only
                del loader.sampler
        return loader

    @override
    def val_dataloader(self) -> BatchLoader[B] | list[BatchLoader[B]]:
        """Batches in order; an empty list without validation."""
        return self._loader(self.val, self.eval_batch_size) if self.val is not None else []

    @override
    def test_dataloader(self) -> BatchLoader[B]:
        return self._loader(self.test, self.eval_batch_size)

    def _loader(self, split: Rows[B], batch_size: int, seed: int | None = None) -> BatchLoader[B]:
        trainer = self.trainer
        if trainer is None:
            return BatchLoader(split, batch_size, seed)
        device = trainer.strategy.root_device
        if device.type != "cpu":
            split = split.to(device)  # the split is small enough to be held where its batches are used
        return BatchLoader(split, batch_size, seed, trainer.global_rank, trainer.world_size)

    @override
    def on_after_batch_transfer(self, batch: B, dataloader_idx: int) -> B:
        """Augment training batches and normalise all batches, on the device.

        The step's seed is set here, so that augmentation and the dropout that follows draw from it.
        """
        images = batch.images
        if self.trainer is not None and self.trainer.training:
            seed_step(batch.seed, images.device)
            images = self.augment(images)
        images = self.normalise(images)
        if self.trainer is not None:
            # Lightning's own conversion comes before this hook, when the images are still integers
            images = self.trainer.precision_plugin.convert_input(images)
        return batch._replace(images=images)


AnyDataModule: TypeAlias = SplitsDataModule[ImageBatch]  # where the kind of batch does not matter


def seed_step(seed: int, device: torch.device) -> None:
    """Seed torch's generators of the CPU and of one device.

    `torch.manual_seed` would seed every kind of device that may exist, and keep a stack trace of each call until that
    device is used. On a machine without it, that costs 1 ms per step and leaks memory.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)
