"""What a logger that keeps runs elsewhere is told of a run, however it ends; nothing of it can cost the run its end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from lightning.pytorch.loggers import Logger

from digits.config.check import check
from digits.config.faults import ConfigError
from digits.config.schema import Experiment
from digits.runs.layout import LAST, RunError
from digits.runs.read import read_result, sweep_of
from digits.runs.schema import RunRecord
from digits.training import experiment as experiment_module
from digits.training.callbacks import Pruning
from digits.training.job import run_job
from digits.training.loggers.logged import Logged
from digits.training.loggers.mlflow_address import ADDRESS, place_for
from digits.training.loggers.service import Picture, Service
from digits.training.loggers.wandb import refuse_settings
from digits.training.module import Classifier
from tests.support.resumed import cut

MakeExperiment = Callable[..., Experiment]


class Elsewhere(Logger, Service):
    """Notes what it is told."""

    name, version = "elsewhere", "0"

    def __init__(self) -> None:
        super().__init__()
        self.begun = list[RunRecord]()
        self.images = dict[str, Picture]()
        self.closed = list[tuple[str, RunRecord]]()
        self.trouble: Exception | None = None

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        assert self.begun, "curves came before the beginning"
        assert not self.closed, "curves came after the end"

    def log_hyperparams(self, *_: object, **__: object) -> None: ...

    def begin(self, record: RunRecord) -> None:
        self.begun.append(record)

    def add_image(self, tag: str, image: Picture, step: int) -> None:
        assert self.begun, "an image came before the beginning"
        self.images[tag] = image

    def close(self, status: str, record: RunRecord) -> None:
        self.closed.append((status, record))
        if self.trouble is not None:
            raise self.trouble


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Elsewhere:
    """The only logger of the runs that a test makes."""
    logger = Elsewhere()
    monkeypatch.setattr(experiment_module, "make_loggers", lambda *_: [logger])
    return logger


def test_it_has_the_record_the_plots_and_the_end(
    experiment: MakeExperiment, tmp_path: Path, elsewhere: Elsewhere
) -> None:
    run_job(experiment("callbacks=dashboard", "callbacks.dashboard.every_n_epochs=2"), tmp_path, [])
    (begun,), ((status, record),) = elsewhere.begun, elsewhere.closed
    assert begun.config is not None
    assert begun.config.at("model.hidden") == [32]
    assert status == "done"
    assert record == read_result(tmp_path)
    assert record.weights is not None
    plots = {"confusion_matrix", "class_accuracy", "worst_mistakes", "reliability"}
    assert set(elsewhere.images) == {"train/input", *(f"{s}/{name}" for s in ("val", "best", "test") for name in plots)}
    for image in elsewhere.images.values():
        assert (str(image.dtype), image.shape[2]) == ("uint8", 3)


def test_it_has_the_plot_of_a_search_for_a_learning_rate(
    experiment: MakeExperiment, tmp_path: Path, elsewhere: Elsewhere
) -> None:
    run_job(experiment("trainer.find_lr=true"), tmp_path, [])
    assert [*elsewhere.images] == ["train/lr_find"]


@pytest.mark.parametrize(("signal", "status"), [("", "failed"), ("SIGTERM", "interrupted")])
def test_it_is_told_of_every_other_end(
    experiment: MakeExperiment, tmp_path: Path, elsewhere: Elsewhere, signal: str, status: str
) -> None:
    cut(experiment(), tmp_path, "train", 3, signal)
    assert [told for told, _ in elsewhere.closed] == [status] == [read_result(tmp_path).status]


def test_a_start_that_changes_nothing_here_changes_nothing_there(
    experiment: MakeExperiment, tmp_path: Path, elsewhere: Elsewhere
) -> None:
    run_job(experiment(), tmp_path, [])
    longer = experiment("trainer.max_epochs=9").tree() | {"resume": str(tmp_path), "trust": ["tests"]}
    cut(check(longer), tmp_path, "train_start", 1)
    assert read_result(tmp_path).status == "done"
    assert [told for told, _ in elsewhere.closed] == ["done", "done"]


def test_the_result_is_shown_before_a_service_is_waited_for(
    experiment: MakeExperiment, tmp_path: Path, elsewhere: Elsewhere, caplog: pytest.LogCaptureFixture
) -> None:
    elsewhere.trouble = OSError("the server is gone")
    with caplog.at_level("INFO"):
        run_job(experiment(), tmp_path, [])
    said = [record.getMessage() for record in caplog.records]
    assert ["s of training" in text or "is gone" in text for text in said[-2:]] == [True, True]
    assert "is gone" in said[-1]


def test_it_is_told_of_a_pruned_trial(experiment: MakeExperiment, tmp_path: Path, elsewhere: Elsewhere) -> None:
    run_job(experiment(), tmp_path, [], None, Pruning(lambda *_: True, "val/accuracy"))
    ((status, record),) = elsewhere.closed
    assert status == "pruned"
    assert "val/accuracy" in record.metrics


def test_a_quick_try_is_no_run_elsewhere(experiment: MakeExperiment, tmp_path: Path, elsewhere: Elsewhere) -> None:
    run_job(experiment("debug=fast_dev_run"), tmp_path, [])
    assert elsewhere.begun == []


@pytest.mark.usefixtures("elsewhere")
def test_nothing_is_plotted_in_a_quick_try(
    experiment: MakeExperiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found: Lightning's stand-in for a logger has any attribute, so it counted as one that takes images."""

    def plotted(*_: object) -> None:
        raise AssertionError("plotted, for which the whole test split is predicted")

    monkeypatch.setattr(Classifier, "show_input", plotted)
    monkeypatch.setattr(Classifier, "show", plotted)
    run_job(experiment("callbacks=dashboard", "debug=fast_dev_run"), tmp_path, [])
    assert read_result(tmp_path).status == "done"


