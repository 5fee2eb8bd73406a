"""A run that was cut off ends as one that never was. Real kills: tests/commands/test_faults.py."""

from __future__ import annotations

import logging
import os
import shutil
import signal
from collections.abc import Callable, Iterable
from itertools import combinations
from pathlib import Path
from typing import cast

import pytest
import torch

from digits.config.check import check
from digits.config.schema import Experiment
from digits.config.types import Tree
from digits.runs.layout import BEST, LAST, PREVIOUS, JobFailed
from digits.runs.read import read_result
from digits.runs.record import RunDirectory
from digits.runs.schema import Outcome
from digits.training.job import run_job
from tests.support.resumed import OFTEN, End, cut, go_on, train

MakeExperiment = Callable[..., Experiment]

HALVES = "+trainer.val_check_interval=0.5"
CONFIGURATIONS = {
    "ema": ("augment=affine", "model.dropout=0.2", "trainer.ema_decay=0.9"),
    "dashboard": ("callbacks=dashboard", "callbacks.dashboard.every_n_epochs=2"),
    "accumulate": ("trainer.precision=bf16-mixed", "trainer.accumulate_grad_batches=3", "scheduler=cosine"),
    "halves": ("scheduler=step", "scheduler.step_size=1", "trainer.gradient_clip_val=0.5", HALVES),
    "thirds": ("+trainer.val_check_interval=0.4",),  # after the 4th and the 8th batch of 10
    "cnn": ("model=cnn", "model.stages=[[4],[8]]", "model.dropout=0.2", "trainer.precision=bf16-mixed"),
    "plateau": ("scheduler=plateau", "scheduler.patience=0", "+scheduler.threshold=0.99"),  # lower after each epoch
    "no-validation": ("scheduler=constant", "data.val_size=0", "checkpoint_minutes=null"),
}
EVERYWHERE = [
    ("train", 1),  # nothing is saved yet: it starts anew
    ("train", 5),
    ("train", 10),  # an epoch's last batch
    ("train", 11),  # the next epoch's first
    ("validation", 2),
    ("epoch_end", 2),
    ("fit_end", 1),
    ("test", 1),
]
PLACES = [("ema", *place) for place in EVERYWHERE] + [
    *(("accumulate", "train", at) for at in (8, 10, 15)),
    *(
        ("halves", *place)
        for place in (("train", 5), ("train", 6), ("train", 17), ("validation", 1), ("validation", 3))
    ),
    *(("dashboard", *place) for place in (("train", 1), ("fit_end", 1), ("test", 1))),
    *(("thirds", "train", at) for at in (5, 9, 10)),
    *(("cnn", *place) for place in (("train", 5), ("train", 15), ("validation", 2))),
    *(("plateau", *place) for place in (("train", 11), ("train", 21), ("validation", 2))),
    *(("no-validation", *place) for place in (("train", 20), ("train", 25), ("epoch_end", 3))),
]


CORE = {
    ("ema", "train", 1, ""), ("ema", "train", 10, "SIGTERM"), ("ema", "validation", 2, ""), ("ema", "fit_end", 1, ""),
    ("ema", "epoch_end", 2, ""), ("ema", "test", 1, ""),
    ("accumulate", "train", 8, "SIGTERM"), ("accumulate", "train", 8, ""),
    ("halves", "train", 17, ""), ("halves", "validation", 3, "SIGTERM"),
    ("dashboard", "test", 1, "SIGTERM"), ("dashboard", "train", 1, ""), ("dashboard", "fit_end", 1, "SIGTERM"),
    ("thirds", "train", 9, ""), ("thirds", "train", 5, "SIGTERM"),
    ("cnn", "train", 15, "SIGTERM"), ("cnn", "validation", 2, ""),
    ("plateau", "train", 21, ""), ("plateau", "validation", 2, "SIGTERM"),
    ("no-validation", "epoch_end", 3, "SIGTERM"), ("no-validation", "train", 20, ""),
}  # fmt: skip
"""Every pair of a configuration, a place and an end; all of them together are for `nox -s reliability`."""

CUTS = [(*place, signal_name) for place in PLACES for signal_name in ("", "SIGTERM")]
assert CORE.issubset(CUTS)


