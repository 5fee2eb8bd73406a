"""What a step costs: counted on a small net, and told in two tables."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.records import RecordError
from benchmarks.runs import TrainingError
from benchmarks.speed.step import (
    BF16,
    FLOAT32,
    NETS,
    Cost,
    cost_of,
    formats_table,
    main,
    measure,
    memory_table,
    nets,
    read,
)
from digits.training import machine


def test_a_step_is_measured_by_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    main(["one", "model=mlp", "model.hidden=[16]", FLOAT32])
    cost = Cost(**json.loads(capsys.readouterr().out))
    assert cost.widest == 784 * 16
    assert 0 < cost.milliseconds < 1000
    assert cost.megabytes > 100


def test_a_deeper_net_costs_more_time() -> None:
    shallow, deep = (measure("model=mlp", f"model.hidden={hidden}", FLOAT32, counted=5)
                     for hidden in ([64], [1024, 1024, 1024]))  # fmt: skip
    assert deep.milliseconds > 3 * shallow.milliseconds


def test_what_cannot_be_measured_is_told_with_its_reason() -> None:
    with pytest.raises(TrainingError, match=r"python -m benchmarks\.speed\.step one optimizer\.lr=-1 ended with 1"):
        cost_of(["optimizer.lr=-1"])


def test_both_formats_and_both_ways_with_memory_are_a_line_each() -> None:
    single, half = Cost(92.0, 5931.0, 936.4, 10240), Cost(46.0, 0.0, 1001.6, 10240)
    assert formats_table({"net": (single, half)}).splitlines()[-1] == "| net | 10,240 | 92.00 | 46.00 | 0.50 |"
    assert memory_table({"32-true": (single, half)}).splitlines()[-2:] == [
        "| 32-true | glibc's own way | 92.00 | 5,931 | 936 |",
        "| 32-true | `keep_memory` | 46.00 | 0 | 1,002 |",
    ]


def test_the_nets_lie_on_both_sides_of_what_counts_as_wide() -> None:
    """Else the table couldn't show where the bound should lie."""
    widths = [measure(*overrides, BF16, counted=1).widest for _, overrides, _ in NETS[1:3]]
    assert widths[0] < machine.WIDE < widths[1]


@pytest.mark.parametrize(("amx", "counted"), [(True, len(NETS)), (False, len(NETS) - 2)])
def test_rows_that_keep_onednn_from_amx_are_for_cpus_with_it(
    amx: bool, counted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "native_bf16", lambda: (amx, False))
    assert len(nets()) == counted


def test_without_a_record_a_measurement_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"there is no record step\.json; make it: python -m benchmarks\.speed\.step"):
        read(tmp_path / "step.json")
