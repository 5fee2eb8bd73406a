"""A page reader trained through the whole framework: recorded, resumed, done once more, swept and shown."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from digits.config.check import check
from digits.config.faults import ConfigError
from digits.config.types import Tree
from digits.processes.signals import Interrupted
from digits.runs.layout import LR_FIND
from digits.runs.read import read_result
from digits.training.checkpoints import latest
from digits.training.job import run_job
from tests.support.runs import PAGE_READER, experiment, train

METRICS = ("loss", "pages", "recall", "precision", "accuracy")

HERE = Path(__file__).parents[3]

SWEEP = (
    "import sys, pathlib, pytest\n"
    "from tests.support.drawn_mnist import take_files\n"
    "take_files(pathlib.Path(sys.argv.pop(1)), pytest.MonkeyPatch())\n"
    "from digits.train import main\n"
    "main()\n"
)
"""`digits.train` in a process that takes the drawn digits, whose folder is its first argument, for MNIST's."""


def history_of(run: Path) -> list[dict[str, float]]:
    epochs = read_result(run).history
    return [{name: value for name, value in epoch.items() if "images_per_second" not in name} for epoch in epochs]


def assert_same_bits(one: Path, other: Path) -> None:
    first, second = (load_file(run / "model.safetensors") for run in (one, other))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert history_of(one) == history_of(other)
    assert read_result(one).metrics == read_result(other).metrics


# ---- Trained ------------------------------------------------------------------------------------


def test_the_record_says_what_was_measured(page_run: Path) -> None:
    record = read_result(page_run)
    assert (record.status, record.task.name, record.task.monitored) == ("done", "detection", "val/pages")
    assert [*record.metrics] == [f"{split}/{name}" for split in ("train", "val", "test") for name in METRICS]
    assert all(0 <= value <= 1 for name, value in record.metrics.items() if not name.endswith("loss"))
    assert (record.data.train, record.data.val, record.data.test) == (24 * 4, 6, 6)
    pages = [epoch["val/pages"] for epoch in history_of(page_run)]
    assert record.metrics["val/pages"] == max(pages) == pages[record.epoch or 0]


def test_tensorboard_shows_crops_and_pages(page_run: Path) -> None:
    events = EventAccumulator(str(page_run), size_guidance={"images": 0, "scalars": 0})
    events.Reload()
    found = ("pages", "worst_pages")
    shown = {"train": ("crops", "pages"), "val": found, "best": found, "test": found}
    assert {*events.Tags()["images"]} == {f"{stage}/{name}" for stage, names in shown.items() for name in names}
    assert len(events.Images("val/pages")) == 2, "one an epoch"
    crops = events.Images("train/crops")[0]
    assert (crops.width, crops.height) == (4 * 125, 4 * 125), "16, 4 in a row"
    assert {events.Images(tag)[0].width for tag in events.Tags()["images"]} == {500}, "a card's width"
    (tested,) = events.Images("test/worst_pages")
    assert tested.step == events.Scalars("test/pages")[0].step
    assert {f"hp/{split}_{name}" for split in ("val", "test") for name in METRICS} <= {*events.Tags()["scalars"]}
    assert events.Tags()["graph"]


@pytest.mark.usefixtures("drawn_mnist")
def test_a_learning_rate_is_searched_on_crops(tmp_path: Path) -> None:
    run = train(tmp_path, *PAGE_READER, "trainer.max_epochs=1", "trainer.find_lr=true")
    assert (run / LR_FIND).exists()
    assert read_result(run).at("config.optimizer.lr") == 0.02


# ---- Resumed, and done once more ------------------------------------------------------------------


@pytest.mark.usefixtures("drawn_mnist")
def test_a_run_that_is_cut_off_in_an_epoch_ends_as_one_that_never_was(tmp_path: Path) -> None:
    tree = experiment(*PAGE_READER, "checkpoint_minutes=1e-6").tree()
    run_job(check(tree), tmp_path / "whole", [])
    bomb: Tree = {"_target_": "tests.support.bomb.Bomb", "hook": "train", "at": 10, "signal_name": "SIGTERM"}
    with pytest.raises(Interrupted):
        run_job(check(tree | {"callbacks": {"bomb": bomb}}), tmp_path / "cut", [])
    assert read_result(tmp_path / "cut").status == "interrupted"
    _, step = latest(tmp_path / "cut")
    assert 6 < step < 12, "within the second epoch"
    run_job(check(tree | {"resume": str(tmp_path / "cut")}), tmp_path / "cut", [])
    assert_same_bits(tmp_path / "whole", tmp_path / "cut")


