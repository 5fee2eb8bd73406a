"""The formulas inside the LightningModule, against independent ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
import torch
from torch import nn

from digits.config.instantiate import instantiate
from digits.config.schema import Experiment
from digits.config.types import Tree
from digits.data import BatchLoader, MNISTDataModule
from digits.runs.read import read_result
from digits.training.averaging import ema
from digits.training.job import run_job


def test_the_average_follows_its_formula() -> None:
    """mean <- d mean + (1 - d) value with d = min(decay, (1 + n) / (10 + n)), written out by hand."""
    mean, count, average = torch.zeros(1), torch.zeros(1, dtype=torch.long), ema(0.5)
    expected = 0.0
    for n in range(1, 40):
        average([mean, count], [torch.full((1,), float(n)), torch.tensor([n])], n)
        decay = min(0.5, (1 + n) / (10 + n))
        expected = decay * expected + (1 - decay) * n
    assert float(mean) == pytest.approx(expected)
    assert int(count) == 39


def test_training_is_what_a_bare_loop_does(experiment: Callable[..., Experiment], tmp_path: Path) -> None:
    """The same weights, losses and accuracies as fifteen lines of PyTorch, dropout and schedule included.

    Batches are unequal, in training and in validation: a mean over images is not one over batches.
    """
    config = experiment(
        "data.limit=300",
        "data.batch_size=64",
        "data.eval_batch_size=70",
        "trainer.channels_last=false",
        "test=false",
        "trainer.precision=32-true",
        "seed=5",
        "optimizer.lr=0.004",
    )
    run_job(config, tmp_path, [])
    result = read_result(tmp_path)

    torch.manual_seed(5)
    net = cast(nn.Module, instantiate(config.model.tree()))
    data = cast(MNISTDataModule, instantiate(config.data.tree(), seed=5))
    data.setup()
    assert data.val is not None
    loader = BatchLoader(data.train, 64, seed=5)
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.004, betas=(0.9, 0.999), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.004, total_steps=10, pct_start=0.2)
    history: list[Tree] = []
    for epoch in range(2):
        loader.set_epoch(epoch)
        total_loss = right = 0.0
        net.train()
        for batch in loader:
            torch.manual_seed(batch.seed)
            logits = net(data.normalise(batch.images))
            loss = nn.functional.cross_entropy(logits, batch.labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total_loss += float(loss.detach()) * len(batch.labels)
            right += float((logits.argmax(1) == batch.labels).sum())
        with torch.inference_mode():
            logits = net.eval()(data.normalise(data.val.pixels()))
        history.append({
            "train/loss": total_loss / 300,
            "train/accuracy": right / 300,
            "val/loss": float(nn.functional.cross_entropy(logits, data.val.truth())),
            "val/accuracy": float((logits.argmax(1) == data.val.truth()).float().mean()),
        })  # fmt: skip
    recorded = result.history
    for mine, theirs in zip(history, recorded, strict=True):
        for name, value in mine.items():
            assert theirs[name] == pytest.approx(value, rel=1e-4), name


def test_the_losses_of_the_shipped_mlp_have_not_moved(experiment: Callable[..., Experiment], tmp_path: Path) -> None:
    """A refactor must leave these alone; measured with torch 2.15 on x86-64."""
    exact = ("trainer.precision=32-true", "model.dropout=0.0", "optimizer.lr=0.003")
    config = experiment("data.limit=640", "test=false", *exact)
    run_job(config, tmp_path, [])
    history = read_result(tmp_path).history
    assert [epoch["train/loss"] for epoch in history] == pytest.approx(STORED_LOSSES, rel=1e-3)


STORED_LOSSES = [1.88324, 1.32761]
