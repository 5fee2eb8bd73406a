"""The accuracy of the defaults over seeds, from the runs' own records; writes its part of `benchmarks/RESULTS.md`.

    python -m benchmarks.accuracy            trains what has no record yet, then writes

Each run's `result.json` is kept in `benchmarks/records/`, so that every figure can be traced to a run.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.results import replace_section

RECORDS = Path(__file__).with_name("records")
SEEDS = (0, 1, 2)
DEFAULTS = {"logistic": None, "mlp": 0.984, "cnn": 0.993, "resnet": None}
"""The shipped models, and the mean test accuracy that was asked of them."""


def train(model: str, seed: int) -> dict[str, object]:
    """Run the shipped command with another seed; returns its record."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "digits.train", f"model={model}", f"seed={seed}", "trainer=cpu",
                   f"hydra.run.dir={folder}/run"]  # fmt: skip
        subprocess.run(command, check=True)
        record: dict[str, object] = json.loads(Path(folder, "run", "result.json").read_text(encoding="utf-8"))
        return record


def record_of(model: str, seed: int) -> dict[str, object]:
    """The record of a run, trained now if there is none."""
    path = RECORDS / f"{model}-seed{seed}.json"
    if not path.exists():
        RECORDS.mkdir(exist_ok=True)
        record = train(model, seed)
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


def main() -> None:
    """Train what is missing and write the table."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    rows = [
        "| `model=` | parameters | test accuracy, % | validation accuracy, % | training, s | whole run, s | wanted |",
        "|---|---|---|---|---|---|---|",
    ]
    hardware = ""
    for model, wanted in DEFAULTS.items():
        records = [record_of(model, seed) for seed in SEEDS]
        hardware = described(records[0])

        def mean_sd(*keys: str, records: list[dict[str, object]] = records) -> str:
            values = [100 * number(record, *keys) for record in records]
            return f"{statistics.mean(values):.2f} ± {statistics.stdev(values):.2f}"

        fit, total = ([number(record, "seconds", kind) for record in records] for kind in ("fit", "total"))
        rows.append(
            f"| {model} | {number(records[0], 'parameters'):,.0f} | **{mean_sd('metrics', 'test/accuracy')}** "
            f"| {mean_sd('metrics', 'val/accuracy')} | {max(fit):.0f} | {max(total):.0f} "
            f"| {'' if wanted is None else f'≥ {100 * wanted:.1f}, < 90 s'} |"
        )
    text = (
        "The shipped defaults on the official test set, mean ± sample sd over seeds "
        f"{', '.join(map(str, SEEDS))}; the epoch is chosen by validation accuracy, the test set is looked at once per "
        "run. Seconds are those of the slowest run, imports left out. Records: `benchmarks/records/`.\n\n"
        f"{hardware}\n\n" + "\n".join(rows)
    )
    print(text)
    replace_section("Accuracy of the defaults", "python -m benchmarks.accuracy", text)


if __name__ == "__main__":
    main()
