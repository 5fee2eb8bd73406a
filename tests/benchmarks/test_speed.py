"""The benchmarks of speed: their arithmetic, and that their commands run."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks.runs import TrainingError, output_of
from benchmarks.speed import growth, speedrun, yardstick
from benchmarks.speed.growth import Cost
from benchmarks.speed.speedrun import Run, Series
from benchmarks.speed.stopwatch import FILE

SECONDS = {"fit": 2.0, "steps": 1.2, "validation": 0.0, "first_step": 0.2, "start": 4.0, "objects": 0.1,
           "data": 0.5, "test": 0.3, "files": 0.1, "this_start": 3.0}  # fmt: skip


def series(*accuracies: float, steps: float = 1.2) -> Series:
    runs = [Run(seed, accuracy, 7.5, SECONDS | {"steps": steps}) for seed, accuracy in enumerate(accuracies)]
    return Series("a machine", 30_026, "bf16-mixed", runs, [(4.0, 0.99), (6.0, 0.991), (5.0, 0.992)])


def test_the_parts_of_a_command_add_up_to_its_time() -> None:
    (run,) = series(0.99).runs
    parts = speedrun.parts(run)
    assert sum(parts.values()) == pytest.approx(7.5)
    assert parts["the other steps"] == pytest.approx(1.0)
    assert parts["fit around the steps: set-up, last checkpoint"] == pytest.approx(0.8)
    assert parts["the rest: log, records, leaving"] == pytest.approx(0.5)


def test_the_section_tells_mean_deviation_and_ratio() -> None:
    text = speedrun.as_text(series(0.990, 0.991, 0.992))
    assert "**99.10 ± 0.10 %** (99.00–99.20) | ≥ 99.00% | 99.10 % |" in text
    assert "| of the yardstick | **0.24** | ≤ 0.33 | 1 |" in text
    assert "| whole command, median | **7.5 s** (7.5–7.5) | ≤ 8 s |  |" in text
    assert "| first step | 0.20 |" in text
    assert "| **1.20 s** (1.20–1.20) | ≤ 1.5 s | 5.00 s (4.00–6.00) |" in text


def test_a_figure_outside_the_noise_is_told() -> None:
    recorded = series(0.990, 0.991, 0.992)  # sd 0.001; for one more run: 3 · 0.001 · √(1/3 + 1)
    assert speedrun.worse(recorded, series(0.991 - 0.0034)) == []
    (fault,) = speedrun.worse(recorded, series(0.991 - 0.0036))
    assert fault == "mean test accuracy 98.740%, recorded 99.100%: more than ± 0.346% apart"
    (fault,) = speedrun.worse(recorded, series(0.991, steps=1.6))
    assert fault == "0.32 of the yardstick's time, recorded 0.24"


def test_the_head_of_the_experiment_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speedrun, "EXPERIMENTS", tmp_path)
    head = tmp_path / "speedrun.yaml"
    head.write_text("# The fastest.\n# Measured: not yet\nmodel: cnn\n")
    speedrun.write(series(0.990, 0.991, 0.992), tmp_path / "speedrun.json")
    for _ in range(2):
        speedrun.write_head(tmp_path / "speedrun.json")
        assert head.read_text() == (
            "# The fastest.\n"
            "# Measured: test 99.10 ± 0.10 % over 3 seeds in bf16-mixed; from the first batch to the last 1.20 s, 0.24 "
            "of the yardstick's (medians)\n"
            "# on a machine\nmodel: cnn\n"
        )


@pytest.mark.parametrize(
    ("accuracies", "told"),
    [
        (
            (),
            "there is no record speedrun.json; make it: python -m benchmarks.speed.speedrun, on a machine of its kind",
        ),
        ((0.99,), "speedrun.json: the record has 1 seed, which tells no spread; record at least 2"),
        ((0.99, 0.99), "speedrun.json: the record's 2 seeds have all the same accuracy"),
    ],
)
def test_a_check_that_nothing_can_pass_is_told_before_it_measures(
    accuracies: tuple[float, ...],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(speedrun, "measure", lambda *_: pytest.fail("measured"))
    if accuracies:
        speedrun.write(series(*accuracies), tmp_path / "speedrun.json")
    with pytest.raises(SystemExit, match="2"):
        speedrun.main(["--check", "trainer.precision=bf16-mixed"], tmp_path / "speedrun.json")
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(("precision", "against"), [("bf16-mixed", "99.000%"), ("32-true", "98.000%")])
def test_a_check_is_against_the_record_of_the_machines_number_format(
    precision: str, against: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "speedrun.json"
    speedrun.write(series(0.989, 0.991), path)
    speedrun.write(replace(series(0.979, 0.981), precision="32-true"), tmp_path / "speedrun_fp32.json")
    monkeypatch.setattr(speedrun, "measure", lambda *_, **__: series(0.5))
    with pytest.raises(SystemExit, match=f"mean test accuracy 50.000%, recorded {against}"):
        speedrun.main(["--check", f"trainer.precision={precision}"], path)


def test_overrides_with_faults_are_told_before_a_check(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        speedrun.main(["--check", "optimizer.lt=1"])
    assert "optimizer.lt: no such key" in capsys.readouterr().err


def test_float32_alone_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speedrun, "EXPERIMENTS", tmp_path)
    (tmp_path / "speedrun.yaml").write_text("# Measured: not yet\n")
    path = tmp_path / "speedrun.json"
    speedrun.write(replace(series(0.979, 0.981), precision="32-true"), speedrun.record_of("32-true", path))
    speedrun.write_head(path)
    assert "over 2 seeds in 32-true" in (tmp_path / "speedrun.yaml").read_text()
    assert "### On a CPU without: in float32" in speedrun.section(path)


def test_both_number_formats_have_a_part_in_the_section(tmp_path: Path) -> None:
    path = tmp_path / "speedrun.json"
    speedrun.write(series(0.989, 0.991), path)
    assert "float32\n" not in speedrun.section(path)
    speedrun.write(replace(series(0.979, 0.981), precision="32-true"), speedrun.record_of("32-true", path))
    bf16, fp32 = speedrun.section(path).split("### ")[1:]
    assert "99.00 ± 0.14" in bf16
    assert "98.00 ± 0.14" in fp32
    assert fp32.startswith("On a CPU without: in float32\n")


@pytest.mark.parametrize("count", ["0", "-1"])
def test_no_seeds_are_no_measurement(count: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        speedrun.main(["--seeds", count])
    assert f"{count} is less than 1" in capsys.readouterr().err


def test_a_command_that_fails_is_told_with_its_reason() -> None:
    with pytest.raises(TrainingError, match=r"python -m digits\.train .* ended with 2: (.|\n)*optimizer\.lr"):
        output_of("digits.train", "experiment=speedrun", "optimizer.lr=-1")


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = series(0.990, 0.991)
    speedrun.write(written, tmp_path / "speedrun.json")
    assert speedrun.read(tmp_path / "speedrun.json") == written
    assert len((tmp_path / "speedrun.json").read_text().splitlines()) < 30, "a run a line"


def test_a_run_is_known_by_its_weights_unless_its_record_is_older(tmp_path: Path) -> None:
    path = tmp_path / "speedrun.json"
    old = series(0.990, 0.991)
    speedrun.write(old, path)
    path.write_text(path.read_text().replace(', "weights": null', ""))
    assert "weights" not in path.read_text()
    assert speedrun.read(path) == old
    assert speedrun.as_text(speedrun.read(path)) == speedrun.as_text(old)
    new = replace(old, runs=[replace(run, weights=f"{run.seed}f") for run in old.runs])
    speedrun.write(new, path)
    assert [run.weights for run in speedrun.read(path).runs] == ["0f", "1f"]


def test_a_measured_run_has_the_digest_of_its_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """On small data, and without the yardstick, which wants MNIST."""
    monkeypatch.setattr(speedrun, "run_yardstick", lambda _: (1.0, 0.9))
    small = ["data=optdigits", "data.val_size=0", "data.batch_size=128"]
    (run,) = speedrun.measure([0], small).runs
    assert run.weights is not None
    assert len(bytes.fromhex(run.weights)) == 32  # SHA-256
    assert run.weights != hashlib.sha256().hexdigest()


def test_the_yardstick_learns() -> None:
    """A square in ten places; guessing would give 0.1."""
    labels = torch.arange(2560) % 10
    images = torch.zeros(2560, 1, 28, 28)
    for i, label in enumerate(labels.tolist()):
        images[i, 0, 2 * label : 2 * label + 6, 8:14] = 1.0
    net, seconds = yardstick.train(images, labels, seed=0)
    assert seconds > 0
    assert yardstick.accuracy(net, images, labels) > 0.7
    assert sum(p.numel() for p in net.parameters()) == 24 * 26 + 32 * (24 * 9 + 1) + 256 * 801 + 10 * 257


def test_growth_measures_a_training_and_draws_it(tmp_path: Path) -> None:
    tiny = ["data=optdigits", "data._target_=benchmarks.speed.growth.Repeated", "model.stages=[[4]]", "data.val_size=0"]
    costs = [growth.measure(times, 64, 1, tiny, images=256) for times in (1, 3)]
    assert all(cost.rate > 0 and cost.megabytes > 100 for cost in costs)
    assert (
        growth.as_table(costs).splitlines()[0] == "| threads | batch | 1×: images/s | 3×: images/s | 1×: MB | 3×: MB |"
    )
    growth.plot([*costs, Cost(1, 64, 2, 1.0, 1.0)], tmp_path / "growth.png")
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")


def test_a_repeated_set_is_held_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read before the set-up and in it; two copies would be counted as the cost of the data."""
    monkeypatch.setenv(growth.TIMES, "3")
    data = growth.Repeated("optdigits", "", None, 0.0, 1.0, 10, 28, 0, 0, None, 64, 64)
    arrays = data.read()
    assert data.read().train_images is arrays.train_images
    assert len(arrays.train_images) == len(arrays.train_labels) == 3 * 1437


