"""A second task, written outside of this package: trained, resumed, swept, reported and searched as the first.

`project/` is what its owner has: a module and a folder for --config-dir.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from optuna.study import StudyDirection
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar.layout_pb2 import Layout

from digits.config.check import check
from digits.config.faults import ConfigError
from digits.config.instantiate import instantiate
from digits.config.types import Tree
from digits.data import MNISTDataModule
from digits.evaluate import main as evaluate
from digits.export import main as export
from digits.hydra_app.paths import conf_directory
from digits.hydra_app.resolve import experiment_of, start_of_job
from digits.processes.signals import Interrupted
from digits.runs.atomic import write_json
from digits.runs.layout import JobFailed
from digits.runs.read import read_result
from digits.runs.report import read, report
from digits.training.job import run_job
from digits.tuning.results import outcome_of
from digits.tuning.storage import read_search
from tests.support.commands import digits

PROJECT = Path(__file__).parent / "project"
TASK: Tree = {
    "name": "regression",
    "monitor": "error",
    "metrics": [
        {"name": "error", "better": "min", "fraction": False},
        {"name": "loss", "better": "min", "fraction": False},
    ],
}
Compose = Callable[..., Tree]


@pytest.fixture
def composed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Compose]:
    """The configuration that a run of the project would have; raises ConfigError."""
    monkeypatch.syspath_prepend(str(PROJECT))
    GlobalHydra.instance().clear()
    with initialize_config_dir(conf_directory(), version_base="1.3"):

        def composed(*overrides: str) -> Tree:
            whole = [f"hydra.searchpath=[{PROJECT / 'conf'}]", *overrides]
            return experiment_of(compose("train", overrides=whole), list(overrides)).tree()

        yield composed


@pytest.fixture
def run(composed: Compose, tmp_path: Path) -> Path:
    """Three epochs, the dashboard's default callbacks."""
    tree = composed("experiment=value")
    value = run_job(check(tree), tmp_path / "run", ["experiment=value"])
    assert value == metrics_of(tmp_path / "run")["val/error"], "what a sweeper is given"
    return tmp_path / "run"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The project's folder, from which a person gives its commands."""
    return Path(shutil.copytree(PROJECT, tmp_path, dirs_exist_ok=True))


def metrics_of(run: Path) -> dict[str, float]:
    return read_result(run).metrics


def history_of(run: Path) -> list[dict[str, float]]:
    epochs = read_result(run).history
    return [{name: value for name, value in epoch.items() if "images_per_second" not in name} for epoch in epochs]


# ---- Trained ------------------------------------------------------------------------------------


def test_the_record_says_what_was_measured_and_the_least_error_chose_the_epoch(run: Path) -> None:
    record, metrics = read_result(run), metrics_of(run)
    assert record.at("task") == TASK
    assert [*metrics] == [f"{split}/{name}" for split in ("train", "val", "test") for name in ("error", "loss")]
    errors = [epoch["val/error"] for epoch in history_of(run)]
    assert metrics["val/error"] == min(errors) == errors[record.epoch or 0]


def test_the_error_is_that_of_the_weights_that_are_kept(run: Path) -> None:
    config = cast(dict[str, Tree], read_result(run).tree()["config"])
    data = cast(MNISTDataModule, instantiate(config["data"], seed=0))
    data.setup()
    weights = load_file(run / "model.safetensors")
    assert data.val is not None
    pixels = data.normalise(data.val.pixels()).flatten(1)  # (N, 64)
    values = 2 * (pixels @ weights["1.weight"].T + weights["1.bias"]).squeeze(1)
    assert metrics_of(run)["val/error"] == pytest.approx(float((values - data.val.truth()).abs().mean()), rel=1e-5)


def test_of_a_training_that_gets_worse_the_first_epoch_is_kept(composed: Compose, tmp_path: Path) -> None:
    tree = composed("experiment=value", "+optimizer.maximize=true", "callbacks=none")
    run_job(check(tree), tmp_path / "run", [])
    errors = [epoch["val/error"] for epoch in history_of(tmp_path / "run")]
    assert errors == sorted(errors)
    assert (read_result(tmp_path / "run").epoch, metrics_of(tmp_path / "run")["val/error"]) == (0, errors[0])


def test_tensorboard_shows_its_metrics_and_no_pictures_of_classes(run: Path) -> None:
    events = EventAccumulator(str(run), size_guidance={"scalars": 0, "tensors": 0})
    events.Reload()
    assert not events.Tags()["images"]
    assert "best_weights/1.weight" in events.Tags()["histograms"]
    rows = {tag for tag in events.Tags()["scalars"] if tag.startswith("hp/")}
    assert rows == {"hp/val_error", "hp/val_loss", "hp/test_error", "hp/test_loss"}
    assert events.Scalars("hp/val_error")[-1].value == pytest.approx(metrics_of(run)["val/error"])
    (tensor,) = events.Tensors("custom_scalars__config__")
    charts = Layout.FromString(tensor.tensor_proto.string_val[0]).category[0].chart
    assert [chart.title for chart in charts] == ["error", "loss"]


