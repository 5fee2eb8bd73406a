"""Going on in the middle of an epoch: what was given out and what comes after are what one pass would have been."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import NamedTuple

import lightning as L
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor, nn

from digits.data import Batch, BatchLoader, MNISTDataModule
from tests.support.batches import make_split, same


class Case(NamedTuple):
    """A loader, and where it is stopped."""

    rows: int
    batch_size: int
    world: int
    seed: int
    epoch: int
    limit: int | float
    stop: float  # share of the pass, 0: before its first batch, 1: after its last

    def loader(self, rank: int) -> BatchLoader[Batch]:
        loader = BatchLoader(make_split(self.rows), self.batch_size, self.seed, rank, self.world)
        loader.limit = self.limit
        loader.set_epoch(self.epoch)
        return loader

    def steps(self) -> int:
        """As Lightning counts them."""
        length = len(self.loader(0))
        return int(length * self.limit) if isinstance(self.limit, float) else min(length, self.limit)


def passes(loader: BatchLoader[Batch], steps: int, given_out: int = 0) -> list[Batch]:
    """One pass as Lightning makes it: it asks for as many batches as it wants, and never for the end."""
    batches = iter(loader)
    return [next(batches) for _ in range(steps - given_out)]


CASES = st.builds(
    Case,
    rows=st.integers(1, 60),
    batch_size=st.integers(1, 20),
    world=st.integers(1, 4),
    seed=st.integers(0, 2**32 - 1),
    epoch=st.integers(0, 1000),
    limit=st.just(1.0) | st.integers(1, 9) | st.floats(0.05, 1),
    stop=st.floats(0, 1),
)


@given(CASES)
@example(Case(rows=20, batch_size=4, world=1, seed=0, epoch=1, limit=3, stop=1.0))
@example(Case(rows=20, batch_size=4, world=1, seed=0, epoch=1, limit=0.5, stop=1.0))
@example(Case(rows=20, batch_size=4, world=2, seed=0, epoch=1, limit=1.0, stop=1.0))
@settings(max_examples=200, deadline=None)
def test_stopped_anywhere_it_goes_on_as_if_it_had_not(case: Case) -> None:
    """Found: after a pass that trainer.limit_train_batches cut short, the next began in its middle; and a loader that
    was stopped again before its first batch forgot where it stood.
    """
    steps = case.steps()
    given_out = round(case.stop * steps)
    for rank in range(case.world):
        whole, stopped, resumed = case.loader(rank), case.loader(rank), case.loader(rank)
        this = passes(whole, steps)
        whole.set_epoch(case.epoch + 1)
        following = passes(whole, steps)

        before = passes(stopped, given_out)
        state = case.loader(0).state_dict() if given_out == 0 else stopped.state_dict()
        resumed.load_state_dict(state)
        if given_out < steps:
            again = case.loader(rank)
            again.load_state_dict(resumed.state_dict())  # stopped once more, before its first batch
            for loader in (resumed, again):
                assert same(before + passes(loader, steps, given_out), this)
        resumed.set_epoch(case.epoch + 1)
        assert same(passes(resumed, steps), following), "only one pass is cut short"


@given(CASES)
@settings(max_examples=50, deadline=None)
def test_the_state_is_the_same_on_every_rank(case: Case) -> None:
    """Lightning keeps the first process's, and gives it to all."""
    states = []
    for rank in range(case.world):
        loader = case.loader(rank)
        passes(loader, round(case.stop * case.steps()))
        states.append(loader.state_dict())
    assert states == [{"position": round(case.stop * case.steps())}] * case.world


# ---- Damaged states -----------------------------------------------------------------------------

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=8), inner, max_size=2),
    max_leaves=4,
)


@given(PLAIN | st.fixed_dictionaries({"position": PLAIN}))
@example({"position": -1})
@example({"position": 6})
@example({"position": 2**70})
@example({"position": True})
@example({"position": 2.0})
@example({"position": "2"})
@example({"position": None})
@example({"pos": 2})
@example({})
@example([])
@settings(max_examples=60, deadline=None)
def test_a_damaged_state_is_one_sentence(state: dict[str, int]) -> None:
    """Found: -1 went on at the last batch, 6 of 5 at the second, 2.0 died in `range`, and the rest in other ways."""
    loader = BatchLoader(make_split(20), 4, seed=0)
    position: object = state.get("position") if isinstance(state, dict) else state
    if type(position) is int and 0 <= position <= 5:
        loader.load_state_dict(state)
        assert len(list(loader)) == 5 - position % 5
        return
    message = rf"the checkpoint resumes after batch {re.escape(repr(position)[:40])} of an epoch of 5: it is damaged, "
    with pytest.raises(ValueError, match=message):
        loader.load_state_dict(state)
    assert len(list(loader)) == 5, "it is as it was"


# ---- By Lightning -------------------------------------------------------------------------------


class Recorder(L.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(1, 1)
        self.seen: list[tuple[int, int, list[int], int]] = []

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        self.seen.append((self.current_epoch, batch_idx, batch.indices.tolist(), batch.seed))
        loss: Tensor = self.net(batch.labels.float().unsqueeze(1)).mean()
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 1e-9)


def fit(folder: Path, limits: dict[str, int | float], resume: Path | None = None) -> Recorder:
    data = MNISTDataModule("optdigits", "nowhere", None, 0.1, 0.3, 10, 28, 180, 0, 25, 5, 1000)
    recorder = Recorder()
    trainer = L.Trainer(
        max_epochs=3, accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False,
        num_sanity_val_steps=0, limit_train_batches=limits.get("limit_train_batches"),
        overfit_batches=limits.get("overfit_batches", 0.0),
        callbacks=[ModelCheckpoint(folder, "{step}", every_n_train_steps=1, save_top_k=-1)],
    )  # fmt: skip
    with warnings.catch_warnings(action="ignore"):
        trainer.fit(recorder, data, ckpt_path=resume, weights_only=True)
    return recorder


@pytest.mark.parametrize(
    "limits", [{}, {"limit_train_batches": 3}, {"limit_train_batches": 0.5}, {"overfit_batches": 3}], ids=str
)
def test_lightning_goes_on_after_every_step(tmp_path: Path, limits: dict[str, int | float]) -> None:
    whole = fit(tmp_path / "whole", limits).seen
    assert len(whole) in (6, 9, 15)
    for step in range(1, len(whole)):
        checkpoint = tmp_path / "whole" / f"step={step}.ckpt"
        assert fit(tmp_path / "again", limits, checkpoint).seen == whole[step:], f"after step {step}"


def test_lightning_refuses_a_state_of_other_data(tmp_path: Path) -> None:
    fit(tmp_path, {})
    checkpoint = torch.load(tmp_path / "step=4.ckpt", weights_only=True)
    checkpoint["loops"]["fit_loop"]["state_dict"]["combined_loader"] = [{"position": 2**40}]
    torch.save(checkpoint, tmp_path / "damaged.ckpt")
    with pytest.raises(ValueError, match=rf"after batch {2**40} of an epoch of 5: it is damaged, or from other data"):
        fit(tmp_path, {}, tmp_path / "damaged.ckpt")
