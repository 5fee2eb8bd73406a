"""A recorded run taken up again: done once more, gone on with by its sweep, gone on with when SLURM requeues it."""

from __future__ import annotations

import json
import os
import shlex
import socket
import time
from pathlib import Path
from typing import cast

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from digits.config.faults import ConfigError
from digits.config.types import Tree
from digits.hydra_app.paths import conf_directory
from digits.hydra_app.resolve import Start, experiment_of, start_of_job, start_of_run
from digits.runs.resume import ended_since, resume_command


def composed(*overrides: str) -> DictConfig:
    with initialize_config_dir(conf_directory(), version_base="1.3"):
        return compose("train", overrides=list(overrides))


def record(run: Path, *overrides: str, saved: tuple[str, ...] = (), **fields: object) -> Path:
    """A run's directory with its record, and the names of the checkpoints it has saved."""
    config = experiment_of(composed(*overrides), list(overrides)).tree()
    (run / "checkpoints").mkdir(parents=True)
    for name in saved:
        (run / "checkpoints" / name).touch()
    found: dict[str, object] = {"config": config, "overrides": list(overrides), "status": "interrupted"}
    (run / "result.json").write_text(json.dumps(found | fields))
    return run


def changed(run: Path, key: str, value: object) -> None:
    """Change a key of the configuration that a run has recorded."""
    found = json.loads((run / "result.json").read_text())
    *sections, leaf = key.split(".")
    section = found["config"]
    for name in sections:
        section = section[name]
    section[leaf] = value
    (run / "result.json").write_text(json.dumps(found))


def value_of(tree: Tree | Start, key: str) -> object:
    found: object = tree if isinstance(tree, dict) else tree.experiment and tree.experiment.tree()
    for name in key.split("."):
        found = cast(Tree, found)[name]
    return found


# ---- config_from --------------------------------------------------------------------------------


def once_more(run: Path, *given: str) -> Tree:
    overrides = [f"config_from={run}", *given]
    return experiment_of(composed(*overrides), overrides).tree()


def test_a_run_is_done_once_more_with_the_configuration_it_recorded(tmp_path: Path) -> None:
    run = record(tmp_path, "model=mlp", "optimizer.lr=0.5", "seed=7", "data.root=there", status="done")
    changed(run, "resume", "some/where")
    tree = once_more(run)
    former = json.loads((run / "result.json").read_text())["config"]
    assert tree == former | {"resume": None, "config_from": str(run)}


def test_what_may_be_given_anew_beside_it(tmp_path: Path) -> None:
    run = record(tmp_path, "model=mlp", "seed=7", "data.root=there", "data.val_size=0")
    tree = once_more(
        run, "seed=8", "data.root=here", "data.mirrors=[http://localhost/]", "test=false", "checkpoints=best"
    )
    given = {key: value_of(tree, key) for key in ("seed", "data.root", "data.mirrors", "test", "checkpoints")}
    assert given == {
        "seed": 8, "data.root": "here", "data.mirrors": ["http://localhost/"], "test": False, "checkpoints": "best"
    }  # fmt: skip
    assert value_of(tree, "data.val_size") == 0
    assert value_of(tree, "model._target_") == "digits.models.MLP"


def test_anything_else_is_refused_by_its_key(tmp_path: Path) -> None:
    run = record(tmp_path)
    with pytest.raises(ConfigError) as caught:
        once_more(run, "optimizer.lr=0.1", "model=mlp", "seed=1", "+trainer.max_steps=3")
    assert [fault.key for fault in caught.value.faults] == ["model", "optimizer.lr", "trainer.max_steps"]
    can = "checkpoints, data.cache, data.material, data.mirrors, data.root, seed, test"
    assert f"can't be changed with config_from, only {can} can" in str(caught.value)


def test_on_another_machine_a_run_that_is_resumed_finds_its_data_elsewhere(tmp_path: Path) -> None:
    run = record(tmp_path, "model=mlp", "data.root=there", "optimizer.lr=0.5", status="interrupted")
    overrides = [f"resume={run}", "data.root=here"]
    tree = experiment_of(composed(*overrides), overrides).tree()
    assert (value_of(tree, "data.root"), value_of(tree, "optimizer.lr")) == ("here", 0.5)


def test_it_goes_on_or_starts_anew_but_not_both(tmp_path: Path) -> None:
    overrides = [f"config_from={tmp_path}", f"resume={tmp_path}"]
    with pytest.raises(ConfigError, match="give one of the two"):
        experiment_of(composed(*overrides), overrides).tree()


def test_nothing_foreign_is_called_for_its_record(tmp_path: Path) -> None:
    run = record(tmp_path)
    changed(run, "callbacks.mine", {"_target_": "os.system", "command": "true"})
    with pytest.raises(ConfigError, match=r"callbacks\.mine: the run's record names .* os\.system; "):
        once_more(run)


