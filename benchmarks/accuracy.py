"""The accuracy of the defaults over seeds, from the runs' own records; writes its part of `benchmarks/RESULTS.md`.

    python -m benchmarks.accuracy            trains what has no record yet, then writes

Each run's `result.json` is kept in `benchmarks/records/`, so that every figure can be traced to a run.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.results import replace_section

RECORDS = Path(__file__).with_name("records")
RECIPES = {
    "logistic": ("model=logistic", None, 3),
    "mlp": ("model=mlp", 0.984, 3),
    "cnn": ("model=cnn", 0.993, 3),
    "resnet": ("model=resnet", None, 2),
    "cnn_ema": ("experiment=cnn_ema", None, 3),
}
"""What is trained, by the name of its records: the choice, the mean test accuracy asked of it, seeds."""


def train(choice: str, seed: int) -> dict[str, object]:
    """Run the shipped command with another seed; returns its record."""
    with tempfile.TemporaryDirectory() as folder:
        where = f"hydra.run.dir={folder}/run"
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-m", "digits.train", choice, f"seed={seed}", "trainer=cpu", where], check=True)
        wall = round(time.perf_counter() - begun, 2)
        record: dict[str, object] = json.loads(Path(folder, "run", "result.json").read_text(encoding="utf-8"))
    config = record["config"]
    assert isinstance(config, dict)
    config["data"]["root"] = "data"  # where the files lay says nothing about the figures
    return record | {"wall_seconds": wall}


def record_of(name: str, seed: int) -> dict[str, object]:
    """The record of a run, trained now if there is none."""
    path = RECORDS / f"{name}-seed{seed}.json"
    if not path.exists():
        RECORDS.mkdir(exist_ok=True)
        record = train(RECIPES[name][0], seed)
        path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    found: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
    return found


def number(record: dict[str, object], *keys: str) -> float:
    """A number somewhere in a record."""
    value: object = record
    for key in keys:
        assert isinstance(value, dict), keys
        value = value[key]
    assert isinstance(value, (int, float)), keys
    return float(value)


def described(record: dict[str, object]) -> str:
    """What a record was measured on, in one line."""
    hardware, versions, commit = record["hardware"], record["versions"], record["commit"]
    assert isinstance(hardware, dict)
    assert isinstance(versions, dict)
    assert isinstance(commit, dict)
    packages = ", ".join(f"{package} {versions[package]}" for package in ("torch", "lightning"))
    source = f"commit {str(commit['id'])[:7]}{' with changes' if commit['dirty'] else ''}"
    return f"{hardware['cpu']}, {hardware['cores']} cores; Python {versions['python']}, {packages}; {source}."


def measured(name: str, figures: str) -> None:
    """Put a recipe's figures at the head of its experiment, where it is one."""
    path = Path(__file__).parents[1] / "conf" / "experiment" / f"{name}.yaml"
    if path.exists():
        text = path.read_text(encoding="utf-8")
        path.write_text(
            re.sub(r"# Measured:.*(\n# on .*)?", lambda _: f"# Measured: {figures}", text), encoding="utf-8"
        )


def main() -> None:
    """Train what is missing and write the table."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    rows = [
        "| | parameters | seeds | test accuracy, % | validation accuracy, % | whole command, s | wanted |",
        "|---|---|---|---|---|---|---|",
    ]
    hardware, figures = "", {}
    for name, (choice, wanted, seeds) in RECIPES.items():
        records = [record_of(name, seed) for seed in range(seeds)]
        sources = {described(record) for record in records}
        assert len(sources) == 1, f"{name}'s records are of different machines or commits: {sources}"
        hardware = sources.pop()

        def mean_sd(*keys: str, records: list[dict[str, object]] = records) -> str:
            values = [100 * number(record, *keys) for record in records]
            return f"{statistics.mean(values):.2f} ± {statistics.stdev(values):.2f}"

        figures[name] = f"test {mean_sd('metrics', 'test/accuracy')} % over {seeds} seeds\n# on {hardware}"
        walls = [number(record, "wall_seconds") for record in records]
        rows.append(
            f"| `{choice}` | {number(records[0], 'parameters'):,.0f} | {seeds} "
            f"| **{mean_sd('metrics', 'test/accuracy')}** "
            f"| {mean_sd('metrics', 'val/accuracy')} | {min(walls):.0f}–{max(walls):.0f} "
            f"| {'' if wanted is None else f'≥ {100 * wanted:.1f}, < 90 s'} |"
        )
    for name, text in figures.items():  # only now: it changes conf/, which the records tell of
        measured(name, text)
    text = (
        "The shipped defaults on the official test set, mean ± sample sd over seeds 0, 1, …; the epoch is chosen by "
        "validation accuracy, the test set is looked at once per run. Seconds are those of the fastest and the slowest "
        "run, imports and all. Records: `benchmarks/records/`.\n\n"
        f"{hardware}\n\n" + "\n".join(rows)
    )
    print(text)
    replace_section("Accuracy of the defaults", "python -m benchmarks.accuracy", text)


if __name__ == "__main__":
    main()
