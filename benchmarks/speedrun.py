"""`experiment=speedrun` over many seeds, the yardstick in turn with it; writes its part of `benchmarks/RESULTS.md`.

    python -m benchmarks.speedrun                     30 seeds; keeps their figures in records/speedrun.json
    python -m benchmarks.speedrun --seeds 5 --check   fewer, compared with what is recorded; exits 1 where it is worse

Every run is the command as people type it, in a process of its own. Run it while nothing else runs.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.results import machine, replace_section

RECORD = Path(__file__).with_name("records") / "speedrun.json"
EVERY = 5
"""Seeds between two runs of the yardstick."""

NEW = 1000
"""The first of the seeds that a check takes: none that is recorded."""

SLOWER = 1.3
"""How many times the recorded ratio to the yardstick is still no fault: two cores are never quite quiet."""

WANTED_ACCURACY, WANTED_STEPS, WANTED_RATIO, WANTED_WALL = 0.99, 1.5, 0.33, 8.0


@dataclass(frozen=True)
class Run:
    """One seed: test accuracy 0..1, seconds of the whole command, and of its parts as `result.json` has them."""

    seed: int
    accuracy: float
    wall: float
    seconds: dict[str, float]


@dataclass(frozen=True)
class Series:
    """Runs, and what the yardstick gave in turn with them: pairs of seconds and accuracy."""

    machine: str
    parameters: int
    precision: str
    runs: list[Run]
    yardstick: list[tuple[float, float]]

    @property
    def accuracies(self) -> list[float]:
        """Test accuracies, 0..1."""
        return [run.accuracy for run in self.runs]

    @property
    def sd(self) -> float:
        """Sample standard deviation of the accuracies."""
        return statistics.stdev(self.accuracies) if len(self.runs) > 1 else 0.0

    @property
    def steps(self) -> float:
        """Median seconds of training, from the first batch to the last."""
        return statistics.median(run.seconds["steps"] for run in self.runs)

    @property
    def ratio(self) -> float:
        """Its part of the yardstick's median."""
        return self.steps / statistics.median(seconds for seconds, _ in self.yardstick)


