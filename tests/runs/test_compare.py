"""A run done once more: what is different, and whether the same came out."""

from __future__ import annotations

import pytest

from digits.config.types import Tree
from digits.runs.compare import compare, differences
from digits.runs.schema import RunRecord

EPOCHS = [
    {"epoch": 0, "train/loss": 2.5, "val/loss": 0.1 + 0.2, "train/images_per_second": 100.0},
    {"epoch": 1, "train/loss": 1.5, "val/loss": 0.25, "train/images_per_second": 110.0},
]


def record(*without: str, **changes: object) -> RunRecord:
    """The record of a run that is done."""
    found = {
        "status": "done",
        "seed": 0,
        "config": {"seed": 0, "config_from": "outputs/runs/first"},
        "versions": {"python": "3.11.7", "torch": "2.15.0", "numpy": "2.4.6"},
        "commit": {"id": "1234567890", "dirty": False},
        "hardware": {"cpu": "AMD EPYC", "cores": 2, "threads": 1, "system": "Linux-6.1"},
        "device": "cpu",
        "data": {"name": "mnist", "checksums": {"train-images-idx3-ubyte.gz": "f68b"}},
        "metrics": {"val/loss": 0.25, "val/accuracy": 0.9, "test/accuracy": 0.8},
        "history": EPOCHS,
    }
    found |= changes
    return RunRecord.model_validate({key: value for key, value in found.items() if key not in without})


def test_weights_are_compared_where_both_are_known() -> None:
    assert compare(record(weights="ab"), record(weights="ab")).startswith("the same metrics and weights to the bit")
    assert "the weights differ" in compare(record(weights="ab"), record(weights="cd"))
    assert compare(record(), record(weights="cd")).startswith("the same metrics to the bit")


def test_a_run_that_was_given_more_epochs_is_said_to_be() -> None:
    assert differences(record(lengthened=[3]), record()) == [
        "it began with a schedule of 3 epochs, and was lengthened later"
    ]


def test_the_same_machine_and_source_differ_in_nothing() -> None:
    assert differences(record(), record()) == []
    other_kernel = record(hardware={"cpu": "AMD EPYC", "cores": 2, "threads": 1, "system": "Linux-6.2"})
    assert differences(record(), other_kernel) == []


@pytest.mark.parametrize(
    ("changes", "sentences"),
    [
        ({"versions": {"python": "3.11.7", "torch": "2.16.0", "numpy": "2.4.6"}}, ["torch 2.15.0 then, 2.16.0 now"]),
        ({"versions": {"python": "3.11.7", "torch": "2.15.0"}}, ["numpy 2.4.6 then, absent now"]),
        ({"commit": {"id": "abcdef0123", "dirty": False}}, ["commit 1234567 then, abcdef0 now"]),
        ({"commit": {"id": None, "dirty": None}}, ["commit 1234567 then, unknown now"]),
        ({"commit": {"id": "1234567890", "dirty": True}}, ["the source has uncommitted changes now"]),
        ({"hardware": {"cpu": "Intel Xeon", "cores": 4, "threads": 1}},
         ["processor AMD EPYC then, Intel Xeon now", "cores 2 then, 4 now"]),
        ({"hardware": {"cpu": "AMD EPYC", "cores": 2, "threads": 2}}, ["threads 1 then, 2 now"]),
        ({"device": "cuda:0"}, ["device cpu then, cuda:0 now"]),
        ({"data": {"checksums": {"train-images-idx3-ubyte.gz": "0000"}}},
         ["train-images-idx3-ubyte.gz has changed"]),
        ({"seed": 3}, ["seed 0 then, 3 now"]),
    ],
)  # fmt: skip
def test_what_is_different_is_told_in_a_sentence_each(changes: Tree, sentences: list[str]) -> None:
    assert differences(record(), record(**changes)) == sentences


def test_changes_then_are_told_too() -> None:
    dirty = {"id": "1234567890", "dirty": True}
    assert differences(record(commit=dirty), record()) == ["the source had uncommitted changes then"]
    assert differences(record(commit=dirty), record(commit=dirty)) == [
        "the source had uncommitted changes then",
        "the source has uncommitted changes now",
    ]


def test_what_is_not_known_yet_is_not_called_different() -> None:
    begun = record("device", "data", "metrics", "history")
    assert differences(record(), begun) == []
    assert differences(RunRecord(status="running"), record(commit={})) == []


def test_the_same_metrics_to_the_bit() -> None:
    assert compare(record(), record()) == "the same metrics to the bit as outputs/runs/first"
    faster = [epoch | {"train/images_per_second": 999.0} for epoch in EPOCHS]
    assert compare(record(), record(history=faster)).startswith("the same metrics")
    nan = {"val/loss": float("nan")}
    assert compare(record(metrics=nan), record(metrics=nan)).startswith("the same metrics")
    without_test = record(metrics={"val/loss": 0.25, "val/accuracy": 0.9})
    assert compare(record(), without_test).startswith("the same metrics")


def test_metrics_that_differ_in_the_last_bit_are_listed_with_what_else_is_different() -> None:
    now = record(metrics={"val/loss": 0.25000000000000006, "val/accuracy": 0.9}, device="cuda:0")
    assert compare(record(), now).splitlines() == [
        "other metrics than outputs/runs/first:",
        "  val/loss 0.25 then, 0.25000000000000006 now",
        "what else differs:",
        "  device cpu then, cuda:0 now",
    ]


def test_curves_that_part_are_told_though_the_end_is_the_same() -> None:
    bent = [EPOCHS[0] | {"val/loss": 0.3}, EPOCHS[1]]
    said = compare(record(), record(history=bent)).splitlines()
    assert said[1:] == ["  the curves differ from epoch 1 on", "what else differs:", "  nothing in the records"]
    assert "the curves differ from epoch 2 on" in compare(record(), record(history=EPOCHS[:1]))


def test_a_run_that_was_not_done_has_nothing_to_compare() -> None:
    cut = record("metrics", status="interrupted")
    assert compare(cut, record()) == "outputs/runs/first has no metrics to compare with: it is interrupted"
