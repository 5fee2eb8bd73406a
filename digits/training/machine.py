"""What a training is adapted to of the machine it runs on: the number format and the allocator.

What they are worth is measured by `python -m benchmarks.speed.step`, what a step costs with each, and `python -m
benchmarks.speed.throughput`, d, how fast the whole training is without; `benchmarks/RESULTS.md` has the first of a CPU
without native bf16 and the second of one with AMX.
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
"""Weights of a linear layer from which bf16 saves more than its conversions cost, with AMX: between those of an MLP
with one hidden layer of 64, where it saves next to nothing, and of 256 (`python -m benchmarks.speed.step`, a)."""

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # malloc.h
NEVER = 2**31 - 1


def settle(config: Experiment, net: nn.Module) -> Experiment:
    """The configuration with a number format in place of `trainer.precision: auto`, as a run records it."""
    if config.trainer.precision != "auto":
        return config
    precision = choose_precision(net, config.trainer.accelerator)
    return config.model_copy(update={"trainer": config.trainer.model_copy(update={"precision": precision})})


def choose_precision(net: nn.Module, accelerator: str) -> Precision:
    """The fastest number format that trains as well: bf16-mixed where it was measured to pay, else 32-true.

    `accelerator` is that of the configuration. On CPUs bf16 pays with AMX; Intel's avx512_bf16 alone is slower than
    float32, and a CPU with neither far slower, as the CPU with AMX is when ONEDNN_MAX_CPU_ISA keeps it from using them
    (`python -m benchmarks.speed.step`, a, on such CPUs; the record that is kept is of one with neither). For
    convolutions it also paid with the avx512_bf16 of an AMD (Zen 5), which no record is of: the same command tells on
    another. What pays on GPUs has not been measured, so it is float32 there.
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
    if not torch.backends.mkldnn.is_available():  # without oneDNN nothing uses them
        return False, False
    if (ask := getattr(torch.cpu, "get_capabilities", None)) is not None:  # younger than the oldest torch we take
        found = ask()
        amd = str(found.get("cpu_name", "")).startswith("AMD")
        return bool(found.get("amx_bf16")), amd and bool(found.get("avx512_bf16"))
    try:
        words = Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("\n\n")[0].split()
    except OSError:
        return False, False
    return "amx_bf16" in words, "AuthenticAMD" in words and "avx512_bf16" in words


def keep_memory() -> bool:
    """Have glibc keep the memory that a step frees for the next one; whether it does so from now on.

    By default it gives tensors above 32 MB, and freed memory above 64, back to the system, which hands them out again
    page by page, each zeroed: thousands of page faults in a step of `model=cnn`, and next to none so
    (`python -m benchmarks.speed.step`, b, also for the time and the peak of memory). Both settings belong together:
    freed memory that is kept serves the large tensors only when these come from it. The peak grows most for tensors
    above 32 MB. Does nothing where the user has set glibc's allocator, and where there is none.
    """
    chosen = any(name.startswith("MALLOC_") for name in os.environ)
    if chosen or "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", ""):
        return False
    try:
        if not os.confstr("CS_GNU_LIBC_VERSION"):
            return False
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, ValueError, TypeError):  # no confstr, no such name, no such library
        return False
    return bool(mallopt(M_MMAP_MAX, 0) and mallopt(M_TRIM_THRESHOLD, NEVER))
