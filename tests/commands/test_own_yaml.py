"""A user's own YAML files, with --config-dir and hydra.searchpath, in runs, sweeps and searches."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.support.commands import digits, only_run, result_of
from tests.support.searches import SMALL

MLP = """_target_: digits.models.MLP
image_size: ${data.image_size}
num_classes: ${data.num_classes}
hidden: [7]
dropout: 0.25
"""

SAID = "mine/model/mlp.yaml stands in for the shipped model/mlp.yaml\n"

BRIEF = ("data=optdigits", "data.limit=200", "trainer=cpu", "trainer.max_epochs=1", "callbacks=none")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with mine/model/mlp.yaml in it."""
    (tmp_path / "mine" / "model").mkdir(parents=True)
    (tmp_path / "mine" / "model" / "mlp.yaml").write_text(MLP)
    return tmp_path


def model_of(record: object) -> dict[str, object]:
    assert isinstance(record, dict)
    model = record["model"]
    assert isinstance(model, dict)
    return model


def test_a_run_is_what_the_users_file_says(folder: Path) -> None:
    shown = digits("train", "-cd", "mine", "model=mlp", "--cfg", "job", cwd=folder)
    assert (shown.returncode, shown.stderr) == (0, SAID), "apart from the YAML"
    assert model_of(yaml.safe_load(shown.stdout))["hidden"] == [7]
    done = digits("train", *BRIEF, "model=mlp", "--config-dir", "mine", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(SAID) == 1
    assert model_of(result_of(only_run(folder))["config"])["dropout"] == 0.25


def test_a_folder_that_is_not_there_is_one_sentence(folder: Path) -> None:
    done = digits("train", "--config-dir", "nowhere", cwd=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"Additional config directory '{folder}/nowhere' not found\n"


@pytest.mark.parametrize("flags", [("--config-dir", "mine"), ("hydra.searchpath=[mine]",)])
def test_so_are_the_jobs_of_a_sweep_in_processes_of_their_own(folder: Path, flags: tuple[str, ...]) -> None:
    (folder / "mine" / "model" / "narrow.yaml").write_text(MLP.replace("7", "8"))
    (folder / "mine" / "model" / "cnn.yaml").write_text(MLP)  # which the sweep itself is composed with
    sweep = ("-m", *BRIEF, "model=mlp,narrow", "hydra.sweep.dir=sweep", "hydra/launcher=side_by_side")
    done = digits("train", *sweep, *flags, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("stands in") == done.stderr.count(SAID) == 1
    assert "stands in" not in done.stdout
    models = [model_of(result_of(path.parent)["config"]) for path in folder.rglob("result.json")]
    assert sorted(str(model["hidden"]) for model in models) == ["[7]", "[8]"]


def test_so_are_the_trials_of_a_search(folder: Path) -> None:
    """Also with a primary config of another name."""
    (folder / "mine" / "search_space").mkdir()
    space = "lr: {key: optimizer.lr, type: float, low: 0.25, high: 0.5}\n"
    (folder / "mine" / "search_space" / "mlp.yaml").write_text(space)
    (folder / "mine" / "own.yaml").write_text("defaults: [tune, _self_]\nseed: 9\ntune: {trials: 1}\n")
    small = [o for o in SMALL if not o.startswith("model")]
    done = digits("tune", "--config-dir", "mine", "-cn", "own", *small, "model=mlp", cwd=folder)
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stderr.splitlines() if "stands in" in line]
    assert sorted(told) == [
        SAID.strip(), "mine/search_space/mlp.yaml stands in for the shipped search_space/mlp.yaml"
    ]  # fmt: skip
    config = result_of(folder / "outputs" / "tune" / "mlp" / "trials" / "0000")["config"]
    assert isinstance(config, dict)
    assert (model_of(config)["hidden"], config["seed"]) == ([7], 9)
    assert 0.25 <= config["optimizer"]["lr"] <= 0.5