def test_a_damaged_or_missing_record_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="config_from: there is no directory nowhere"):
        once_more(Path("nowhere"))
    (tmp_path / "result.json").write_text("{")
    with pytest.raises(ConfigError, match="is damaged"):
        once_more(tmp_path)


def test_a_key_younger_than_the_record_has_todays_value(tmp_path: Path) -> None:
    run = record(tmp_path, "trainer.max_epochs=3")
    found = json.loads((run / "result.json").read_text())
    del found["config"]["config_from"]
    del found["config"]["trainer"]["ema_decay"]
    (run / "result.json").write_text(json.dumps(found))
    overrides = [f"resume={run}"]
    tree = experiment_of(composed(*overrides), overrides).tree()
    assert value_of(tree, "trainer.max_epochs") == 3
    assert value_of(tree, "trainer.ema_decay") is None


# ---- A sweep's job, met again -------------------------------------------------------------------


def met_again(run: Path, *overrides: str) -> Start:
    return start_of_job(composed(*overrides), list(overrides), run)


def test_a_new_job_is_what_was_asked_for(tmp_path: Path) -> None:
    assert met_again(tmp_path / "new", "seed=3") == Start(experiment_of(composed("seed=3"), ["seed=3"]))


def test_a_job_that_is_done_is_left_alone_and_tells_its_accuracy(tmp_path: Path) -> None:
    run = record(tmp_path, "seed=3", status="done", metrics={"val/accuracy": 0.75})
    assert met_again(run, "seed=3") == Start(None, f"done already: {run}", 0.75)
    changed(run, "optimizer.lr", 0.5)
    assert met_again(run, "seed=3").remark == f"done already: {run} (recorded with another optimizer.lr)"


@pytest.mark.parametrize("status", ["interrupted", "failed", "running"])
@pytest.mark.parametrize("saved", ["last.ckpt", "previous.ckpt"])
def test_an_unfinished_job_goes_on_as_it_was_recorded(tmp_path: Path, status: str, saved: str) -> None:
    dead = {"pid": 2**22 + 1, "host": socket.gethostname()}
    run = record(tmp_path, "seed=3", status=status, saved=(saved,), **dead)
    taken = met_again(run, "seed=3")
    assert (value_of(taken, "resume"), taken.remark) == (str(run), "")
    changed(run, "optimizer.lr", 0.5)
    changed(run, "trainer.max_epochs", 99)  # it was lengthened by resume=… since
    taken = met_again(run, "seed=3")
    assert (value_of(taken, "optimizer.lr"), value_of(taken, "trainer.max_epochs")) == (0.5, 99)
    assert taken.remark == f"{run} is resumed as recorded; this command has another optimizer.lr, trainer.max_epochs"


@pytest.mark.parametrize("saved", [(), ("best.ckpt",)])
def test_a_job_that_had_saved_nothing_starts_anew_as_it_is_asked_for_now(tmp_path: Path, saved: tuple[str]) -> None:
    run = record(tmp_path, "seed=3", saved=saved)
    changed(run, "data.root", "a/place/that/never/was")
    taken = met_again(run, "seed=3")
    assert value_of(taken, "data.root") == experiment_of(composed(), []).data.get("root")
    assert value_of(taken, "resume") == str(run), "what the first attempt left behind is not added to"


def test_a_job_that_runs_elsewhere_is_refused(tmp_path: Path) -> None:
    run = record(tmp_path, "seed=3", status="running", pid=os.getpid(), host=socket.gethostname(), alive=time.time())
    with pytest.raises(ConfigError, match=rf"is still running \(process {os.getpid()} on {socket.gethostname()}\)"):
        met_again(run, "seed=3")


def test_a_job_is_known_by_its_overrides(tmp_path: Path) -> None:
    """With hydra.sweep.subdir=${hydra.job.num}, a value added to a sweep moves all others to other directories."""
    run = record(tmp_path, "seed=3", status="done", metrics={"val/accuracy": 0.75})
    with pytest.raises(ConfigError, match=r"holds a run with other overrides \(seed=3\); name another directory"):
        met_again(run, "seed=2")
    with pytest.raises(ConfigError, match="holds a run with other overrides"):  # other data are another job
        met_again(run, "seed=3", "data.root=elsewhere")
    lengthened = record(tmp_path / "b", "seed=3", "trainer.max_epochs=99", status="done", metrics={})
    assert met_again(lengthened, "seed=3", "trainer.max_epochs=5").experiment is None


def link(run: Path, name: str) -> Path:
    """A link in a run's directory to a folder beside it."""
    (run / name).parent.mkdir(parents=True, exist_ok=True)
    (run / name).symlink_to(run.parent)
    return run


