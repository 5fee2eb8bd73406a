"""The search for a learning rate: what it suggests, and that the training after it is as with the rate given."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import lightning as L
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn

from digits.config.check import check
from digits.config.faults import ConfigError
from digits.config.instantiate import instantiate
from digits.config.schema import Experiment
from digits.config.types import Tree
from digits.data import MNISTDataModule
from digits.data.base import AnyDataModule
from digits.hydra_app.resolve import experiment_of, start_of_job
from digits.runs.layout import LR_FIND, JobFailed
from digits.runs.read import read_result
from digits.training.build import make_module
from digits.training.finding_lr.range_test import LOWEST, STEPS, Search, search
from digits.training.job import run_job
from digits.training.task_module import AnyTask
from tests.support.runs import composed

MakeExperiment = Callable[..., Experiment]

RATES = np.geomspace(1e-6, 10, 100)
SMALL = ("data=optdigits", "model=mlp", "model.hidden=[16]", "trainer=cpu", "trainer.max_epochs=2", "callbacks=none")
RANDOM = ("augment=affine", "model.dropout=0.3", "trainer.ema_decay=0.9", "data.batch_size=128")


def bits(run: Path) -> tuple[dict[str, bytes], list[dict[str, float]], dict[str, float]]:
    weights = {name: tensor.numpy().tobytes() for name, tensor in load_file(run / "model.safetensors").items()}
    record = read_result(run)
    history = [{k: v for k, v in epoch.items() if "images_per_second" not in k} for epoch in record.history]
    return weights, history, record.metrics


def no_search(*_: object, **__: object) -> Search:
    raise AssertionError("searched again")


# ---- What it suggests -----------------------------------------------------------------------------


def falling_at(centre: float, noise: float = 0.0) -> list[float]:
    """A loss that falls from 2.3 along a logistic curve in the rate's logarithm, and rises from a rate of 1 on."""
    steps = np.log10(RATES)
    falling = 2.3 - 2.0 / (1 + np.exp(-3 * (steps - np.log10(centre))))
    random = np.random.default_rng(0)
    rising = np.maximum(steps, 0) ** 2 * 4
    return [float(loss) for loss in falling + rising + random.normal(0, noise, len(steps))]


@pytest.mark.parametrize("centre", [1e-4, 3e-3, 0.03])
@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_the_suggestion_is_midway_from_the_steepest_fall_to_its_end(centre: float, noise: float) -> None:
    """The logistic curve has 95 % of its fall behind it at a rate 10 ** (log(19) / 3) times that of its centre."""
    suggestion = Search(RATES.tolist(), falling_at(centre, noise)).suggestion
    assert suggestion is not None
    wanted = centre * 10 ** (np.log(19) / 3 / 2)
    assert wanted / 2 < suggestion < wanted * 2
    assert suggestion == float(f"{suggestion:.1e}"), "two digits, so that it can be typed"


@pytest.mark.parametrize(
    "losses",
    [
        [2.3] * 100,
        np.linspace(2.3, 9, 100).tolist(),
        np.random.default_rng(1).normal(2.3, 0.1, 100).tolist(),
        [2.3, 9.9],
    ],
    ids=["flat", "rising", "noise", "diverged at once"],
)
def test_where_nothing_falls_nothing_is_suggested(losses: list[float]) -> None:
    assert Search(RATES[: len(losses)].tolist(), losses).suggestion is None


# ---- The training after it ------------------------------------------------------------------------


