"""Whatever a configuration holds, checking it gives an experiment or says which keys are wrong, and nothing else."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TypeAlias

import pytest
from hydra import compose, initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from digits.config.arguments import check_arguments
from digits.config.check import check
from digits.config.faults import ConfigError
from digits.config.types import Tree, Value
from digits.hydra_app.compose import plain
from digits.hydra_app.messages import sentence
from digits.hydra_app.paths import conf_directory

Key: TypeAlias = str | int
Place: TypeAlias = tuple[Key, ...]


@cache
def default(*overrides: str) -> Tree:
    """conf/train.yaml as plain data. Not the fixture, which is made anew for each test, not for each example."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(conf_directory(), version_base="1.3"):
        return plain(compose("train", overrides=["trainer=cpu", "data.root=data", *overrides]))


def places(tree: Value, here: Place = ()) -> Iterator[Place]:
    """Where there is something in a tree, sections and leaves."""
    items: list[tuple[Key, Value]] = []
    if isinstance(tree, dict):
        items = list(tree.items())
    elif isinstance(tree, list):
        items = list(enumerate(tree))
    for key, value in items:
        yield (*here, key)
        yield from places(value, (*here, key))


PLACES = sorted(places(default()), key=str)
KEYS = sorted({str(place[-1]) for place in PLACES})

TEXT = st.text(st.characters(codec=None), max_size=8)  # lone surrogates too, which JSON can hold
TARGETS = st.sampled_from(
    [
        "digits.models.MLP", "digits.data.MNISTDataModule", "torch.optim.SGD", "torch.optim.LBFGS", "torch.nn.ReLU",
        "torch.nn", "torch.optim.", "os.system", "builtins.eval", "digits", "nowhere.Net", ".", "..", "a.b", "torch..X",
        "json.dumps", "math.sqrt", "__main__.X", "sys.exit", "lightning.pytorch.callbacks.EarlyStopping",
        "digits.training.dashboard.Dashboard", "é.b", "hypothesis.given",
    ]
)  # fmt: skip
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-2, 100)
    | st.floats()
    | st.sampled_from(KEYS)
    | TEXT
    | TARGETS
)
NAMES = (
    st.sampled_from([*KEYS, "_args_", "_partial_", "_convert_", "_recursive_", "target", "", ".", "a.b", "[0]"]) | TEXT
)
VALUES: st.SearchStrategy[Value] = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(NAMES, inner, max_size=3)
        | st.builds(
            lambda target, rest: {**rest, "_target_": target}, TARGETS, st.dictionaries(NAMES, inner, max_size=2)
        )
    ),
    max_leaves=6,
)


def mutate(tree: Tree, place: Place, what: str, name: str, value: Value) -> None:
    """Put a value in a place, delete what is there, or set a new key beside it or, where it is a section, in it."""
    inside: Value = tree
    for key in place[:-1]:
        if isinstance(inside, dict) and key in inside:
            inside = inside[str(key)]
        elif isinstance(inside, list) and isinstance(key, int) and key < len(inside):
            inside = inside[key]
        else:
            return  # an earlier mutation has removed it
    last = place[-1]
    if isinstance(inside, dict):
        if what == "delete":
            inside.pop(str(last), None)
        else:
            inside[str(last) if what == "set" else name] = value
    elif isinstance(inside, list) and isinstance(last, int) and last < len(inside):
        if what == "delete":
            inside.pop(last)
        elif what == "set":
            inside[last] = value
        else:
            inside.insert(last, value)


MUTATIONS = st.lists(
    st.tuples(st.sampled_from(PLACES), st.sampled_from(["set", "set", "delete", "add"]), NAMES, VALUES),
    min_size=1,
    max_size=4,
)


def holds(tree: Tree) -> None:
    """The property: one of two ends."""
    before = json.dumps(tree)
    try:
        experiment = check(tree)
        check_arguments(experiment)
    except ConfigError as error:
        faults = error.faults
    else:
        again = experiment.tree()
        assert json.dumps(check(again).tree(), sort_keys=True) == json.dumps(again, sort_keys=True)
        return
    assert faults
    for fault in faults:
        assert fault.key, fault
        assert fault.problem, fault
    assert json.dumps(tree) == before, "checking changes nothing"


@given(MUTATIONS)
@example([(("optimizer", "lr"), "add", "x", {"_target_": "digits"})])
@example([(("optimizer", "lr"), "add", "x", {"_target_": 5})])
@example([(("init_from",), "set", "", "x" * 5000)])
@example([(("data",), "set", "", {"_target_": "math.sqrt", "name": "mnist", "val_size": 3})])
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_change_of_the_defaults_is_an_experiment_or_named(
    mutations: list[tuple[Place, str, str, Value]],
) -> None:
    """Found: a nested `_target_` without a dot was an IndexError, a name too long for a file an OSError, a `data` of
    another class a KeyError.
    """
    tree = copy.deepcopy(default())
    for mutation in mutations:
        mutate(tree, *mutation)
    holds(tree)


