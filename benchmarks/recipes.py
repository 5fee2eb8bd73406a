"""The recipes whose accuracy is quoted, what is wanted of each, and the configuration that each stands for."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from digits.config.absent import completed
from digits.config.check import check
from digits.config.faults import ConfigError
from digits.config.types import Tree, Value
from digits.hydra_app.compose import plain
from digits.hydra_app.messages import sentence
from digits.hydra_app.paths import conf_directory


class RecipeError(ValueError):
    """A recipe that can't be trained as it stands; the message says why."""


@dataclass(frozen=True)
class Recipe:
    """What is trained under a name."""

    name: str
    overrides: tuple[str, ...]
    seeds: int = 5  # wanted in the record
    wanted: float | None = None  # mean test accuracy, a fraction
    wanted_on_cpu: float | None = None  # the same, where all runs were on a CPU

    @property
    def typed(self) -> str:
        """The overrides as one types them."""
        return " ".join(self.overrides)


RECIPES = (
    Recipe("logistic", ("model=logistic",), seeds=30),
    Recipe("mlp", ("model=mlp",), wanted=0.984),
    Recipe("mlp_fp32", ("model=mlp", "trainer.precision=32-true")),
    Recipe("cnn", ("model=cnn",), wanted=0.993),
    Recipe("cnn_fp32", ("model=cnn", "trainer.precision=32-true"), seeds=3),
    Recipe("resnet", ("model=resnet",)),
    Recipe("cnn_ema", ("experiment=cnn_ema",)),
    Recipe("mlp_best", ("experiment=mlp_best",), wanted=0.995),
    Recipe("cnn_tiny", ("experiment=cnn_tiny",), wanted=0.995),
    Recipe("cnn_best", ("experiment=cnn_best",), wanted=0.9977, wanted_on_cpu=0.9965),
    Recipe("reader", ("experiment=reader",), seeds=1),  # the net that ships
)

BY_NAME = {recipe.name: recipe for recipe in RECIPES}

FORMER = {"mlp_best": ("mlp_best-dropout", "dropout of 0.2, batches of 512, one view")}
"""Recipes whose former settings were tested too before they gave way: the record that stays for that, and how they
differed."""

CHANGES_NO_FIGURE = (
    *("seed", "data.root", "data.mirrors", "data.cache", "trainer.accelerator"),
    *("checkpoints", "checkpoint_minutes", "resume", "config_from", "trust"),
)
"""Keys in which two runs of a recipe may differ; the seed and the device are recorded for each run."""


CHOSEN_BY_MACHINES = ("bf16-mixed", "32-true")
"""What `trainer.precision=auto` can come to."""


def composed(overrides: tuple[str, ...]) -> Tree:
    """The checked configuration of `digits.train` with these overrides, as it is recorded.

    Raises RecipeError where it has faults.
    """
    try:
        with initialize_config_dir(conf_directory(), version_base="1.3"):
            return check(plain(compose("train", overrides=list(overrides)))).tree()
    except (HydraException, OmegaConfBaseException, ConfigError) as error:
        raise RecipeError(f"{' '.join(overrides)}: {sentence(error)}") from None


def without_places(config: Tree) -> Tree:
    """A configuration without the keys that change no figure."""
    kept = dict(config)
    for key in CHANGES_NO_FIGURE:
        section, _, leaf = key.rpartition(".")
        inner = kept.get(section) if section else None
        if isinstance(inner, dict):
            kept[section] = {name: value for name, value in inner.items() if name != leaf}
        elif not section:
            kept.pop(leaf, None)
    return kept


def differing(one: Tree, other: Tree) -> list[str]:
    """The keys, dotted, at which two configurations differ, but for those that change no figure."""
    flat = [_flat(without_places(tree)) for tree in (one, other)]
    keys = dict.fromkeys([*flat[0], *flat[1]])
    return [key for key in keys if key not in flat[0] or key not in flat[1] or flat[0][key] != flat[1][key]]


def changed(recorded: Tree, config: Tree) -> list[str]:
    """The keys at which a configuration differs from a recorded one, so that its figures are another recipe's.

    A key of trainer, data or the top level that is younger than the record doesn't count while it has its default; nor
    does the number format that a machine chose for itself.
    """
    recorded = completed(recorded)
    before, now, default = (_flat(tree) for tree in (recorded, config, composed(())))

    def younger(key: str) -> bool:
        settled = "." not in key or key.startswith(("trainer.", "data."))
        return settled and key not in before and key in default and now.get(key) == default[key]

    format_ = "trainer.precision"
    chosen = {format_} if now.get(format_) == "auto" and before.get(format_) in CHOSEN_BY_MACHINES else set()
    return [key for key in differing(recorded, config) if key not in chosen and not younger(key)]


def digest(config: Tree) -> str:
    """Eight characters that stand for a configuration."""
    return hashlib.sha256(json.dumps(without_places(config), sort_keys=True).encode()).hexdigest()[:8]


def _flat(tree: Tree, path: str = "") -> dict[str, Value]:
    found: dict[str, Value] = {}
    for key, value in tree.items():
        found |= _flat(value, f"{path}{key}.") if isinstance(value, dict) else {f"{path}{key}": value}
    return found
