"""Where runs are logged to, by whom, and what is said where that can't be."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from digits.config.check import check
from digits.config.schema import Experiment
from digits.runs.layout import JobFailed
from digits.training.job import run_job
from tests.extras.mlflow_runs import kept_runs
from tests.extras.offline import starts
from tests.support.commands import QUICK, digits, result_of
from tests.support.logs import logged
from tests.support.runs import experiment

SHORT = (*QUICK, "trainer.max_epochs=1")
BOTH = "logger=[csv,wandb,mlflow]"


def test_each_job_of_a_sweep_is_a_run_in_its_group(tmp_path: Path) -> None:
    sweep = tmp_path / "outputs" / "sweeps" / "two"
    asked = (*QUICK, BOTH, "logger.wandb.mode=offline", "seed=0,1", f"hydra.sweep.dir={sweep}")
    done = digits("train", "-m", *asked, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    runs = sorted(path.parent for path in sweep.rglob("result.json"))
    assert [result_of(run)["status"] for run in runs] == ["done", "done"]
    offline = [start for run in runs for start in starts(run)]
    assert [(start.run["name"], start.run["group"]) for start in offline] == [(run.name, "two") for run in runs]
    assert len({start.run["id"] for start in offline}) == 2
    kept = kept_runs(tmp_path / "outputs" / "mlflow.db")
    assert [(run.name, run.tags["sweep"], run.status) for run in kept] == [(r.name, "two", "FINISHED") for r in runs]
    assert [run.parameters["seed"] for run in kept] == ["0", "1"]


def test_of_several_processes_the_first_logs(tmp_path: Path) -> None:
    run = tmp_path / "outputs" / "runs" / "two"
    asked = (*QUICK, BOTH, "logger.wandb.mode=offline", "trainer=ddp", "trainer.devices=2", f"hydra.run.dir={run}")
    done = digits("train", *asked, "trainer.accelerator=cpu", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    (start,), (kept,) = starts(run), kept_runs(tmp_path / "outputs" / "mlflow.db")
    assert [row["val/accuracy"] for row in start.rows if "val/accuracy" in row] == pytest.approx(
        [value for _, value in kept.curve("val/accuracy")]
    )
    assert len(kept.curve("val/accuracy")) == 2


def test_the_environment_says_where_and_no_record_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'server.db'}")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_API_KEY", "0123456789" * 4)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    as_in_a_new_process()
    monkeypatch.chdir(tmp_path)  # MLflow's own choice for artifacts is a folder there
    run = tmp_path / "outputs" / "runs" / "a"
    run_job(experiment(*SHORT, BOTH), run, [])
    assert len(starts(run)) == 1
    assert [kept.name for kept in kept_runs(tmp_path / "server.db")] == ["a"]
    assert not (tmp_path / "outputs" / "mlflow.db").exists()
    for file in (path for path in run.iterdir() if path.is_file()):
        content = file.read_bytes()
        assert not any(secret in content for secret in (b"server.db", b"0123456789" * 4, b"127.0.0.1"))


def as_in_a_new_process() -> None:
    """Have W&B read the environment, which it does once in a process."""
    import wandb

    wandb.teardown()


def refusal(config: Experiment, run: Path) -> str:
    """The sentence with which a run is refused before it has begun to train."""
    with pytest.raises(JobFailed) as caught:
        run_job(config, run, [])
    assert caught.value.code == 2
    assert "\n" not in str(caught.value)
    assert not (run / "metrics.csv").exists()
    return str(caught.value)


def test_without_an_account_one_sentence_says_how_to_do_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HOME", str(tmp_path))
    as_in_a_new_process()
    config = experiment(*SHORT, "logger=wandb")
    sentence = refusal(config, tmp_path / "run")
    assert sentence.startswith("logger: W&B can't be used: No API key configured. Use `wandb login` to log in; ")
    assert "WANDB_MODE=offline" in sentence


def test_settings_in_the_run_itself_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """W&B would read them where the command is started in the run's directory."""
    (tmp_path / "wandb").mkdir()
    (tmp_path / "wandb" / "settings").write_text("[default]\nbase_url = http://127.0.0.1:9\n")
    monkeypatch.chdir(tmp_path)
    as_in_a_new_process()
    sentence = refusal(experiment(*SHORT, "logger=wandb", "logger.wandb.mode=offline"), tmp_path)
    assert "wandb/settings could choose where W&B sends this run" in sentence
    assert not [*tmp_path.glob("wandb/*run-*")]


def test_a_run_that_is_logged_nowhere_is_not_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    as_in_a_new_process()
    run_job(experiment(*SHORT, "logger=wandb"), tmp_path / "run", [])
    assert result_of(tmp_path / "run")["status"] == "done"
    assert not (tmp_path / "run" / "wandb.json").exists()


def test_a_run_that_mlflow_does_not_have_is_not_resumed_as_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "outputs" / "runs" / "a"
    run_job(experiment(*SHORT, "logger=mlflow"), run, [])
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'another.db'}")
    longer = experiment(*SHORT, "logger=mlflow", "trainer.max_epochs=4").tree() | {"resume": str(run)}
    with pytest.raises(JobFailed, match=r"MLflow has no run .*; set MLFLOW_TRACKING_URI as at the start, or move "):
        run_job(check(longer), run, [])
    assert result_of(run)["status"] == "done", "its record stays"


def out_of_date(file: Path) -> None:
    """An older MLflow's file."""
    made = file.with_name("made.db")  # in a process, MLflow looks at the version of each file once
    kept_runs(made)
    with closing(sqlite3.connect(made)) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '451aebb31d03'")
    made.replace(file)


def no_database(file: Path) -> None:
    file.write_bytes(b"no database" * 1000)


@pytest.mark.parametrize("break_", [out_of_date, no_database])
def test_a_file_that_mlflow_can_not_use_is_one_sentence(tmp_path: Path, break_: Callable[[Path], None]) -> None:
    file = tmp_path / "outputs" / "mlflow.db"
    file.parent.mkdir()
    break_(file)
    sentence = refusal(experiment(*SHORT, "logger=mlflow"), tmp_path / "outputs" / "runs" / "a")
    assert sentence.startswith(f"logger: MLflow can't use {file} (")
    assert "move it away" in sentence


@pytest.mark.parametrize(
    "address",
    ["http://me:h7-secret@127.0.0.1:9", "http://127.0.0.1:9/h7-secret", "sqlite:////dev/null/h7-secret/a.db"],
)
def test_no_file_of_a_run_that_failed_has_the_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    run = tmp_path / "run"
    run.mkdir()
    with logged(run / "train.log"):
        sentence = refusal(experiment(*SHORT, "logger=mlflow"), run)
    assert "MLFLOW_TRACKING_URI" in sentence
    assert {"result.json", "error.txt", "train.log"} <= {path.name for path in run.iterdir()}
    for file in (path for path in run.rglob("*") if path.is_file()):
        assert not any(secret in file.read_bytes() for secret in (b"h7-secret", b"127.0.0.1")), file