@pytest.mark.parametrize("more", [("scheduler=onecycle",), ("scheduler=cosine", "trainer.accumulate_grad_batches=2")])
def test_the_training_is_to_the_bit_the_one_with_the_rate_given(
    experiment: MakeExperiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]
) -> None:
    found = tmp_path / "found"
    run_job(experiment(*RANDOM, *more, "trainer.find_lr=use"), found, ["trainer.find_lr=use"])
    monkeypatch.setattr("digits.training.finding_lr.find.search", no_search)
    config = read_result(found).config
    assert config is not None
    lr = config.at("optimizer.lr")
    assert lr != experiment().optimizer.get("lr")
    given = tmp_path / "given"
    run_job(experiment(*RANDOM, *more, f"optimizer.lr={lr}"), given, [])
    assert bits(found) == bits(given)
    by_hand = read_result(given).config
    assert by_hand is not None
    assert config.tree() == by_hand.tree(), "the record of a run that was started with the rate"
    assert config.at("scheduler.max_lr") == (lr if "scheduler=onecycle" in more else None)
    once_more = [f"config_from={found}"]
    run_job(experiment_of(composed(*once_more), once_more), tmp_path / "again", once_more)
    assert bits(tmp_path / "again") == bits(found)
    longer = [f"resume={found}", "trainer.max_epochs=3"]
    run_job(experiment_of(composed(*longer), longer), found, longer)
    assert len(read_result(found).history) == 3


