"""Directories that can't collide, and what is settled before a start."""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from digits.config.faults import ConfigError
from digits.hydra_app.messages import sentence
from digits.hydra_app.paths import as_path, conf_directory, job_directory, unique_name
from digits.hydra_app.resolve import check_place, experiment_of


def composed(*overrides: str) -> DictConfig:
    with initialize_config_dir(conf_directory(), version_base="1.3"):
        return compose("train", overrides=list(overrides))


def test_no_two_starts_share_a_name() -> None:
    assert len({unique_name() for _ in range(200)}) > 195  # of 65,536 suffixes within the same second


def test_a_job_is_named_by_its_overrides() -> None:
    assert job_directory("model=cnn,seed=0") == "model=cnn,seed=0"
    assert job_directory("") == "default-e3b0c442"
    odd = [job_directory(f"data.root={root}") for root in ("a/b", "a b", "../b", "a_b")]
    assert len(set(odd)) == 4
    assert not any("/" in name or " " in name for name in odd)
    long = [job_directory("x" * 300 + end) for end in "ab"]
    assert long[0] != long[1]
    assert max(map(len, long)) < 200


@pytest.mark.parametrize(
    "name", ["model=cnn,seed=0", "it's a 'run'", "a b", "[1]", "plain-1.0", "é日", "$a=b", "a b\\", "a\\'b"]
)
def test_a_path_that_is_there_can_be_named_without_quotes(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    typed = as_path(f"resume={tmp_path / name}")
    assert composed(typed).resume == str(tmp_path / name)


def test_a_list_of_paths_can_be_named_without_quotes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    runs = ["sw/model=cnn,seed=0", "sw/model=cnn,seed=1", "sw/model=cnn", "plain", "it's one, too"]
    for run in runs:
        Path(run).mkdir(parents=True)
    for named in (runs[:1], runs[:2], runs[2:], [*runs[3:], runs[0]]):
        assert composed(as_path(f"teachers=[{','.join(named)}]")).teachers == named
    assert composed(as_path(f"teachers=[{runs[0]}, {runs[3]}]")).teachers == [runs[0], "plain"]


@pytest.mark.parametrize("value", ["[]", "[,]", "plain", "[plain,]", "['plain','a=b']", "[[a=b]]", "[plain]"])
def test_a_list_that_is_none_of_paths_is_left_to_hydra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("plain").mkdir()
    assert as_path(f"teachers={value}") == f"teachers={value}"


@pytest.mark.parametrize(
    "argument",
    [
        "resume=null",
        "init_from=",
        "optimizer.lr=1,2",
        "resume='quoted=already'",
        'data.root="a=b"',
        "data.root=${a}/b=c",
    ],
)
def test_anything_else_is_left_to_hydra(argument: str) -> None:
    assert as_path(argument) == argument
    assert as_path(argument, sweep=True) == argument


@pytest.mark.parametrize("key", ["init_from", "data.root", "+data.material"])
@pytest.mark.parametrize(
    "name", ["a,b", "not=there", "$HOME/a=b", "a b", "Prüfung → 数", "a(b)=", "[1]", "x" * 5000 + "="]
)
def test_a_path_that_is_not_there_is_taken_as_typed(key: str, name: str) -> None:
    loaded = OmegaConf.select(composed(as_path(f"{key}={name}")), key.lstrip("+"))
    assert loaded == name


def test_a_list_of_what_is_not_there_is_taken_as_typed() -> None:
    assert composed(as_path("teachers=[sw/a=b, c d]")).teachers == ["sw/a=b", "c d"]


@pytest.mark.parametrize("key", ["hydra.run.dir", "data.root", "init_from"])
def test_a_tilde_is_the_home_directory(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert as_path(f"{key}=~/x") == f"{key}=/home/me/x"
    assert as_path(f"{key}=~/a=b") == f"{key}='/home/me/a=b'"
    assert as_path("teachers=[~/a,b~]") == "teachers=['/home/me/a','b~']"


def test_a_sweep_over_paths_still_sweeps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert as_path("init_from=a/epoch=6.ckpt,~/b.ckpt", sweep=True) == "init_from='a/epoch=6.ckpt',/home/me/b.ckpt"
    assert as_path("data.root=a,b", sweep=True) == "data.root=a,b"
    assert as_path("init_from=glob(*)", sweep=True) == "init_from=glob(*)"
    assert as_path("hydra.sweep.dir=a,b=c", sweep=True) == "hydra.sweep.dir='a,b=c'"
    there = tmp_path / "a=1,b=2"
    there.mkdir()
    assert as_path(f"init_from={there}", sweep=True) == f"init_from='{there}'"


def recorded(tmp_path: Path, *overrides: str) -> Path:
    """A run's directory with the record of a configuration."""
    config = experiment_of(composed(*overrides), []).tree()
    (tmp_path / "result.json").write_text(json.dumps({"config": config, "status": "interrupted"}))
    return tmp_path


def test_resume_takes_the_recorded_configuration(tmp_path: Path) -> None:
    run = recorded(tmp_path, "model=mlp", "optimizer.lr=0.5", "seed=7")
    experiment = experiment_of(composed(f"resume={run}"), [f"resume={run}"])
    assert (experiment.seed, experiment.optimizer.get("lr")) == (7, 0.5)
    assert experiment.resume == str(run)


def test_resume_needs_nothing_but_the_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the weights that a run began with, and from any folder."""
    (tmp_path / "weights.ckpt").touch()
    monkeypatch.chdir(tmp_path)
    run = recorded(tmp_path, "init_from=weights.ckpt")
    assert json.loads((run / "result.json").read_text())["config"]["init_from"] == str(tmp_path / "weights.ckpt")
    (tmp_path / "weights.ckpt").unlink()
    assert experiment_of(composed(f"resume={run}"), [f"resume={run}"]).resume == str(run)


def test_resume_for_fewer_epochs_than_were_done(tmp_path: Path) -> None:
    run = recorded(tmp_path)
    record = json.loads((run / "result.json").read_text()) | {"status": "done", "epochs": 10}
    (run / "result.json").write_text(json.dumps(record))
    overrides = [f"resume={run}", "trainer.max_epochs=9"]
    with pytest.raises(ConfigError, match=r"trainer\.max_epochs: is 9, but .* has done 10 epochs; give as many"):
        experiment_of(composed(*overrides), overrides)


def test_resume_takes_a_new_length_and_nothing_else(tmp_path: Path) -> None:
    run = recorded(tmp_path)
    overrides = [f"resume={run}", "trainer.max_epochs=50"]
    assert experiment_of(composed(*overrides), overrides).trainer.max_epochs == 50
    overrides = [f"resume={run}", "seed=1", "model=mlp"]
    with pytest.raises(ConfigError) as caught:
        experiment_of(composed(*overrides), overrides)
    assert [fault.key for fault in caught.value.faults] == ["model", "seed"]


@pytest.mark.parametrize("target", ["os.system", "subprocess.run", "builtins.eval"])
def test_resume_calls_nothing_foreign_for_a_file(tmp_path: Path, target: str) -> None:
    run = recorded(tmp_path)
    record = json.loads((run / "result.json").read_text())
    record["config"]["callbacks"]["mine"] = {"_target_": target, "command": "true"}
    (run / "result.json").write_text(json.dumps(record))
    with pytest.raises(ConfigError, match=f"outside the trusted packages: {target}; "):
        experiment_of(composed(f"resume={run}"), [f"resume={run}"])


@pytest.mark.parametrize(
    ("text", "reason"), [("{", "is damaged"), ("[]", "not a JSON object"), ('{"config": 3}', "no whole configuration")]
)
def test_resume_from_a_damaged_record(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "result.json").write_text(text)
    with pytest.raises(ConfigError, match=reason):
        experiment_of(composed(f"resume={tmp_path}"), [f"resume={tmp_path}"])


def test_a_run_has_its_directory_to_itself(tmp_path: Path) -> None:
    check_place(tmp_path / "new", None)
    run = recorded(tmp_path)
    with pytest.raises(ConfigError, match="holds a run already"):
        check_place(run, None)
    check_place(run, str(run))
    with pytest.raises(ConfigError, match="in its own directory"):
        check_place(tmp_path / "elsewhere", str(run))


HERE_AND_NOW = {"status": "running", "pid": os.getpid(), "host": socket.gethostname(), "alive": time.time()}


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (HERE_AND_NOW, r"is still running \(process \d+ on"),
        (
            {"status": "done"},
            "is done and did not keep its last checkpoint; to start a new run from its weights: init_",
        ),
    ],
)
def test_what_can_not_go_on_is_told(tmp_path: Path, record: dict[str, object], reason: str) -> None:
    run = recorded(tmp_path)
    (run / "checkpoints").mkdir()
    (run / "checkpoints" / "best.ckpt").touch()
    (run / "result.json").write_text(json.dumps(record))
    with pytest.raises(ConfigError, match=reason):
        check_place(run, str(run))


@pytest.mark.parametrize("status", ["interrupted", "failed", "running"])
@pytest.mark.parametrize("saved", [[], ["best.ckpt"], ["best.ckpt", "last.ckpt"], ["previous.ckpt"]])
def test_whatever_was_saved_an_unfinished_run_goes_on(tmp_path: Path, status: str, saved: list[str]) -> None:
    """Without a checkpoint to go on from it starts anew, which is no reason to refuse; nor is a process long dead."""
    run = recorded(tmp_path)
    (run / "checkpoints").mkdir()
    for name in saved:
        (run / "checkpoints" / name).touch()
    record = {"status": status, "pid": 2**22 + 1, "host": socket.gethostname()}
    (run / "result.json").write_text(json.dumps(record))
    check_place(run, str(run))


@pytest.mark.parametrize("kept", ["last.ckpt", "previous.ckpt"])
def test_a_run_that_is_done_goes_on_from_what_it_kept(tmp_path: Path, kept: str) -> None:
    run = recorded(tmp_path)
    (run / "checkpoints").mkdir()
    (run / "checkpoints" / kept).touch()
    (run / "result.json").write_text('{"status": "done"}')
    check_place(run, str(run))


def test_killed_before_anything_was_recorded(tmp_path: Path) -> None:
    (tmp_path / ".hydra").mkdir()
    overrides = [f"resume={tmp_path}"]
    with pytest.raises(ConfigError, match=r"before anything was recorded; .* hydra\.run\.dir="):
        experiment_of(composed(*overrides), overrides)
    check_place(tmp_path, None)


@pytest.mark.parametrize("rank", ["RANK", "LOCAL_RANK", "SLURM_PROCID", "NODE_RANK"])
def test_the_other_processes_of_a_run_are_not_refused_its_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rank: str
) -> None:
    run = recorded(tmp_path)
    monkeypatch.setenv(rank, "0")
    with pytest.raises(ConfigError, match="holds a run already"):
        check_place(run, None)
    monkeypatch.setenv(rank, "1")
    check_place(run, None)


def test_resume_calls_a_package_that_the_user_trusts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mynets.py").write_text("class Net:\n    def __init__(self, width): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    run = recorded(tmp_path, "~model", "+model._target_=mynets.Net", "+model.width=3")
    with pytest.raises(ConfigError, match=r"outside .*: mynets.Net; .* trust=\[mynets\]"):
        experiment_of(composed(f"resume={run}"), [f"resume={run}"])
    overrides = [f"resume={run}", "trust=[mynets]"]
    assert experiment_of(composed(*overrides), overrides).model.tree() == {"_target_": "mynets.Net", "width": 3}


def test_a_value_that_only_repeats_another_is_not_a_fault_of_its_own() -> None:
    with pytest.raises(ConfigError) as caught:
        experiment_of(composed("optimizer.lr=fast"), [])  # scheduler.max_lr is ${optimizer.lr}
    assert [fault.key for fault in caught.value.faults] == ["optimizer.lr"]


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("optimizer.lrr=1", "optimizer.lrr: no such key; did you mean lr? (another argument of torch.optim.AdamW is"),
        ("sed=1", "sed: no such key; did you mean seed?"),
        ("model=cmn", "model: there is no cmn; did you mean cnn?"),
        ("experiment=nothing", "experiment: there is no nothing; there is cnn_best, cnn_ema"),
        ("optimizer.lr=[1", "no viable alternative at input '[1'"),
    ],
)
def test_hydras_own_errors_become_one_sentence(override: str, said: str) -> None:
    with pytest.raises(HydraException) as caught:
        composed(override)
    text = sentence(caught.value)
    assert said in text
    assert len(text.splitlines()) == 1


def test_other_errors_are_not_swallowed() -> None:
    assert sentence(RuntimeError("a fault of ours")) == ""


@pytest.mark.parametrize(
    ("given", "key"),
    [
        (("optimizer=sgd", "optimizer.momentum=0.5"), "optimizer.momentum"),
        (("optimizer.betas=[0.5,0.999]",), "optimizer.betas"),
    ],
)
def test_a_momentum_that_a_cycle_would_replace_is_refused(given: tuple[str, ...], key: str) -> None:
    cycle = (*given, "scheduler.cycle_momentum=true")
    with pytest.raises(ConfigError, match=rf"^{key}: has no effect with scheduler\.cycle_momentum=true"):
        experiment_of(composed(*cycle), list(cycle))
    bounds = (*cycle, "+scheduler.base_momentum=0.3", "+scheduler.max_momentum=0.6")
    assert experiment_of(composed(*bounds), list(bounds)).scheduler.get("cycle_momentum") is True
    assert experiment_of(composed("scheduler.cycle_momentum=true"), []).test


def test_a_metric_that_is_not_there_is_one_fault() -> None:
    typo = "callbacks.early_stopping.monitor=val/losss"
    with pytest.raises(ConfigError, match="monitor") as refused:
        experiment_of(composed(typo), [typo])
    assert len(refused.value.faults) == 1
