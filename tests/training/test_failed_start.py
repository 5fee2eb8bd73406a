"""A start that can't begin: whatever a finished run left is there as before, to the byte, until the first step."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from digits.config.check import check
from digits.config.types import Tree
from digits.runs.layout import JobFailed
from digits.runs.read import read_result
from digits.runs.record import RunDirectory
from digits.training import experiment as path_of_training
from digits.training.job import run_job
from tests.support.logs import logged
from tests.support.runs import experiment

LOGGED = (
    "data=optdigits", "trainer=cpu", "trainer.max_epochs=2", "augment=none", "model=mlp", "model.hidden=[32]",
    "logger=default", "callbacks=default", "data.limit=200",
)  # fmt: skip


def files(run: Path) -> dict[str, str]:
    """Every file of a run, with its digest."""
    return {
        str(path.relative_to(run)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(run.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def tree() -> Tree:
    return experiment(*LOGGED).tree()


@pytest.fixture(scope="module")
def finished(tree: Tree, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that is done, as its own start left it."""
    run = tmp_path_factory.mktemp("finished") / "run"
    run.mkdir()
    with logged(run / "train.log"):
        run_job(check(tree), run, [])
    return run


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of it, to whose log is written what a test does."""
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    with logged(run / "train.log"):
        yield run


def bomb(tree: Tree, hook: str, at: int = 1) -> Tree:
    section: Tree = {"_target_": "tests.support.bomb.Bomb", "hook": hook, "at": at}
    return tree | {"callbacks": cast(Tree, tree["callbacks"]) | {"bomb": section}}


@pytest.mark.parametrize("fault", ["data", "target", "package", "memory", "fit_start", "train_start", "train"])
@pytest.mark.parametrize("status", ["done", "interrupted"])
def test_nothing_of_a_finished_run_is_touched(
    tree: Tree, run: Path, monkeypatch: pytest.MonkeyPatch, fault: str, status: str
) -> None:
    if status == "interrupted":
        record = RunDirectory(run)
        record.begin(tree, [])
        record.first_step()
        record.interrupt()
    before = files(run)
    assert "train.log" in before
    again = tree | {"resume": str(run), "trainer": cast(Tree, tree["trainer"]) | {"max_epochs": 3}}
    if fault == "data":
        again["data"] = cast(Tree, again["data"]) | {"limit": 100}
        monkeypatch.setattr("digits.data.datamodule.MNISTDataModule.setup", _gone)
    elif fault == "target":
        again["loss"] = {"_target_": "torch.nn.Gone"}
    elif fault == "memory":
        monkeypatch.setattr("digits.training.module.Classifier.training_step", _too_much)
    elif fault == "package":
        monkeypatch.setattr(path_of_training, "make_trainer", _gone)
    else:
        again = bomb(again, fault) | {"trust": ["tests"]}
    with pytest.raises(JobFailed):
        run_job(check(again), run, [])
    assert files(run) == before
    assert read_result(run).status == status


def _too_much(*_: object, **__: object) -> None:
    raise MemoryError


def _gone(*_: object, **__: object) -> None:
    raise ImportError("no such package")


def test_from_the_first_step_on_it_is_the_new_start(tree: Tree, run: Path) -> None:
    log = run / "train.log"
    lines = log.read_text()
    again = tree | {"resume": str(run), "trainer": cast(Tree, tree["trainer"]) | {"max_epochs": 3}}
    with pytest.raises(JobFailed):
        run_job(check(bomb(again, "train", at=2) | {"trust": ["tests"]}), run, [])
    result = read_result(run)
    assert (result.status, result.error) == ("failed", "RuntimeError: the bomb went off")
    assert (run / "error.txt").exists()
    assert log.read_text().removeprefix(lines).startswith("MLP with"), (
        "what was said before the first step is there too"
    )
    run_job(check(again), run, [])
    result = read_result(run)
    assert (result.status, result.epochs) == ("done", 3)
    assert not (run / "error.txt").exists()


def test_a_run_without_an_epoch_more_is_done_again(tree: Tree, run: Path) -> None:
    before, curves = read_result(run), (run / "metrics.csv").read_text()
    run_job(check(tree | {"resume": str(run)}), run, [])
    after = read_result(run)
    assert (after.status, after.metrics) == ("done", before.metrics)
    assert str(after.finished) >= str(before.finished)
    assert (run / "metrics.csv").read_text() == curves


def test_a_first_step_that_is_not_finite_belongs_to_the_new_start(tree: Tree, run: Path) -> None:
    """Found: what is needed to make the step again was removed with what the start before had left."""
    again = tree | {"resume": str(run), "trainer": cast(Tree, tree["trainer"]) | {"max_epochs": 3}}
    spoilt: Tree = {"_target_": "tests.support.poison.PoisonedLoss", "at": [0]}
    with pytest.raises(JobFailed, match="the loss is inf"):
        run_job(check(again | {"loss": spoilt, "trust": ["tests"]}), run, [])
    assert read_result(run).status == "failed"
    assert (run / "nonfinite.json").exists()
