"""What a training step costs in either number format, and without the allocator's setting.

    python -m benchmarks.speed.step                                            measures all, and records it
    python -m benchmarks.speed.step one model=cnn trainer.precision=32-true    one measurement, as JSON

`digits/training/machine.py` chooses by these figures.

A step is forward, backward and the optimizer's, on 512 random images, in a process of its own on one thread. Counted is
the process's CPU time, so that other work on the machine disturbs little; medians of 20 steps after 5, or of the first
few where a number format that the machine only imitates makes them long.
"""

from __future__ import annotations

import json
import resource
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import cast

import torch
from torch import nn

from benchmarks.commands import make_parser, told
from benchmarks.records import RECORDS, number, read_tree, write_lines
from benchmarks.results import machine as this_machine
from benchmarks.results import table
from benchmarks.runs import output_of
from benchmarks.speed.bare_loop import configuration
from digits.config.instantiate import instantiate
from digits.config.types import Tree
from digits.training import machine
from digits.training.build import make_module

RECORD = RECORDS / "step.json"
BATCH, WARM, COUNTED = 512, 5, 20
ENOUGH = 20
"""Seconds after which three counted steps will do."""
NOTHING: Mapping[str, str] = MappingProxyType({})
GLIBC = MappingProxyType({"MALLOC_ARENA_TEST": "8"})
"""glibc's own way with memory: its default, but set, so that `keep_memory` leaves it alone."""

