"""What the framework costs: which ways are measured, in which order, for how long, and what is made of them."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from benchmarks.results import Section, kept
from benchmarks.speed import throughput
from benchmarks.speed.throughput import BARE, DEFAULTS, Round, as_text, defaults_table, rounds, training_table, ways
from digits.training import machine

GLIBC = "glibc's own way with memory"


def a_round(bare: float, ours: float, glibc: float) -> Round:
    return {
        ("cnn", BARE): bare,
        ("cnn", DEFAULTS): ours,
        ("mlp", BARE): 2 * bare,
        ("mlp", DEFAULTS): 2 * ours,
        ("cnn", GLIBC): glibc,
    }


ROUNDS = [a_round(100.0, 96.0, 100.8), a_round(50.0, 47.0, 51.7), a_round(80.0, 80.0, 72.0)]
"""The machine is half as fast in the second: 0.96, 0.94 and 1.00 of the bare loop, 1.05, 1.10 and 0.90 with glibc's."""


def test_a_ratio_is_the_median_of_the_rounds_own() -> None:
    """The ratio of the medians would be 1.00 for the CNN."""
    assert training_table(ROUNDS).splitlines()[2:] == [
        "| cnn | 80 | 80 | **0.96** (0.94–1.00) | ≥ 0.95 |",
        "| mlp | 160 | 160 | **0.96** (0.94–1.00) | ≥ 0.83 |",
    ]
    assert defaults_table(ROUNDS).splitlines()[2:] == [
        "| the defaults | 80 | **1.00** (1.00–1.00) |",
        f"| {GLIBC} | 72 | **1.05** (0.90–1.10) |",
    ]


def test_the_section_says_what_was_measured() -> None:
    text = as_text(ROUNDS, 3, "LOADER", "MEMORY")
    assert " Medians of 3 rounds of 3 epochs, " in text
    assert text.index("(a)") < text.index("LOADER") < text.index("MEMORY") < text.index("(d)") < text.index(GLIBC)
    assert " Medians of 1 round of 2 epochs, " in as_text(ROUNDS[:1], 2, "", "")


@pytest.mark.parametrize(("seconds", "number"), [(400, 1), (210, 1), (190, 2), (130, 2), (110, 3), (30, 10)])
def test_there_are_as_many_rounds_as_come_nearest_to_the_minutes(
    seconds: float, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    done = 0
    for _ in rounds(5):
        clock[0] += seconds
        done += 1
    assert done == number


def test_float32_is_measured_only_where_it_is_not_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for bf16 in (True, False):
        monkeypatch.setattr(throughput, "native_bf16", lambda bf16=bf16: (bf16, False))
        assert (("cnn", "float32") in ways(1)) == bf16
        assert {("cnn", BARE), ("mlp", BARE), ("mlp", DEFAULTS), ("cnn", GLIBC)} < set(ways(1))


def test_glibcs_own_way_switches_our_setting_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else that row would measure the default twice, and tell 1.00 of it."""
    for name in [name for name in os.environ if name.startswith("MALLOC_")]:
        monkeypatch.delenv(name)
    _, environment = throughput.SPEEDUPS[GLIBC]
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert not machine.keep_memory()


def test_the_command_measures_every_other_round_in_reverse_and_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def rate(name: str, value: float) -> float:
        asked.append(name)
        return value

    keep = Section.keep
    monkeypatch.setattr(throughput, "rounds", lambda minutes: range(2 * minutes))
    monkeypatch.setattr(throughput, "native_bf16", lambda: (False, False))
    monkeypatch.setattr(throughput, "loader_table", lambda _: "LOADER")
    monkeypatch.setattr(throughput, "memory_table", lambda: "MEMORY")
    monkeypatch.setattr(throughput, "bare_rate", lambda model, _: rate(f"bare {model}", 100.0))
    monkeypatch.setattr(throughput, "train_rate", lambda model, *_: rate(model, 95.0))
    monkeypatch.setattr(Section, "keep", lambda section, name: keep(section, name, tmp_path))
    throughput.main(["--minutes", "1"])
    once = ["bare cnn", "cnn", "bare mlp", "mlp", "cnn", "cnn"]
    assert asked == [*once, *reversed(once)]
    section = kept("throughput", tmp_path)
    assert section.command == "python -m benchmarks.speed.throughput --minutes 1"
    assert "| cnn | 100 | 95 | **0.95** (0.95–0.95) | ≥ 0.95 |" in section.text
