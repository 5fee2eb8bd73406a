"""The layers of the house: imports go down only, and what must start fast imports no torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "digits"
BELOW = {
    "config": {"config"},
    "data": {"config", "data", "reading"},
    "models": {"models"},
    "reading": {"reading"},
    "serving": {"reading", "serving"},
    "exploring": {"config", "data", "exploring"},
    "training": {"config", "data", "models", "training"},
    "searching": {"config", "searching", "training"},
}


def imports_of(path: Path) -> set[str]:
    """Every module that a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


@pytest.mark.parametrize("layer", BELOW)
def test_imports_go_down_only(layer: str) -> None:
    for path in (PACKAGE / layer).rglob("*.py"):
        own = {name.split(".")[1] for name in imports_of(path) if name.startswith("digits.")}
        assert own <= BELOW[layer], f"{path} imports {own - BELOW[layer]}"


def test_models_know_no_lightning_and_no_hydra() -> None:
    for path in (PACKAGE / "models").rglob("*.py"):
        assert not {name.split(".")[0] for name in imports_of(path)} & {"lightning", "hydra", "omegaconf"}, path


def test_no_dictconfig_below_the_commands() -> None:
    for layer in BELOW:
        for path in (PACKAGE / layer).rglob("*.py"):
            assert "omegaconf" not in {name.split(".")[0] for name in imports_of(path)}, path


@pytest.mark.parametrize(
    "module",
    [
        "digits",
        "digits.hydra_app.app",
        "digits.train",
        "digits.tune",
        "digits.evaluate",
        "digits.report",
        "digits.explore",
        "digits.export",
        "digits.predict",
        "digits.serve",
        "digits.reading",
    ],
)
def test_starting_a_command_imports_no_torch(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules or 'lightning' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_no_module_is_longer_than_a_sitting() -> None:
    for path in PACKAGE.rglob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 300, path
