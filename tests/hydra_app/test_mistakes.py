"""Mistakes of every kind as they are typed: told by their key, with 2, without a directory, and most without torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import QUICK, digits, only_run, result_of


def told(*arguments: str, cwd: Path, command: str = "train") -> tuple[int | None, list[str], bool]:
    """What a command exits with and prints, and whether it has imported torch."""
    code = f"import sys; from digits.{command} import main\ntry: main()\nfinally: print('torch' in sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert list(cwd.iterdir()) == [], "nothing is made"
    return ran.returncode, ran.stderr.splitlines(), ran.stdout.endswith("True\n")


@pytest.mark.parametrize(
    ("arguments", "key", "word"),
    [
        (["model=mlp", "model.hiden=3"], "model.hiden", "hidden?"),
        (["-m", "model=mlp", "model.hiden=3,4"], "model.hiden", "hidden?"),
        (["-m", "lr=0.1,0.2"], "lr", "optimizer.lr?"),
        (["+lr=0.1"], "lr", "optimizer.lr?"),
        (["+model.widht=3"], "model.widht", "no such key"),
        (["+callbacks.dashboard.every=3"], "callbacks.dashboard.every", "every_n_epochs"),
        (["+logger.csv.x=3"], "logger.csv.x", "no such key"),
        (["+logger.tensorboard.save_dir=x"], "logger.tensorboard.save_dir", "set by digits"),
        (["logger.tensorboard.default_hp_metric=3"], "logger.tensorboard.default_hp_metric", "boolean"),
        (["+task.net=3"], "task.net", "set by digits"),
        (["callbacks=null"], "callbacks", "callbacks=none"),
        (["~logger"], "logger", "logger=none"),
        (["model.hidden=[512,", "512]"], "model.hidden=[512,512]", "python -m digits.train"),
        (["data.root=${oc.env:NOPE}"], "data.root", "NOPE"),
        (["-m", "data.root=${oc.env:NOPE}", "seed=0,1"], "data.root", "NOPE"),
        (["optimizer.weight_decay=${optimizer.lrr}"], "optimizer.weight_decay", "optimizer.lrr"),
        (["optimizer.lr=${nope:1}"], "optimizer.lr", "nope"),
        (["hydra.run.dir=${oc.env:NOPE}"], "hydra.run.dir", "NOPE"),
        (["-cn", "tune"], "", "python -m digits.tune"),
        (["scheduler=cosine", "scheduler.T_max=3"], "scheduler.T_max", "null"),
        (["optimizer.lr=fast", "+optimizer.amsgrd=true"], "optimizer.lr", "valid number"),
    ],
)
def test_a_mistake_is_one_sentence_before_torch(tmp_path: Path, arguments: list[str], key: str, word: str) -> None:
    code, (sentence,), torch = told(*arguments, cwd=tmp_path)
    assert (code, torch) == (2, False)
    assert sentence.startswith(f"{key}: " if key else "")
    assert word in sentence


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        (["+optimizer.amsgrd=true"], "optimizer.amsgrd"),
        (["-m", "+optimizer.amsgrd=true", "seed=0,1"], "optimizer.amsgrd"),
        (["+callbacks.early_stopping.patiense=3"], "callbacks.early_stopping.patiense"),
        (["model._target_=nowhere.Net"], "model._target_"),
    ],
)
def test_what_only_a_library_knows_is_told_before_a_directory_is_made(
    tmp_path: Path, arguments: list[str], key: str
) -> None:
    code, (sentence,), _ = told(*arguments, cwd=tmp_path)
    assert code == 2
    assert sentence.startswith(f"{key}: ")


def test_a_search_tells_its_own(tmp_path: Path) -> None:
    code, (sentence,), torch = told("-cn", "train", cwd=tmp_path, command="tune")
    assert (code, torch, "python -m digits.train" in sentence) == (2, False, True)
    code, (sentence,), _ = told("model=mlp", "+search_space.x={key: +optimizer.amsgrd, type: categorical, choices: "
                                "[true, false]}", cwd=tmp_path, command="tune")  # fmt: skip
    assert (code, sentence.split(":")[0]) == (2, "optimizer.amsgrd")


def test_a_value_that_is_another_keys_is_recorded_as_typed_and_as_it_became(tmp_path: Path) -> None:
    typed = "optimizer.weight_decay=${.lr}"
    done = digits("train", *QUICK, "trainer.max_epochs=1", typed, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    record = result_of(only_run(tmp_path))
    assert isinstance(record["overrides"], list)
    assert typed in record["overrides"]
    config = record["config"]
    assert isinstance(config, dict)
    assert config["optimizer"]["weight_decay"] == config["optimizer"]["lr"]
    again = digits("train", f"resume={only_run(tmp_path)}", "trainer.max_epochs=2", cwd=tmp_path)
    assert again.returncode == 0, again.stderr


@pytest.mark.parametrize("flag", [["--config-dir", "my mine"], ["--config-dir=my mine"], ["-cd", "my mine/"]])
def test_help_lists_a_folder_with_a_space_in_its_name(tmp_path: Path, flag: list[str]) -> None:
    (tmp_path / "my mine" / "model").mkdir(parents=True)
    (tmp_path / "my mine" / "model" / "wild.yaml").write_text("_target_: wild.Net\n")
    assert "tiny, wild" in digits("train", "--help", *flag, cwd=tmp_path).stdout