def test_trouble_at_the_end_is_reported_and_the_run_is_done(
    experiment: MakeExperiment, tmp_path: Path, elsewhere: Elsewhere, caplog: pytest.LogCaptureFixture
) -> None:
    elsewhere.trouble = OSError("the server is gone")
    run_job(experiment(), tmp_path, [])
    assert read_result(tmp_path).status == "done"
    assert f"could not close {tmp_path} in Elsewhere: the server is gone" in caplog.text


# ---- MLflow's address ------------------------------------------------------------------------------

SECRET = "h7-secret"


@pytest.mark.parametrize(
    "address",
    [
        f"http://me:{SECRET}@host:5000", f"https://{SECRET}@host", f"http://me:a/{SECRET}@host",
        f"postgresql+psycopg2://me:{SECRET}@host/runs", f"postgresql://host/runs?user=me&password={SECRET}",
    ],
)  # fmt: skip
def test_an_address_with_a_password_is_refused_and_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv(ADDRESS, address)
    with pytest.raises(ConfigError, match="has a password in it") as refused:
        place_for(tmp_path)
    assert not any(part in str(refused.value) for part in (SECRET, "host"))
    assert ("MLFLOW_TRACKING_PASSWORD" in str(refused.value)) == address.startswith("http")


@pytest.mark.parametrize(
    "address", ["http://host:5000", "postgresql://me@host:5432/runs", "sqlite:////home/a:b@c/runs.db", "databricks"]
)
def test_an_address_without_one_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv(ADDRESS, address)
    assert place_for(tmp_path).uri == address


# ---- W&B's settings --------------------------------------------------------------------------------


@pytest.mark.parametrize("folder", ["wandb", ".wandb"])
def test_a_runs_files_do_not_choose_where_w_and_b_sends_it(tmp_path: Path, folder: str) -> None:
    refuse_settings(tmp_path)
    (tmp_path / folder).mkdir()
    refuse_settings(tmp_path)
    (tmp_path / folder / "settings").symlink_to("elsewhere")
    with pytest.raises(RunError, match=rf"/{folder}/settings could choose where .* move it to "):
        refuse_settings(tmp_path)


# ---- What is remembered ---------------------------------------------------------------------------


@pytest.fixture
def resumable(tmp_path: Path) -> Path:
    """The directory of a run with a checkpoint."""
    (tmp_path / LAST).parent.mkdir()
    (tmp_path / LAST).touch()
    return tmp_path


def test_a_later_start_logs_only_what_no_earlier_one_has(resumable: Path) -> None:
    first = Logged(resumable / "wandb.json")
    assert first.fresh({"loss": 0.5}, 0) == {"loss": 0.5}
    first.write()
    assert not first.path.exists(), "there is no run to resume"
    first.id = "abc-1"
    assert first.fresh({"loss": 0.4, "lr": 0.1}, 3) == {"loss": 0.4, "lr": 0.1}
    assert first.fresh({"loss": 0.4}, 3) == {"loss": 0.4}, "the same start may do so twice"
    first.write()
    second = Logged(first.path)
    assert second.id == "abc-1"
    assert second.fresh({"loss": 0.4, "accuracy": 0.9}, 3) == {"accuracy": 0.9}
    assert second.fresh({"loss": 0.3, "lr": 0.1}, 4) == {"loss": 0.3, "lr": 0.1}
    (resumable / LAST).unlink()
    over = Logged(first.path)
    assert over.id is None, "a run that starts over is a new one there"
    assert over.fresh({"loss": 0.7}, 0) == {"loss": 0.7}


@pytest.mark.parametrize(
    "content", ["{", '{"id": "a"}', '{"id": "../x", "logged": {}}', '{"id": "a", "logged": {}, "host": "http://x"}']
)
def test_a_damaged_memory_is_refused_with_what_to_do(resumable: Path, content: str) -> None:
    (resumable / "mlflow.json").write_text(content)
    with pytest.raises(RunError, match=r"mlflow\.json is damaged; move it away"):
        Logged(resumable / "mlflow.json")


@pytest.mark.parametrize(("note", "name"), [("multirun.yaml", "s"), ("search.json", "s"), ("result.json", None)])
def test_a_run_knows_the_sweep_that_it_is_in(tmp_path: Path, note: str, name: str | None) -> None:
    run = tmp_path / "s" / "trials" / "0001"
    run.mkdir(parents=True)
    (tmp_path / "s" / note).touch()
    assert sweep_of(run) == name
