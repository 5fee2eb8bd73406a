"""What an install without the extra `train` says where it is needed; the wheel is tried so in `tests/commands`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from digits.config.training_packages import LOOKED_FOR, WAITING

ROOT = Path(__file__).parents[2]
SENTENCE = 'needs the training packages: pip install "digits[train]", in a checkout ".[train]"\n'


def without(package: str, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run code where a package can't be imported, as if it were not installed."""
    hidden = f"import sys; sys.modules[{package!r}] = None\n{code}"
    return subprocess.run(
        [sys.executable, "-c", hidden, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("arguments", [(), ("--help",)])
@pytest.mark.parametrize("command", ["train", "tune", "evaluate", "report", "explore", "export"])
def test_a_command_says_what_to_install(command: str, arguments: tuple[str, ...]) -> None:
    code = f"import runpy; runpy.run_module('digits.{command}', run_name='__main__', alter_sys=True)"
    done = without("hydra", code, *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"python -m digits.{command} {SENTENCE}")


@pytest.mark.parametrize("package", LOOKED_FOR)
def test_a_script_says_it_for_each_package(package: str) -> None:
    done = without(package, "sys.argv[0] = '/usr/bin/digits-report'; import digits.report")
    assert (done.returncode, done.stderr) == (2, f"python -m digits.report {SENTENCE}")


def test_load_raises_what_python_raises(tmp_path: Path) -> None:
    """Even in a program that is called like a command."""
    code = (
        f"sys.argv[0] = {str(tmp_path / 'train.py')!r}\n"
        "import digits\n"
        "try:\n    digits.load\nexcept ModuleNotFoundError as error:\n    print(error.name, error)\n"
    )
    done = without("torch", code)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.match(r'torch .*pip install "digits\[train\]"', done.stdout)


def test_what_is_looked_for_is_of_the_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = [re.split(r"[^\w-]", requirement)[0] for requirement in project["optional-dependencies"]["train"]]
    assert {name.replace("hydra", "hydra-core") for name in LOOKED_FOR} <= set(named)


@pytest.mark.parametrize("command", ["train", "tune", "evaluate", "explore"])
def test_waiting_threads_sleep(command: str) -> None:
    """As torch, which reads it once, is told before it is imported."""
    assert _policy(f"import digits.{command}", {}) == "passive False"


@pytest.mark.parametrize("own", [{"OMP_WAIT_POLICY": "active"}, {"GOMP_SPINCOUNT": "100"}, {"KMP_BLOCKTIME": "200"}])
def test_who_has_decided_how_threads_wait_is_left_alone(own: dict[str, str]) -> None:
    assert _policy("import digits.train", own) == f"{own.get('OMP_WAIT_POLICY')} False"


def _policy(code: str, own: dict[str, str]) -> str:
    """OMP_WAIT_POLICY after that code, and whether torch is imported by it."""
    environment = {key: value for key, value in os.environ.items() if key not in WAITING} | own
    shown = "import os, sys; print(os.environ.get('OMP_WAIT_POLICY'), 'torch' in sys.modules)"
    command = [sys.executable, "-c", f"{code}; {shown}"]
    return subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True).stdout.strip()
