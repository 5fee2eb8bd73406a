"""Runs that are killed, signalled and robbed of their disk, and what they come to when they are started again.

The long form, hundreds of faults over more configurations, and what is marked so here: `nox -s reliability`.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.utils.tensorboard import SummaryWriter

from benchmarks.reliability import storage
from benchmarks.reliability.matrix import overrides
from benchmarks.reliability.outcome import broken_files, differences, outcome_of
from benchmarks.reliability.start import Fault
from benchmarks.reliability.trial import (
    Check,
    Reference,
    Step,
    keep_best,
    killed,
    lead,
    left_at_once,
    left_cleanly,
    reference,
    told_clearly,
)
from digits.runs.layout import BEST, LAST, RESULT, WEIGHTS

References = Callable[[str], Reference]
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> References:
    """The run of a configuration that no fault befell."""
    known: dict[str, Reference] = {}

    def alone(configuration: str) -> Reference:
        if configuration not in known:
            known[configuration] = reference(configuration, tmp_path_factory.mktemp("alone"))
        return known[configuration]

    return alone


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Where the run that is harmed goes."""
    return tmp_path / "disk" / "run"


@pytest.fixture
def run_on_a_small_disk(run: Path) -> Iterator[Path]:
    """The same on a disk that can be filled; where none can be mounted, what needs it is left out, but never in CI."""
    if why := storage.mounting_fails():
        message = f"no file system can be mounted here ({why}): full and read-only disks were left out"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    with storage.small_disk(run.parent):
        yield run


def survives(configuration: str, alone: References, run: Path, steps: list[Step], end: Check | None = None) -> None:
    """All of the faults strike, nothing is wrong after any of them, and the run ends like the one that had none."""
    wanted = alone(configuration).outcome
    life = lead(run, overrides(configuration), steps, wanted, screens=run.parent.parent, end=end)
    assert not life.complaints, "\n".join(f"{kind or 'at the end'}: {text}" for kind, text in life.complaints)
    assert life.struck == [step.kind for step in steps], "every fault must strike"


def kill(plant: str) -> Step:
    return Step(plant, Fault(plant), killed)


# ---- Kills ------------------------------------------------------------------------------------------


def test_killed_nine_times_at_the_worst_moments(alone: References, run: Path) -> None:
    """Dropout, augmentation, averaged weights, one-cycle schedule; 40 batches an epoch, 4 of validation, 8 of test."""
    steps = [
        kill("kill import:torch 1"),
        kill("half rename:result.json 1"),
        kill("kill optimizer_step 60"),  # in mid-epoch
        kill("kill last_training_step 1"),
        kill("kill validation_step 3"),
        kill("half rename:last.ckpt 2"),
        kill("after rename:best.ckpt 1"),
        kill("kill test_step 5"),
        kill("half rename:model.safetensors 1"),
    ]
    survives("mlp-ema-affine", alone, run, steps)


@pytest.mark.reliability
def test_killed_between_two_accumulated_batches(alone: References, run: Path) -> None:
    """Mixed precision, and 21 batches an epoch by two: the last is a step of its own."""
    survives("cnn-bf16-accumulate", alone, run, [kill("kill training_step 16"), kill("kill last_on_train_batch_end 1")])


@pytest.mark.reliability
def test_two_processes_are_asked_to_leave_through_the_first(alone: References, run: Path) -> None:
    best = run.parent.parent / "best.before"
    ask = Fault("term training_step 25", command=keep_best(run, best))
    survives("two-processes", alone, run, [Step("SIGTERM", ask, left_cleanly(signal.SIGTERM, best))])


# ---- Signals ----------------------------------------------------------------------------------------


def test_signals_end_a_run_cleanly_and_one_that_stopped_early_stays_stopped(alone: References, run: Path) -> None:
    """40 batches an epoch; the run stops after the fifth."""
    best = run.parent.parent / "best.before"
    keep = keep_best(run, best)
    steps = [
        Step("SIGTERM", Fault("term training_step 60", command=keep), left_cleanly(signal.SIGTERM, best)),
        Step("SIGINT", Fault("int validation_step 2", command=keep), left_cleanly(signal.SIGINT, best)),
        Step("twice", Fault("int optimizer_step 20;term rename:last.ckpt 1"), left_at_once(signal.SIGTERM)),
        kill("kill on_test_start 1"),
    ]
    survives("early-stopping", alone, run, steps)


# ---- Files ------------------------------------------------------------------------------------------


