"""The DataModule on idx files that the tests make themselves, on optdigits, and on a data set of one's own."""

from __future__ import annotations

import re
from pathlib import Path

import lightning as L
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from digits.data import Batch, BatchLoader, MNISTDataModule
from digits.data.datasets import Arrays, read_dataset
from tests.support.mnist_files import NAMES, resources_of


def make(
    root: Path, *, image_size: int = 6, num_classes: int = 10, val_size: int = 40, split_seed: int = 0,
    limit: int | None = None, augment: tuple[nn.Module, ...] = (),
) -> MNISTDataModule:  # fmt: skip
    module = MNISTDataModule(
        "mnist", str(root), None, 0.5, 0.25, num_classes, image_size, val_size, split_seed, limit, 32, 64, 0, augment
    )
    module.prepare_data()
    module.setup()
    return module


def loader(given: BatchLoader[Batch] | list[BatchLoader[Batch]]) -> BatchLoader[Batch]:
    assert isinstance(given, BatchLoader)
    return given


def pixel_values(loader: BatchLoader[Batch]) -> list[int]:
    return [value for batch in loader for value in batch.images[:, 0, 3, 3].tolist()]


def test_sizes_and_classes(root: Path) -> None:
    data = make(root)
    assert data.val is not None
    assert (len(data.train), len(data.val), len(data.test)) == (160, 40, 50)
    assert torch.bincount(data.val.truth()).tolist() == [4] * 10
    assert data.classes == tuple("0123456789")
    assert data.checksums == dict(resources_of(root / "MNIST" / "raw"))


def test_every_picture_is_in_one_split_and_the_test_set_is_the_official_one(root: Path) -> None:
    data = make(root)
    train, val = pixel_values(data.train_dataloader()), pixel_values(loader(data.val_dataloader()))
    assert sorted(train + val) == list(range(200))
    assert pixel_values(data.test_dataloader()) == list(range(200, 250))


def test_images_keep_their_labels(root: Path) -> None:
    data = make(root)
    for batches in (data.train_dataloader(), loader(data.val_dataloader()), data.test_dataloader()):
        for batch in batches:
            assert batch.labels.tolist() == (batch.images[:, 0, 0, 0].long() % 10).tolist()


def test_limit_shortens_every_split_from_its_start(root: Path) -> None:
    whole, limited = make(root), make(root, limit=30)
    assert whole.val is not None
    assert limited.val is not None
    for long, short in ((whole.train, limited.train), (whole.val, limited.val), (whole.test, limited.test)):
        assert torch.equal(short.rows, long.rows[:30])
    assert len(make(root, limit=10_000).train) == 160


def test_without_validation_everything_is_trained_on(root: Path) -> None:
    data = make(root, val_size=0)
    assert data.val is None
    assert data.val_dataloader() == []
    assert sorted(pixel_values(data.train_dataloader())) == list(range(200))
    assert pixel_values(data.test_dataloader()) == list(range(200, 250))
    with pytest.raises(ValueError, match=r"there is no validation split: data\.val_size is 0"):
        data.split("val")


def test_split_seed_chooses_the_split(root: Path) -> None:
    first, again, other = make(root), make(root), make(root, split_seed=1)
    assert torch.equal(first.train.rows, again.train.rows)
    assert set(first.split("val").rows.tolist()) != set(other.split("val").rows.tolist())


def test_splits_share_the_memory_that_was_read(root: Path) -> None:
    data, other = make(root), make(root, split_seed=1)
    assert data.val is not None
    address = read_dataset("mnist", str(root), None).train_images.ctypes.data
    assert {split.images.data_ptr() for split in (data.train, data.val, other.train)} == {address}


def test_a_second_module_reads_no_file(root: Path) -> None:
    make(root)
    for name in NAMES:
        (root / "MNIST" / "raw" / name).unlink()
    assert len(make(root, limit=5).train) == 5


def test_setup_twice_keeps_the_splits(root: Path) -> None:
    data = make(root)
    train = data.train
    data.setup("fit")
    assert data.train is train


def test_configuration_that_does_not_fit_the_data(root: Path) -> None:
    message = re.escape("mnist has 10 classes of 6x6 pixels; set data.num_classes=10 data.image_size=6")
    with pytest.raises(ValueError, match=message):
        make(root, image_size=28)
    with pytest.raises(ValueError, match=message):
        make(root, num_classes=9)
    with pytest.raises(ValueError, match=r"can't keep 200 of 200 images for validation; set data\.val_size lower"):
        make(root, val_size=200)


class Own(MNISTDataModule):
    """As somebody would bring a data set of their own."""

    labels = np.arange(20) % 2

    def read(self) -> Arrays:
        pixels = np.zeros((20, 6, 6), np.uint8)
        return Arrays(pixels, self.labels, pixels, self.labels, ("no", "yes"), {})