@pytest.mark.usefixtures("drawn_mnist")
def test_a_run_done_once_more_gives_the_same_bits(page_run: Path, tmp_path: Path) -> None:
    again = train(tmp_path / "again", f"config_from={page_run}")
    assert_same_bits(page_run, again)


@pytest.mark.usefixtures("drawn_mnist")
def test_a_run_that_is_done_is_trained_further_and_another_begins_with_it(page_run: Path, tmp_path: Path) -> None:
    longer = tmp_path / "longer"
    shutil.copytree(page_run, longer)
    run_job(experiment(f"resume={longer}", "trainer.max_epochs=3"), longer, [])
    assert [epoch["epoch"] for epoch in history_of(longer)] == [0, 1, 2]
    assert history_of(longer)[:2] == history_of(page_run)
    # nearly no step, so that the net is still the one it begins with
    began = train(tmp_path / "began", *PAGE_READER, f"init_from={page_run}", "trainer.max_epochs=1",
                  "optimizer.lr=1e-12", "data.crops=1", "trainer.ema_decay=null")  # fmt: skip
    first, second = (load_file(run / "model.safetensors") for run in (page_run, began))
    torch.testing.assert_close(second["answer.weight"], first["answer.weight"])


# ---- Swept and reported ---------------------------------------------------------------------------


@pytest.mark.usefixtures("page_run")
def test_a_sweep_is_ranked_by_pages(drawn_files: Path, tmp_path: Path) -> None:
    """As a person does it; `page_run` has composed the pages."""
    few = [o for o in PAGE_READER if not o.startswith(("trainer.max_epochs", "optimizer.lr", "data.crops"))]
    asked = (*few, "trainer.max_epochs=1", "data.crops=1", "optimizer.lr=1e-5,0.02", "hydra.sweep.dir=sweep")
    done = subprocess.run(
        [sys.executable, "-c", SWEEP, str(drawn_files), "-m", *asked],
        cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False,
        env={**os.environ, "PYTHONPATH": str(HERE)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    table = done.stdout.partition("2 runs in sweep: 2 done")[2].splitlines()
    start = next(i for i, line in enumerate(table) if line.startswith("overrides"))
    assert table[start].split() == ["overrides", "n", "val/pages", "test/pages", "parameters", "seconds"]
    assert "composing" not in done.stdout
    records = [read_result(path.parent) for path in tmp_path.glob("sweep/*/result.json")]
    best = max(record.metrics["val/pages"] for record in records)
    assert f"best run by val/pages, {best:.2%}: sweep/" in done.stdout
    assert len({record.metrics["val/loss"] for record in records}) == 2


# ---- Configured -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["model=cnn", "task=detection"], r"^task: is detection, for which data .*, model .*, loss .* are not made; "),
        (["experiment=page_reader", "data=mnist"], r"^task: is detection, for which data \(digits\.data\.MNISTDataM"),
        (["data=pages"], r"^data: is digits\.data\.PagesDataModule, made for task=detection, but the task is classif"),
        (["model=detector"], r"^model: is digits\.models\.Detector, made for task=detection, but the task is classif"),
        (["experiment=page_reader", "augment=affine"], r"^augment: these data take no transforms; take augment=none$"),
        (["experiment=page_reader", "data.val_size=0"], r"^data\.val_size: is 0; "),
        (["experiment=page_reader", "data.image_size=100"], r"^data\.image_size: is 100; "),
    ],
)
def test_what_does_not_fit_the_task_is_one_fault(overrides: list[str], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence) as refused:
        experiment(*overrides)
    assert len(refused.value.faults) == 1


def test_it_is_told_before_a_directory_is_made(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "digits.train", "experiment=page_reader", "data=mnist"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("task: is detection")
    assert not list(tmp_path.iterdir())
