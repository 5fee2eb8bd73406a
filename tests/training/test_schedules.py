"""What a schedule does with momentum and learning rate, step by step, over trainings of any length."""

from __future__ import annotations

import csv
import hashlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR
from torch.optim.optimizer import Optimizer

from digits.config.arguments import check_arguments
from digits.config.check import check
from digits.config.faults import ConfigError
from digits.config.schema import Experiment
from digits.config.types import Tree
from digits.runs.layout import JobFailed
from digits.runs.read import read_result
from digits.training.build import make_module
from digits.training.job import run_job
from tests.conftest import Compose

MakeExperiment = Callable[..., Experiment]

RMSPROP = ("optimizer._target_=torch.optim.RMSprop", "~optimizer.momentum", "~optimizer.nesterov")


def steps_of(config: Experiment, steps: int, epochs: int = 1) -> list[tuple[float, float]]:
    """Learning rate and momentum (or beta1) of each step of a training, as the optimizer has them."""
    net = nn.Linear(2, 2)
    module = make_module(config, net, 2)
    optimizer = module.make_optimizer(net.parameters())
    schedule, interval, _ = module.make_scheduler(optimizer, steps, epochs)
    found = []
    for _ in range(steps if interval == "step" else epochs):
        group = optimizer.param_groups[0]
        found.append((group["lr"], group["betas"][0] if "betas" in group else group.get("momentum", 0.0)))
        optimizer.step()
        schedule.step()
    return found


@pytest.mark.parametrize(
    ("overrides", "momentum"),
    [
        (["optimizer.betas=[0.5,0.999]"], 0.5),
        (["optimizer.betas=[0.9,0.999]"], 0.9),  # what ships, given: it stays as it is all the same
        (["optimizer=adam", "optimizer.betas=[0.7,0.9]"], 0.7),
        (["optimizer=sgd", "optimizer.momentum=0"], 0.0),
        (["optimizer=sgd", "optimizer.nesterov=false", "optimizer.momentum=0"], 0.0),
        (["optimizer=sgd", "optimizer.momentum=0.77"], 0.77),
        (["optimizer=sgd", *RMSPROP], 0.0),
        (["optimizer=sgd", *RMSPROP, "+optimizer.momentum=0.3"], 0.3),
        (["optimizer=sgd", "optimizer._target_=torch.optim.Adagrad", *RMSPROP[1:]], 0.0),  # has no momentum at all
        (["experiment=speedrun"], 0.7),
        (["experiment=logistic_tuned"], 0.57),
    ],
)
def test_a_momentum_that_is_given_has_its_effect(
    experiment: MakeExperiment, overrides: list[str], momentum: float
) -> None:
    model = "cnn" if "experiment=speedrun" in overrides else "logistic"
    config = experiment("scheduler=onecycle", f"model={model}", *overrides)
    assert {beta for _, beta in steps_of(config, 20)} == {momentum}
    assert config.scheduler.tree()["cycle_momentum"] is False


@pytest.mark.parametrize("overrides", [[], ["optimizer=adam"], ["optimizer=sgd"], ["optimizer.lr=0.01"]])
def test_what_ships_has_its_momentum_cycled(experiment: MakeExperiment, overrides: list[str]) -> None:
    momenta = [beta for _, beta in steps_of(experiment("model=logistic", *overrides), 21)]
    assert [max(momenta), min(momenta)] == pytest.approx([0.95, 0.85], abs=0.01)
    others = steps_of(experiment("model=logistic", "scheduler=cosine", *overrides), 21)
    assert {beta for _, beta in others} == {0.9}


def test_a_cycle_can_be_asked_for(experiment: MakeExperiment) -> None:
    cycle = ("scheduler.cycle_momentum=true", "+scheduler.base_momentum=0.6", "+scheduler.max_momentum=0.8")
    momenta = [beta for _, beta in steps_of(experiment("optimizer=sgd", "optimizer.momentum=0.7", *cycle), 21)]
    assert [max(momenta), min(momenta)] == pytest.approx([0.8, 0.6], abs=0.02)


def test_the_ends_of_a_cycle_without_a_cycle_are_refused(experiment: MakeExperiment) -> None:
    with pytest.raises(ConfigError, match=r"scheduler: max_momentum has no effect without scheduler\.cycle_momentum"):
        experiment("optimizer.betas=[0.5,0.999]", "+scheduler.max_momentum=0.9")


def test_another_schedule_that_could_cycle_does_not_either(experiment: MakeExperiment) -> None:
    cyclic = ("scheduler=step", "scheduler._target_=torch.optim.lr_scheduler.CyclicLR", "~scheduler.gamma",
              "~scheduler.step_size", "+scheduler.base_lr=0.001", "+scheduler.max_lr=0.1")  # fmt: skip
    config = experiment("optimizer=sgd", "optimizer.momentum=0.6", *cyclic)
    assert {beta for _, beta in steps_of(config, 10, 10)} == {0.6}


