"""The benchmark of a busy machine: its arithmetic, and that its command measures and records."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from benchmarks.results import Section
from benchmarks.speed import busy
from benchmarks.speed.busy import Cost


def test_the_section_tells_ratios_of_medians() -> None:
    asleep = (
        [Cost(100.0, 10.0), Cost(98.0, 10.0), Cost(1.0, 99.0)],
        [Cost(49.0, 12.0), Cost(50.0, 12.0), Cost(9.0, 0.0)],
    )
    spinning = ([Cost(100.0, 20.0)] * 3, [Cost(25.0, 50.0)] * 3)
    text = busy.as_text({"asleep": asleep, "spinning": spinning}, 1)
    assert "| asleep | 98 | 49 | **0.50** | 1.20× |" in text
    assert "| spinning | 100 | 25 | **0.25** | 2.50× |" in text
    assert "trains 0.980 times as fast" in text
    assert "medians of 3" in text


def test_other_work_is_there_only_meanwhile() -> None:
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    before = children.read_text().split()
    with busy.other_work(2):
        assert len(children.read_text().split()) == len(before) + 2
    assert children.read_text().split() == before


def test_each_way_is_measured_quiet_and_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []
    kept: list[str] = []

    def cost_of(_: int, environment: Mapping[str, str]) -> Cost:
        asked.append(tuple(environment))
        return Cost(1.0, 1.0)

    monkeypatch.setattr(busy, "cost_of", cost_of)
    monkeypatch.setattr(Section, "keep", lambda _, name: kept.append(name))
    monkeypatch.setattr("sys.argv", ["busy", "--rounds", "1"])
    busy.main()
    assert asked == [(), (), ("GOMP_SPINCOUNT",), ("GOMP_SPINCOUNT",)]
    assert kept == ["busy"]