# ---- Configured ---------------------------------------------------------------------------------


def test_early_stopping_watches_the_error_and_wants_it_small(composed: Compose, tmp_path: Path) -> None:
    lazy = ("experiment=value", "callbacks.early_stopping.patience=1", "optimizer.lr=1e-12", "trainer.max_epochs=9")
    tree = composed(*lazy)
    stopping = cast(dict[str, Tree], tree["callbacks"])["early_stopping"]
    assert (stopping["monitor"], stopping["mode"]) == ("val/error", "min")
    run_job(check(tree), tmp_path / "run", [])
    assert (read_result(tmp_path / "run").epochs or 9) < 9


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("callbacks.early_stopping.monitor=val/accuracy", r"monitor: is 'val/accuracy'; input should be 'val/error', "),
        ("callbacks.early_stopping.mode=max", r"mode: is max, but lower is better for val/error"),
        ("task._target_=torch.nn.Identity", r"^task\._target_: torch\.nn\.Identity is not a task module"),
        ("task._target_=regression.Nobody", r"^task\._target_: "),
        ("+task.net=3", r"^task\.net: is set by digits"),
        ("+task.sacle=3", r"^task\.sacle: regression\.Regressor has no such argument; did you mean scale"),
    ],
)
def test_what_does_not_fit_the_task_is_one_fault(composed: Compose, override: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence) as refused:
        composed("experiment=value", override)
    assert len(refused.value.faults) == 1


@pytest.mark.parametrize("override", ["test_views=5", "trainer.ema_decay=0.9"])
def test_what_the_task_has_no_use_for_is_refused(composed: Compose, tmp_path: Path, override: str) -> None:
    key = override.partition("=")[0]
    with pytest.raises(JobFailed, match=f"^{key}: regression.Regressor does not accept it") as failed:
        run_job(check(composed("experiment=value", override)), tmp_path / "run", [])
    assert failed.value.code == 2


# ---- Resumed ------------------------------------------------------------------------------------


def test_a_run_that_is_cut_off_in_an_epoch_ends_as_one_that_never_was(composed: Compose, tmp_path: Path) -> None:
    tree = composed("experiment=value", "checkpoint_minutes=1e-6", "callbacks=none")
    run_job(check(tree), tmp_path / "whole", [])
    bomb: Tree = {"_target_": "tests.support.bomb.Bomb", "hook": "train", "at": 15, "signal_name": "SIGTERM"}
    with pytest.raises(Interrupted):
        run_job(check(tree | {"callbacks": {"bomb": bomb}}), tmp_path / "cut", [])
    record = read_result(tmp_path / "cut")
    assert (record.status, record.at("task")) == ("interrupted", TASK)
    run_job(check(tree | {"resume": str(tmp_path / "cut"), "trust": ["regression"]}), tmp_path / "cut", [])
    whole, cut = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "cut"))
    assert all(torch.equal(whole[name], cut[name]) for name in whole)
    assert history_of(tmp_path / "whole") == history_of(tmp_path / "cut")
    assert metrics_of(tmp_path / "whole") == metrics_of(tmp_path / "cut")


def test_only_who_trusts_its_package_goes_on_with_it(composed: Compose, run: Path) -> None:
    longer = (f"resume={run}", "trainer.max_epochs=4")
    with pytest.raises(ConfigError, match=r"task: the run's record names .* regression\.Regressor; "):
        composed(*longer)
    tree = composed(*longer, "trust=[regression]")
    run_job(check(tree), run, [*longer, "trust=[regression]"])
    assert (read_result(run).epochs, read_result(run).at("task")) == (4, TASK)


# ---- What is of other tasks says so -----------------------------------------------------------------


