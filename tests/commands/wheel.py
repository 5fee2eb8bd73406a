"""The installed wheel, from an empty folder; `nox -s wheel` runs this with WHEEL_PYTHON set."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

PYTHON = os.environ["WHEEL_PYTHON"]


def run(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run([*command], cwd=cwd, env=environment, text=True, capture_output=True, check=False)


def test_the_package_is_the_wheels_and_holds_its_configuration(tmp_path: Path) -> None:
    code = "import digits, digits.hydra_app.app; print(digits.__file__); print(digits.hydra_app.paths.conf_directory())"
    package, conf = run(PYTHON, "-c", code, cwd=tmp_path).stdout.split()
    assert Path(package).is_relative_to(Path(PYTHON).parents[1])
    assert Path(conf) == Path(package).parent / "conf"
    assert (Path(conf) / "model" / "cnn.yaml").exists()
    assert (Path(conf) / "hydra" / "launcher" / "side_by_side.yaml").exists()


def test_help_lists_the_groups(tmp_path: Path) -> None:
    done = run(PYTHON, "-m", "digits.train", "--help", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "model: cnn, detector, logistic, mlp, resnet" in done.stdout


@pytest.mark.parametrize(("launcher", "extra"), [("ray_local", "ray"), ("ray", "ray"), ("slurm", "slurm")])
def test_a_launcher_whose_extra_is_not_installed_says_which(tmp_path: Path, launcher: str, extra: str) -> None:
    done = run(PYTHON, "-m", "digits.train", "-m", f"hydra/launcher={launcher}", "seed=0,1", cwd=tmp_path)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert re.match(rf"hydra/launcher: hydra-\w+-launcher is not installed; pip install 'digits\[{extra}\]'", line)
    assert not list(tmp_path.iterdir())


def test_the_console_scripts_are_there(tmp_path: Path) -> None:
    for command in ("train", "evaluate", "report", "explore"):
        done = run(str(Path(PYTHON).with_name(f"digits-{command}")), "--help", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert done.stdout


def test_it_trains_and_evaluates_with_yaml_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "mine" / "model").mkdir(parents=True)
    (tmp_path / "mine" / "model" / "narrow.yaml").write_text("defaults: [mlp, _self_]\nhidden: [16]\n")
    done = run(
        PYTHON, "-m", "digits.train", "--config-dir", "mine", "model=narrow", "data=optdigits", "trainer=cpu",
        "trainer.max_epochs=2", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (result,) = (tmp_path / "outputs" / "runs").rglob("result.json")
    assert json.loads(result.read_text())["config"]["model"]["hidden"] == [16]
    evaluated = run(PYTHON, "-m", "digits.evaluate", "--json", cwd=tmp_path)
    assert evaluated.returncode == 0, evaluated.stderr
    tested = json.loads(result.read_text())["metrics"]["test/accuracy"]
    assert round(360 * json.loads(evaluated.stdout)["accuracy"]) == round(360 * tested)


def test_it_reads_a_picture_with_the_net_that_it_holds(tmp_path: Path) -> None:
    """Without a data set or a run."""
    picture = Image.new("RGB", (300, 240), "white")
    ImageDraw.Draw(picture).line([(110, 60), (190, 60), (140, 190)], fill="black", width=12, joint="curve")
    picture.save(tmp_path / "seven.png")
    done = run(PYTHON, "-m", "digits.predict", "seven.png", "--json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["text"] == "7"
    assert [path.name for path in tmp_path.iterdir()] == ["seven.png"]
    code = "from digits.reading.model.net import SHIPPED; print(*sorted(p.name for p in SHIPPED.parent.iterdir()))"
    assert run(PYTHON, "-c", code, cwd=tmp_path).stdout.split() == ["model.json", "model.onnx", "model.safetensors"]
