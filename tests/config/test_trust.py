"""What a record may not tell even the classes that it may name: each is refused with its key, value and reason."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import hydra.utils
import pytest

from digits.config.faults import TargetError
from digits.config.instantiate import check_read_back
from digits.config.trust import harmful, untrusted
from digits.config.types import Tree

Compose = Callable[..., Tree]

CHECKPOINT = "lightning.pytorch.callbacks.ModelCheckpoint"
CSV = "lightning.pytorch.loggers.CSVLogger"


@pytest.mark.parametrize(
    "overrides",
    [
        ["data=optdigits", "model=resnet", "augment=affine", "experiment=cnn_ema"],
        ["trainer=ddp", "trainer.devices=64", "data.root=/abs/data", "data.mirrors=[http://127.0.0.1:8/]"],
        ["init_from=/abs/run", "resume=../run", "debug=profile"],
        ["+callbacks.kept={_target_: lightning.pytorch.callbacks.ModelCheckpoint, filename: 'e{epoch:02d}-{val/acc}'}"],
        ["+logger.csv2={_target_: lightning.pytorch.loggers.CSVLogger, name: a.b, version: 'v..1'}"],
    ],
)
def test_what_people_record_is_harmless(composed: Compose, overrides: list[str]) -> None:
    tree = composed(*overrides)
    assert harmful(tree) == []
    check_read_back(tree)


@pytest.mark.parametrize(
    ("tree", "key", "problem"),
    [
        ({"callbacks": {"a": {"_target_": CHECKPOINT, "dirpath": "x"}}}, "callbacks.a.dirpath",
         "is 'x'; a record doesn't choose where files go"),
        ({"callbacks": {"a": {"_target_": CHECKPOINT, "filename": "../../.bashrc"}}}, "callbacks.a.filename",
         "is '../../.bashrc', which leads out of the run's directory; take a plain name"),
        ({"callbacks": {"a": {"_target_": CHECKPOINT, "_args_": ["x"]}}}, "callbacks.a._args_[0]",
         "is an argument without a name"),
        ({"callbacks": {"a": {"_target_": "mine.Spy", "log_file": "x"}}}, "callbacks.a.log_file", "is 'x'; a record"),
        ({"logger": {"a": {"_target_": CSV, "name": "/etc"}}}, "logger.a.name", "is '/etc', which leads out"),
        ({"logger": {"a": {"_target_": CSV, "name": "~/x"}}}, "logger.a.name", "is '~/x', which leads out"),
        ({"logger": {"a": {"_target_": CSV, "name": "C:\\x"}}}, "logger.a.name", "which leads out"),
        ({"logger": {"a": {"_target_": CSV, "version": "a\\..\\..\\b"}}}, "logger.a.version", "which leads out"),
        ({"logger": {"a": {"_target_": CSV, "prefix": "s3://bucket/x"}}}, "logger.a.prefix", "which leads out"),
        ({"logger": {"a": {"_target_": CSV, "prefix": "zip::x"}}}, "logger.a.prefix", "which leads out"),
        ({"logger": {"a": {"_target_": CSV, "save_dir": "x"}}}, "logger.a.save_dir", "is 'x'; a record"),
        ({"trainer": {"model_registry": "org/net"}}, "trainer.model_registry", "is 'org/net'; a record"),
        ({"trainer": {"profiler": "../x"}}, "trainer.profiler", "is '../x', which leads out"),
        ({"trainer": {"devices": 100_000}}, "trainer.devices", "is 100000, more processes than this machine has cores"),
        ({"model": {"hidden": ["${oc.env:HOME}"]}}, "model.hidden[0]", "is '${oc.env:HOME}', an interpolation"),
        ({"model": {"${oc.env:HOME}": 1}}, "model.${oc.env:HOME}", "an interpolation"),
        ({"model": {"x": {"_partial_": True}}}, "model.x._partial_", "is Hydra's own and not read here"),
        ({"model": {"_args_": [{"_target_": "torch.nn.ReLU"}] * 1001}}, "_target_", "more than 1,000 objects"),
    ],
)  # fmt: skip
def test_what_does_harm_is_told(tree: Tree, key: str, problem: str) -> None:
    ((found, why),) = harmful(tree)
    assert found == key
    assert problem in why
    with pytest.raises(TargetError, match=r"^\S+: "):
        check_read_back(tree, ("mine",))


def test_a_value_of_any_length_is_shown_in_one_line() -> None:
    ((_, why),) = harmful({"logger": {"a": {"name": "/\n" * 10_000}}})
    assert len(why) < 200
    assert "\n" not in why


def test_only_loggers_that_stay_here_are_built_for_a_file() -> None:
    for name in ("TensorBoardLogger", "CSVLogger", "tensorboard.TensorBoardLogger", "csv_logs.CSVLogger"):
        assert untrusted({"logger": {"a": {"_target_": f"lightning.pytorch.loggers.{name}"}}}) == []
    for name in ("WandbLogger", "MLFlowLogger", "CometLogger", "NeptuneLogger", "litlogger.LitLogger"):
        target = f"lightning.pytorch.loggers.{name}"
        assert untrusted({"logger": {"a": {"_target_": target}}}) == [("logger.a", target)]
        assert untrusted({"logger": {"a": {"_target_": target}}}, ("lightning",)) == []


@pytest.mark.parametrize("form", ["${{oc.create:{}}}", "${{oc.create:'{}'}}", "${{oc.decode:'{}'}}"])
def test_an_interpolation_would_be_a_target_of_its_own(tmp_path: Path, form: str) -> None:
    """Hydra fills in `oc.create` while it builds, after every look at the names."""
    (tmp_path / "source").mkdir()
    harm = tmp_path / "harm"
    gadget = form.format(f"{{_target_: shutil.copytree, src: {tmp_path / 'source'}, dst: {harm}}}")
    tree: Tree = {"_target_": "torch.nn.Flatten", "start_dim": gadget}
    with pytest.raises(TargetError, match=r"^start_dim: is .*, an interpolation; a record holds values"):
        check_read_back(tree)
    assert not harm.exists()
    if "create" in form:
        hydra.utils.instantiate(tree)
        assert harm.exists(), "else this test would prove nothing"


def test_devices_are_measured_by_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 256)
    assert harmful({"trainer": {"devices": 200}}) == []
