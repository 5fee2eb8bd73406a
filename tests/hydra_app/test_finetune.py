"""`data=image_folder` and `init_from=pretrained`, from what is typed to what is evaluated."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from digits.config.faults import ConfigError
from digits.config.types import Tree
from digits.data.image_folder import read_folder
from digits.data.synthetic.draw import draw_symbols
from digits.evaluate import main as evaluate
from digits.evaluating.load import load
from digits.runs.init_from import SHIPPED
from digits.runs.layout import JobFailed
from digits.runs.read import read_model, read_result
from digits.training.job import run_job
from tests.support import runs
from tests.support.folders import draw, picture
from tests.support.runs import experiment

QUICK = ("trainer=cpu", "trainer.precision=32-true", "trainer.max_epochs=2", "callbacks=none", "logger=none")
MLP = ("model=mlp", "model.hidden=[16]")

pytestmark = pytest.mark.usefixtures("folders_read_anew")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """12 pictures of each of four classes; "L" is no digit."""
    return draw(tmp_path / "mine", _0=12, _1=12, _7=12, L=12)


def faults(*overrides: str) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        experiment(*overrides)
    return {fault.key: fault.problem for fault in caught.value.faults}


def train(run: Path, *overrides: str) -> Tree:
    """A quick run; gives its record."""
    return read_result(runs.train(run, *QUICK, *overrides)).tree()


def section(tree: Tree, name: str) -> Tree:
    return cast(Tree, tree[name])


# ---- What is settled before torch -----------------------------------------------------------------


def test_the_folder_says_how_many_classes_and_pictures_there_are(root: Path) -> None:
    tree = experiment("data=image_folder", f"data.root={root}", *MLP).tree()
    data = section(tree, "data")
    assert (data["num_classes"], data["test_size"], data["val_size"]) == (4, 10, 8)
    assert section(tree, "model")["num_classes"] == 4


def test_the_net_that_ships_brings_its_model_and_its_normalisation(root: Path) -> None:
    shipped = read_model(SHIPPED)
    tree = experiment("data=image_folder", f"data.root={root}", "init_from=pretrained", "model.dropout=0.1").tree()
    assert tree["model"] == shipped.model.tree() | {"num_classes": 5, "dropout": 0.1}  # the folder's and "none"
    assert [section(tree, "data")[key] for key in ("mean", "std")] == [shipped.input.mean, shipped.input.std]
    assert tree["init_from"] == "pretrained"  # not a path of this machine


def test_no_digit_stays_a_class_of_a_net_that_knows_it(root: Path, tmp_path: Path) -> None:
    own = ("data=image_folder", f"data.root={root}")

    def kept(*more: str) -> tuple[object, object]:
        data = section(experiment(*own, *more).tree(), "data")
        return data["num_classes"], data["nondigits"]

    assert kept("init_from=pretrained") == (5, 0.15)
    assert kept("init_from=pretrained", "data.nondigits=0.3") == (5, 0.3)
    assert kept("init_from=pretrained", "data.nondigits=0") == (4, 0)
    assert kept() == (4, 0)
    assert kept("data.nondigits=0.3") == (5, 0.3)
    train(tmp_path / "ten", "data=optdigits", *MLP)
    assert kept(f"init_from={tmp_path / 'ten'}") == (4, 0)
    assert faults(*own, "init_from=pretrained", "data.num_classes=4")["data.num_classes"] == (
        f'is 4, but {root} holds 4 classes (0, 1, 7, L) and "none" is kept; leave it out'
    )
    draw(root, none=12)
    assert kept("init_from=pretrained") == (5, 0)


def test_another_model_than_the_one_that_ships_is_refused(root: Path) -> None:
    own = ("data=image_folder", f"data.root={root}", "init_from=pretrained")
    found = faults(*own, "model=mlp", "model.hidden=[3]")
    assert found["model"].startswith("init_from=pretrained begins with a CNN with stages [[")
    assert found["model"].endswith("; leave out model, model.hidden")
    assert faults(*own, "experiment=cnn_tiny")["model"].endswith("; take an experiment that chooses no model")
    assert faults(*own, "data.mean=0.5")["data.mean"].startswith("is 0.5, but the net of init_from was trained w")


def test_who_names_the_same_model_may(root: Path) -> None:
    model = read_model(SHIPPED).model.tree()
    tree = experiment(
        "data=image_folder", f"data.root={root}", "init_from=pretrained", f"model.stages={model['stages']}"
    ).tree()
    assert section(tree, "model")["stages"] == model["stages"]


def test_the_model_of_a_run_comes_with_it(root: Path, tmp_path: Path) -> None:
    train(tmp_path / "first", "data=image_folder", f"data.root={root}", *MLP)
    tree = experiment("data=optdigits", f"init_from={tmp_path / 'first'}").tree()
    model = section(tree, "model")
    assert (model["_target_"], model["hidden"], model["num_classes"]) == ("digits.models.MLP", [16], 10)
    chosen = experiment("data=optdigits", f"init_from={tmp_path / 'first'}", "model=logistic").tree()
    assert section(chosen, "model")["_target_"] == "digits.models.LogisticRegression"


def test_nothing_foreign_is_taken_from_a_runs_model(root: Path, tmp_path: Path) -> None:
    train(tmp_path / "first", "data=image_folder", f"data.root={root}", *MLP)
    record = json.loads((tmp_path / "first" / "model.json").read_text())
    record["model"] = {"_target_": "os.system", "command": "true"}
    (tmp_path / "first" / "model.json").write_text(json.dumps(record))
    tree = experiment("data=optdigits", f"init_from={tmp_path / 'first'}").tree()
    assert section(tree, "model")["_target_"] == "digits.models.CNN"


def test_all_faults_at_once_before_torch_and_before_a_directory(tmp_path: Path) -> None:
    draw(tmp_path / "mine", _0=2)
    overrides = ["data=image_folder", "data.root=mine", "init_from=pretrained", "model=mlp", "optimizer.lr=-1"]
    code = "import sys; from digits.train import main\n"
    code += "try:\n    main()\nfinally:\n    print('torch' in sys.modules)"
    command = [sys.executable, "-c", code, *overrides]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=100)
    assert (done.returncode, done.stdout.strip()) == (2, "False")
    told = {line.split(": ")[0] for line in done.stderr.strip().splitlines()}
    assert told == {"data.root", "model", "optimizer.lr"}
    assert "mine holds one class only, 0; there should be two or more folders" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_the_experiment_is_valid_but_for_the_folder(tmp_path: Path, root: Path) -> None:
    assert list(faults("experiment=finetune", f"data.root={tmp_path / 'nowhere'}")) == ["data.root"]
    tree = experiment("experiment=finetune", f"data.root={root}").tree()
    assert tree["init_from"] == "pretrained"


# ---- Training -------------------------------------------------------------------------------------


def test_fine_tuning_keeps_the_rows_of_the_digits_and_says_so(
    root: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        result = train(tmp_path / "run", "experiment=finetune", f"data.root={root}", "optimizer.lr=1e-9", *QUICK)
    assert "begins with pretrained; classes known already: 0, 1, 7, none; new: L; no longer there: 2, 3" in caplog.text
    begun, shipped = section(result, "init_from"), SHIPPED / "model.safetensors"
    assert begun["weights"] == hashlib.sha256(shipped.read_bytes()).hexdigest()
    assert (begun["from"], begun["kept"], begun["new"]) == ("pretrained", ["0", "1", "7", "none"], ["L"])
    now, then = load_file(tmp_path / "run" / "model.safetensors"), load_file(shipped)
    assert torch.allclose(now["readout.weight"][[0, 1, 2, 4]], then["readout.weight"][[0, 1, 7, 10]], atol=1e-5)
    assert now["readout.weight"].shape[0] == 5
    assert read_model(tmp_path / "run").input.classes == ["0", "1", "7", "L", "none"]
    assert section(result, "data")["checksums"]
    assert str(SHIPPED) not in (tmp_path / "run" / "result.json").read_text()


def test_fine_tuned_on_digits_it_still_tells_what_is_no_digit(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    shutil.rmtree(root / "L")
    with caplog.at_level("INFO"):
        train(tmp_path / "run", "experiment=finetune", f"data.root={root}", *QUICK)
    assert 'for the class "none" 3 images of non-digits are generated' in caplog.text
    assert read_result(tmp_path / "run").data.train == 26
    nondigits = torch.from_numpy(draw_symbols(100, np.random.RandomState(0)))
    with torch.inference_mode():
        guesses = load(tmp_path / "run")(nondigits).argmax(1)
    assert (guesses == 3).float().mean() > 0.8
    capsys.readouterr()
    assert evaluate([str(tmp_path / "run"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(entry["name"], entry["images"]) for entry in found["classes"]][-1] == ("none", 0)
    assert found["notes"] == []
    assert evaluate([str(tmp_path / "run"), "--json", "--data", "image_folder"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["notes"] == ["the model also knows none; image_folder has no images of these"]
    assert (again["accuracy"], again["images"]) == (found["accuracy"], found["images"])


def test_a_run_of_other_classes_is_gone_on_from_by_name(root: Path, tmp_path: Path) -> None:
    train(tmp_path / "first", "data=image_folder", f"data.root={root}", *MLP)
    shutil.rmtree(root / "1")
    read_folder.cache_clear()
    result = train(tmp_path / "second", "data=image_folder", f"data.root={root}", f"init_from={tmp_path / 'first'}")
    begun = section(result, "init_from")
    assert (begun["kept"], begun["new"], begun["dropped"]) == (["0", "7", "L"], [], ["1"])


def end(run: Path) -> tuple[str, object, object]:
    result = read_result(run)
    digest = hashlib.sha256((run / "model.safetensors").read_bytes()).hexdigest()
    return digest, result.metrics, result.epochs


def test_resumed_it_ends_with_the_same_bits(root: Path, tmp_path: Path) -> None:
    shutil.rmtree(root / "L")  # so that pictures of no digit are made
    given = ("experiment=finetune", f"data.root={root}", *QUICK, "scheduler=constant")
    train(tmp_path / "whole", *given, "trainer.max_epochs=4")
    train(tmp_path / "parts", *given)
    read_folder.cache_clear()
    again = [f"resume={tmp_path / 'parts'}", "trainer.max_epochs=4"]
    run_job(experiment(*again), tmp_path / "parts", again)
    assert end(tmp_path / "parts") == end(tmp_path / "whole")
    assert read_result(tmp_path / "parts").at("init_from.from") == "pretrained"


def test_it_does_not_go_on_with_other_pictures(root: Path, tmp_path: Path) -> None:
    train(tmp_path / "run", "data=image_folder", f"data.root={root}", *MLP)
    for path in (root / "L").iterdir():
        picture("L", 30 + int(path.stem)).save(path)
    read_folder.cache_clear()
    again = [f"resume={tmp_path / 'run'}", "trainer.max_epochs=4"]
    with pytest.raises(JobFailed, match=r"the data differ from those that .* was trained on: train/L, test/L; restore"):
        run_job(experiment(*again), tmp_path / "run", again)


def test_a_teacher_that_has_seen_what_is_tested_on_is_refused(root: Path, tmp_path: Path) -> None:
    own = ("data=image_folder", f"data.root={root}", *MLP)
    train(tmp_path / "teacher", *own)
    experiment(*own, f"teachers=[{tmp_path / 'teacher'}]")
    found = faults(*own, f"teachers=[{tmp_path / 'teacher'}]", "data.test_seed=1")
    assert found["teachers"] == (
        f"{tmp_path / 'teacher'} was trained on other pictures than this run (data.test_seed was 0), perhaps on some "
        "of its test pictures; name a run on the same pictures"
    )


def test_done_once_more_it_comes_out_the_same(root: Path, tmp_path: Path) -> None:
    shutil.rmtree(root / "L")
    train(tmp_path / "first", "experiment=finetune", f"data.root={root}", *QUICK)
    again = [f"config_from={tmp_path / 'first'}"]
    run_job(experiment(*again), tmp_path / "second", again)
    assert end(tmp_path / "second") == end(tmp_path / "first")
