"""What the framework costs, measured side by side on this machine.

    python -m benchmarks.speed.throughput                 about five minutes on two cores
    python -m benchmarks.speed.throughput --minutes 30    more rounds, where a ratio is to be told from its neighbour

(a) images/s of `digits.train` with everything on against a bare PyTorch loop on the same net, batch and precision;
(b) the loader against torchvision's data set in a DataLoader; (c) the peak memory of the data; (d) what each of the
defaults that are there for speed is worth. In a round every way of (a) and (d) is measured once, in a process of its
own; a ratio is that of one round, in which the machine hardly changes, and told is the median over the rounds.
Run it while nothing else runs: two jobs' OpenMP threads on two cores slow each other by far more than half.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import TypeAlias

from benchmarks.commands import make_parser, positive, told
from benchmarks.results import TRAINING, Section, machine, table
from benchmarks.runs import output_of
from benchmarks.speed.step import FLOAT32, GLIBC, NOTHING
from digits.training.machine import native_bf16

COMMAND, MINUTES = "python -m benchmarks.speed.throughput", 5
LOADER_ROUNDS = 3
BARE = "bare loop"
DEFAULTS = "the defaults"
WANTED = {"cnn": 0.95, "mlp": 0.83}
"""The nets of (a), and the part of the bare loop's speed that is wanted."""
OF_DEFAULTS = "cnn"
"""The net of (d)."""

SPEEDUPS: Mapping[str, tuple[tuple[str, ...], Mapping[str, str]]] = {
    "float32": ((FLOAT32,), NOTHING),
    "glibc's own way with memory": ((), GLIBC),
    "channels first": (("trainer.channels_last=false",), NOTHING),
}
"""What is taken out of the defaults: overrides and environment."""

Round: TypeAlias = Mapping[tuple[str, str], float]
"""Images a second, by net and way."""


def train_rate(
    model: str, epochs: int, overrides: Sequence[str] = (), environment: Mapping[str, str] = NOTHING
) -> float:
    """Images a second of the command as people start it: metrics, TensorBoard, checkpoints, validation."""
    with tempfile.TemporaryDirectory() as folder:
        chosen = [f"model={model}", f"trainer.max_epochs={epochs}", "trainer=cpu", f"hydra.run.dir={folder}/run"]
        output_of("digits.train", *chosen, "test=false", *overrides, environment=environment)
        rate: float = json.loads(Path(folder, "run", "result.json").read_text())["images_per_second"]
        return rate


def bare_rate(model: str, epochs: int) -> float:
    """Images a second of `benchmarks/speed/bare_loop.py`, in a process of its own."""
    return float(output_of("benchmarks.speed.bare_loop", model, str(epochs)))


def ways(epochs: int) -> dict[tuple[str, str], Callable[[], float]]:
    """All that is measured in a round; float32 only where a CNN's default on this machine is bf16."""
    found: dict[tuple[str, str], Callable[[], float]] = {}
    for model in WANTED:
        found[model, BARE] = partial(bare_rate, model, epochs)
        found[model, DEFAULTS] = partial(train_rate, model, epochs)
    for what, (overrides, environment) in SPEEDUPS.items():
        if FLOAT32 not in overrides or any(native_bf16()):
            found[OF_DEFAULTS, what] = partial(train_rate, OF_DEFAULTS, epochs, overrides, environment)
    return found


def rounds(minutes: float) -> Iterator[int]:
    """The number of each round, as many as come nearest to so many minutes; at least one."""
    begun = time.monotonic()
    for number in count():
        yield number
        spent = time.monotonic() - begun
        if spent + spent / (number + 1) / 2 > 60 * minutes:
            return


def measure(minutes: float, epochs: int) -> list[Round]:
    """The rounds; every second one in reverse, so that a machine that slows down favours nothing."""
    found: list[Round] = []
    everything = list(ways(epochs).items())
    for number in rounds(minutes):
        found.append({way: rate() for way, rate in everything[:: -1 if number % 2 else 1]})
        rates = ", ".join(f"{model} {way} {rate:,.0f}" for (model, way), rate in found[-1].items())
        print(f"round {number + 1}, images/s: {rates}", file=sys.stderr, flush=True)
    return found


def training_table(found: Sequence[Round]) -> str:
    """(a): every net's command against its bare loop."""
    rows = []
    for model, wanted in WANTED.items():
        bare, ours = (over(found, (model, way)) for way in (BARE, DEFAULTS))
        rows.append([model, f"{bare:,.0f}", f"{ours:,.0f}", ratio(found, model, DEFAULTS, BARE), f"≥ {wanted:.2f}"])
    return table(["net", "bare loop, images/s", "`digits.train`, images/s", "ratio", "wanted"], rows)