@pytest.mark.parametrize("epochs", [4, 5, 6, 12])
def test_constant_is_constant(experiment: MakeExperiment, epochs: int) -> None:
    config = experiment("scheduler=constant", "scheduler.factor=0.1", "optimizer.lr=0.5")
    assert [rate for rate, _ in steps_of(config, 100, epochs)] == [0.05] * epochs


@pytest.mark.parametrize(("target", "end"), [("LinearLR", "+scheduler.end_factor=0.1"), ("PolynomialLR", "")])
def test_other_schedules_last_as_long_as_the_training(experiment: MakeExperiment, target: str, end: str) -> None:
    """Found: torch ends both after five epochs, PolynomialLR at a learning rate of zero."""
    other = (f"scheduler._target_=torch.optim.lr_scheduler.{target}", "~scheduler.gamma", "~scheduler.step_size")
    config = experiment("scheduler=step", *other, *filter(None, [end]))
    rates = [rate for rate, _ in steps_of(config, 100, 12)]
    assert len(set(rates)) == 12
    assert min(rates) > 0


def test_a_length_of_its_own_is_kept(experiment: MakeExperiment) -> None:
    config = experiment("scheduler=constant", "scheduler.factor=0.1", "scheduler.total_iters=2", "optimizer.lr=0.5")
    assert [rate for rate, _ in steps_of(config, 100, 4)] == pytest.approx([0.05, 0.05, 0.5, 0.5])


@pytest.mark.parametrize("up", [0.1, 0.2, 0.25, 0.5, 0.05, 1 / 3])
def test_one_cycle_of_any_length(experiment: MakeExperiment, up: float) -> None:
    """Found: a division by zero where up * steps is 1, and a training of one step at next to no learning rate."""
    config = experiment("optimizer.lr=0.5", f"scheduler.pct_start={up}")
    for steps in range(1, 45):
        rates = [rate for rate, _ in steps_of(config, steps)]
        assert all(0 < rate <= 0.5 + 1e-9 for rate in rates)
    assert steps_of(config, 1)[0][0] == pytest.approx(0.5)
    exact = torch.optim.lr_scheduler.OneCycleLR(
        optimizer := torch.optim.SGD([torch.zeros(1, requires_grad=True)], 1.0), 0.5, 43, pct_start=up
    )
    expected = []
    for _ in range(43):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        exact.step()
    assert [rate for rate, _ in steps_of(config, 43)] == expected  # where torch can, it is torch's


def test_a_short_training_trains(experiment: MakeExperiment, tmp_path: Path) -> None:
    """The issue's own: 200 images in batches of 64 are four steps, 64 one."""
    for limit, batch in ((5 * 64, 64), (64, 64)):
        run = tmp_path / str(limit)
        config = experiment("model=logistic", f"data.limit={limit}", f"data.batch_size={batch}", "trainer.max_epochs=1")
        run_job(config, run, [])
        assert read_result(run).status == "done"
        assert max(float(t.abs().max()) for t in load_file(run / "model.safetensors").values()) > 0


# ---- Records that are older than these keys ---------------------------------------------------------


def older(tree: Tree, *keys: str) -> Tree:
    """A configuration as it was recorded before its schedule had these keys."""
    scheduler = cast(Tree, tree["scheduler"])
    return tree | {"scheduler": {key: value for key, value in scheduler.items() if key not in keys}}


def weights(run: Path) -> str:
    tensors = load_file(run / "model.safetensors")
    return hashlib.sha256(b"".join(tensors[name].numpy().tobytes() for name in sorted(tensors))).hexdigest()


def test_a_record_without_the_key_cycles_as_it_did(experiment: MakeExperiment, tmp_path: Path) -> None:
    from digits.config.absent import completed

    tree = experiment("optimizer=sgd", "model=logistic", "data.limit=300").tree()
    recorded = older(tree, "cycle_momentum")
    assert completed(recorded) == tree
    assert cast(Tree, completed(recorded)["scheduler"])["cycle_momentum"] is True
    run_job(check(tree), tmp_path / "now", [])
    run_job(check(completed(recorded)), tmp_path / "then", [])
    assert weights(tmp_path / "now") == weights(tmp_path / "then")


def test_a_constant_of_an_older_record_ends_as_it_did(experiment: MakeExperiment) -> None:
    from digits.config.absent import completed

    tree = experiment("scheduler=constant").tree()
    assert cast(Tree, completed(older(tree, "total_iters"))["scheduler"])["total_iters"] == 5
    assert completed(tree) == tree


# ---- Schedules of one's own, and of others --------------------------------------------------------


def warmup(optimizer: Optimizer, up: int, total_steps: int) -> SequentialLR:
    """Up on a line, then down along half a cosine, as a user makes it of torch's parts."""
    parts = [LinearLR(optimizer, 0.1, total_iters=up), CosineAnnealingLR(optimizer, total_steps - up)]
    return SequentialLR(optimizer, parts, [up])


