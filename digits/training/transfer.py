"""Transfer of weights to a net with other classes: the last layer's rows are matched by class name."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from digits.runs import weights
from digits.runs.layout import MODEL, RunError
from digits.runs.read import read_model
from digits.runs.schema import BeganWith


@dataclass(frozen=True, eq=False)
class Origin:
    """The weights that a run starts from."""

    tensors: dict[str, Tensor]
    file: Path
    sha256: str  # of the file
    classes: tuple[str, ...]  # names of its outputs, in order; empty if they are unknown


@dataclass(frozen=True)
class Transfer:
    """The classes whose rows of the last layer were kept, are new, or were dropped."""

    kept: tuple[str, ...]
    new: tuple[str, ...]
    dropped: tuple[str, ...]

    def __str__(self) -> str:
        parts = [("known already", self.kept), ("new", self.new), ("no longer there", self.dropped)]
        return "; ".join(f"{what}: {', '.join(names)}" for what, names in parts if names)

    def recorded(self, origin: str, weights: str) -> BeganWith:
        """The entry of the run's record, with `origin` as given by the user and the SHA-256 of the weights file."""
        classes = {name: list(names) for name, names in vars(self).items()}
        return BeganWith.model_validate({"from": origin, "weights": weights, **classes})


def read_origin(source: Path) -> Origin:
    """Read the weights of a run or of a weights file; raises RunError if they can't be read."""
    tensors, file = weights.read_weights(source)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    classes: list[str] = []
    if source.is_dir() and (source / MODEL).is_file():
        classes = read_model(source).input.classes or []
    known = len(set(classes)) == len(classes)
    return Origin(tensors, file, digest, tuple(classes) if known else ())


def transfer(net: nn.Module, origin: Origin, classes: Sequence[str]) -> Transfer:
    """Load weights into a net whose outputs are `classes`.

    In the last linear layer a class that both nets know keeps its row, matched by name; a new class keeps its
    initialisation. If the names are equal or unknown, all shapes must match. Raises RunError when they don't.
    """
    layer, theirs = readout(net, len(classes)), origin.classes
    if not theirs or theirs == tuple(classes) or layer is None:
        weights.put(net, origin.tensors, origin.file)
        return Transfer(tuple(classes), (), ())
    tensors, state = dict(origin.tensors), net.state_dict()
    shared = [name for name in classes if name in theirs]
    here, there = ([names.index(name) for name in shared] for names in (list(classes), list(theirs)))
    for name in (f"{layer}.weight", f"{layer}.bias"):
        if name not in tensors or name not in state:
            continue
        if len(tensors[name]) != len(theirs) or tensors[name].shape[1:] != state[name].shape[1:]:
            found, expected = list(tensors[name].shape), [len(theirs), *state[name].shape[1:]]
            raise RunError(f"{origin.file} holds the weights of another net: {name} has the shape {found}, not "
                           f"{expected}; take the same model and sizes")  # fmt: skip
        rows = state[name].clone()
        rows[torch.tensor(here, dtype=torch.long)] = tensors[name][torch.tensor(there, dtype=torch.long)].to(rows.dtype)
        tensors[name] = rows
    weights.put(net, tensors, origin.file)
    return Transfer(
        kept=tuple(shared),
        new=tuple(name for name in classes if name not in theirs),
        dropped=tuple(name for name in theirs if name not in classes),
    )


def readout(net: nn.Module, num_classes: int) -> str | None:
    """The name of the last linear layer; None if it doesn't have `num_classes` outputs."""
    layers = [(name, layer) for name, layer in net.named_modules() if isinstance(layer, nn.Linear)]
    if not layers or layers[-1][1].out_features != num_classes:
        return None
    return str(layers[-1][0])
