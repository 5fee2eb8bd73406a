"""Saving and loading the trained net of a run: safetensors and plain JSON, never a pickle."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as serialised
from torch import nn
from torch.nn.modules import module as torch_module

from digits.config.faults import TargetError
from digits.config.files import FileError, open_regular
from digits.config.instantiate import check_read_back, instantiate, resolve
from digits.config.trust import is_trusted
from digits.config.types import Tree, targets_in
from digits.runs.atomic import write_bytes, write_json
from digits.runs.checkpoint_file import read_checkpoint
from digits.runs.layout import MODEL, WEIGHTS, RunError
from digits.runs.schema import ModelRecord

MOST_NUMBERS = 1 << 20  # numbers in a loss or a transform that a record may ask for; those that ship have none

MOST_TENSORS = 20_000  # tensors of a net that a file may describe; a residual net of 1,000 layers has 5,000


def save(run: Path, net: nn.Module, record: ModelRecord) -> str:
    """Write a net's weights and its `model.json` into its run's directory; returns the SHA-256 of the weights."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in net.state_dict().items()}
    content = serialised(tensors)
    write_bytes(run / WEIGHTS, content)
    write_json(run / MODEL, record.tree())
    return hashlib.sha256(content).hexdigest()


def build_net(record: ModelRecord, trust: tuple[str, ...] = (), weights: Path | None = None) -> nn.Module:
    """The untrained net that a `model.json` describes; calls only classes of trusted packages.

    With `weights`, a run's directory or a file, a net too large for that file is refused before it takes memory.
    Raises RunError.
    """
    model = record.model.tree()
    if "_target_" not in model:
        raise RunError(f"{MODEL} describes no model")
    try:
        check_read_back(model, trust)
    except TargetError as error:
        raise RunError(f"{MODEL} is refused: {error}") from None
    found = resolve(str(model["_target_"]))
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise RunError(f"{MODEL} names {model['_target_']}, which is not a torch.nn.Module")
    if weights is not None:
        check_size(model, weights)
    return _built(model)


def check_size(model: Tree, weights: Path) -> None:
    """Refuse a net that is larger than the file of its weights, before it takes memory.

    A net of a package that the user trusts is not checked: not every constructor works on torch's meta device.
    Raises RunError.
    """
    path = weights / WEIGHTS if weights.is_dir() else weights
    if path.is_file():
        room = path.stat().st_size
        _measure(model, room, "the described net", f"which can't be in the {room:,} bytes of {path}")


def check_small(sections: Iterable[Tree]) -> None:
    """Refuse losses and transforms of a record that are too large, before they take memory. Raises RunError."""
    for section in sections:
        _measure(section, MOST_NUMBERS, str(section["_target_"]), f"more than the {MOST_NUMBERS:,} it may have")


def _measure(section: Tree, room: int, what: str, why: str) -> None:
    """Build a module on torch's meta device, and raise RunError where it has more than `room` numbers."""
    if not all(is_trusted(str(inner["_target_"])) for _, inner in targets_in(section)):
        return
    tensors, numbers = 0, 0

    def count(_module: nn.Module, _name: str, tensor: torch.Tensor | None) -> None:
        nonlocal tensors, numbers
        tensors += 1
        numbers += 0 if tensor is None or torch.nn.parameter.is_lazy(tensor) else tensor.numel()
        if numbers > room or tensors > MOST_TENSORS:
            raise RunError(f"{what} has {numbers:,} parameters or more in {tensors:,} tensors, {why}")

    hooks = [
        torch_module.register_module_parameter_registration_hook(count),
        torch_module.register_module_buffer_registration_hook(count),
    ]
    try:
        with torch.device("meta"), torch.random.fork_rng(devices=()):
            _built(section)
    finally:
        for hook in hooks:
            hook.remove()


def _built(model: Tree) -> nn.Module:
    try:
        return cast(nn.Module, instantiate(model))
    except RunError:
        raise
    except Exception as error:  # a constructor can raise anything for the arguments of a file
        raise RunError(f"{MODEL} describes a net that can't be built: {type(error).__name__}: {error}") from None


def load_weights(net: nn.Module, source: Path) -> None:
    """Load a run's weights, or those of a safetensors file or a checkpoint of this project, into a net.

    Raises RunError, with what doesn't fit, when they are another net's, or when the file can't be read.
    """
    put(net, *read_weights(source))


def read_weights(source: Path) -> tuple[dict[str, torch.Tensor], Path]:
    """The weights of a run, a safetensors file or a checkpoint of this project, and the path of their file.

    Raises RunError when the file can't be read.
    """
    path = source / WEIGHTS if source.is_dir() else source
    try:
        open_regular(path).close()
        return _from_checkpoint(path) if path.suffix == ".ckpt" else load_file(path), path
    except (FileNotFoundError, NotADirectoryError):
        raise RunError(f"{path} does not exist; the run was not trained to its end") from None
    except FileError as error:
        raise RunError(str(error)) from None
    except MemoryError:
        raise RunError(f"{path} needs more memory than there is") from None
    except (SafetensorError, RuntimeError, OSError) as error:
        raise RunError(f"{path} does not fit the net: {_reason(error)}") from None


def put(net: nn.Module, tensors: dict[str, torch.Tensor], path: Path) -> None:
    """Load weights that were read from a file into a net; raises RunError, with what doesn't fit."""
    try:
        result = net.load_state_dict(tensors, strict=False)
    except (RuntimeError, OSError) as error:
        raise RunError(f"{path} does not fit the net: {_reason(error)}") from None
    if result.missing_keys or result.unexpected_keys:
        wrong = [
            *(f"no {key}" for key in result.missing_keys),
            *(f"unknown {key}" for key in result.unexpected_keys),
        ]
        fix = "take the same model and sizes"
        if "readout.weight" in result.missing_keys and "classify.weight" in result.unexpected_keys:
            fix = "this CNN was saved with its features in another order; train it again with config_from"
        raise RunError(f"{path} holds the weights of another net: {', '.join(wrong[:4])}; {fix}")


def _reason(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[-1].strip()


def _from_checkpoint(path: Path) -> dict[str, torch.Tensor]:
    """The weights in a Lightning checkpoint that are validated: the moving average if there is one."""
    state = read_checkpoint(path).get("state_dict")
    state = state if isinstance(state, dict) and all(isinstance(key, str) for key in state) else {}
    for prefix in ("averaged.module.", "net."):
        tensors = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
        if tensors:
            return tensors
    raise RunError(f"{path} holds no net of this project")