def measure(seeds: Sequence[int], overrides: list[str]) -> Series:
    """Run the command for every seed, and the yardstick every few."""
    runs, yardstick = list[Run](), list[tuple[float, float]]()
    parameters, precision = 0, ""
    for i, seed in enumerate(seeds):
        if i % EVERY == 0:
            yardstick.append(run_yardstick(seed))
            print(f"yardstick: {yardstick[-1][0]:.2f} s, {yardstick[-1][1]:.2%}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "digits.train", "experiment=speedrun", f"seed={seed}", "trainer=cpu"]
            begun = time.perf_counter()
            subprocess.run([*command, f"hydra.run.dir={folder}/run", *overrides], check=True, capture_output=True)
            wall = time.perf_counter() - begun
            record = json.loads(Path(folder, "run", "result.json").read_text(encoding="utf-8"))
        parameters, precision = record["parameters"], record["config"]["trainer"]["precision"]
        runs.append(Run(seed, record["metrics"]["test/accuracy"], round(wall, 2), record["seconds"]))
        print(f"seed {seed}: {runs[-1].seconds['steps']:.2f} s, {runs[-1].accuracy:.2%}, {wall:.1f} s", flush=True)
    return Series(machine(), parameters, precision, runs, yardstick)


def run_yardstick(seed: int) -> tuple[float, float]:
    """Seconds and test accuracy of `benchmarks/yardstick.py`, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.yardstick", str(seed)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds, accuracy = done.stdout.split()
    return round(float(seconds), 3), float(accuracy)


def parts(run: Run) -> dict[str, float]:
    """Where the seconds of a whole command went; they add up to it."""
    s = run.seconds
    named = {
        "import: Python, torch, Lightning, Hydra, checks": s.get("start", 0.0),
        "net, Trainer": s["objects"],
        "data": s["data"],
        "fit around the steps: set-up, last checkpoint": s["fit"] - s["steps"] - s["validation"],
        "first step": s["first_step"],
        "the other steps": s["steps"] - s["first_step"],
        "validation": s["validation"],
        "test": s.get("test", 0.0),
        "files: weights": s["files"],
    }
    return named | {"the rest: log, records, leaving": run.wall - sum(named.values())}


def as_text(series: Series) -> str:
    """The section of RESULTS.md."""
    seconds, accuracies = zip(*series.yardstick, strict=True)
    walls = [run.wall for run in series.runs]
    rows = [
        f"| test accuracy, mean ± sd | **{100 * statistics.mean(series.accuracies):.2f} ± {100 * series.sd:.2f} %** "
        f"({100 * min(series.accuracies):.2f}–{100 * max(series.accuracies):.2f}) "
        f"| ≥ {WANTED_ACCURACY:.2%} | {100 * statistics.mean(accuracies):.2f} % |",
        f"| first batch to last, median | **{series.steps:.2f} s** | ≤ {WANTED_STEPS} s "
        f"| {statistics.median(seconds):.2f} s |",
        f"| of the yardstick | **{series.ratio:.2f}** | ≤ {WANTED_RATIO} | 1 |",
        f"| whole command, median | **{statistics.median(walls):.1f} s** ({min(walls):.1f}–{max(walls):.1f}) "
        f"| ≤ {WANTED_WALL:.0f} s | |",
    ]
    names = parts(series.runs[0])
    medians = {name: statistics.median(parts(run)[name] for run in series.runs) for name in names}
    where = [f"| {name} | {value:.2f} |" for name, value in medians.items()]
    return "\n".join([
        series.machine,
        "",
        f"{len(series.runs)} seeds, {series.parameters:,} parameters, {series.precision}; the yardstick "
        f"(`benchmarks/yardstick.py`, float32) {len(series.yardstick)} times, in turn. Records: "
        "`benchmarks/records/speedrun.json`.",
        "",
        "| | `experiment=speedrun` | wanted | yardstick |", "|---|---|---|---|", *rows,
        "",
        "Where the time of the whole command goes, medians:",
        "",
        "| | s |", "|---|---|", *where,
    ])  # fmt: skip


def worse(recorded: Series, now: Series) -> list[str]:
    """What is not as it was recorded: an accuracy outside the noise of the seeds, or a ratio that is far larger."""
    faults = []
    then, here = statistics.mean(recorded.accuracies), statistics.mean(now.accuracies)
    allowed = 3 * recorded.sd * (1 / len(recorded.runs) + 1 / len(now.runs)) ** 0.5
    if abs(here - then) > allowed:
        faults.append(f"mean test accuracy {here:.3%}, recorded {then:.3%}: more than ± {allowed:.3%} apart")
    if now.ratio > SLOWER * recorded.ratio:
        faults.append(f"{now.ratio:.2f} of the yardstick's time, recorded {recorded.ratio:.2f}")
    return faults


def read(path: Path) -> Series:
    """The recorded figures."""
    tree = json.loads(path.read_text(encoding="utf-8"))
    runs = [Run(**run) for run in tree.pop("runs")]
    yardstick = [(seconds, accuracy) for seconds, accuracy in tree.pop("yardstick")]
    return Series(**tree, runs=runs, yardstick=yardstick)


def write(series: Series, path: Path) -> None:
    """Keep the figures, a run a line."""
    tree = asdict(series)
    runs = ",\n  ".join(json.dumps(run) for run in tree.pop("runs"))
    head = json.dumps(tree, indent=1)[:-2]
    path.write_text(f'{head},\n "runs": [\n  {runs}\n ]\n}}\n', encoding="utf-8")


def main() -> None:
    """Measure, and write or compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=30, help="seeds 0, 1, … (30)")
    parser.add_argument("--check", action="store_true", help="compare with the record instead of writing it")
    parser.add_argument("overrides", nargs="*", help="further overrides, to try something; nothing is then written")
    arguments = parser.parse_args()
    first = NEW if arguments.check else 0
    series = measure(range(first, first + arguments.seeds), arguments.overrides)
    print(as_text(series))
    if arguments.check:
        faults = worse(read(RECORD), series)
        sys.exit("\n".join(faults) or 0)
    if not arguments.overrides:
        write(series, RECORD)
        replace_section("Speedrun", "python -m benchmarks.speedrun", as_text(series))


if __name__ == "__main__":
    main()
