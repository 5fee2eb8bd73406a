"""Adaptations to the machine: the precision and the memory allocator.

`python -m benchmarks.speed.step` measures what a step costs with each, `python -m benchmarks.speed.throughput`, part d,
how fast the whole training is without them; `benchmarks/RESULTS.md` has the former for a CPU without native bf16 and
the latter for one with AMX.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Literal, TypeAlias

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd

from digits.config.schema import Experiment

Precision: TypeAlias = Literal["bf16-mixed", "32-true"]

WIDE = 100_000
"""Number of weights of a linear layer from which bf16 with AMX saves more than its conversions cost: between an MLP
with a hidden layer of 64, where it saves next to nothing, and one of 256 (`python -m benchmarks.speed.step`, a)."""

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # malloc.h
NEVER = 2**31 - 1


def settle(config: Experiment, net: nn.Module) -> Experiment:
    """The configuration with a precision chosen for `trainer.precision: auto`, as a run records it."""
    if config.trainer.precision != "auto":
        return config
    precision = choose_precision(net, config.trainer.accelerator)
    return config.model_copy(update={"trainer": config.trainer.model_copy(update={"precision": precision})})


def choose_precision(net: nn.Module, accelerator: str) -> Precision:
    """The fastest precision that trains as well: bf16-mixed where it was measured to be faster, else 32-true.

    `accelerator` is the configuration's. On CPUs bf16 is faster with AMX. It is slower than float32 with Intel's
    avx512_bf16 alone, and far slower with neither, or when ONEDNN_MAX_CPU_ISA disables AMX (`python -m
    benchmarks.speed.step`, a, on such CPUs; the record in the repository is of one with neither). For convolutions it
    was also faster with an AMD's avx512_bf16 (Zen 5), without a record; the same command measures it. On GPUs nothing
    has been measured, so they get float32.
    """
    if accelerator not in ("auto", "cpu"):
        return "32-true"
    if accelerator == "auto" and (torch.cuda.is_available() or torch.mps.is_available()):
        return "32-true"
    convolutions = any(isinstance(module, _ConvNd) for module in net.modules())
    wide = any(isinstance(module, nn.Linear) and module.weight.numel() >= WIDE for module in net.modules())
    matrices, vectors = native_bf16()
    return "bf16-mixed" if (matrices and (convolutions or wide)) or (vectors and convolutions) else "32-true"


def native_bf16() -> tuple[bool, bool]:
    """Whether the CPU multiplies bf16 matrices (AMX), and bf16 vectors at full rate (AMD's avx512_bf16)."""
    if not torch.backends.mkldnn.is_available():  # only oneDNN uses them
        return False, False
    if (ask := getattr(torch.cpu, "get_capabilities", None)) is not None:  # newer than the oldest supported torch
        found = ask()
        amd = str(found.get("cpu_name", "")).startswith("AMD")
        return bool(found.get("amx_bf16")), amd and bool(found.get("avx512_bf16"))
    try:
        words = Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("\n\n")[0].split()
    except OSError:
        return False, False
    return "amx_bf16" in words, "AuthenticAMD" in words and "avx512_bf16" in words


def keep_memory() -> bool:
    """Make glibc keep the memory that a step frees for the next one; returns whether it does.

    By default glibc returns tensors above 32 MB, and freed memory above 64 MB, to the system, which hands them out
    again page by page, each zeroed: thousands of page faults in a step of `model=cnn`, against next to none with these
    settings (`python -m benchmarks.speed.step`, b, also measures time and peak memory). Both settings are needed:
    large tensors reuse freed memory only when they are not mapped separately. The peak grows most for tensors above
    32 MB. Does nothing if the user has configured glibc's allocator, or without glibc.
    """
    chosen = any(name.startswith("MALLOC_") for name in os.environ)
    if chosen or "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", ""):
        return False
    try:
        if not os.confstr("CS_GNU_LIBC_VERSION"):
            return False
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, ValueError, TypeError):  # without confstr, this name, or the library
        return False
    return bool(mallopt(M_MMAP_MAX, 0) and mallopt(M_TRIM_THRESHOLD, NEVER))
