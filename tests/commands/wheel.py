"""The installed wheel, from an empty folder; `nox -s wheel` runs this with WHEEL_PYTHON and LIGHT_PYTHON set.

The first is the python of an environment with everything, the second of one for reading alone, as the README makes it.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image, ImageDraw

PYTHON, LIGHT = os.environ["WHEEL_PYTHON"], os.environ["LIGHT_PYTHON"]

LIGHT_BYTES = 400_000_000
"""What the README promises of an environment for reading alone."""

ENVIRONMENT = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")}


def run(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*command], cwd=cwd, env=ENVIRONMENT, text=True, capture_output=True, check=False)


def nets_of(python: str) -> Path:
    """The folder with the nets that the installed package holds."""
    [folder] = Path(python).parents[1].glob("lib/python*/site-packages/digits/reading/pretrained")
    return folder


@pytest.fixture
def seven(tmp_path: Path) -> Path:
    """A folder with a picture of a seven, and nothing else."""
    picture = Image.new("RGB", (300, 240), "white")
    ImageDraw.Draw(picture).line([(110, 60), (190, 60), (140, 190)], fill="black", width=12, joint="curve")
    picture.save(tmp_path / "seven.png")
    return tmp_path


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


@pytest.mark.parametrize("python", [PYTHON, LIGHT])
def test_it_reads_a_picture_with_the_net_that_it_holds(seven: Path, python: str) -> None:
    """Without a data set or a run."""
    done = run(python, "-m", "digits.predict", "seven.png", "--json", cwd=seven)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["text"] == "7"
    assert [path.name for path in seven.iterdir()] == ["seven.png"]


def test_the_files_of_each_net_are_all_there() -> None:
    folders = list(nets_of(PYTHON).iterdir())
    assert "classifier" in {folder.name for folder in folders}
    for folder in folders:
        assert {path.name for path in folder.iterdir()} == {"model.json", "model.onnx", "model.safetensors"}


# ---- For reading alone, without the extra `train` ---------------------------------------------------


def test_reading_alone_has_no_torch(tmp_path: Path) -> None:
    code = "from importlib.util import find_spec; print(*map(find_spec, ['torch', 'hydra', 'pydantic', 'sklearn']))"
    assert run(LIGHT, "-c", code, cwd=tmp_path).stdout.split() == ["None"] * 4


def test_reading_alone_takes_a_model_file_that_it_does_not_hold(seven: Path) -> None:
    """Which it checks before it runs it, and that needs more than running one."""
    (seven / "mine.onnx").write_bytes((nets_of(LIGHT) / "classifier" / "model.onnx").read_bytes())
    command = str(Path(LIGHT).with_name("digits-predict"))
    done = run(command, "seven.png", "--model", "mine.onnx", "--json", "--annotate", "read", cwd=seven)
    told = "page detector: the one that ships; classifier: mine.onnx\n"
    assert (done.returncode, done.stderr) == (0, told)
    assert json.loads(done.stdout)["text"] == "7"
    assert len(list((seven / "read").iterdir())) == 1


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Where the page is served in the environment for reading alone."""
    command = [LIGHT, "-m", "digits.serve", "--port", "0"]
    server = subprocess.Popen(command, cwd=tmp_path, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        told = re.search(r"http://[^/]+", server.stdout.readline())
        assert told is not None
        yield told[0]
        server.send_signal(signal.SIGINT)
        assert server.wait(timeout=20) == 130
    finally:
        server.kill()


def test_reading_alone_serves_the_page(address: str, seven: Path) -> None:
    assert httpx.get(f"{address}/health").status_code == 200
    assert httpx.get(f"{address}/").headers["content-type"].startswith("text/html")
    picture = (seven / "seven.png").read_bytes()
    answer = httpx.post(f"{address}/api/read", content=picture, headers={"content-type": "image/png"}, timeout=20)
    assert answer.json()["text"] == "7"


@pytest.mark.parametrize("command", ["train", "tune", "evaluate", "report", "explore", "export"])
def test_reading_alone_says_what_another_command_needs(tmp_path: Path, command: str) -> None:
    sentence = f'python -m digits.{command} needs the training packages: pip install "digits[train]"'
    for typed in ((LIGHT, "-m", f"digits.{command}"), (str(Path(LIGHT).with_name(f"digits-{command}")), "--help")):
        done = run(*typed, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        [line] = done.stderr.splitlines()
        assert line.startswith(sentence)
    assert not list(tmp_path.iterdir())


def test_reading_alone_is_small() -> None:
    """With pip itself, and with what the commands above compiled when they were first started."""
    files = (Path(folder, name) for folder, _, names in os.walk(Path(LIGHT).parents[1]) for name in names)
    assert sum(path.lstat().st_size for path in files) < LIGHT_BYTES
