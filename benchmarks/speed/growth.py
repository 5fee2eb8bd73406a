"""How cost grows with data, batch and threads; draws `docs/pictures/growth.png`, too.

    python -m benchmarks.speed.growth

Every row is `digits.train model=cnn` in a process of its own on MNIST, once and repeated, for as many steps as one
MNIST has; peak memory is the process's. Run it while nothing else runs. With other than its default arguments it only
prints its table. Record: `benchmarks/records/growth.json`.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import cast

import numpy as np
from matplotlib.figure import Figure

from benchmarks.commands import make_parser, positive, told
from benchmarks.records import RECORDS, number, read_tree, write_lines
from benchmarks.results import PICTURES, machine, table
from benchmarks.runs import TrainingError
from digits.config.types import Tree
from digits.data import MNISTDataModule
from digits.data.datasets import Arrays, read_dataset

RECORD = RECORDS / "growth.json"
PICTURE = PICTURES / "growth.png"
IMAGES = 60_000
TIMES = "DIGITS_TIMES"
"""The environment variable that says how often `Repeated` repeats."""


@lru_cache(maxsize=1)
def repeated(name: str, root: str, mirrors: tuple[str, ...] | None, times: int) -> Arrays:
    """A data set whose training images come so many times, each time with new memory; made once, as others are read."""
    arrays = read_dataset(name, root, mirrors)
    images = np.concatenate([arrays.train_images] * times)
    return arrays._replace(train_images=images, train_labels=np.tile(arrays.train_labels, times))


class Repeated(MNISTDataModule):
    """A data set whose training images come DIGITS_TIMES times."""

    def read(self) -> Arrays:
        """The data set, repeated."""
        mirrors = None if self.mirrors is None else tuple(self.mirrors)
        return repeated(self.name, self.root, mirrors, int(os.environ[TIMES]))


@dataclass(frozen=True)
class Cost:
    """What a training came to: images a second, and the process's peak memory in MB."""

    times: int
    batch: int
    threads: int
    rate: float
    megabytes: float


def measure(times: int, batch: int, threads: int, overrides: list[str], images: int) -> Cost:
    """Train over so many images of the repeated set; raises TrainingError where that fails."""
    steps = max(1, images // batch)
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable, "-m", "digits.train", "model=cnn", "data._target_=benchmarks.speed.growth.Repeated",
            "trainer=cpu", "trainer.max_epochs=1", f"+trainer.limit_train_batches={steps}", f"data.batch_size={batch}",
            "data.val_size=0", "callbacks=none", "test=false", f"hydra.run.dir={folder}/run", *overrides,
        ]  # fmt: skip
        own = {TIMES: str(times), "OMP_NUM_THREADS": str(threads)}
        process = subprocess.Popen(command, env=os.environ | own, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)  # it has been waited for
        if process.returncode:
            raise TrainingError(f"{' '.join(command[1:])} ended with {process.returncode}")
        record = json.loads(Path(folder, "run", "result.json").read_text(encoding="utf-8"))
    return Cost(times, batch, threads, record["images_per_second"], usage.ru_maxrss / 1024)


def as_table(costs: list[Cost]) -> str:
    """One row a batch size and number of threads, the sizes of the data side by side."""
    sizes = sorted({cost.times for cost in costs})
    by_key = {(cost.times, cost.batch, cost.threads): cost for cost in costs}
    rows = []
    for threads, batch in sorted({(cost.threads, cost.batch) for cost in costs}):
        found = [by_key[n, batch, threads] for n in sizes]
        rows.append([threads, batch, *(f"{cost.rate:,.0f}" for cost in found),
                     *(f"{cost.megabytes:,.0f}" for cost in found)])  # fmt: skip
    return table(["threads", "batch", *(f"{n}×: images/s" for n in sizes), *(f"{n}×: MB" for n in sizes)], rows)


def plot(costs: list[Cost], path: Path) -> None:
    """Images a second and peak memory over the batch size, a line for every size of the data."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    speed, memory = figure.subplots(1, 2)
    counts = sorted({cost.threads for cost in costs})
    for i, times in enumerate(sorted({cost.times for cost in costs})):
        for threads, style in zip(counts, itertools.cycle((":", "-", "--", "-.")), strict=False):
            chosen = sorted((c for c in costs if (c.times, c.threads) == (times, threads)), key=lambda c: c.batch)
            look = {
                "color": f"C{i}",
                "linestyle": style,
                "marker": ".",
                "label": f"{times}× the data, {threads} thread{'s' * (threads > 1)}",
            }
            batches = [cost.batch for cost in chosen]
            if chosen:
                speed.plot(batches, [cost.rate for cost in chosen], **look)
                memory.plot(batches, [cost.megabytes for cost in chosen], **look)
    for axes, title in ((speed, "images/s"), (memory, "peak memory, MB")):
        axes.set(xscale="log", xlabel="batch size", title=title, ylim=(0, None))
        axes.grid(alpha=0.3)
    speed.legend(fontsize=7)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def read(path: Path) -> tuple[str, list[Cost]]:
    """What was recorded: the machine, and what each training came to. Raises RecordError where nothing was."""
    tree = read_tree(path, "python -m benchmarks.speed.growth")
    costs = []
    for cost in cast(list[Tree], tree["costs"]):
        times, batch, threads = (int(number(cost, name)) for name in ("times", "batch", "threads"))
        costs.append(Cost(times, batch, threads, number(cost, "rate"), number(cost, "megabytes")))
    return str(tree["machine"]), costs


def section() -> str:
    """The section of RESULTS.md."""
    where, costs = read(RECORD)
    return (
        f"{where}\n\n`model=cnn` on MNIST, once and repeated, {IMAGES:,} images trained on; peak memory of the whole "
        f"process. Record: `benchmarks/records/{RECORD.name}`.\n\n{as_table(costs)}\n\n"
        f"![images/s and memory](../docs/pictures/{PICTURE.name})"
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Measure every combination, record and draw it."""
    parser = make_parser("benchmarks.speed.growth", __doc__)
    parser.add_argument("--times", type=positive, nargs="+", default=[1, 4, 16], help="sizes of the data, in MNISTs")
    parser.add_argument("--batches", type=positive, nargs="+", default=[64, 256, 1024, 4096], help="batch sizes")
    parser.add_argument("--threads", type=positive, nargs="+", default=[1, 2], help="numbers of threads")
    parser.add_argument("--images", type=positive, default=IMAGES, help="images to train on in every process")
    parser.add_argument("--overrides", nargs="+", default=[], help="further overrides, to try something")
    given = parser.parse_args(argv)
    with told():
        costs = []
        for times, batch, threads in itertools.product(given.times, given.batches, given.threads):
            costs.append(measure(times, batch, threads, given.overrides, given.images))
            print(costs[-1], flush=True)
        print(as_table(costs))
        if all(value == parser.get_default(name) for name, value in vars(given).items()):
            write_lines(RECORD, {"machine": machine(), "costs": [asdict(cost) for cost in costs]})
            plot(costs, PICTURE)


if __name__ == "__main__":
    main()