def test_a_function_of_ones_own_makes_a_schedule_of_schedules(experiment: MakeExperiment) -> None:
    own = (f"scheduler._target_={__name__}.warmup", "~scheduler.step_size", "~scheduler.gamma")
    lengths = ("+scheduler.up=4", "+scheduler.total_steps=null", "scheduler.interval=step")
    config = experiment("scheduler=step", *own, *lengths, "optimizer=sgd", "optimizer.lr=1.0")
    rates = [rate for rate, _ in steps_of(config, 12)]
    assert rates[:5] == pytest.approx([0.1, 0.325, 0.55, 0.775, 1.0])
    assert rates[5:] == pytest.approx([(1 + math.cos(math.pi * step / 8)) / 2 for step in range(1, 8)])


@pytest.mark.parametrize("name", ["SequentialLR", "ChainedScheduler"])
def test_a_schedule_made_of_others_is_refused_with_the_way_to_have_one(composed: Compose, name: str) -> None:
    parts = "[{_target_:torch.optim.lr_scheduler.LinearLR},{_target_:torch.optim.lr_scheduler.StepLR,step_size:1}]"
    target = f"scheduler._target_=torch.optim.lr_scheduler.{name}"
    tree = composed(
        "scheduler=step", "~scheduler.step_size", "~scheduler.gamma", target, f"+scheduler.schedulers={parts}"
    )
    with pytest.raises(ConfigError) as caught:
        check(tree)
    [fault] = caught.value.faults
    assert fault.key == "scheduler._target_"
    assert "write a function" in fault.problem


# ---- A plateau ------------------------------------------------------------------------------------


def test_what_is_monitored_and_which_way_is_better_come_of_the_task(experiment: MakeExperiment) -> None:
    told = ("monitor", "mode")
    assert [experiment("scheduler=plateau").scheduler.get(key) for key in told] == ["val/accuracy", "max"]
    by_loss = experiment("scheduler=plateau", "scheduler.monitor=val/loss")
    assert [by_loss.scheduler.get(key) for key in told] == ["val/loss", "min"]


@pytest.mark.parametrize(
    ("overrides", "key", "text"),
    [
        (["scheduler.monitor=val/lossy"], "monitor", "input should be 'val/accuracy'"),
        (["scheduler.monitor=val/loss", "scheduler.mode=max"], "mode", "lower is better for val/loss"),
        (["scheduler.interval=step"], "interval", "input should be 'epoch'"),
        (["data.val_size=0"], "monitor", "take train/loss"),
        (["+scheduler.min_lrr=1e-3"], "min_lrr", "did you mean min_lr?"),
    ],
)
def test_a_plateau_of_nothing_is_refused(composed: Compose, overrides: list[str], key: str, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_arguments(check(composed("scheduler=plateau", *overrides)))
    [fault] = caught.value.faults
    assert fault.key == f"scheduler.{key}"
    assert text in fault.problem


def test_only_a_schedule_that_waits_for_something_is_told_what(composed: Compose) -> None:
    with pytest.raises(ConfigError) as caught:
        check_arguments(check(composed("scheduler=onecycle", "+scheduler.monitor=val/loss")))
    assert [fault.key for fault in caught.value.faults] == ["scheduler.monitor"]


def test_a_schedule_too_short_for_data_that_are_counted_only_now_is_refused_before_a_step(
    experiment: MakeExperiment, tmp_path: Path
) -> None:
    own = ("data._target_=tests.training.test_lengths.OwnData", "scheduler.total_steps=3")
    with pytest.raises(JobFailed):
        run_job(experiment(*own), tmp_path, [])
    assert "scheduler.total_steps: is 3, but the training has" in str(read_result(tmp_path).error)


@pytest.mark.parametrize(("monitor", "val_size"), [("val/loss", 143), ("train/loss", 0)])
def test_the_rate_falls_after_each_epoch_that_was_no_better(
    experiment: MakeExperiment, tmp_path: Path, monitor: str, val_size: int
) -> None:
    """Counted again by hand from what the epochs came to; the rate of an epoch is that of its first step."""
    config = experiment(
        "scheduler=plateau", "scheduler.patience=0", f"scheduler.monitor={monitor}", f"data.val_size={val_size}",
        "optimizer=sgd", "optimizer.lr=3.0", "trainer.max_epochs=8", "trainer.log_every_n_steps=1",
    )  # fmt: skip
    run_job(config, tmp_path, [])
    with (tmp_path / "metrics.csv").open(newline="") as file:
        rates = [float(row["lr"]) for row in csv.DictReader(file) if row["lr"]]
    steps = len(rates) // 8
    values = [epoch[monitor] for epoch in read_result(tmp_path).history or []]
    expected, best = [3.0], math.inf
    for value in values[:-1]:
        worse = not value < best * (1 - 1e-4)  # torch's threshold
        best = best if worse else value
        expected.append(expected[-1] * (0.1 if worse else 1))
    assert len(set(expected)) > 1, "some epoch was no better"
    assert rates[::steps] == pytest.approx(expected)