def pairs(cuts: Iterable[tuple[str, str, int, str]]) -> set[frozenset[tuple[str, str]]]:
    """What stands together in a case: configuration and place, configuration and end, place and end."""
    named = [(("configuration", name), ("place", hook), ("end", end)) for name, hook, _, end in cuts]
    return {frozenset(pair) for case in named for pair in combinations(case, 2)}


def test_the_core_has_every_pair() -> None:
    assert pairs(CORE) == pairs(CUTS)


@pytest.mark.parametrize(
    ("name", "hook", "at", "signal_name"),
    [pytest.param(*case, marks=() if case in CORE else pytest.mark.reliability) for case in CUTS],
)
def test_a_run_that_was_cut_off_ends_as_one_that_never_was(
    experiment: MakeExperiment,
    tmp_path: Path,
    whole: Callable[[Experiment], End],
    name: str,
    hook: str,
    at: int,
    signal_name: str,
) -> None:
    config = experiment(*OFTEN, *CONFIGURATIONS[name])
    cut(config, tmp_path / "cut", hook, at, signal_name)
    status = read_result(tmp_path / "cut").status
    assert status == ("interrupted" if signal_name else "failed")
    assert go_on(config, tmp_path / "cut") == whole(config)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Experiment], End]:
    """How a run ends that nothing interrupts; each configuration is run once."""
    ends: dict[str, End] = {}

    def whole(config: Experiment) -> End:
        key = str(config.tree())
        if key not in ends:
            ends[key] = train(config, tmp_path_factory.mktemp("whole") / "run")
        return ends[key]

    return whole


def test_a_signal_saves_where_the_run_is(experiment: MakeExperiment, tmp_path: Path) -> None:
    config = experiment(*OFTEN, "checkpoint_minutes=null")
    for hook, at, step in (("train", 15, 15), ("validation", 2, 19), ("train", 20, 19)):  # before validation
        run = tmp_path / f"{hook}{at}"
        cut(config, run, hook, at, "SIGTERM")
        assert torch.load(run / LAST, weights_only=True)["global_step"] == step
        assert torch.load(run / BEST, weights_only=True)["global_step"] == 10


def test_a_run_cut_off_again_and_again(
    experiment: MakeExperiment, tmp_path: Path, whole: Callable[[Experiment], End]
) -> None:
    config = experiment(*OFTEN, "augment=affine", "trainer.ema_decay=0.9")
    run = tmp_path / "run"
    cut(config, run, "train", 4)
    resumed = config.model_copy(update={"resume": str(run), "trust": ["tests"]})
    for hook, at, signal_name in (
        ("train", 3, "SIGINT"),
        ("validation", 1, "SIGTERM"),
        ("train", 9, ""),
        ("train", 6, ""),
    ):
        cut(resumed, run, hook, at, signal_name)
    assert go_on(config, run) == whole(config)


@pytest.mark.parametrize(
    "stop",
    [
        ("callbacks.early_stopping.patience=1", "optimizer.lr=1e-9"),
        ("+callbacks.early_stopping.stopping_threshold=0.5",),  # which stops in the very first epoch
    ],
)
def test_a_run_that_early_stopping_ended_stays_so(
    experiment: MakeExperiment, tmp_path: Path, whole: Callable[[Experiment], End], stop: tuple[str, ...]
) -> None:
    config = experiment(*OFTEN, "callbacks=early_stopping", *stop, "trainer.max_epochs=9")
    cut(config, tmp_path / "cut", "fit_end", 1)
    assert go_on(config, tmp_path / "cut") == whole(config)
    assert cast(int, whole(config).record["epochs"]) < 9


# ---- Damaged checkpoints --------------------------------------------------------------------------