def defaults_table(found: Sequence[Round]) -> str:
    """(d): a net without each of the defaults that are there for speed."""
    measured = [what for what in (DEFAULTS, *SPEEDUPS) if (OF_DEFAULTS, what) in found[0]]
    rows = [
        [what, f"{over(found, (OF_DEFAULTS, what)):,.0f}", ratio(found, OF_DEFAULTS, what, DEFAULTS)]
        for what in measured
    ]
    return table([f"`model={OF_DEFAULTS}` with", "images/s", "of the defaults"], rows)


def over(found: Sequence[Round], way: tuple[str, str]) -> float:
    """The median of a way over the rounds."""
    return statistics.median(each[way] for each in found)


def ratio(found: Sequence[Round], model: str, way: str, to: str) -> str:
    """One way's speed to another's: the median of the rounds' ratios, and the lowest and the highest."""
    ratios = [each[model, way] / each[model, to] for each in found]
    return f"**{statistics.median(ratios):.2f}** ({min(ratios):.2f}–{max(ratios):.2f})"


def loader_table(times: int) -> str:
    """Batches of 256 out of 60,000 images, normalised: torchvision's way and ours, one thread each."""
    import torch
    from torch.utils.data import DataLoader
    from torchvision import transforms
    from torchvision.datasets import MNIST

    from digits.data import BatchLoader, Normalise, Split

    torch.set_num_threads(1)
    root = os.environ.get("DIGITS_DATA", "data")
    steps = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
    theirs = DataLoader(MNIST(root, download=True, transform=steps), batch_size=256, shuffle=True)
    dataset = MNIST(root)
    split, normalise = Split(dataset.data, dataset.targets, torch.arange(60_000)), Normalise(0.1307, 0.3081)
    ours = BatchLoader(split, 256, seed=0)
    their_rates, our_rates = [], []
    for _ in range(times):
        begun = time.perf_counter()
        for _batch in theirs:
            pass
        their_rates.append(60_000 / (time.perf_counter() - begun))
        begun = time.perf_counter()
        for batch in ours:
            normalise(batch.images)
        our_rates.append(60_000 / (time.perf_counter() - begun))
    theirs_, ours_ = statistics.median(their_rates), statistics.median(our_rates)
    return table(["loader", "images/s", ""], [
        ["torchvision's MNIST, ToTensor, Normalize, DataLoader", f"{theirs_:,.0f}", "1"],
        ["`BatchLoader` and `Normalise`", f"{ours_:,.0f}", f"**{ours_ / theirs_:.0f}×** (wanted ≥ 50×)"],
    ])  # fmt: skip


def memory_table() -> str:
    """Growth of the peak resident size while the data is read and split, in a process that has imported all else."""
    code = """
from pathlib import Path
from benchmarks.speed.bare_loop import make_data
import torchvision
def kib(key):
    (line,) = (line for line in Path('/proc/self/status').read_text().splitlines() if line.startswith(key))
    return int(line.split()[1])
data = make_data()
Path('/proc/self/clear_refs').write_text('5')  # the peak starts anew from what is resident now
before = kib('VmRSS')
data.setup()
size = data.train.images.numel() + data.test.images.numel()
print((kib('VmHWM') - before) * 1024 / size, size)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    ratio, size = done.stdout.split()
    return table(["", ""], [
        ["the images as uint8", f"{int(size) / 1e6:.1f} MB"],
        ["peak memory of reading and splitting them, over that", f"**{float(ratio):.2f}×** (wanted ≤ 1.5×)"],
    ])  # fmt: skip


def as_text(found: Sequence[Round], epochs: int, loader: str, memory: str) -> str:
    """The section of RESULTS.md."""
    times = f"{len(found)} round{'s' * (len(found) > 1)} of {epochs} epochs"
    return (
        f"{machine()} Medians of {times}, ratios within a round (lowest–highest); all 55,000 images an epoch.\n\n"
        f"(a) Training, everything on, against a bare loop:\n\n{training_table(found)}\n\n"
        f"(b) Loading, one thread:\n\n{loader}\n\n(c) Memory:\n\n{memory}\n\n"
        "(d) The defaults for speed, each taken out; with a ratio of 1 or more that default does not pay here:\n\n"
        f"{defaults_table(found)}"
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and record."""
    parser = make_parser("benchmarks.speed.throughput", __doc__)
    parser.add_argument("--minutes", type=positive, default=MINUTES, help=f"for (a) and (d) (default: {MINUTES})")
    parser.add_argument(
        "--epochs", type=positive, default=3, help="of a training, of which the median counts (default: 3)"
    )
    given = parser.parse_args(argv)
    with told():
        loader, memory = loader_table(LOADER_ROUNDS), memory_table()
        text = as_text(measure(given.minutes, given.epochs), given.epochs, loader, memory)
        print(text)
        command = COMMAND if given.minutes == MINUTES else f"{COMMAND} --minutes {given.minutes}"
        Section("Throughput", command, TRAINING, text).keep("throughput")


if __name__ == "__main__":
    main()