@given(st.dictionaries(NAMES, VALUES, max_size=4))
@example({"": None})
@example({".": None})
@example({"\ud800": None})
@example({"0": {"_target_": "digits"}})
@settings(max_examples=100, deadline=None)
def test_any_tree_at_all(tree: Tree) -> None:
    """Found: the faults of empty keys, of dots and of what is no Unicode named no key."""
    holds(tree)


@pytest.mark.parametrize("depth", [40, 300, 700])
def test_deep_nesting(depth: int) -> None:
    """Found: deep was an experiment that could not be recorded, deeper a RecursionError."""
    tree: Value = []
    for _ in range(depth):
        tree = [tree]
    for key, section in (("optimizer", {"x": tree}), ("foo", {"x": tree})):
        whole = copy.deepcopy(default())
        former = whole.get(key)
        whole[key] = {**former, **section} if isinstance(former, dict) else section
        with pytest.raises(ConfigError, match=rf"^{key}\.x\[0\]\[0\].*: is nested more than \d+ deep$"):
            check(whole)


# ---- From the command line ----------------------------------------------------------------------


@cache
def default_config() -> DictConfig:
    GlobalHydra.instance().clear()
    with initialize_config_dir(conf_directory(), version_base="1.3"):
        return compose("train", overrides=["trainer=cpu", "data.root=data"])


DOTTED = st.sampled_from(
    ["data", "data.name", "model", "model.stages", "optimizer", "optimizer.lr", "optimizer.betas", "scheduler._target_",
     "trainer", "trainer.devices", "callbacks", "callbacks.dashboard", "logger", "augment.affine", "seed", "trust",
     "init_from"]
)  # fmt: skip
LITERALS = st.sampled_from(
    ["0", "-1", "1e400", "nan", "-inf", "null", "true", "???", "''", "[1,2]", "[]", "{}", "{a:1}", "{1:2,a:3}",
     "{true:1}", "{null:1}", "{1.5:x}", "[{a:[{b:1}]}]", "${", "$", "${seed}", "${nope}", "${data}", "${oc.env:NOPE}",
     "${oc.env:HOME}", "${oc.dict.values:data}", "${unique_name:}", "${unique_name:1}", "\\${seed}", "${.name}",
     "${run_directory:${seed}}", "{_target_:torch.nn.ReLU}", "{_target_:[1]}", "${oc.decode:'['}", "${oc.select:seed}",
     "shuffle(1,2)", "int(3.5)", "str(1)", "float(x)", "json_str({a:1})", "extend_list(1)"]
)  # fmt: skip
OVERRIDES = st.builds(
    "{}{}={}".format,
    st.sampled_from(["", "", "+", "++", "~"]),
    DOTTED | DOTTED | st.builds("{}.{}".format, DOTTED, NAMES) | NAMES,
    LITERALS | LITERALS | st.text(max_size=6) | VALUES.map(json.dumps),
)


@given(st.lists(OVERRIDES | st.text(max_size=8), min_size=1, max_size=2))
@example(["+data={1:2,a:3}"])
@example(["+data={true:1}"])
@settings(max_examples=200, deadline=None)
def test_any_override_that_hydra_takes_is_an_experiment_or_named(overrides: list[str]) -> None:
    """Found: keys that are no text, as YAML and Hydra's grammar have them, were TypeErrors."""
    config = default_config().copy()
    OmegaConf.set_struct(config, True)
    try:
        parsed = OverridesParser.create().parse_overrides(overrides)
        ConfigLoaderImpl._apply_overrides_to_config([o for o in parsed if not o.is_sweep_override()], config)
    except Exception:  # Hydra's to tell, of whatever kind: the next test
        return
    try:
        tree = plain(config)
    except OmegaConfBaseException as error:
        told = sentence(error)
    else:
        holds(tree)
        return
    assert told


@pytest.mark.parametrize("override", ["trust.x=0", "augment=3", "data={a:1}", "+3=4"])
def test_an_override_that_hydra_dies_of_is_no_traceback(tmp_path: Path, override: str) -> None:
    """Found: for some, Hydra's own error is a plain ValueError."""
    command = [sys.executable, "-m", "digits.train", override]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 2, run.stderr
    assert "Traceback" not in run.stderr
    assert re.search(rf"{re.escape(override)}|{re.escape(override.split('=')[0])}: ", run.stderr), run.stderr
    assert list(tmp_path.iterdir()) == []
