"""Every fault at once, each with its key, its value and the fix."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from digits.config import check as check_module
from digits.config.arguments import LIGHTNINGS, TRAINER, check_arguments
from digits.config.check import GIVEN_LATER, OURS_TO_SET, check
from digits.config.faults import ConfigError
from digits.config.instantiate import signature_of
from digits.config.schema import DESCRIBED, Trainer
from digits.config.types import Ours, Tree
from digits.hydra_app.paths import conf_directory
from tests.conftest import Compose


def faults_of(tree: Tree) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        check_arguments(check(tree))
    return {fault.key: fault.problem for fault in caught.value.faults}


def test_all_faults_come_at_once_and_by_key(composed: Compose) -> None:
    tree = composed("optimizer.lr=fast", "trainer.max_epochs=1.5", "seed=-1", "model=mlp", "model.hidden=[64,0]")
    faults = faults_of(tree)
    assert faults["optimizer.lr"].startswith("is 'fast'; input should be a valid number")
    assert faults["trainer.max_epochs"].startswith("is 1.5; input should be a valid integer")
    assert "greater than or equal to 0" in faults["seed"]
    assert "greater than or equal to 1" in faults["model.hidden[1]"]


def test_a_seed_of_zero_is_a_seed(composed: Compose) -> None:
    assert check(composed("seed=0")).seed == 0


@pytest.mark.parametrize(
    ("override", "key", "text"),
    [
        ("+data.seed=9", "data.seed", "is set by digits"),
        ("+model._partial_=true", "model._partial_", "is Hydra's own"),
        ("+loss.xyz=1", "loss.xyz", "torch.nn.CrossEntropyLoss has no such argument"),
        ("+logger.tensorboard.save_dir=x", "logger.tensorboard.save_dir", "is set by digits"),
        ("+logger.tensorboard.purge_step=3", "logger.tensorboard.purge_step", "has no such argument"),
        ("+logger.tensorboard.flush_sec=3", "logger.tensorboard.flush_sec", "did you mean flush_secs?"),
        ("trainer.gradient_clip_val=inf", "trainer.gradient_clip_val", "finite number"),
        ("data.image_size=32", "data.image_size", "but mnist has 28"),
        ("model.num_classes=5", "model.num_classes", "is 5, but data.num_classes is 10"),
        ("trainer.strategy=ddp_fork", "trainer.strategy", "take ddp"),
        ("callbacks.early_stopping.patience=many", "callbacks.early_stopping.patience", "is 'many'"),
        ("callbacks.dashboard.every_n_epochs=-1", "callbacks.dashboard.every_n_epochs", "greater than or equal to 0"),
        ("+bogus=1", "bogus", "no such key; there is data,"),
        ("+trainer.max_epoch=1", "trainer.max_epoch", "did you mean max_epochs?"),
        ("+trainer.logger=true", "trainer.logger", "is set by digits"),
        ("+optimizer.amsgrd=true", "optimizer.amsgrd", "torch.optim.AdamW has no such argument; did you mean amsgrad?"),
        ("+model.drop=3", "model.drop", "no such key; did you mean dropout?"),
        ("+callbacks.early_stopping.patiense=3", "callbacks.early_stopping.patiense", "did you mean patience?"),
        ("data.name=emnist", "data.name", "should be 'mnist', 'fashion_mnist', 'kmnist', 'optdigits' or 'reader'"),
        ("trainer.devices=two", "trainer.devices", "is 'two'"),
        ("trainer.gradient_clip_val=-1", "trainer.gradient_clip_val", "should be greater than 0"),
        ("optimizer._target_=torch.optim.", "optimizer._target_", "is 'torch.optim.'"),
        ("optimizer._target_=nopackage.Adam", "optimizer._target_", "there is no module nopackage"),
        ("data.val_size=60000", "data.val_size", "mnist has 60000 training images"),
        ("data.val_size=3", "data.val_size", "one image of each of the 10 classes"),
        ("init_from=nowhere", "init_from", "nowhere does not exist"),
        ("teachers=[nowhere]", "teachers", "nowhere does not exist; name the directory of a run that is done"),
        ("teachers=['']", "teachers[0]", "at least 1 character"),
        ("data.mirrors=[ftp://x/]", "data.mirrors[0]", "is 'ftp://x/'"),
    ],
)
def test_one_fault_one_sentence(composed: Compose, override: str, key: str, text: str) -> None:
    faults = faults_of(composed(override))
    assert list(faults) == [key]
    assert text in faults[key]


@pytest.mark.parametrize(
    ("choice", "value", "text"),
    [
        ("augment=warp", "augment.warp.smoothness=0.4", "greater than or equal to 0.5"),
        ("augment=warp", "augment.warp.smoothness=29", "less than or equal to 28"),
        ("augment=warp", "augment.warp.elastic=29", "less than or equal to 28"),
        ("augment=affine", "augment.affine.translate=29", "less than or equal to 28"),
        ("+augment.erase._target_=digits.data.RandomErase", "+augment.erase.size=29", "less than or equal to 28"),
    ],
)
def test_pixels_that_no_picture_has(composed: Compose, choice: str, value: str, text: str) -> None:
    assert text in faults_of(composed(choice, value))[value.lstrip("+").split("=")[0]]


def test_at_most_a_hundred_teachers(composed: Compose) -> None:
    runs = [f"r{number}" for number in range(101)]
    assert "at most 100 items" in faults_of(composed(f"teachers=[{','.join(runs)}]"))["teachers"]
    assert "does not exist" in faults_of(composed(f"teachers=[{','.join(runs[1:])}]"))["teachers"]


def test_a_plus_reaches_a_constructor_that_has_the_argument(composed: Compose) -> None:
    experiment = check(composed("+optimizer.amsgrad=true", "+trainer.limit_train_batches=3"))
    check_arguments(experiment)
    assert experiment.optimizer.tree()["amsgrad"] is True
    assert experiment.trainer.lightning_arguments()["limit_train_batches"] == 3


def test_a_missing_argument_of_a_target_is_told(composed: Compose) -> None:
    tree = composed("optimizer._target_=torch.optim.LBFGS", "scheduler._target_=torch.optim.lr_scheduler.LambdaLR")
    faults = faults_of(tree)
    assert "torch.optim.LBFGS has no such argument" in faults["optimizer.betas"]
    assert faults["scheduler.lr_lambda"] == "torch.optim.lr_scheduler.LambdaLR needs this argument"


@pytest.mark.parametrize(
    ("overrides", "key", "length"),
    [
        ((), "total_steps", 2 * 5),  # 1,237 of optdigits' images are trained on: 4 batches of 256, and 213
        (("data.batch_size=412",), "total_steps", 2 * 3),  # a lone image joins the last batch
        (("data.limit=300", "trainer.accumulate_grad_batches=2"), "total_steps", 2),
        (("scheduler=cosine",), "T_max", 2 * 5),
        (("scheduler=cosine", "scheduler.interval=epoch"), "T_max", 2),
    ],
)
def test_a_schedule_that_ends_before_the_training(
    composed: Compose, overrides: tuple[str, ...], key: str, length: int
) -> None:
    brief = ("data=optdigits", "data.val_size=200", "data.batch_size=256", "trainer.max_epochs=2")
    for steps in (length, length + 1):
        check(composed(*brief, *overrides, f"scheduler.{key}={steps}"))
    tree = composed(*brief, *overrides, f"scheduler.{key}={length - 1}")
    assert f"the training has {length} " in faults_of(tree)[f"scheduler.{key}"]
    check(tree | {"resume": "outputs/runs/old"})
    check(composed(*brief, *overrides, f"scheduler.{key}={length - 1}", "+trainer.limit_train_batches=1"))


@pytest.mark.parametrize(
    ("gpus", "devices", "fits"), [(0, "1", False), (1, "2", False), (2, "2", True), (1, "[1]", False)]
)
def test_a_gpu_that_is_not_there(
    composed: Compose, monkeypatch: pytest.MonkeyPatch, gpus: int, devices: str, fits: bool
) -> None:
    monkeypatch.setattr(check_module, "gpu_count", lambda: gpus)
    monkeypatch.setattr("platform.system", lambda: "Linux")
    tree = composed("trainer=gpu", f"trainer.devices={devices}")
    if fits:
        assert check(tree).trainer.accelerator == "gpu"
    else:
        assert "take trainer=cpu or trainer=auto" in faults_of(tree)["trainer.accelerator"]


def test_arguments_that_a_logger_hands_on_are_known(composed: Compose) -> None:
    check_arguments(check(composed("+logger.tensorboard.flush_secs=3", "+logger.tensorboard.sub_dir=events")))


@pytest.mark.parametrize("target", DESCRIBED)
def test_the_schema_describes_what_is_there(target: str) -> None:
    """All of it, where it is ours: then no key needs an import to be refused."""
    signature = signature_of(target)
    assert signature is not None
    schema = DESCRIBED[target]
    described = {field.alias or name for name, field in schema.model_fields.items()} - {"_target_", *LIGHTNINGS}
    assert described <= set(signature.parameters)
    if issubclass(schema, Ours):
        assert set(signature.parameters) <= described | set().union(*GIVEN_LATER.values())


def test_the_schema_of_the_trainer_describes_lightnings() -> None:
    signature = signature_of(TRAINER)
    assert signature is not None
    described = set(Trainer.model_fields) - {"channels_last", "ema_decay", "on_nonfinite", "find_lr"}
    assert described | OURS_TO_SET <= set(signature.parameters)


def _choices() -> list[str]:
    groups = ("data", "augment", "model", "loss", "optimizer", "scheduler", "trainer", "callbacks", "logger", "debug")
    conf = Path(conf_directory())
    found = [f"{group}={path.stem}" for group in groups for path in sorted((conf / group).glob("*.yaml"))]
    found += [f"+experiment={path.stem}" for path in sorted((conf / "experiment").glob("*.yaml"))]
    return [choice.replace("+experiment", "experiment") for choice in found if choice != "trainer=gpu"]


BESIDE = {
    **dict.fromkeys(("data=image_folder", "experiment=finetune"), "data.num_classes=10"),  # else counted
    **dict.fromkeys(("data=pages", "model=detector", "loss=detection"), "experiment=page_reader"),
}
"""What some choices need beside them."""


@pytest.mark.parametrize("choice", _choices())
def test_every_choice_that_ships_is_valid(
    composed: Callable[..., Tree], monkeypatch: pytest.MonkeyPatch, choice: str
) -> None:
    monkeypatch.setattr("digits.config.types.find_spec", lambda _: pytest.__spec__)  # as if all extras were there
    check(composed(choice, *([BESIDE[choice]] if choice in BESIDE else [])))


class NeedsTarget:
    def __init__(self, target: int) -> None:
        self.target = target


def test_an_argument_of_ones_own_may_be_called_target(composed: Compose) -> None:
    tree = composed("model=logistic")
    with pytest.raises(ConfigError, match=r"^model\.target: \S+NeedsTarget needs this argument$"):
        check_arguments(check(tree | {"model": {"_target_": f"{__name__}.NeedsTarget"}}))
    model: Tree = {"_target_": f"{__name__}.NeedsTarget", "target": 3}
    assert check(tree | {"model": model}).model.tree() == model


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [("val_size", 70_000, "is 70000, but mnist has 60000"), ("num_classes", 12, "is 12, but mnist has 10")],
)
def test_a_known_set_by_a_data_module_of_ones_own_has_its_size(
    composed: Compose, key: str, value: int, why: str
) -> None:
    tree = composed("model=logistic")
    data = tree["data"]
    assert isinstance(data, dict)
    with pytest.raises(ConfigError, match=rf"data\.{key}: {why}"):
        check(tree | {"data": data | {"_target_": f"{__name__}.Own", key: value}})
