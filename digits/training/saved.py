"""The trained net of a run, saved and loaded: safetensors and plain JSON, never a pickle."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from digits.config.targets import TargetError, check_read_back, instantiate, resolve
from digits.config.tree import Tree
from digits.data import MNISTDataModule, Normalise
from digits.training.run import MODEL, WEIGHTS, RunError, find_run, read_model, write_json


def save(run: Path, net: nn.Module, model: Tree, data: MNISTDataModule) -> None:
    """Leave a net in its run's directory, with what is needed to rebuild it and to feed it."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in net.state_dict().items()}
    part = run / f".{WEIGHTS}.part"
    save_file(tensors, part)
    part.chmod(0o644)  # safetensors writes for the owner alone
    part.replace(run / WEIGHTS)
    input_data: Tree = {
        "mean": data.mean,
        "std": data.std,
        "image_size": data.image_size,
        "classes": list(data.classes),
    }
    write_json(run / MODEL, {"format": 1, "model": model, "input": input_data})


def load(run: str | Path | None = None, trust: Sequence[str] = ()) -> nn.Module:
    """The trained net of a run, ready for a uint8 batch (B, H, W) or (B, 1, H, W); gives logits (B, num_classes).

    Without a run, the latest that is done. Only nets of this package are built; `trust` names packages of
    your own. Raises RunError when there is no such run, or when its files don't fit each other.
    """
    directory = find_run(None if run is None else str(run))
    record = read_model(directory)
    net = build_net(record, tuple(trust))
    load_weights(net, directory)
    input_data = cast(dict[str, float], record["input"])
    return nn.Sequential(Normalise(input_data["mean"], input_data["std"]), net).eval()


def build_net(record: Tree, trust: tuple[str, ...] = ()) -> nn.Module:
    """The untrained net that a `model.json` describes; calls nothing but nets of trusted packages."""
    model = record.get("model")
    if not isinstance(model, dict) or "_target_" not in model:
        raise RunError(f"{MODEL} describes no model")
    try:
        check_read_back(model, trust)
    except TargetError as error:
        raise RunError(f"{MODEL} names what is not called for a file: {error}") from None
    found = resolve(str(model["_target_"]))
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise RunError(f"{MODEL} names {model['_target_']}, which is no net")
    return cast(nn.Module, instantiate(model))


def load_weights(net: nn.Module, source: Path) -> None:
    """Put a run's weights, or those of a safetensors file or a checkpoint of this project, into a net.

    Raises RunError, with what doesn't fit, when they are another net's.
    """
    path = source / WEIGHTS if source.is_dir() else source
    try:
        if path.suffix == ".ckpt":
            tensors = _from_checkpoint(path)
        else:
            tensors = load_file(path)
        result = net.load_state_dict(tensors, strict=False)
    except FileNotFoundError:
        raise RunError(f"{path} does not exist; the run was not trained to its end") from None
    except (SafetensorError, RuntimeError, KeyError, EOFError, UnpicklingError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[-1].strip()
        raise RunError(f"{path} does not fit the net: {reason}") from None
    if result.missing_keys or result.unexpected_keys:
        wrong = [
            *(f"no {key}" for key in result.missing_keys),
            *(f"unknown {key}" for key in result.unexpected_keys),
        ]
        raise RunError(
            f"{path} holds the weights of another net: {', '.join(wrong[:4])}; take the same model and sizes"
        )


def _from_checkpoint(path: Path) -> dict[str, torch.Tensor]:
    """The weights that were validated in a Lightning checkpoint: the moving average if there is one."""
    state = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    for prefix in ("averaged.module.", "net."):
        tensors = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
        if tensors:
            return tensors
    raise KeyError("no net in the checkpoint")
