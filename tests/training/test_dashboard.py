"""The dashboard: what TensorBoard finds in a run, and that training doesn't notice."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.plugins.custom_scalar.layout_pb2 import Layout
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
from tensorboard.util import tensor_util

from digits.config.schema import Experiment
from digits.config.task import CLASSIFICATION
from digits.evaluating.predictions import Predictions, predict
from digits.hydra_app.resolve import experiment_of
from digits.runs.read import read_result
from digits.runs.schema import RecordedConfig
from digits.training import experiment as experiment_module
from digits.training.dashboard import Dashboard
from digits.training.hparams import HPARAMS, hyperparameters, results
from digits.training.job import run_job
from tests.support.runs import composed

MakeExperiment = Callable[..., Experiment]
PICTURES = {"class_accuracy", "confusion_matrix", "reliability", "worst_mistakes"}


def events_of(run: Path) -> EventAccumulator:
    events = EventAccumulator(str(run), size_guidance={"scalars": 0, "images": 0, "tensors": 0, "histograms": 0})
    events.Reload()
    return events


def tags(run: Path, kind: str) -> set[str]:
    return set(events_of(run).Tags()[kind])


def weights_in(checkpoint: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(checkpoint, weights_only=True)["state_dict"]
    return state


def steps(run: Path, tag: str) -> list[int]:
    return [event.step for event in events_of(run).Images(tag)]


# ---- What is there --------------------------------------------------------------------------------


def test_pictures_during_training_of_the_best_epoch_and_of_the_test(dashboard_run: Path) -> None:
    assert tags(dashboard_run, "images") == {
        "train/input",
        *(f"{s}/{name}" for s in ("val", "best", "test") for name in PICTURES),
    }
    batches = 1257 // 64 + 1
    assert steps(dashboard_run, "train/input") == [0]
    assert steps(dashboard_run, "val/confusion_matrix") == [2 * batches - 1]  # the last step's, as the curves
    assert steps(dashboard_run, "best/confusion_matrix") == [3 * batches]
    (tested,) = events_of(dashboard_run).Scalars("test/accuracy")
    assert steps(dashboard_run, "test/worst_mistakes") == [tested.step]


def test_pictures_are_as_wide_as_a_card(dashboard_run: Path) -> None:
    events = events_of(dashboard_run)
    sizes = {tag: events.Images(tag)[0] for tag in tags(dashboard_run, "images")}
    assert {(image.width, tag.endswith("reliability")) for tag, image in sizes.items()} == {(500, False), (460, True)}
    assert max(image.height for image in sizes.values()) <= 600


def test_precision_recall_curves_of_every_class(dashboard_run: Path) -> None:
    found = {tag for tag in tags(dashboard_run, "tensors") if "precision_recall" in tag}
    assert found == {f"{stage}/precision_recall/{digit}" for stage in ("val", "best", "test") for digit in range(10)}


def test_a_precision_recall_curve_counts_the_images(dashboard_run: Path) -> None:
    (event,) = events_of(dashboard_run).Tensors("best/precision_recall/3")
    counts = tensor_util.make_ndarray(event.tensor_proto)  # (6, thresholds)
    assert set(counts[:4].sum(0).tolist()) == {180.0}  # true and false positives and negatives
    assert (counts[0] + counts[3]).tolist() == [18.0] * counts.shape[1]  # images of a 3, recognised or not


def test_each_metrics_three_splits_share_a_chart(dashboard_run: Path) -> None:
    (tensor,) = events_of(dashboard_run).Tensors("custom_scalars__config__")
    (category,) = Layout.FromString(tensor.tensor_proto.string_val[0]).category
    charts = {chart.title: list(chart.multiline.tag) for chart in category.chart}
    assert charts == {
        name: [f"^{split}/{name}$" for split in ("train", "val", "test")] for name in ("loss", "accuracy")
    }
    for name in charts:
        assert {f"{split}/{name}" for split in ("train", "val", "test")} <= tags(dashboard_run, "scalars")


def test_a_run_that_is_resumed_writes_no_second_layout(dashboard_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(dashboard_run, run)
    run_job(experiment_of(composed(f"resume={run}", "trainer.max_epochs=4"), ["trainer.max_epochs=4"]), run, [])
    layouts = [
        value
        for file in run.glob("*tfevents*")
        for event in EventFileLoader(str(file)).Load()
        for value in event.summary.value
        if value.tag == "custom_scalars__config__"
    ]
    assert len(layouts) == 1


@pytest.mark.parametrize("views", [1, 5])
def test_what_is_shown_of_the_test_is_what_was_tested(
    experiment: MakeExperiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, views: int
) -> None:
    shown: list[Predictions] = []

    def spy(*arguments: object, **options: object) -> Predictions:
        shown.append(predict(*arguments, **options))  # type: ignore[arg-type]  # passed on as they come
        return shown[-1]

    monkeypatch.setattr("digits.training.pictures.predict", spy)
    run_job(experiment("callbacks=dashboard", f"test_views={views}", "model=logistic"), tmp_path, [])
    record = read_result(tmp_path)
    best, tested = shown
    assert (len(best), len(tested)) == (record.data.val, record.data.test)
    for predictions, split in ((best, "val"), (tested, "test")):
        assert float(predictions.right.double().mean()) == pytest.approx(record.metrics[f"{split}/accuracy"])
        assert float(predictions.losses.mean()) == pytest.approx(record.metrics[f"{split}/loss"], rel=1e-4)


def test_the_configuration_is_shown_as_yaml(dashboard_run: Path) -> None:
    (event,) = events_of(dashboard_run).Tensors("config/text_summary")
    (text,) = event.tensor_proto.string_val
    assert text.decode().startswith("```yaml\ndata:\n  _target_: digits.data.MNISTDataModule\n")
    assert "\n  lr: 0.01\n" in text.decode()


def test_the_net_is_there_as_a_graph(dashboard_run: Path) -> None:
    names = {node.name for node in events_of(dashboard_run).Graph().node}
    assert "MLP/Linear[classify]/weight/weight" in names


def test_the_projector_finds_vectors_names_and_pictures(dashboard_run: Path) -> None:
    config = (dashboard_run / "projector_config.pbtxt").read_text()
    for line in ("projector/best/tensors.tsv", "projector/best/metadata.tsv", "projector/best/sprite.png"):
        assert line in config
    folder = dashboard_run / "projector" / "best"
    vectors = (folder / "tensors.tsv").read_text().splitlines()
    header, *answers = (folder / "metadata.tsv").read_text().splitlines()
    assert (len(vectors), len(answers)) == (180, 180)
    assert {len(vector.split("\t")) for vector in vectors} == {16}
    assert header == "result\tlabel\tpredicted\tindex"
    right = sum(truth == guess for _, truth, guess, _ in (answer.split("\t") for answer in answers))
    metrics = read_result(dashboard_run).metrics
    assert right / 180 == pytest.approx(metrics["val/accuracy"])


def test_the_row_in_hparams_has_the_values_asked_for_and_the_final_figures(dashboard_run: Path) -> None:
    events = events_of(dashboard_run)
    start = HParamsPluginData.FromString(events.summary_metadata["_hparams_/session_start_info"].plugin_data.content)
    row = {name: value.number_value or value.string_value for name, value in start.session_start_info.hparams.items()}
    assert row == {
        "data": "optdigits", "model": "MLP", "optimizer": "AdamW", "scheduler": "OneCycleLR", "lr": 0.01,
        "batch_size": 64.0, "epochs": 3.0, "seed": "", "parameters": 12_746.0,
        "augment": "affine", "model.hidden": "[16]", "trainer": "cpu", "callbacks": "dashboard",
        "callbacks.dashboard.every_n_epochs": 2.0,
    }  # fmt: skip
    metrics = read_result(dashboard_run).metrics
    for split in ("val", "test"):
        for name in ("accuracy", "loss"):
            first, last = events.Scalars(f"hp/{split}_{name}")
            assert first.value != first.value  # unknown when the row was made
            assert last.value == pytest.approx(metrics[f"{split}/{name}"], abs=1e-6)


def test_the_columns_asked_for_come_first(dashboard_run: Path) -> None:
    metadata = events_of(dashboard_run).summary_metadata["_hparams_/experiment"]
    columns = HParamsPluginData.FromString(metadata.plugin_data.content).experiment.hparam_infos
    assert {column.name for column in columns if column.differs} == {
        "augment", "data", "epochs", "lr", "model", "model.hidden", "trainer", "callbacks",
        "callbacks.dashboard.every_n_epochs",
    }  # fmt: skip


def test_all_rows_have_the_same_columns_whatever_was_left_to_its_default() -> None:
    config = RecordedConfig.model_validate(
        {
            "data": {"name": "mnist"},
            "model": {"_target_": "a.CNN", "channels": [8]},
            "optimizer": {"lr": 0.1},
        }
    )
    plain, _ = hyperparameters(config, [])
    assert set(plain) == set(HPARAMS)
    row, asked = hyperparameters(
        config, ["optimizer.lr=0.1", "model=cnn", "model.channels=[8]", "+extra=x", "~scheduler"]
    )
    assert set(row) == {*HPARAMS, "model.channels", "extra"}
    assert asked == {"lr", "model", "model.channels", "extra", "scheduler"}
    assert (row["model"], row["lr"], row["model.channels"], row["extra"]) == ("CNN", 0.1, [8], "x")


# ---- What is not disturbed ------------------------------------------------------------------------

DISTURBABLE = ("model.dropout=0.3", "augment=affine", "trainer.max_epochs=3", "data.limit=300")


@pytest.mark.parametrize("ema", ["null", "0.9"])
def test_weights_are_the_same_to_the_bit_with_and_without(experiment: MakeExperiment, tmp_path: Path, ema: str) -> None:
    overrides = (*DISTURBABLE, f"trainer.ema_decay={ema}")
    run_job(experiment(*overrides), tmp_path / "without", [])
    watched = ("callbacks=dashboard", "callbacks.dashboard.every_n_epochs=1")
    run_job(experiment(*overrides, *watched), tmp_path / "with", [])
    assert steps(tmp_path / "with", "val/reliability") == [4, 9, 14]
    without, with_ = (weights_in(tmp_path / name / "checkpoints" / "last.ckpt") for name in ("without", "with"))
    assert without.keys() == with_.keys()
    assert all(torch.equal(without[name], with_[name]) for name in without)
    left, right = (read_result(tmp_path / name) for name in ("without", "with"))
    assert left.metrics == right.metrics


class Watch(Callback):
    """Notes the random numbers' state, and the layers' modes, wherever the dashboard may act."""

    def __init__(self) -> None:
        self.seen: list[tuple[bytes, tuple[bool, ...]]] = []

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        modes = tuple(layer.training for layer in pl_module.modules())
        self.seen.append((torch.get_rng_state().numpy().tobytes(), modes))

    on_train_epoch_end = on_train_end = on_fit_start


def test_random_numbers_and_modes_are_left_as_they_were(
    experiment: MakeExperiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, after = Watch(), Watch()
    callbacks = [before, Dashboard(every_n_epochs=1, run_directory=tmp_path), after]
    monkeypatch.setattr(experiment_module, "make_callbacks", lambda *_, **__: callbacks)
    run_job(experiment("augment=affine", "model.dropout=0.3", "data.limit=300"), tmp_path, [])
    assert {"train/input", "val/reliability", "best/reliability"} <= tags(tmp_path, "images")
    assert len(before.seen) == 4
    assert before.seen == after.seen


class Vandal(Callback):
    """Spoils the weights once all checkpoints are written, so that they differ from the best for sure."""

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        with torch.no_grad():
            for parameter in pl_module.parameters():
                parameter.zero_()


def test_the_final_pictures_are_of_the_weights_that_are_kept(
    experiment: MakeExperiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        experiment_module,
        "make_callbacks",
        lambda *_, **__: [Vandal(), Dashboard(every_n_epochs=0, run_directory=tmp_path)],
    )
    run_job(experiment("trainer.max_epochs=3"), tmp_path, [])
    kept = load_file(tmp_path / "model.safetensors")["classify.weight"]
    (event,) = events_of(tmp_path).Histograms("best_weights/classify.weight")
    assert event.histogram_value.max == pytest.approx(float(kept.max()))
    assert event.histogram_value.min == pytest.approx(float(kept.min())) != 0
    assert not any(tag.startswith("val/") for tag in tags(tmp_path, "images"))


# ---- Where there is less to show -------------------------------------------------------------------


def test_without_validation_there_is_still_a_row_and_the_input(experiment: MakeExperiment, tmp_path: Path) -> None:
    run_job(
        experiment("data.val_size=0", "callbacks=dashboard", "callbacks.dashboard.every_n_epochs=1"),
        tmp_path,
        [],
    )
    assert tags(tmp_path, "images") == {"train/input", *(f"test/{name}" for name in PICTURES)}
    scalars = events_of(tmp_path)
    assert [event.value for event in scalars.Scalars("hp/test_accuracy")][-1] > 0.5
    assert len(scalars.Scalars("hp/val_accuracy")) == 1
    assert set(results(CLASSIFICATION)) <= tags(tmp_path, "scalars")


@pytest.mark.parametrize("override", ["logger=none", "debug=fast_dev_run"])
def test_without_tensorboard_nothing_is_written(experiment: MakeExperiment, tmp_path: Path, override: str) -> None:
    run_job(experiment(override, "callbacks=dashboard", "callbacks.dashboard.every_n_epochs=1"), tmp_path, [])
    assert read_result(tmp_path).status == "done"
    assert not list(tmp_path.rglob("*tfevents*"))
    assert not (tmp_path / "projector").exists()


def test_a_run_that_dies_has_a_row(experiment: MakeExperiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: object) -> None:
        raise RuntimeError("the machine caught fire")

    monkeypatch.setattr(Dashboard, "on_train_epoch_end", die)
    with pytest.raises(Exception, match="caught fire"):
        run_job(experiment("callbacks=dashboard"), tmp_path, [])
    assert "_hparams_/session_start_info" in events_of(tmp_path).summary_metadata
    assert json.loads((tmp_path / "result.json").read_text())["status"] == "failed"


def test_a_negative_interval_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="every_n_epochs is -1; give a number of epochs, or 0"):
        Dashboard(every_n_epochs=-1, run_directory=tmp_path)
