"""Arguments that no schema knows: all faults by the real signature, and nothing imported before its time."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from digits.config.arguments import check_arguments
from digits.config.check import check
from digits.config.faults import ConfigError
from digits.config.types import Tree
from tests.conftest import Compose

OWN = """
import sys

class Net:
    def __init__(self, width, depth=2): ...

class Adam:
    def __init__(self, weights, lr, *, beta): ...

class Anything:
    def __init__(self, **options): ...

class Logger:
    def __init__(self, run_directory, level): ...

class Pair:
    def __init__(self, first, /, second): ...
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of one's own that nobody has imported; its name."""
    name = f"own_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    return name


def faults_of(tree: Tree) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        check_arguments(check(tree))
    return {fault.key: fault.problem for fault in caught.value.faults}


def test_each_argument_of_ones_own_class_is_told(composed: Compose, own: str) -> None:
    faults = faults_of(composed("~model", f"+model._target_={own}.Net", "+model.with=3", "+model.kernel=5"))
    assert faults["model.with"].endswith("Net has no such argument; did you mean width?")
    assert faults["model.kernel"].endswith("there is width, depth")
    assert faults["model.width"].endswith("Net needs this argument")
    assert len(faults) == 3


def test_what_digits_hands_in_needs_no_key_and_takes_none(composed: Compose, own: str) -> None:
    """By position an optimizer's first argument, whatever its name; by name a run directory."""
    logger = (f"+logger.mine={{_target_: {own}.Logger, level: 3}}",)
    optimizer: Tree = {"_target_": f"{own}.Adam", "lr": 0.1, "beta": 0.9}
    tree = composed(*logger) | {"optimizer": optimizer}
    check_arguments(check(tree))
    faults = faults_of(tree | {"optimizer": optimizer | {"weights": 3, "params": 3}})
    assert faults == {"optimizer.params": "is set by digits"}, "which every optimizer is told without an import"
    faults = faults_of(tree | {"optimizer": optimizer | {"weights": 3}})
    assert faults == {"optimizer.weights": "is set by digits"}


def test_targets_within_a_section_and_arguments_by_position(composed: Compose, own: str) -> None:
    nested: Tree = {"_target_": f"{own}.Net", "widht": 3}
    pairs: list[Tree] = [
        {"_target_": f"{own}.Pair", "_args_": [1], "second": nested},
        {"_target_": f"{own}.Pair", "_args_": [1, 2, 3]},
        {"_target_": f"{own}.Pair", "_args_": [1, 2], "second": 3},
    ]
    faults = faults_of(composed() | {"model": {"_target_": f"{own}.Anything", "pairs": [*pairs], "any": 1}})
    assert set(faults) == {
        "model.pairs[0].second.widht", "model.pairs[0].second.width", "model.pairs[1]._args_", "model.pairs[2].second"
    }  # fmt: skip
    assert "1 more" in faults["model.pairs[1]._args_"]
    assert "_args_" in faults["model.pairs[2].second"]


@pytest.mark.parametrize(
    ("code", "told"),
    [("import nowhere_at_all", "No module named"), ("1 / 0", "ZeroDivisionError"), ("def f(", "SyntaxError"),
     ("raise SystemExit(3)", "SystemExit")],
)  # fmt: skip
def test_a_module_that_can_not_be_imported_is_one_sentence(
    composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, told: str
) -> None:
    (tmp_path / f"broken_{tmp_path.name}.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    faults = faults_of(composed() | {"model": {"_target_": f"broken_{tmp_path.name}.Net", "x": 1}})
    assert list(faults) == ["model._target_"]
    assert told in faults["model._target_"]
    assert "\n" not in faults["model._target_"]


def test_what_python_knows_no_signature_of_is_let_through(composed: Compose) -> None:
    check_arguments(check(composed() | {"model": {"_target_": "builtins.dict", "x": 1}}))


def test_nothing_is_imported_while_there_are_other_faults(composed: Compose, own: str) -> None:
    assert set(faults_of(composed("seed=-1") | {"model": {"_target_": f"{own}.Net", "x": 1}})) == {"seed"}
    assert own not in sys.modules


@pytest.mark.parametrize("key", ["resume", "config_from"])
def test_nothing_untrusted_is_imported_for_a_record(composed: Compose, own: str, key: str) -> None:
    tree = composed() | {"model": {"_target_": f"{own}.Net", "x": 1}, key: "outputs/runs/old"}
    check_arguments(check(tree))
    assert own not in sys.modules
    assert "model.x" in faults_of(tree | {"trust": [own]})