@pytest.mark.parametrize("command", [evaluate, export])
def test_evaluate_and_export_say_for_what_tasks_they_are(
    run: Path, command: Callable[[list[str]], int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command([str(run), "--trust", "regression"]) == 2
    out, err = capsys.readouterr()
    known = "only classification and detection can be evaluated and exported"
    assert (out, err) == ("", f"{run} was trained for regression; {known}\n")


def test_it_teaches_no_classifier(composed: Compose, run: Path) -> None:
    with pytest.raises(ConfigError, match=r"teachers: .* was trained for regression"):
        composed("data=optdigits", "model=logistic", "trainer=cpu", f"teachers=[{run}]", "trust=[regression]")


# ---- Swept, reported, searched ------------------------------------------------------------------


def test_a_sweep_is_ranked_by_the_least_error(project: Path) -> None:
    """As a person does it."""
    sweep = ("--config-dir", "conf", "-m", "experiment=value", "trainer.max_epochs=1",
             "optimizer.lr=1e-6,0.02", "hydra.sweep.dir=sweep")  # fmt: skip
    done = digits("train", *sweep, cwd=project)
    assert done.returncode == 0, done.stderr
    table = done.stdout.partition("2 runs in sweep: 2 done")[2].splitlines()
    start = next(i for i, line in enumerate(table) if line.startswith("overrides"))
    assert table[start].split() == ["overrides", "n", "val/error", "test/error", "parameters", "seconds"]
    assert [line.split()[0] for line in table[start + 2 : start + 4]] == ["optimizer.lr=0.02", "optimizer.lr=1e-06"]
    runs = {lr: next(project.glob(f"sweep/*lr={lr}*")) for lr in ("0.02", "1e-06")}
    good, bad = runs["0.02"], runs["1e-06"]
    assert metrics_of(good)["val/error"] < metrics_of(bad)["val/error"]
    value = f"{metrics_of(good)['val/error']:.4f}"
    assert f"best run by val/error, {value}: {good.relative_to(project)}\n" in done.stdout
    assert digits("report", "sweep", cwd=project).stdout in done.stdout


@pytest.mark.usefixtures("composed")
def test_a_done_job_gives_the_sweeper_its_error(run: Path) -> None:
    config = compose("train", overrides=[f"hydra.searchpath=[{PROJECT / 'conf'}]", "experiment=value"])
    start = start_of_job(config, ["experiment=value"], run)
    assert (start.experiment, start.value) == (None, metrics_of(run)["val/error"])


def test_runs_of_two_tasks_are_reported_each_by_its_own_metric(tmp_path: Path) -> None:
    def record(name: str, metrics: Tree, **more: object) -> None:
        done: dict[str, object] = {"status": "done", "overrides": [f"name={name}"], "metrics": metrics, **more}
        (tmp_path / name).mkdir()
        write_json(tmp_path / name / "result.json", cast(Tree, done))

    for name, error in (("far", 3.5), ("near", 0.25)):
        record(name, {"val/error": error, "train/loss": 1.0, "test/error": error}, task=TASK)
    record("digits", {"val/accuracy": 0.5, "train/loss": 9.0, "test/accuracy": 0.25})
    text = report(read(tmp_path), tmp_path)
    header, _, *lines = text.splitlines()[2:7]
    assert header.split()[2:] == ["val/error", "val/accuracy", "test/error", "test/accuracy"]
    assert [line.split()[0] for line in lines] == ["name=near", "name=far", "name=digits"]
    assert lines[2].split()[2:] == ["50.00", "%", "25.00", "%"]
    assert f"best run by val/error, 0.2500: {tmp_path / 'near'}\nbest run by val/accuracy, 50.00%: " in text
    by_loss = report(read(tmp_path), tmp_path, "train/loss").splitlines()[4:7]
    assert by_loss[-1].split()[0] == "name=digits"


def test_a_search_minimises_the_error(project: Path) -> None:
    asked = ("--config-dir", "conf", "experiment=value", "trainer.max_epochs=2", "tune.trials=3",
             "tune.name=value", "search_space=line", "sampler=random", "pruner=median")  # fmt: skip
    done = digits("tune", *asked, cwd=project)
    assert done.returncode == 0, done.stdout + done.stderr
    folder = project / "outputs" / "tune" / "value"
    study = read_search(folder)
    assert study.direction == StudyDirection.MINIMIZE
    outcome = outcome_of(study)
    errors = [metrics_of(folder / str(trial.directory))["val/error"] for trial in outcome.trials]
    best = outcome.best()
    assert best is not None
    assert best.values == (min(errors),) == (metrics_of(folder / str(best.directory))["val/error"],)
    assert [len(trial.curve) for trial in outcome.trials] == [2, 2, 2], "told after every epoch"
    assert "the winner of a search for regression is not tested here" in done.stdout
    said = digits("report", str(folder), cwd=project).stdout
    assert said.startswith("value, a search for least val/error, in ")
    assert f"best trial by val/error, {min(errors):.4f}: {best.number}, " in said
    refused = digits("tune", *asked, "tune.objective=[val/accuracy]", "tune.name=other", cwd=project)
    assert refused.returncode == 2
    assert "tune.objective: can't be val/accuracy; there is val/error, val/loss, train/error" in refused.stderr