FLOAT32, BF16 = "trainer.precision=32-true", "trainer.precision=bf16-mixed"
NETS: tuple[tuple[str, tuple[str, ...], Mapping[str, str]], ...] = (
    ("`model=logistic`", ("model=logistic",), NOTHING),
    ("`model=mlp`, one hidden layer of 64", ("model=mlp", "model.hidden=[64]"), NOTHING),
    ("`model=mlp`, one hidden layer of 256", ("model=mlp", "model.hidden=[256]"), NOTHING),
    ("`model=mlp`", ("model=mlp",), NOTHING),
    ("`model=resnet`", ("model=resnet",), NOTHING),
    ("`model=cnn`", ("model=cnn",), NOTHING),
    ("`model=cnn`, oneDNN kept from AMX", ("model=cnn",), {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_BF16"}),
    ("`model=cnn`, kept from AMX and AVX512-BF16", ("model=cnn",), {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_VNNI"}),
)
"""What is measured in both formats: a name, overrides, environment. Those with one are for CPUs with AMX."""


def nets() -> list[tuple[str, tuple[str, ...], Mapping[str, str]]]:
    """Those of them that differ on this machine: without AMX there is nothing to keep oneDNN from."""
    matrices, _ = machine.native_bf16()
    return [net for net in NETS if matrices or not net[2]]


@dataclass(frozen=True)
class Cost:
    """CPU milliseconds and page faults of a step, MB of the process's peak, weights of the widest linear layer."""

    milliseconds: float
    faults: float
    megabytes: float
    widest: int


def measure(*overrides: str, counted: int = COUNTED) -> Cost:
    """Train a net of a shipped configuration, here and now."""
    config = configuration("data=mnist", *overrides)
    torch.manual_seed(0)
    module = make_module(config, cast(nn.Module, instantiate(config.model.tree())), 10)
    net, loss, optimizer = module.net, module.loss, module.make_optimizer(module.net.parameters())
    mixed = machine.settle(config, net).trainer.precision == "bf16-mixed"
    machine.keep_memory()
    size = cast(int, config.data.tree()["image_size"])
    images, labels = torch.randn(BATCH, 1, size, size), torch.randint(10, (BATCH,))
    seconds, faults = [], []
    for _ in range(WARM + counted):
        begun, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed, cache_enabled=False):
            value = loss(net(images), labels)
        value.backward()
        optimizer.step()
        seconds.append(time.process_time() - begun)
        faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
        if sum(seconds) > ENOUGH and len(seconds) >= WARM + 3:
            break
    widest = max((layer.weight.numel() for layer in net.modules() if isinstance(layer, nn.Linear)), default=0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # KiB on Linux
    return Cost(1000 * statistics.median(seconds[WARM:]), statistics.median(faults[WARM:]), peak, widest)


def cost_of(overrides: Sequence[str], environment: Mapping[str, str] = NOTHING) -> Cost:
    """The same in a process of its own, on one thread."""
    printed = output_of("benchmarks.speed.step", "one", *overrides, environment={**environment, "OMP_NUM_THREADS": "1"})
    return Cost(**json.loads(printed))


def formats_table(costs: Mapping[str, tuple[Cost, Cost]]) -> str:
    """Both number formats of every net, by its name: float32, bf16."""
    rows = [
        [name, f"{single.widest:,}", f"{single.milliseconds:.2f}", f"{half.milliseconds:.2f}",
         f"{half.milliseconds / single.milliseconds:.2f}"]
        for name, (single, half) in costs.items()
    ]  # fmt: skip
    return table(["", "weights of its widest linear layer", "32-true, ms", "bf16-mixed, ms", "ratio"], rows)


def memory_table(costs: Mapping[str, tuple[Cost, Cost]]) -> str:
    """`model=cnn` by its format: glibc's own way, and with freed memory kept."""
    rows = [
        [name, what, f"{cost.milliseconds:.2f}", f"{cost.faults:,.0f}", f"{cost.megabytes:,.0f}"]
        for name, pair in costs.items()
        for what, cost in zip(("glibc's own way", "`keep_memory`"), pair, strict=True)
    ]
    return table(["`model=cnn` in", "", "ms", "page faults a step", "peak, MB"], rows)


def measured() -> Tree:
    """Everything, and what it was measured on."""
    formats: dict[str, tuple[Cost, Cost]] = {
        name: (cost_of((*overrides, FLOAT32), environment), cost_of((*overrides, BF16), environment))
        for name, overrides, environment in nets()
    }
    single, half = formats["`model=cnn`"]
    memory: dict[str, tuple[Cost, Cost]] = {
        "32-true": (cost_of(("model=cnn", FLOAT32), GLIBC), single),
        "bf16-mixed": (cost_of(("model=cnn", BF16), GLIBC), half),
    }

    def tree(costs: Mapping[str, tuple[Cost, Cost]]) -> Tree:
        return {name: [asdict(cost) for cost in pair] for name, pair in costs.items()}

    return {"machine": this_machine(), "formats": tree(formats), "memory": tree(memory)}


def read(path: Path = RECORD) -> Tree:
    """What was recorded; raises RecordError where nothing was."""
    return read_tree(path, "python -m benchmarks.speed.step")


def section() -> str:
    """The section of RESULTS.md."""
    found = read()

    def cost(of: Tree) -> Cost:
        milliseconds, faults, megabytes, widest = (number(of, field.name) for field in fields(Cost))
        return Cost(milliseconds, faults, megabytes, int(widest))

    def costs(name: str) -> dict[str, tuple[Cost, Cost]]:
        pairs = cast(dict[str, list[Tree]], found[name])
        return {net: (cost(single), cost(half)) for net, (single, half) in pairs.items()}

    return (
        f"{found['machine']}\n\nCPU time of a step on {BATCH} images, one thread; medians of up to {COUNTED}. Record: "
        f"`benchmarks/records/{RECORD.name}`.\n\n(a) The number formats:\n\n{formats_table(costs('formats'))}\n\n"
        f"(b) The allocator:\n\n{memory_table(costs('memory'))}"
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and record, or measure once."""
    parser = make_parser("benchmarks.speed.step", __doc__)
    commands = parser.add_subparsers(dest="command")
    one = commands.add_parser("one", help="one measurement, printed as JSON")
    one.add_argument("overrides", nargs="*", help="of the shipped configuration")
    given = parser.parse_args(argv)
    if given.command == "one":
        print(json.dumps(asdict(measure(*given.overrides))))
        return
    with told():
        write_lines(RECORD, measured())
        print(section())


if __name__ == "__main__":
    main()
