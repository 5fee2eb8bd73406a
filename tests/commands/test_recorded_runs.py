"""Runs, a sweep and a search of an earlier commit (`tests/recorded`) taken up by today's commands.

They were made on some machine, so that today's may round otherwise: what is read back is compared to the bit, what is
computed again within a tolerance.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import shutil
from contextlib import chdir, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import optuna
import pytest
import torch
from optuna.trial import FrozenTrial
from PIL import Image

import digits
from digits import evaluate, export, report
from tests.recorded.make import SEARCH, STEPS, SWEEP
from tests.support import commands

RECORDED = Path(__file__).parents[1] / "recorded"
SMALL = Path("outputs", "tune", "small")

FEW = 3 / 180
"""By how much an accuracy may differ on another machine: three of optdigits' validation images."""

UNINTERRUPTED = [0.86227, 0.67828, 0.46190, 0.45105]
"""The validation losses of a run like `cut` that was left alone."""


def with_younger(config: dict[str, Any]) -> dict[str, Any]:
    """A recorded configuration, with the keys that these records are older than and what their absence means."""
    task = {"_target_": "digits.training.module.Classifier"}
    return config | {"task": task, "trainer": config["trainer"] | {"find_lr": False}}


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with a copy of everything that was recorded, where the commands were started."""
    shutil.copytree(RECORDED, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    return tmp_path


WITHOUT_HYDRA = {"evaluate": evaluate.main, "export": export.main, "report": report.main}


def run(here: Path, command: str, *arguments: str) -> str:
    """Run a command that must end well, in this process where it can be; what it prints."""
    if command in WITHOUT_HYDRA:
        with chdir(here), redirect_stdout(io.StringIO()) as said:
            assert not WITHOUT_HYDRA[command]([*arguments])
        return said.getvalue()
    done = commands.digits(command, *arguments, cwd=here)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def record(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "result.json").read_text())
    return found


def weights(run: Path) -> str:
    return hashlib.sha256((run / "model.safetensors").read_bytes()).hexdigest()


def curves(run: Path, below: int) -> list[str]:
    """The rows of metrics.csv before a step, but for their speeds."""
    rows = csv.DictReader(io.StringIO((run / "metrics.csv").read_text()))
    return [str({k: v for k, v in row.items() if v and "second" not in k}) for row in rows if int(row["step"]) < below]


def bits(folder: Path) -> dict[str, str]:
    """Every file, but for what Hydra writes at every start."""
    files = [path for path in folder.rglob("*") if path.is_file() and ".hydra" not in path.parts]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def jobs(here: Path) -> dict[tuple[str, str], Path]:
    """The jobs of the sweep by their augmentation and schedule."""
    found = {}
    for path in (here / "sweep").glob("*/result.json"):
        asked = dict(override.split("=", 1) for override in record(path.parent)["overrides"])
        found[asked["augment"], asked["scheduler"]] = path.parent
    return found


# ---- Runs ---------------------------------------------------------------------------------------


def test_an_interrupted_run_goes_on_in_mid_epoch_to_its_end(here: Path) -> None:
    before = record(here / "cut")
    rows = curves(here / "cut", 2 * STEPS)
    assert before["status"] == "interrupted"
    said = run(here, "train", "resume=cut")
    after = record(here / "cut")
    assert "epoch 2/4" not in said
    assert "epoch 3/4" in said
    assert (after["status"], after["epochs"], after["steps"]) == ("done", 4, 4 * STEPS)
    assert (after["started"], after["overrides"]) == (before["started"], before["overrides"])
    assert after["config"] == with_younger(before["config"]) | {"resume": "cut"}
    assert curves(here / "cut", 2 * STEPS) == rows
    assert [epoch["val/loss"] for epoch in after["history"]] == pytest.approx(UNINTERRUPTED, rel=0.02)
    assert after["metrics"]["test/accuracy"] == pytest.approx(0.875, abs=FEW)
    assert after["weights"] == weights(here / "cut")


def test_a_run_that_is_done_is_made_longer(here: Path) -> None:
    before = record(here / "done")
    run(here, "train", "resume=done", "trainer.max_epochs=4")
    after = record(here / "done")
    assert (after["status"], after["epochs"], after["lengthened"]) == ("done", 4, [3])
    assert after["history"][:3] == before["history"]
    assert after["metrics"]["val/loss"] < before["metrics"]["val/loss"]
    state = torch.load(here / "done" / "checkpoints" / "last.ckpt", weights_only=True)
    former = torch.load(RECORDED / "done" / "checkpoints" / "last.ckpt", weights_only=True)
    for part in ("state_dict", "callbacks"):
        assert list(state[part]) == list(former[part])
    assert any(name.startswith("averaged.module.") for name in state["state_dict"])
    assert state["global_step"] == former["global_step"] * 4 // 3


def test_a_run_on_a_folder_of_pictures_is_done_once_more(here: Path) -> None:
    before = record(here / "folder")
    assert before["config"]["data"]["_target_"] == "digits.data.ImageFolder"
    run(here, "train", "config_from=folder", "data.root=pictures", "hydra.run.dir=again")
    after = record(here / "again")
    data = before["config"]["data"] | {"root": str(here / "pictures")}
    assert after["config"] == with_younger(before["config"]) | {"config_from": "folder", "data": data}
    assert after["data"] == before["data"]
    losses = [epoch["train/loss"] for epoch in after["history"]]
    assert losses == pytest.approx(TODAY, abs=0.05)


TODAY = [1.073, 1.006, 0.993, 0.960, 0.908, 0.874]
"""The record has 1.081, 1.028, 0.998, 1.014, 0.936 and 0.885, of patches in which a digit lies by its ink's middle;
now it lies by that of its box, as the reader has it."""


def test_a_run_begins_with_one_and_learns_from_two(here: Path) -> None:
    teachers = [here / "done", jobs(here)["none", "step"]]
    named = ",".join(map(str, teachers))
    quick = ("data=optdigits", "trainer=cpu", "trainer.max_epochs=1", "callbacks=none", "logger=none", "augment=none")
    run(here, "train", *quick, "init_from=done", f"teachers=[{named}]", "hydra.run.dir=new")
    after = record(here / "new")
    assert after["config"]["model"] == record(here / "done")["config"]["model"]
    assert after["init_from"]["weights"] == weights(here / "done")
    assert [teacher["weights"] for teacher in after["teachers"]] == [weights(teacher) for teacher in teachers]


def test_runs_are_evaluated_as_they_were(here: Path) -> None:
    runs = [here / "done", *(path for path in jobs(here).values() if record(path)["status"] == "done")]
    found = json.loads(run(here, "evaluate", *map(str, runs), "--split", "val", "--json"))
    assert len(found["members"]) == 4
    for path, member in zip(runs, found["members"], strict=True):
        recorded = record(path)["metrics"]
        assert member["accuracy"] == pytest.approx(recorded["val/accuracy"], abs=FEW)
        assert member["loss"] == pytest.approx(recorded["val/loss"], rel=0.01)


@pytest.mark.parametrize(
    ("path", "split", "more"),
    [
        (Path("folder"), "test", ["--root", "pictures"]),
        (Path("cut"), "val", ["--checkpoint", "last"]),
        (SMALL / "trials/0004", "val", []),
    ],
)
def test_one_is_evaluated_alone(here: Path, path: Path, split: str, more: list[str]) -> None:
    found = json.loads(run(here, "evaluate", str(path), "--split", split, "--json", *more))
    if "last" in more:  # in the middle of an epoch nothing was validated
        assert found["accuracy"] > 0.7
    else:
        recorded = record(here / path)["metrics"]
        assert found["accuracy"] == pytest.approx(recorded[f"{split}/accuracy"], abs=FEW)
        assert found["loss"] == pytest.approx(recorded[f"{split}/loss"], rel=0.01)
    assert all("data.limit" in note for note in found["notes"]), "nothing is said of pictures that were changed"


def test_a_run_is_exported_and_its_model_reads_pictures(here: Path) -> None:
    kept = bits(here / "done")
    found = json.loads(run(here, "export", "done", "--json"))
    assert not found["refused"]
    images = np.random.default_rng(0).integers(0, 256, (50, 28, 28), np.uint8)
    session = onnxruntime.InferenceSession(here / "done" / "export" / "model.onnx")
    given = session.get_inputs()[0]
    (answers,) = session.run(None, {given.name: images.reshape(50, 1, 28, 28)})
    with torch.inference_mode():
        expected = digits.load(here / "done")(torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(answers, expected, rtol=1e-3, atol=1e-3)
    assert bits(here / "done").items() >= kept.items()
    Image.open(here / "pictures" / "1" / "0.png").resize((80, 80)).save(here / "one.png")
    read = json.loads(run(here, "predict", "one.png", "--model", "done", "--json"))
    assert len(read["digits"]) == 1


# ---- The sweep ----------------------------------------------------------------------------------


def test_a_sweep_is_reported(here: Path) -> None:
    said = run(here, "report", "sweep")
    assert "4 runs in sweep: 3 done, 1 failed" in said
    rows = [line.split()[:8] for line in said.splitlines() if line.startswith("augment=")]
    done = {path: asked for asked, path in jobs(here).items() if record(path)["status"] == "done"}
    ranked = sorted(done, key=lambda path: -record(path)["metrics"]["val/accuracy"])
    for cells, path in zip(rows, ranked, strict=True):
        augment, scheduler = done[path]
        accuracies = [f"{100 * record(path)['metrics'][f'{split}/accuracy']:.2f}" for split in ("val", "test")]
        assert cells == [
            f"augment={augment}",
            f"scheduler={scheduler}",
            "1",
            accuracies[0],
            "%",
            accuracies[1],
            "%",
            "3,194",
        ]
    assert f"best run by val/accuracy, {rows[0][3]}%: sweep/{ranked[0].name}" in said
    assert "killed by signal 9 (SIGKILL); out of memory?" in said
    table = list(csv.DictReader(io.StringIO(run(here, "report", "sweep", "--csv"))))
    assert [row["status"] for row in table] == ["done", "done", "done", "failed"]
    for row in table[:3]:
        metrics = record(here / row["path"])["metrics"]
        assert {name: float(row[name]) for name in metrics} == metrics


def test_a_sweep_goes_on_with_the_job_that_died(here: Path) -> None:
    died = jobs(here)["photo", "step"]
    kept = {path: bits(path) for path in jobs(here).values() if path != died}
    assert record(died)["status"] == "failed"
    said = run(here, "train", *SWEEP)
    assert said.count("done already: ") == 3
    assert "epoch 1/6" not in said
    assert "epoch 2/6" in said
    assert {path: bits(path) for path in kept} == kept
    after = record(died)
    assert (after["status"], after["epochs"], len(after["history"])) == ("done", 6, 6)
    assert "error" not in after
    assert "4 runs in sweep: 4 done" in said


# ---- The search ---------------------------------------------------------------------------------


def trials_of(search: Path) -> list[FrozenTrial]:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.load_study(study_name=None, storage=f"sqlite:///{search / 'search.sqlite'}").get_trials()


def test_a_search_is_reported(here: Path) -> None:
    said = run(here, "report", str(SMALL))
    assert "5 trials: 2 complete, 3 pruned" in said
    assert "best trial by val/accuracy, 86.11 %: 4" in said
    table = list(csv.DictReader(io.StringIO(run(here, "report", str(SMALL), "--csv"))))
    by_number = {trial.number: trial for trial in trials_of(here / SMALL)}
    assert len(table) == len(by_number) == 5
    for row in table:
        trial = by_number[int(row["trial"])]
        assert row["state"] == trial.state.name.lower()
        assert float(row["batch_size"]) == trial.params["batch_size"]


def test_a_search_goes_on_by_the_same_command(here: Path) -> None:
    before = trials_of(here / SMALL)
    said = run(here, "tune", *SEARCH, "tune.trials=6")
    after = trials_of(here / SMALL)
    assert after[:5] == before
    assert len(after) == 6
    assert len({str(sorted(trial.params.items())) for trial in after}) == 6
    assert after[5].state.is_finished()
    assert "6 trials: " in said
    for number in range(5):
        assert record(here / SMALL / "trials" / f"{number:04}") == record(RECORDED / SMALL / "trials" / f"{number:04}")
    assert "6 trials: " in run(here, "report", str(SMALL))
