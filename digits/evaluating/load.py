"""The trained model of a run, ready for inference."""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch
from torch import nn

from digits.data import Normalise
from digits.evaluating.members import Member
from digits.runs import weights
from digits.runs.read import find_run, read_model
from digits.runs.weights import build_net, load_weights


def load(run: str | os.PathLike[str] | None = None, trust: Sequence[str] = ()) -> nn.Module:
    """The trained model of a run: takes a uint8 batch (B, H, W) or (B, 1, H, W), returns logits (B, num_classes).

    Without a run, the latest that is done. Only models of this package are built; `trust` names packages of your own.
    Raises RunError when there is no such run, or when its weights and `model.json` don't match.
    """
    directory = find_run(None if run is None else os.fspath(run))
    record = read_model(directory)
    net = build_net(record, tuple(trust), directory)
    load_weights(net, directory)
    return nn.Sequential(Normalise(record.input.mean, record.input.std), net).eval()


def rebuild(member: Member, trust: tuple[str, ...]) -> nn.Module:
    """A run's model, on the GPU if there is one; in training's memory layout, for the same bits.

    Raises RunError when the record names an untrusted class, or the weights are another model's.
    """
    net = weights.build_net(member.model, trust, member.weights)
    weights.load_weights(net, member.weights)
    net = net.to("cuda" if torch.cuda.is_available() else "cpu")
    return net.to(memory_format=torch.channels_last) if member.channels_last else net