@pytest.mark.parametrize("name", ["wandb/logs/debug-core.log", "wandb/a/b/cache", "mine/plots"])
def test_links_that_a_logger_leaves_are_its_own(tmp_path: Path, name: str) -> None:
    run = link(record(tmp_path / "run", "seed=3", saved=("last.ckpt",)), name)
    assert value_of(met_again(run, "seed=3"), "resume") == str(run)
    assert experiment_of(composed(f"resume={run}"), [f"resume={run}"]).resume == str(run)


@pytest.mark.parametrize("name", ["metrics.csv", "train.log", "wandb", "checkpoints/best.ckpt", ".hydra/config.yaml"])
def test_a_run_does_not_go_on_through_a_link_that_leads_out_of_it(tmp_path: Path, name: str) -> None:
    run = link(record(tmp_path / "run", "seed=3", saved=("last.ckpt",)), name)
    for attempt in (lambda: met_again(run, "seed=3"), lambda: experiment_of(composed(f"resume={run}"), [])):
        with pytest.raises(ConfigError, match="nothing is written there"):
            attempt()
    done = link(record(tmp_path / "done", "seed=3", status="done", metrics={}), name)
    assert met_again(done, "seed=3").experiment is None, "into a run that is done nothing is written"


def test_a_damaged_record_is_no_reason_to_write_over_it(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text('{"status": "do')
    with pytest.raises(ConfigError, match=r"is damaged: .*; delete .* to run it from scratch"):
        met_again(tmp_path, "seed=3")


def test_a_net_of_ones_own_needs_no_trust_in_its_own_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mynets.py").write_text("class Net:\n    def __init__(self, width): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    mine = ("~model", "+model._target_=mynets.Net", "+model.width=3")
    run = record(tmp_path / "run", *mine, saved=("last.ckpt",))
    assert value_of(met_again(run, *mine), "trust") == ["mynets"]
    changed(run, "loss._target_", "mynets.Loss")  # of the same package, but nobody asked for it
    with pytest.raises(ConfigError, match=r"loss: the run's record names .* mynets\.Loss; "):
        met_again(run, *mine)


# ---- A job that SLURM has started again ---------------------------------------------------------


def test_only_slurm_goes_on_in_a_directory_that_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = record(tmp_path, "seed=3", saved=("last.ckpt",))
    for count in (None, "0", ""):
        if count is not None:
            monkeypatch.setenv("SLURM_RESTART_COUNT", count)
        with pytest.raises(ConfigError, match="holds a run already"):
            start_of_run(composed("seed=3"), ["seed=3"], run)
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    taken = start_of_run(composed("seed=3"), ["seed=3"], run)
    assert value_of(taken, "resume") == str(run)
    assert start_of_run(composed("seed=3"), ["seed=3"], tmp_path / "new").remark == ""
    with pytest.raises(ConfigError, match="holds a run with other overrides"):
        start_of_run(composed("seed=4"), ["seed=4"], run)
    overrides = [f"resume={run}"]
    assert value_of(start_of_run(composed(*overrides), overrides, run), "resume") == str(run)


@pytest.mark.parametrize("lives", [True, False])
def test_the_record_of_a_node_that_failed_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lives: bool
) -> None:
    """Its last sign of life is less than a minute old; one that lives gives another."""
    begun = time.time()
    run = record(tmp_path, saved=("last.ckpt",), status="running", host="elsewhere", pid=1, alive=begun - 30)
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    found, waits = json.loads((run / "result.json").read_text()), list[float]()

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        (run / "result.json").write_text(json.dumps(found | {"alive": begun if lives else begun - 3600}))

    monkeypatch.setattr("digits.hydra_app.resolve.time.sleep", sleep)
    if lives:
        with pytest.raises(ConfigError, match=r"is still running \(process 1 on elsewhere\)"):
            start_of_run(composed(), [], run)
    else:
        assert value_of(start_of_run(composed(), [], run), "resume") == str(run)
    assert waits


def test_the_command_that_resumes_can_be_typed_as_it_is_told(tmp_path: Path) -> None:
    config = experiment_of(composed(), []).tree()
    run = tmp_path / "my runs" / "a=b"
    assert shlex.split(resume_command(run, config)) == ["python", "-m", "digits.train", f"resume={run}"]
    own = config | {"model": {"_target_": "mynets.Net"}, "loss": {"_target_": "mylosses.Loss"}}
    assert shlex.split(resume_command(run, own))[-1] == "trust=[mylosses,mynets]"


def test_runs_that_ended_since_a_moment_are_counted_by_their_status(tmp_path: Path) -> None:
    """Those of an earlier start of the sweep are not; nor is a damaged one, which counts as nothing."""
    for number, (status, seconds) in enumerate([("done", 50), ("done", 100), ("failed", 150), ("running", 160)]):
        result = tmp_path / str(number) / "result.json"
        result.parent.mkdir()
        result.write_text(json.dumps({"format": 1, "status": status}))
        os.utime(result, (seconds, seconds))
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "result.json").write_text("{")
    assert ended_since(tmp_path, 100) == {"done": 1, "failed": 1, "running": 1}
