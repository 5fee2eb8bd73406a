"""Adaptations to the machine: the precision and the memory allocator.

Two commands measure what they bring: `python -m benchmarks.speed.step` to one step, `python -m
benchmarks.speed.throughput`, part d, to a whole training. In `benchmarks/RESULTS.md` the step was measured on
a CPU without native bf16, the training on one with AMX.
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

WIDE = 100_000  # weights of a linear layer from which bf16 with AMX saves more than its conversions cost
"""Between an MLP with a hidden layer of 64, where bf16 saves next to nothing, and one of 256, where it is worth it
(`python -m benchmarks.speed.step`, part a, on a CPU with AMX)."""

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

    `accelerator` is the configuration's. On a CPU, bf16 compares with float32 as follows:

    - with AMX: faster
    - with Intel's avx512_bf16 alone: slower
    - with AMD's avx512_bf16 (Zen 5): faster for convolutions
    - with none of them, or when ONEDNN_MAX_CPU_ISA disables AMX: far slower

    `python -m benchmarks.speed.step`, part a, measures it; the record in the repository is of a CPU with none of them.
    On GPUs nothing has been measured, so they get float32.
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
    if (ask := getattr(torch.cpu, "get_capabilities", None)) is not None:  # missing in the oldest supported torch
        found = ask()
        amd = str(found.get("cpu_name", "")).startswith("AMD")
        return bool(found.get("amx_bf16")), amd and bool(found.get("avx512_bf16"))
    try:
        words = Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("\n\n")[0].split()
    except OSError:
        return False, False
    return "amx_bf16" in words, "AuthenticAMD" in words and "avx512_bf16" in words


def keep_memory() -> bool:
    """Make glibc keep memory that one step frees for the next step; returns whether it does.

    By default glibc returns tensors above 32 MB, and freed memory above 64 MB, to the system. Getting it back costs a
    page fault for every page, which the system zeroes: thousands in a step of `model=cnn`, next to none with these
    settings (`python -m benchmarks.speed.step`, part b, which also measures time and peak memory).

    Both settings are needed: large tensors reuse freed memory only when they are not mapped separately. Peak memory
    grows most for tensors above 32 MB. Does nothing without glibc, or if the user has configured its allocator.
    """
    chosen = any(name.startswith("MALLOC_") for name in os.environ)
    if chosen or "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", ""):
        return False
    try:
        if not os.confstr("CS_GNU_LIBC_VERSION"):
            return False
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, ValueError, TypeError):  # no confstr, no such name, or no such library
        return False
    return bool(mallopt(M_MMAP_MAX, 0) and mallopt(M_TRIM_THRESHOLD, NEVER))