def test_a_suggestion_alone_changes_nothing_but_is_plotted(
    experiment: MakeExperiment, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        run_job(experiment(*RANDOM, "trainer.find_lr=true"), tmp_path / "asked", [])
    assert f"({LR_FIND} shows why); training with 0.006" in caplog.text
    run_job(experiment(*RANDOM), tmp_path / "plain", [])
    assert bits(tmp_path / "asked") == bits(tmp_path / "plain")
    assert Image.open(tmp_path / "asked" / LR_FIND).size == (500, 360)
    assert not (tmp_path / "plain" / LR_FIND).exists()
    events = EventAccumulator(str(tmp_path / "asked"), size_guidance={"images": 0})
    events.Reload()
    assert [event.step for event in events.Images("train/lr_find")] == [0]


def test_nothing_is_searched_in_a_fast_dev_run(
    experiment: MakeExperiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("digits.training.finding_lr.find.search", no_search)
    run_job(experiment("debug=fast_dev_run", "trainer.find_lr=use"), tmp_path, [])
    assert read_result(tmp_path).status == "done"


def test_a_rate_to_use_that_is_not_found_fails_with_the_fix(
    experiment: MakeExperiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("digits.training.finding_lr.find.search", lambda *_: Search(RATES.tolist(), [2.3] * 100))
    with pytest.raises(JobFailed, match=r"no learning rate at which the loss falls .*; give optimizer\.lr") as failed:
        run_job(experiment("trainer.find_lr=use"), tmp_path / "use", [])
    assert failed.value.code == 2
    assert (tmp_path / "use" / LR_FIND).exists()
    run_job(experiment("trainer.find_lr=true"), tmp_path / "suggest", [])
    assert read_result(tmp_path / "suggest").status == "done"


# ---- The search itself ----------------------------------------------------------------------------


def made(config: Experiment) -> tuple[AnyTask, AnyDataModule]:
    """The module and the data of an experiment, without an image of its validation and test splits."""
    L.seed_everything(0, verbose=False)
    augment = [instantiate(transform) for transform in config.augment.values()]
    data = cast(MNISTDataModule, instantiate(config.data, seed=0, augment=augment))
    data.setup()
    data.val = None
    del data.test
    return make_module(config, cast(nn.Module, instantiate(config.model)), 10), cast(AnyDataModule, data)


def test_a_search_needs_training_images_only_and_leaves_no_trace(experiment: MakeExperiment) -> None:
    config = experiment("augment=affine", "trainer.ema_decay=0.9", "trainer.gradient_clip_val=1.0", "optimizer=sgd",
                        "model.dropout=0.3", "trainer.precision=32-true")  # fmt: skip
    module, data = made(config)
    before, random = {name: value.clone() for name, value in module.state_dict().items()}, torch.get_rng_state()
    beats: list[int] = []
    found = search(module, data, config.trainer, torch.device("cpu"), lambda: beats.append(1))
    assert torch.equal(torch.get_rng_state(), random)
    after = module.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert all(p.grad is None for p in module.parameters())
    assert found.rates[0] == pytest.approx(LOWEST)
    assert len(found.rates) == len(found.losses) <= STEPS
    assert len(beats) >= len(found.losses) - 1
    assert search(module, data, config.trainer, torch.device("cpu"), lambda: None) == found, "the same again"


def test_the_first_losses_are_those_of_the_first_training_batches(experiment: MakeExperiment) -> None:
    """At rates that hardly change the weights, by a loop of its own."""
    config = experiment("trainer.precision=32-true")
    module, data = made(config)
    module.net.eval()  # no dropout: nothing is random
    found = search(module, data, config.trainer, torch.device("cpu"), lambda: None)
    loader = data.train_dataloader()
    expected = []
    for batch in list(loader)[:3]:
        with torch.no_grad():
            logits = module.net(data.normalise(batch.images))
        labels = cast(torch.Tensor, batch.labels)  # type: ignore[attr-defined]  # of these data, a Batch
        expected.append(float(torch.nn.functional.cross_entropy(logits, labels)))
    assert found.losses[:3] == pytest.approx(expected, abs=1e-3)


def test_a_loss_that_is_not_finite_at_once_can_not_be_searched(experiment: MakeExperiment) -> None:
    config = experiment("trainer.precision=32-true")
    module, data = made(config)
    with torch.no_grad():
        next(module.net.parameters()).fill_(torch.nan)
    with pytest.raises(ConfigError, match="not finite before the first step"):
        search(module, data, config.trainer, torch.device("cpu"), lambda: None)


# ---- What is refused, and what a sweep is told ------------------------------------------------------


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (("trainer.devices=2", "trainer.find_lr=true"), r"^trainer: find_lr is for one device; set trainer\.devices=1"),
        (("trainer=ddp", "trainer.find_lr=use"), r"^trainer: find_lr is for one device"),
        (("trainer.find_lr=maybe",), r"^trainer\.find_lr: is 'maybe'"),
        (("trainer.find_lr=use", "~optimizer.lr", "optimizer._target_=torch.optim.NAdam", "scheduler=constant"),
         r"^trainer\.find_lr: replaces optimizer\.lr, which is None"),
        (("trainer.find_lr=use", "scheduler=onecycle", "scheduler.max_lr=0.01"),
         r"^scheduler\.max_lr: is 0\.01, so trainer\.find_lr=use, .* would change nothing; leave it out"),
        (("trainer.find_lr=use", "optimizer.weight_decay=${.lr}"),
         r"^optimizer\.weight_decay: is computed from optimizer\.lr"),
    ],
)  # fmt: skip
def test_a_search_that_can_not_be_is_one_fault(overrides: tuple[str, ...], sentence: str) -> None:
    asked = [*SMALL, *overrides]
    with pytest.raises(ConfigError, match=sentence) as refused:
        experiment_of(composed(*asked), asked)
    assert len(refused.value.faults) == 1


def test_a_sweeps_job_is_done_though_its_record_has_the_rate_found(tmp_path: Path) -> None:
    asked = [*SMALL, "trainer.find_lr=use"]
    run_job(experiment_of(composed(*asked), asked), tmp_path / "run", asked)
    assert start_of_job(composed(*asked), asked, tmp_path / "run").remark == f"done already: {tmp_path / 'run'}"


def test_a_run_that_is_resumed_without_a_checkpoint_searches(experiment: MakeExperiment, tmp_path: Path) -> None:
    config = experiment("trainer.find_lr=use")
    run_job(config, tmp_path / "whole", [])
    resumed: Tree = config.tree() | {"resume": str(tmp_path / "cut")}
    run_job(check(resumed), tmp_path / "cut", [])
    assert bits(tmp_path / "cut") == bits(tmp_path / "whole")
