"""Which classes a tree read from a file may name, and what it must not hold, whatever packages are trusted.

Decided by name: nothing is imported.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence

from digits.config.types import Tree, Value, targets_in

TRUSTED_PREFIXES = (
    "digits.",
    "torch.nn.",
    "torch.optim.",
    "lightning.pytorch.callbacks.",
)
"""Where the targets in a run's files may come from; a file never has anything else called."""


TRUSTED_LOGGERS = {
    *("lightning.pytorch.loggers.TensorBoardLogger", "lightning.pytorch.loggers.tensorboard.TensorBoardLogger"),
    *("lightning.pytorch.loggers.CSVLogger", "lightning.pytorch.loggers.csv_logs.CSVLogger"),
}
"""Lightning's loggers that stay on this machine; the others send data to an address that a file could choose."""


def packages_of(config: Tree) -> list[str]:
    """The packages that a configuration trusts (`trust`)."""
    named = config.get("trust")
    return [str(package) for package in named] if isinstance(named, list) else []


def own_packages(config: Tree) -> list[str]:
    """The packages that a command trusts: those of `trust`, and those of the targets that it names itself."""
    named = sorted({str(section["_target_"]) for _, section in targets_in(config)})
    own = [name.partition(".")[0] for name in named if not is_trusted(name)]
    return [*dict.fromkeys([*packages_of(config), *own])]


def is_trusted(target: str, packages: Sequence[str] = ()) -> bool:
    """Whether a file may name a target: one of this package, of a fixed list, or of a package that the user named."""
    return target in TRUSTED_LOGGERS or target.startswith((*TRUSTED_PREFIXES, *(f"{package}." for package in packages)))


def untrusted(tree: Value, packages: Sequence[str] = ()) -> list[tuple[str, str]]:
    """The untrusted targets in a tree read from a file, each with its key. Decided by name: no import."""
    found = [(key, str(section["_target_"])) for key, section in targets_in(tree)]
    return [(key, target) for key, target in found if not is_trusted(target, packages)]


WRITERS = ("callbacks", "logger", "trainer")  # the sections of a configuration whose objects write files

PLACES = re.compile(r"(.*_)?(dir|dirpath|directory|folder|root|path|file)|model_registry")
"""Arguments in these sections that choose where to write or send."""

MOST_TARGETS = 1000  # objects that a file may have built; a configuration has about ten

MOST_PROCESSES = 64  # devices that a record may ask for on a machine with fewer cores: on the CPU each is a process


def harmful(tree: Value) -> list[tuple[str, str]]:
    """The keys of a configuration, or of a section of one, whose values could do harm, each with the reason.

    Harmful are interpolations, which would read the environment or make a new target when the object is built; keys
    that change how Hydra builds; and in `WRITERS` places, and paths that lead out of the run's directory.
    """
    found = [(key, problem) for key, value in _leaves(tree) if (problem := _problem(key, value))]
    if sum(key.endswith("_target_") for key, _ in _leaves(tree)) > MOST_TARGETS:
        found.append(("_target_", f"more than {MOST_TARGETS:,} objects are to be built"))
    return found


def _problem(key: str, value: Value) -> str:
    text = value if isinstance(value, str) else ""
    shown = f"is {value!r:.80}"
    name = re.sub(r"(\[\d+\])+$", "", key).rpartition(".")[2]
    if "${" in key or "${" in text:
        return f"{shown}, an interpolation; a record holds values"
    if name in ("_partial_", "_convert_", "_recursive_"):
        return "is Hydra's own and not read here"
    if key == "trainer.devices" and isinstance(value, int) and value > max(MOST_PROCESSES, os.cpu_count() or 1):
        return f"is {value}, more processes than this machine has cores"
    if key.split(".")[0] not in WRITERS or value is None:
        return ""
    if name == "_args_":
        return "is an argument without a name, which a record doesn't have"
    if PLACES.fullmatch(name):
        return f"{shown}; a record doesn't choose where files go, so leave it out"
    if _leads_away(text):
        return f"{shown}, which leads out of the run's directory; take a plain name"
    return ""


def _leads_away(text: str) -> bool:
    """Whether a text, read as a path, is absolute, a home directory, a URL, or contains `..`."""
    address = re.match(r"[/\\~]|[A-Za-z]:[/\\]|\w[\w+.-]*://", text)
    return address is not None or "::" in text or ".." in re.split(r"[/\\]", text)


def _leaves(tree: Value, path: str = "") -> Iterator[tuple[str, Value]]:
    """Every value that is not a section or list, and every empty one, with its key."""
    if isinstance(tree, dict) and tree:
        for key, value in tree.items():
            yield from _leaves(value, f"{path}.{key}" if path else key)
    elif isinstance(tree, list) and tree:
        for i, value in enumerate(tree):
            yield from _leaves(value, f"{path}[{i}]")
    else:
        yield path, tree