def test_a_data_set_of_ones_own_is_looked_at_too() -> None:
    data = Own("own", "nowhere", None, 0.5, 0.25, 2, 6, 0, 0, None, 32, 64)
    data.setup()
    assert len(data.train) == 20
    for labels, fault in (
        (np.arange(20) % 3, "a training label is 2, but labels go from 0 to 1"),
        (np.arange(20) % 2 - 1, "a training label is -1, but labels go from 0 to 1"),
        (np.zeros(19, np.int64), "there are 20 training images, but 19 labels"),
    ):
        data = Own("own", "nowhere", None, 0.5, 0.25, 2, 6, 0, 0, None, 32, 64)
        data.labels = labels
        with pytest.raises(ValueError, match=f"own can't be used: {fault}; correct what Own.read returns"):
            data.setup()


def test_home_folder_may_be_written_short(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(root.parent))
    monkeypatch.setenv("USERPROFILE", str(root.parent))
    assert len(make(Path("~") / root.name).train) == 160


def test_batches_reach_the_net_normalised_and_unaugmented_outside_of_training(root: Path) -> None:
    data = make(root, augment=(nn.Identity(),))
    batch = next(iter(data.test_dataloader()))
    sent = data.on_after_batch_transfer(batch, 0)
    assert sent.images.dtype == torch.float32
    # picture 200: (200 / 255 - 0.5) / 0.25 = 1.13725
    assert sent.images[0, 0, 0, 0].item() == pytest.approx(1.1372549, abs=1e-6)
    assert sent.labels is batch.labels


# ---- With a Trainer -----------------------------------------------------------------------------


class Recorder(L.LightningModule):
    """Keeps which rows each epoch trained on, and how the images came."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(1, 1)
        self.trained: dict[int, list[int]] = {}
        self.validated: list[int] = []
        self.pixels: dict[str, set[float]] = {"train": set(), "val": set()}

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        self.trained.setdefault(self.current_epoch, []).extend(batch.indices.tolist())
        self.pixels["train"] |= set(batch.images.flatten().tolist())
        loss: Tensor = self.net(batch.labels.float().unsqueeze(1)).mean()
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self.validated += batch.indices.tolist()
        self.pixels["val"] |= set(batch.images.flatten().tolist())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 1e-9)


def fit(data: MNISTDataModule, overfit_batches: int = 0) -> Recorder:
    recorder = Recorder()
    trainer = L.Trainer(
        max_epochs=3, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, num_sanity_val_steps=0,
        overfit_batches=overfit_batches,
    )  # fmt: skip
    trainer.fit(recorder, data)
    return recorder


@pytest.mark.filterwarnings("ignore::lightning.pytorch.utilities.warnings.PossibleUserWarning")
def test_lightning_gets_every_row_in_another_order_each_epoch(root: Path) -> None:
    data = make(root)
    recorder = fit(data)
    orders = [tuple(rows) for rows in recorder.trained.values()]
    assert len(set(orders)) == 3
    assert {tuple(sorted(order)) for order in orders} == {tuple(sorted(data.train.rows.tolist()))}
    assert recorder.validated == data.split("val").rows.tolist() * 3


@pytest.mark.filterwarnings("error:You requested to overfit")
def test_overfitting_repeats_the_same_batches(root: Path) -> None:
    epochs = list(fit(make(root), overfit_batches=2).trained.values())
    assert len(epochs[0]) == 2 * 32
    assert epochs[1] == epochs[2] == epochs[0]


class White(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return torch.full_like(images, 255)


def test_only_training_batches_are_augmented(root: Path) -> None:
    recorder = fit(make(root, augment=(White(),)))
    assert recorder.pixels["train"] == {2.0}  # (255 / 255 - 0.5) / 0.25
    assert len(recorder.pixels["val"]) == 40


# ---- optdigits ----------------------------------------------------------------------------------


def optdigits() -> MNISTDataModule:
    data = MNISTDataModule("optdigits", "nowhere", None, 0.1307, 0.3081, 10, 28, 180, 0, None, 64, 1000)
    data.prepare_data()
    data.setup()
    return data


def test_optdigits_needs_no_file_and_keeps_its_test_set_apart() -> None:
    data = optdigits()
    assert data.val is not None
    assert (len(data.train), len(data.val), len(data.test)) == (1257, 180, 360)
    assert torch.bincount(data.test.truth()).min() >= 34
    seen = {image.numpy().tobytes() for split in (data.train, data.val) for image in split.pixels()}
    assert not seen & {image.numpy().tobytes() for image in data.test.pixels()}


def test_optdigits_look_like_mnist() -> None:
    images = optdigits().train.images
    assert images.dtype == torch.uint8
    assert images.shape[1:] == (28, 28)
    border = images.clone()
    border[:, 4:24, 4:24] = 0
    assert int(border.max()) == 0, "the digit is in the middle 20x20"
    assert int(images.max()) == 255
