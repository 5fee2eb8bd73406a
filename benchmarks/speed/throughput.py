"""What the framework costs, measured side by side on this machine.

    python -m benchmarks.speed.throughput

(a) images/s of `digits.train` with everything on against a bare PyTorch loop on the same net, batch and precision,
taken in turn; (b) the loader against torchvision's data set in a DataLoader; (c) the peak memory of the data; (d) what
each of the defaults that are there for speed is worth.
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
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.commands import make_parser, positive, told
from benchmarks.results import TRAINING, Section, machine, table
from benchmarks.runs import output_of
from benchmarks.speed.step import FLOAT32, GLIBC, NOTHING

MODELS = ("cnn", "mlp")
WANTED = {"cnn": 0.95, "mlp": 0.80}


SPEEDUPS: tuple[tuple[str, tuple[str, ...], Mapping[str, str]], ...] = (
    ("the defaults", (), NOTHING),
    ("float32", (FLOAT32,), NOTHING),
    ("glibc's own way with memory", (), GLIBC),
    ("channels first", ("trainer.channels_last=false",), NOTHING),
    ("all three", (FLOAT32, "trainer.channels_last=false"), GLIBC),
)
"""What is taken out of the defaults: overrides and environment."""


def train_rate(
    model: str, epochs: int, overrides: Sequence[str] = (), environment: Mapping[str, str] = NOTHING
) -> float:
    """Images a second of the command as people start it: metrics, TensorBoard, checkpoints, validation."""
    with tempfile.TemporaryDirectory() as folder:
        chosen = [f"model={model}", f"trainer.max_epochs={epochs}", "trainer=cpu", f"hydra.run.dir={folder}/run"]
        output_of("digits.train", *chosen, *overrides, environment=environment)
        rate: float = json.loads(Path(folder, "run", "result.json").read_text())["images_per_second"]
        return rate


def bare_rate(model: str, epochs: int) -> float:
    """Images a second of `benchmarks/speed/bare_loop.py`, in a process of its own."""
    return float(output_of("benchmarks.speed.bare_loop", model, str(epochs)))


def training_table(rounds: int, epochs: int) -> str:
    """Both ways in turn, `rounds` times; the ratio is that of the medians."""
    rows = []
    for model in MODELS:
        bare, ours = [], []
        for _ in range(rounds):
            bare.append(bare_rate(model, epochs))
            ours.append(train_rate(model, epochs))
        ratio = statistics.median(ours) / statistics.median(bare)
        medians = (f"{statistics.median(rates):,.0f} ({min(rates):,.0f}–{max(rates):,.0f})" for rates in (bare, ours))
        rows.append([model, *medians, f"**{ratio:.2f}**", f"≥ {WANTED[model]:.2f}"])
    return table(["net", "bare loop, images/s", "`digits.train`, images/s", "ratio", "wanted"], rows)


def defaults_table(rounds: int, epochs: int) -> str:
    """`model=cnn` without each of the defaults that are there for speed, in turn."""
    rates: dict[str, list[float]] = {what: [] for what, _, _ in SPEEDUPS}
    for _ in range(rounds):
        for what, overrides, environment in SPEEDUPS:
            rates[what].append(train_rate("cnn", epochs, overrides, environment))
    medians = {what: statistics.median(found) for what, found in rates.items()}
    whole = medians[SPEEDUPS[0][0]]
    rows = [[what, f"{rate:,.0f}", f"{rate / whole:.2f}"] for what, rate in medians.items()]
    return table(["`model=cnn` with", "images/s", "of the defaults"], rows)


def loader_table(rounds: int) -> str:
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
    for _ in range(rounds):
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


def main() -> None:
    """Measure and record."""
    parser = make_parser("benchmarks.speed.throughput", __doc__)
    parser.add_argument("--rounds", type=positive, default=3, help="how often each way is measured")
    parser.add_argument("--epochs", type=positive, default=3, help="epochs a measurement; the median epoch counts")
    arguments = parser.parse_args()
    text = (
        f"{machine()}\n\n(a) Training, everything on, against a bare loop; median of {arguments.rounds} "
        f"(lowest–highest), the two taken in turn:\n\n{training_table(arguments.rounds, arguments.epochs)}\n\n"
        f"(b) Loading, one thread:\n\n{loader_table(arguments.rounds)}\n\n(c) Memory:\n\n{memory_table()}\n\n"
        f"(d) The defaults for speed, each taken out in turn:\n\n{defaults_table(arguments.rounds, arguments.epochs)}"
    )
    print(text)
    Section("Throughput", "python -m benchmarks.speed.throughput", TRAINING, text).keep("throughput")


if __name__ == "__main__":
    with told():
        main()