def test_any_number_of_threads_is_drawn(tmp_path: Path) -> None:
    costs = [Cost(1, batch, threads, 100.0 * threads, 500.0) for threads in (1, 8) for batch in (64, 256)]
    growth.plot(costs, tmp_path / "both.svg")
    growth.plot(costs[:2], tmp_path / "one.svg")
    assert (tmp_path / "both.svg").read_text().count("<path") > (tmp_path / "one.svg").read_text().count("<path")


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where growth writes what it measured, instead of the project."""
    monkeypatch.setattr(growth, "PICTURE", tmp_path / "growth.png")
    monkeypatch.setattr(growth, "RECORD", tmp_path / "growth.json")
    return tmp_path


def test_a_trial_of_growth_overwrites_nothing(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(growth, "measure", lambda times, batch, threads, *_: Cost(times, batch, threads, 1.0, 1.0))
    for trial in (["--times", "1"], ["--images", "128"], ["--overrides", "model.dropout=0"]):
        growth.main(trial)
        assert "| threads | batch | 1×: images/s |" in capsys.readouterr().out
        assert list(elsewhere.iterdir()) == []
    growth.main([])
    assert {path.name for path in elsewhere.iterdir()} == {"growth.png", "growth.json"}


def test_the_repeated_set_is_so_often_as_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(growth.TIMES, "3")
    data = growth.Repeated(
        "optdigits", "", None, 0.1307, 0.3081, 10, 28, val_size=0, split_seed=0, limit=None, batch_size=64,
        eval_batch_size=64,
    )  # fmt: skip
    data.setup()
    assert len(data.train) == 3 * 1437
    assert len(data.test) == 360


def test_the_speedrun_is_a_command(tmp_path: Path) -> None:
    """On small data: one epoch, no validation, and a record of where the time went."""
    small = ["data=optdigits", "data.val_size=0", "data.batch_size=128", f"hydra.run.dir={tmp_path}/run"]
    command = [sys.executable, "-m", "digits.train", "experiment=speedrun", "trainer=cpu", speedrun.WATCHED, *small]
    subprocess.run(command, check=True, capture_output=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["epochs"] == 1
    assert result["steps"] == 12
    assert "val/accuracy" not in result["metrics"]
    watched = json.loads((tmp_path / "run" / FILE).read_text())
    assert set(watched) == {"made", "ready", "steps", "first_step", "validation", "test"}
    assert 0 < watched["first_step"] < watched["steps"] < result["seconds"]["fit"]
