"""What the framework costs, measured side by side on this machine; writes its part of `benchmarks/RESULTS.md`.

    python -m benchmarks.speed.throughput

(a) images/s of `digits.train` with everything on against a bare PyTorch loop on the same net, batch and precision,
taken in turn; (b) the loader against torchvision's data set in a DataLoader; (c) the peak memory of the data; (d) what
each of the defaults that are there for speed is worth.
Run it while nothing else runs: two jobs' OpenMP threads on two cores slow each other by far more than half.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.results import machine, replace_section
from benchmarks.runs import output_of, positive, told
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
    rows = ["| net | bare loop, images/s | `digits.train`, images/s | ratio | wanted |", "|---|---|---|---|---|"]
    for model in MODELS:
        bare, ours = [], []
        for _ in range(rounds):
            bare.append(bare_rate(model, epochs))
            ours.append(train_rate(model, epochs))
        ratio = statistics.median(ours) / statistics.median(bare)
        medians = (f"{statistics.median(rates):,.0f} ({min(rates):,.0f}–{max(rates):,.0f})" for rates in (bare, ours))
        rows.append(f"| {model} | {' | '.join(medians)} | **{ratio:.2f}** | ≥ {WANTED[model]:.2f} |")
        print(rows[-1], flush=True)
    return "\n".join(rows)


def defaults_table(rounds: int, epochs: int) -> str:
    """`model=cnn` without each of the defaults that are there for speed, in turn."""
    rates: dict[str, list[float]] = {what: [] for what, _, _ in SPEEDUPS}
    for _ in range(rounds):
        for what, overrides, environment in SPEEDUPS:
            rates[what].append(train_rate("cnn", epochs, overrides, environment))
    whole = statistics.median(rates[SPEEDUPS[0][0]])
    rows = ["| `model=cnn` with | images/s | of the defaults |", "|---|---|---|"]
    for what, found in rates.items():
        rows.append(f"| {what} | {statistics.median(found):,.0f} | {statistics.median(found) / whole:.2f} |")
    return "\n".join(rows)


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
    ratio = statistics.median(our_rates) / statistics.median(their_rates)
    return (
        "| loader | images/s | |\n|---|---|---|\n"
        f"| torchvision's MNIST, ToTensor, Normalize, DataLoader | {statistics.median(their_rates):,.0f} | 1 |\n"
        f"| `BatchLoader` and `Normalise` | {statistics.median(our_rates):,.0f} | **{ratio:.0f}×** (wanted ≥ 50×) |"
    )


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
    return (
        "| | |\n|---|---|\n"
        f"| the images as uint8 | {int(size) / 1e6:.1f} MB |\n"
        f"| peak memory of reading and splitting them, over that | **{float(ratio):.2f}×** (wanted ≤ 1.5×) |"
    )


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
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
    replace_section("Throughput", "python -m benchmarks.speed.throughput", text)


if __name__ == "__main__":
    with told(interrupted="nothing was kept"):
        main()