def flip(path: Path) -> None:
    """One wrong bit in the middle, where the weights are."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:-1000]),
    "empty": lambda path: path.write_bytes(b""),
    "zeroed": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "another file": lambda path: path.write_text("not a checkpoint\n"),
    "one bit": flip,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=list(DAMAGES))
def test_a_damaged_last_checkpoint_gives_way_to_the_one_before(
    experiment: MakeExperiment,
    tmp_path: Path,
    whole: Callable[[Experiment], End],
    caplog: pytest.LogCaptureFixture,
    damage: Callable[[Path], object],
) -> None:
    config, run = experiment(*OFTEN), tmp_path / "run"
    cut(config, run, "train", 15)
    damage(run / LAST)
    with caplog.at_level(logging.WARNING):
        assert go_on(config, run) == whole(config)
    assert any("last.ckpt" in line and "previous.ckpt" in line for line in caplog.messages)
    assert not (run / PREVIOUS).exists(), "a run that is done needs no spare"


def test_with_no_good_checkpoint_left_nothing_is_overwritten(experiment: MakeExperiment, tmp_path: Path) -> None:
    config, run = experiment(*OFTEN), tmp_path / "run"
    cut(config, run, "train", 25)
    for name in (LAST, PREVIOUS):
        flip(run / name)
    before = (run / BEST).read_bytes()
    with pytest.raises(JobFailed, match=r"last\.ckpt.*previous\.ckpt.*init_from="):
        go_on(config, run)
    assert (run / BEST).read_bytes() == before


def test_a_kill_between_the_two_renames_loses_nothing(
    experiment: MakeExperiment, tmp_path: Path, whole: Callable[[Experiment], End]
) -> None:
    config, run = experiment(*OFTEN), tmp_path / "run"
    cut(config, run, "train", 15)
    shutil.move(run / LAST, run / PREVIOUS)
    assert go_on(config, run) == whole(config)


# ---- Runs that were done --------------------------------------------------------------------------


def test_what_a_run_had_come_to_is_not_lost_when_it_goes_on(experiment: MakeExperiment, tmp_path: Path) -> None:
    config, run = experiment(*OFTEN, "scheduler=constant"), tmp_path / "run"
    first = train(config, run)
    longer = experiment(*OFTEN, "scheduler=constant", "trainer.max_epochs=5", f"resume={run}", "trust=[tests]")
    cut(longer, run, "train", 5, "SIGTERM")
    result = read_result(run)
    assert result.status == "interrupted"
    assert result.metrics == first.record["metrics"]
    assert go_on(longer, run).record["epochs"] == 5


def test_a_signal_that_comes_when_all_is_done_undoes_nothing(
    experiment: MakeExperiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = RunDirectory.finish

    def finish_and_be_asked(self: RunDirectory, outcome: Outcome) -> None:
        finish(self, outcome)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(RunDirectory, "finish", finish_and_be_asked)
    run_job(experiment(*OFTEN), tmp_path, [])
    assert read_result(tmp_path).status == "done"


def test_a_checkpoint_of_another_kind_gives_way_too(
    experiment: MakeExperiment, tmp_path: Path, whole: Callable[[Experiment], End]
) -> None:
    config, run = experiment(*OFTEN), tmp_path / "run"
    cut(config, run, "train", 15)
    torch.save({"state_dict": {}}, run / LAST)
    assert go_on(config, run) == whole(config)


@pytest.mark.parametrize("address", ["{}", "local://{}", "{}/checkpoints/../../victim"])
def test_the_state_of_a_callback_names_nothing_to_remove(
    experiment: MakeExperiment, tmp_path: Path, address: str
) -> None:
    """Lightning's ModelCheckpoint removes what its state calls the worst of the best, folders included."""
    victim, run = tmp_path / "victim", tmp_path / "run"
    victim.mkdir()
    (victim / "thesis.ckpt").write_text("years of work")
    keeper: Tree = {"_target_": "lightning.pytorch.callbacks.ModelCheckpoint", "monitor": "train/loss"}
    tree = experiment(*OFTEN, "scheduler=constant").tree() | {"callbacks": {"keeper": keeper}}
    run_job(check(tree), run, [])
    content = torch.load(run / LAST, weights_only=True)
    (key,) = [key for key in content["callbacks"] if key.startswith("ModelCheckpoint")]
    named = address.format(victim if "checkpoints" not in address else run)
    state = content["callbacks"][key]
    state |= {"kth_best_model_path": named, "best_model_path": named, "best_k_models": {named: torch.tensor(9e9)}}
    state.pop("dirpath", None)
    torch.save(content, run / LAST)
    trainer = cast(Tree, tree["trainer"]) | {"max_epochs": 5}
    run_job(check(tree | {"resume": str(run), "trainer": trainer}), run, [])
    assert (victim / "thesis.ckpt").read_text() == "years of work"
