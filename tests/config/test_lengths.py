"""Arguments of the Trainer and schedules that a training is too short for, or that switch off what a run relies on."""

from __future__ import annotations

import pytest

from digits.config.check import check
from digits.config.faults import ConfigError
from digits.config.lengths import known_batches
from tests.conftest import Compose

SMALL = ("data=optdigits", "data.limit=200", "data.batch_size=50", "data.eval_batch_size=100")
"""200 images to train on and to test on, 180 to validate on: 4, 2 and 2 batches."""


def fault_of(composed: Compose, *overrides: str) -> tuple[str, str]:
    with pytest.raises(ConfigError) as caught:
        check(composed(*SMALL, *overrides))
    [fault] = caught.value.faults
    return fault.key, fault.problem


@pytest.mark.parametrize("nothing", ["0", "0.0", "false"])
@pytest.mark.parametrize(
    ("key", "instead"),
    [
        ("limit_train_batches", "data.limit=N"),
        ("limit_val_batches", "data.val_size=0"),
        ("limit_test_batches", "test=false"),
        ("val_check_interval", "data.val_size=0"),
        ("max_steps", "trainer.max_epochs=1"),
    ],
)
def test_what_switches_off_a_loop_is_refused_with_what_does_so_properly(
    composed: Compose, key: str, instead: str, nothing: str
) -> None:
    found, problem = fault_of(composed, f"+trainer.{key}={nothing}")
    assert found == f"trainer.{key}"
    assert instead in problem


@pytest.mark.parametrize(
    ("overrides", "key", "text"),
    [
        (["+trainer.limit_train_batches=0.2"], "trainer.limit_train_batches", "0.2 of 4 batches"),
        (["+trainer.limit_val_batches=0.4"], "trainer.limit_val_batches", "0.4 of 2 batches"),
        (["+trainer.limit_test_batches=0.4"], "trainer.limit_test_batches", "give 0.5 or more"),
        (["+trainer.val_check_interval=5"], "trainer.val_check_interval", "but an epoch has 4 batches"),
        (
            ["+trainer.val_check_interval=3", "+trainer.limit_train_batches=2"],
            "trainer.val_check_interval",
            "an epoch has 2 batches",
        ),
        (
            ["+trainer.val_check_interval=3", "+trainer.limit_train_batches=0.5"],
            "trainer.val_check_interval",
            "an epoch has 2 batches",
        ),
    ],
)
def test_a_loop_without_a_batch_is_refused(composed: Compose, overrides: list[str], key: str, text: str) -> None:
    found, problem = fault_of(composed, *overrides)
    assert found == key
    assert text in problem


@pytest.mark.parametrize(
    ("override", "text"),
    [
        ("+trainer.limit_train_batches=-1", "a number of batches, or a share"),
        ("+trainer.limit_val_batches=1.5", "a number of batches, or a share"),
        ("+trainer.limit_test_batches=many", "a number of batches, or a share"),
        ("+trainer.overfit_batches=-2", "a number of batches, or a share"),
        ("+trainer.overfit_batches=0.001", "0.001 of 4 batches"),
        ("+trainer.val_check_interval=-1", "a number of batches, or a share"),
        ("+trainer.max_steps=-3", "a number of steps"),
        ("+trainer.max_steps=1.5", "a number of steps"),
        ("+trainer.max_time=0", "DD:HH:MM:SS"),
        ("+trainer.max_time=soon", "DD:HH:MM:SS"),
    ],
)
def test_a_value_that_lightning_refuses_when_it_starts_is_refused_before(
    composed: Compose, override: str, text: str
) -> None:
    key, problem = fault_of(composed, override)
    assert key == override.partition("=")[0].removeprefix("+")
    assert text in problem


@pytest.mark.parametrize(
    ("overrides", "fits"),
    [
        (["scheduler.total_steps=7"], False),  # two epochs of four steps
        (["scheduler.total_steps=8"], True),
        (["scheduler.total_steps=5", "+trainer.max_steps=5"], True),
        (["scheduler.total_steps=5", "+trainer.max_steps=6"], False),
        (["scheduler.total_steps=7", "+trainer.max_steps=100"], False),
    ],
)
def test_a_schedule_has_to_last_as_long_as_the_training(composed: Compose, overrides: list[str], fits: bool) -> None:
    both = ("trainer.max_epochs=2", *overrides)
    if fits:
        check(composed(*SMALL, *both))
    else:
        assert fault_of(composed, *both)[0] == "scheduler.total_steps"


@pytest.mark.parametrize(
    "override",
    [
        "+trainer.limit_train_batches=0.25",
        "+trainer.overfit_batches=0",
        "+trainer.overfit_batches=0.5",
        "+trainer.max_time=00:01:00:00",
        "+trainer.max_time={hours:1}",
        "+trainer.limit_val_batches=0.5",
        "+trainer.limit_test_batches=1.0",
        "+trainer.limit_val_batches=1",
        "+trainer.val_check_interval=4",
        "+trainer.val_check_interval=0.1",
        "+trainer.max_steps=3",
        "+trainer.max_steps=-1",
    ],
)
def test_a_loop_with_a_batch_is_not(composed: Compose, override: str) -> None:
    check(composed(*SMALL, override))


def test_the_batches_that_are_known_are_those_of_the_loaders(composed: Compose) -> None:
    from digits.config.instantiate import instantiate
    from digits.data.base import SplitsDataModule

    for sizes in ([], ["data.limit=101"], ["data.val_size=0"], ["data.val_size=10", "data.eval_batch_size=7"]):
        experiment = check(composed(*SMALL, *sizes))
        data = instantiate(experiment.data)
        assert isinstance(data, SplitsDataModule)
        data.prepare_data()
        data.setup("fit")
        assert known_batches(experiment) == {
            "train": len(data.train_dataloader()),
            "val": len(data.val_dataloader()),
            "test": len(data.test_dataloader()),
        }
