"""The trained net of a run, ready to be asked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

from torch import nn

from digits.data import Normalise
from digits.runs.read import find_run, read_model
from digits.runs.weights import build_net, load_weights


def load(run: str | Path | None = None, trust: Sequence[str] = ()) -> nn.Module:
    """The trained net of a run, ready for a uint8 batch (B, H, W) or (B, 1, H, W); gives logits (B, num_classes).

    Without a run, the latest that is done. Only nets of this package are built; `trust` names packages of
    your own. Raises RunError when there is no such run, or when its files don't fit each other.
    """
    directory = find_run(None if run is None else str(run))
    record = read_model(directory)
    net = build_net(record, tuple(trust), directory)
    load_weights(net, directory)
    input_data = cast(dict[str, float], record["input"])
    return nn.Sequential(Normalise(input_data["mean"], input_data["std"]), net).eval()
