"""What a training loses beside other work, with waiting threads that sleep and with such that spin; records "Busy".

    python -m benchmarks.speed.busy

Trains `model=cnn` on a quiet machine and beside processes that keep one core busy each (`--busy`), in turn: as
`digits.config.training_packages` has the threads wait, and as OpenMP would. Jobs of side-by-side sweeps and of searches
start from the same commands and inherit the setting. Run it while nothing else runs.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from benchmarks.commands import make_parser, positive, told
from benchmarks.results import TRAINING, Section, machine, table
from benchmarks.runs import output_of
from benchmarks.speed.step import NOTHING

SPINNING = MappingProxyType({"GOMP_SPINCOUNT": "300000"})
"""What GNU's OpenMP does where nobody says anything."""

WAYS: tuple[tuple[str, Mapping[str, str]], ...] = (("asleep, the default", NOTHING), ("spinning", SPINNING))
WANTED = "busy ≥ 0.58 of quiet, CPU time ≤ 1.2×; asleep ≥ 0.97 of spinning where it is quiet"


class Cost(NamedTuple):
    """One training."""

    rate: float  # images a second, of the median epoch
    cpu: float  # seconds of all threads, imports included


def cost_of(epochs: int, environment: Mapping[str, str]) -> Cost:
    """The cost of a training in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        before = _cpu()
        command = ["model=cnn", f"trainer.max_epochs={epochs}", "trainer=cpu", f"hydra.run.dir={folder}/run"]
        output_of("digits.train", *command, environment=environment)
        rate: float = json.loads(Path(folder, "run", "result.json").read_text())["images_per_second"]
        return Cost(rate, _cpu() - before)


def _cpu() -> float:
    """The processor time of the child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextmanager
def other_work(processes: int) -> Iterator[None]:
    """So many processes that each keep a core busy."""
    started = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def as_text(costs: Mapping[str, tuple[list[Cost], list[Cost]]], busy: int) -> str:
    """The medians of both ways of waiting, each quiet and busy."""
    rows = []
    for way, (quiet, beside) in costs.items():
        rates = [statistics.median(cost.rate for cost in each) for each in (quiet, beside)]
        cpu = [statistics.median(cost.cpu for cost in each) for each in (quiet, beside)]
        rows.append([
            way, *(f"{rate:,.0f}" for rate in rates), f"**{rates[1] / rates[0]:.2f}**", f"{cpu[1] / cpu[0]:.2f}×",
        ])  # fmt: skip
    asleep, spinning = (statistics.median(cost.rate for cost in quiet) for quiet, _ in costs.values())
    what = "one process that keeps a core" if busy == 1 else f"{busy} processes that each keep a core"
    return (
        f"{machine()} `model=cnn` alone, and beside {what} busy; medians of {len(next(iter(costs.values()))[0])}, "
        f"taken in turn. Wanted: {WANTED}.\n\n"
        + table(["waiting threads", "quiet, images/s", "busy, images/s", "of quiet", "CPU time, of quiet"], rows)
        + f"\n\nAsleep, a quiet machine trains {asleep / spinning:.3f} times as fast as with spinning threads."
    )


def main() -> None:
    """Measure and record."""
    parser = make_parser("benchmarks.speed.busy", __doc__)
    parser.add_argument("--rounds", type=positive, default=3, help="how often each way is measured (default: 3)")
    parser.add_argument("--epochs", type=positive, default=2, help="epochs a measurement (default: 2)")
    parser.add_argument("--busy", type=positive, default=1, help="cores kept busy by others (default: 1)")
    given = parser.parse_args()
    costs: dict[str, tuple[list[Cost], list[Cost]]] = {way: ([], []) for way, _ in WAYS}
    for _ in range(given.rounds):
        for way, environment in WAYS:
            quiet, beside = costs[way]
            quiet.append(cost_of(given.epochs, environment))
            with other_work(given.busy):
                beside.append(cost_of(given.epochs, environment))
    text = as_text(costs, given.busy)
    print(text)
    code = (*TRAINING, "digits/config/training_packages.py")
    Section("Busy", "python -m benchmarks.speed.busy", code, text).keep("busy")


if __name__ == "__main__":
    with told():
        main()
