"""One run with every logger at once, that failed and was resumed: what each of them has of it."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import digits
from digits.runs.layout import MODEL, RESULT, WEIGHTS
from digits.runs.read import read_result
from tests.extras.mlflow_runs import Kept, kept_runs
from tests.extras.offline import Offline, starts

CURVES = ("train/loss", "train/loss_step", "train/accuracy", "val/loss", "val/accuracy", "lr", "test/accuracy")


@pytest.fixture(scope="module")
def offline(run: Path) -> list[Offline]:
    return starts(run)


@pytest.fixture(scope="module")
def kept(run: Path) -> Kept:
    (found,) = kept_runs(run.parents[1] / "mlflow.db")
    return found


def points(run: Path, name: str) -> list[tuple[int, float]]:
    """A curve of `metrics.csv`, which a resumed run has without a gap and without anything twice."""
    with (run / "metrics.csv").open(newline="") as file:
        return [(int(row["step"]), float(row[name])) for row in csv.DictReader(file) if row[name]]


@pytest.mark.parametrize("name", CURVES)
def test_every_point_of_a_curve_is_there_once(run: Path, offline: list[Offline], kept: Kept, name: str) -> None:
    steps, values = zip(*points(run, name), strict=True)
    shown = [(row["trainer/global_step"], row[name]) for start in offline for row in start.rows if name in row]
    for found in (shown, kept.curve(name)):
        assert [step for step, _ in found] == list(steps)
        assert [value for _, value in found] == pytest.approx(list(values), rel=1e-5)  # metrics.csv has six digits


def test_it_is_one_run_that_failed_and_then_was_done(offline: list[Offline], kept: Kept) -> None:
    assert [start.exit_code for start in offline] == [1, 0]
    assert {start.run["id"] for start in offline} == {offline[0].run["id"]}
    assert {(start.run["project"], start.run["name"], start.run["group"]) for start in offline} == {
        ("digits", "resumed", "")
    }
    assert (kept.experiment, kept.name, kept.status) == ("digits", "resumed", "FINISHED")
    steps = [int(str(row["_step"])) for start in offline for row in start.rows]
    assert steps == sorted(set(steps)), "W&B would refuse a step that it has"


def test_the_configuration_is_the_recorded_one(run: Path, offline: list[Offline], kept: Kept) -> None:
    recorded = read_result(run).config
    assert recorded is not None
    config = {key: value for key, value in recorded.tree().items() if key != "resume"}
    assert {key: offline[-1].config[key] for key in config} == config
    shown = yaml.safe_load((kept.artifacts / "config.yaml").read_text())
    assert {key: shown[key] for key in config} == config
    assert (kept.parameters["optimizer.lr"], kept.parameters["model.hidden"]) == ("0.005", "[16]")


def test_the_final_metrics_are_the_records(run: Path, offline: list[Offline], kept: Kept) -> None:
    metrics = read_result(run).metrics
    assert len(metrics) == 6
    for name, value in metrics.items():
        shown = name if name.startswith("test/") else f"best/{name}"
        assert offline[-1].summary[shown] == pytest.approx(value)
        assert kept.curve(shown)[-1][1] == pytest.approx(value)


@pytest.mark.parametrize("tag", ["train/input", "val/confusion_matrix", "best/confusion_matrix"])
def test_images_are_tensorboards_to_the_pixel(run: Path, offline: list[Offline], kept: Kept, tag: str) -> None:
    events = EventAccumulator(str(run), size_guidance={"images": 0})
    events.Reload()
    drawn = [pixels(event.encoded_image_string) for event in events.Images(tag)]
    names = [row[f"{tag}/path"] for start in offline for row in start.rows if f"{tag}/path" in row]
    media = [path for name in names for path in run.glob(f"wandb/offline-run-*/files/{name}")]
    images = sorted(kept.artifacts.glob(f"images/{tag.replace('/', '~')}+step+*.png"), key=step_of)
    assert len(drawn) == len(media) == len(images) == (3 if tag.startswith("val/") else 1)
    for ours, by_wandb, by_mlflow in zip(drawn, media, images, strict=True):
        assert np.array_equal(ours, pixels(by_wandb.read_bytes()))
        assert np.array_equal(ours, pixels(by_mlflow.read_bytes()))


def pixels(content: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def step_of(image: Path) -> int:
    return int(image.name.split("+step+")[1].split("+")[0])


def test_the_artifact_is_a_run_for_the_other_commands(
    run: Path, offline: list[Offline], kept: Kept, tmp_path: Path
) -> None:
    model = kept.artifacts / "model"
    for name in (MODEL, WEIGHTS, RESULT):
        assert (model / name).read_bytes() == (run / name).read_bytes()
    assert [start.models for start in offline] == [
        [],
        [{name: (run / name).stat().st_size for name in (MODEL, WEIGHTS, RESULT)}],
    ]
    scores = digits.score(model, out=tmp_path)
    assert scores["accuracy"] == pytest.approx(read_result(run).metrics["test/accuracy"])