@pytest.mark.reliability
def test_a_damaged_checkpoint_falls_back_on_the_one_before(alone: References, run: Path) -> None:
    """And a kill while the next is written must not leave the damaged one alone; 79 batches an epoch."""
    steps = [
        Step("truncated", Fault("kill training_step 170"), killed, storage.damage("truncated", 0), next_says=LAST),
        kill("kill rename:*.ckpt 2"),
        Step("deleted", Fault("kill last_training_step 2"), killed, storage.damage("deleted", 0), next_says=LAST),
    ]
    survives("mlp", alone, run, steps)


@pytest.mark.reliability
def test_with_both_checkpoints_damaged_nothing_starts_anew(alone: References, run: Path) -> None:
    both = storage.damage("random bytes", 0, LAST, storage.PREVIOUS)
    steps = [Step("both", Fault("kill training_step 170"), killed, both, next_says=LAST)]
    survives("mlp", alone, run, steps, end=told_clearly(r"last\.ckpt", 1, 2))


def test_full_and_read_only_disks_and_a_folder_that_vanishes(alone: References, run_on_a_small_disk: Path) -> None:
    run = run_on_a_small_disk
    full, read_only, gone = storage.fill(run), storage.protect(run), storage.take_away(run)
    steps = [
        Step("full", Fault("run training_step 90", full), told_clearly("No space left on device", 1), storage.free),
        Step("read-only", Fault("run validation_step 2", read_only), told_clearly("(?i)read-only", 1),
             storage.unprotect),
        Step("gone", Fault("run training_step 30", gone), told_clearly("(?i)no such file|gone|vanish|no longer", 1),
             storage.bring_back),
    ]  # fmt: skip
    survives("mlp", alone, run, steps)


# ---- The comparison itself --------------------------------------------------------------------------


@pytest.fixture
def copy(alone: References, tmp_path: Path) -> Path:
    """A copy of a run, to change something in it."""
    copy = tmp_path / "copy"
    shutil.copytree(alone("mlp").run, copy)
    return copy


def change_a_weight(run: Path) -> None:
    tensors = load_file(run / WEIGHTS)
    tensors["classify.bias"][3] = torch.nextafter(tensors["classify.bias"][3], torch.tensor(9.0))
    save_file(tensors, run / WEIGHTS)


def change_the_best_checkpoint(run: Path) -> None:
    checkpoint = torch.load(run / BEST, weights_only=True)
    checkpoint["optimizer_states"][0]["state"][0]["exp_avg"][0, 0] = -0.0
    torch.save(checkpoint, run / BEST)


def change_an_epoch(run: Path) -> None:
    result = json.loads((run / RESULT).read_text())
    result["history"][1]["train/loss"] += 1e-15
    (run / RESULT).write_text(json.dumps(result))


def change_a_cell(run: Path) -> None:
    lines = (run / "metrics.csv").read_text().splitlines()
    lines[5] = lines[5].replace("0.", "0.0", 1)
    (run / "metrics.csv").write_text("\n".join(lines) + "\n")


def repeat_a_point(run: Path) -> None:
    with SummaryWriter(str(run)) as writer:
        writer.add_scalar("test/loss", 0.5, 316)


def leave_something(run: Path) -> None:
    (run / "checkpoints" / ".last.ckpt.1.part").write_bytes(b"half")


def test_a_copy_is_the_same(alone: References, copy: Path) -> None:
    assert differences(alone("mlp").outcome, outcome_of(copy)) == []


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (change_a_weight, f"{WEIGHTS} classify.bias: torch.float32 (10,) "),
        (change_the_best_checkpoint, f"{BEST}: optimizer_states 0 state 0 exp_avg: "),
        (change_an_epoch, f"{RESULT}: history 1 train/loss: "),
        (change_a_cell, "metrics.csv row 4: "),
        (repeat_a_point, "EventMultiplexer: test/loss: 316=0.5 for nothing (point 1; 2 points for 1)"),
        (repeat_a_point, "TensorBoard: test/loss: 316=0.5 for "),
        (leave_something, "file checkpoints/.last.ckpt.1.part: there for nothing"),
    ],
)  # fmt: skip
def test_the_comparison_sees_the_smallest_change(
    alone: References, copy: Path, change: Callable[[Path], None], named: str
) -> None:
    change(copy)
    (line,) = [line for line in differences(alone("mlp").outcome, outcome_of(copy)) if line.startswith(named)]
    assert line


@pytest.mark.parametrize("name", [LAST, WEIGHTS, RESULT, "metrics.csv"])
def test_half_a_file_is_found(copy: Path, name: str) -> None:
    assert broken_files(copy) == []
    os.truncate(copy / name, (copy / name).stat().st_size // 2)
    (line,) = broken_files(copy)
    assert line.startswith(f"{name} is broken: ")
