"""What a model card says of a run, and that it says nothing which was not measured or recorded."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_args

import pytest

from digits.config.data import Data, ImageFolder, Pages
from digits.config.task import DETECTION
from digits.config.types import Tree, Value
from digits.evaluating.pages import PagesScores
from digits.exporting.about import About
from digits.exporting.card import model_card
from digits.exporting.detector_export import ExportedDetector
from digits.exporting.onnx_export import Exported, MadeFile
from digits.exporting.origins import ORIGINS, origin_of
from digits.runs.layout import RunError
from digits.runs.read import read_corrupted, read_evaluations
from digits.runs.schema import CorruptedRecord, EvaluationRecord, NetInput, RecordedData, RecordedTarget, RunRecord
from tests.support.cards import head_of

ROOT = Path(__file__).parents[2]
RECORD: Tree = json.loads((ROOT / "tests" / "recorded" / "done" / "result.json").read_text(encoding="utf-8"))
DIGITS = list("0123456789")


def exported(temperature: float | None = 1.5) -> Exported:
    return Exported("model.onnx", b"", 360, 353, 0, 1e-6, temperature, 0.01, 0.03)


def card_of(
    changes: Tree | None = None, files: tuple[MadeFile, ...] = (exported(),), notes: tuple[str, ...] = (),
    evaluations: tuple[EvaluationRecord, ...] = (), classes: list[str] = DIGITS,
    corruptions: tuple[CorruptedRecord, ...] = (), side: int = 28,
) -> str:  # fmt: skip
    record = RunRecord.model_validate(RECORD | (changes or {}))
    assert record.config is not None
    assert record.config.data is not None
    about = About(
        record, record.config.data, RecordedTarget.model_validate({"_target_": "digits.models.CNN"}),
        NetInput(mean=0.1307, std=0.3081, image_size=side, classes=classes), files, notes, evaluations, "a" * 64,
        corruptions=corruptions,
    )  # fmt: skip
    return model_card(about, "print()\n", [("model.onnx", "the model")])


def section(card: str, title: str) -> str:
    return card.partition(f"\n## {title}\n\n")[2].partition("\n## ")[0].strip()


def row(card: str, first: str) -> list[str]:
    """The cells after the first of the one row of a table that begins so."""
    [line] = [line for line in card.splitlines() if line.startswith(f"| {first} ")]
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[2:-1]]


# ---- Metrics ------------------------------------------------------------------------------------------


def test_metrics_are_those_of_the_file_and_of_the_record() -> None:
    metrics: Tree = {
        "train/accuracy": 0.99,
        "train/loss": 0.01,
        "val/accuracy": 0.97,
        "test/accuracy": 0.9805,
        "test/loss": 0.0625,
    }
    shown = section(card_of({"metrics": metrics}), "Metrics")
    assert row(shown, "model.onnx") == ["accuracy", "98.06%", "96.04% to 99.05%", "353 of 360"]
    assert row(shown, "accuracy") == ["99.00%", "97.00%", "98.05%"]
    assert row(shown, "loss") == ["0.0100", "not measured", "0.0625"]


def test_epochs_are_counted_as_the_training_prints_them() -> None:
    assert row(card_of({"epochs": 3, "epoch": 2, "seed": 1234}), "epochs") == ["3; weights of epoch 3"]
    assert row(card_of({"epochs": 3, "epoch": 2, "seed": 1234}), "seed") == ["1234"]


def test_without_a_record_of_it_nothing_is_said_to_be_measured_or_known() -> None:
    gone = ("overrides", "seed", "device", "epochs", "epoch", "steps", "parameters")
    bare: Tree = {**dict.fromkeys(gone), "metrics": {}, "commit": {}, "versions": {}, "data": {}, "seconds": {}}
    card = card_of(bare)
    assert row(section(card, "Metrics"), "accuracy") == ["not measured"] * 3
    assert "chosen by" not in section(card, "Metrics")
    assert row(card, "images") == ["train not recorded, val not recorded, test not recorded"]
    training = section(card, "Training").partition("| SHA-256")[0]
    assert training.startswith("not recorded\n")
    assert [row(training, name)[0] for name in ("commit", "seed", "time", "device", "versions")] == ["not recorded"] * 5


def test_a_file_that_is_not_calibrated_is_said_to_be_so() -> None:
    assert row(section(card_of(), "Calibration"), "model.onnx") == ["1.5000", "3.00%", "1.00%"]
    card = card_of(files=(exported(None),), notes=("not calibrated: the run kept no validation images",))
    assert row(section(card, "Calibration"), "model.onnx")[0] == "none: not calibrated"
    assert "- Not calibrated: the run kept no validation images.\n" in card


def test_only_pages_have_an_interval_and_what_has_no_total_no_value() -> None:
    counted = PagesScores(pages=40, perfect=30, sought=200, hits=0, false=0, correct=0)
    card = card_of({"task": DETECTION.tree()}, (ExportedDetector("model.onnx", b"", counted, 1e-6),))
    rows = {name: rest for line in section(card, "Metrics").splitlines() if line.startswith("| model.onnx")
            for name, *rest in [[cell.strip() for cell in line.split("|")[2:-1]]]}  # fmt: skip
    assert rows["pages"] == ["75.00%", "59.81% to 85.81%", "30 of 40"]
    assert rows["recall"] == ["0.00%", "none", "0 of 200"]
    assert rows["precision"] == ["not measured", "none", "0 of 0"]
    [result] = head_of(card)["model-index"][0]["results"]
    assert [metric["type"] for metric in result["metrics"]] == ["pages", "recall"]


# ---- Robustness -----------------------------------------------------------------------------------------


def evaluation(name: str = "kmnist", weights: str = "a" * 64, **changes: Value) -> Tree:
    tree: Tree = {"data": {"name": name}, "split": "test", "views": 1, "images": 10000, "correct": 1234,
                  "members": [{"weights_sha256": weights}]}  # fmt: skip
    return tree | changes


def test_evaluations_on_other_data_are_its_robustness() -> None:
    card = card_of(evaluations=(EvaluationRecord.model_validate(evaluation()),))
    assert row(section(card, "Robustness"), "kmnist") == ["1", "12.34%", "11.71% to 13.00%", "1,234 of 10,000"]


@pytest.mark.parametrize(
    "tree",
    [
        evaluation(name="optdigits"),  # its own data
        evaluation(weights="b" * 64),  # other weights, as before the run was resumed
        evaluation(split="val"),
        evaluation(members=[{"weights_sha256": "a" * 64}, {"weights_sha256": "b" * 64}]),  # an ensemble
        evaluation(correct=10001),
        {},
    ],
)
def test_other_evaluations_are_not(tree: Tree) -> None:
    card = card_of(evaluations=(EvaluationRecord.model_validate(tree),))
    assert section(card, "Robustness").startswith("Not measured")


def corrupted(weights: str = "a" * 64, **changes: Value) -> CorruptedRecord:
    tree: Tree = {"data": {"name": "mnist"}, "split": "test", "views": 1, "images": 10000, "weights_sha256": [weights],
                  "accuracy": {"none": 0.99, "fog": 0.5, "spatter": 0.9}, "mean": 0.7}  # fmt: skip
    return CorruptedRecord.model_validate(tree | changes)


def test_corrupted_images_are_its_robustness_kind_by_kind() -> None:
    nine = corrupted(views=9, accuracy={"none": 0.995, "fog": 0.6}, mean=0.6)
    shown = section(card_of(corruptions=(corrupted(), nine)), "Robustness")
    assert row(shown, "distortion") == ["mnist", "mnist, 9 views"]
    assert row(shown, "as it is") == ["99.00%", "99.50%"]
    assert row(shown, "fog") == ["50.00%", "60.00%"]
    assert row(shown, "spatter") == ["90.00%", "not measured"]
    assert row(shown, "mean of the distortions") == ["70.00%", "60.00%"]
    assert row(shown, "images") == ["10,000", "10,000"]
    assert "Not measured on distorted" not in shown


@pytest.mark.parametrize(
    "record",
    [
        corrupted(weights="b" * 64),
        corrupted(split="val"),
        corrupted(weights_sha256=["a" * 64, "b" * 64]),  # an ensemble
        corrupted(weights_sha256=[None]),
        corrupted(mean=None),
        corrupted(accuracy={"fog": 1.5}),
        CorruptedRecord(),
    ],
)
def test_other_evaluations_on_corrupted_images_are_not_and_the_command_is_named(record: CorruptedRecord) -> None:
    shown = section(card_of(corruptions=(record,)), "Robustness")
    assert shown.endswith("Not measured on distorted images; `python -m digits.evaluate RUN --corrupt` measures it.")


def test_the_command_is_not_named_where_it_is_refused() -> None:
    assert section(card_of(side=32), "Robustness").endswith("Not measured on distorted images.")


def test_evaluations_are_read_from_the_run_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    assert read_evaluations(tmp_path) == []
    file = tmp_path / "evaluation" / "kmnist-test" / "evaluation.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(evaluation()), encoding="utf-8")
    [found] = read_evaluations(tmp_path)
    assert (found.data.name, found.correct, found.images) == ("kmnist", 1234, 10000)
    file.write_text("{", encoding="utf-8")
    with pytest.raises(RunError, match=r"is damaged.*; remove it, or evaluate again$"):
        read_evaluations(tmp_path)
    assert read_corrupted(tmp_path) == []
    file.with_name("corrupted.json").write_text("{", encoding="utf-8")
    with pytest.raises(RunError, match=r"corrupted\.json is damaged.*; remove it, or evaluate again$"):
        read_corrupted(tmp_path)


# ---- Origin -----------------------------------------------------------------------------------------------


def test_every_data_set_that_ships_has_the_licence_of_the_readme() -> None:
    ships = {name for kind in (Data, Pages) for name in get_args(kind.model_fields["name"].annotation)}
    assert ORIGINS.keys() == ships
    licences = " ".join((ROOT / "README.md").read_text(encoding="utf-8").partition("## Licences")[2].split())
    for origin in ORIGINS.values():
        licence, _, holders = origin.licence.rstrip(")").partition(" (")
        assert f"({holders}) {licence}" in licences


def test_the_licence_of_ones_own_images_is_not_invented() -> None:
    own = RecordedData.model_validate({"_target_": "mine.Data", "name": "mnist"})
    assert (origin_of(own).title, origin_of(own).hub) == ("mnist", None)
    folder = RecordedData.model_validate({"_target_": "digits.data.ImageFolder", "name": ImageFolder.__name__})
    for data in (own, folder):
        assert origin_of(data).licence.startswith("not known")


def test_weights_that_it_started_from_or_learnt_from_are_named() -> None:
    card = card_of({"init_from": {"weights": "b" * 64}, "teachers": [{"weights": "c" * 64}]})
    assert row(card, "started from the weights with SHA-256") == ["b" * 64]
    assert row(card, "distilled from the weights with SHA-256") == ["c" * 64]
    assert "is not in this card" in section(card, "Limits")
    assert "is not in this card" not in card_of()


def test_text_of_a_record_stays_in_its_place() -> None:
    """Overrides and names come from files that may be anybody's."""
    overrides: Tree = {"overrides": ["data.root=/home/me/x", "a=```\n# Title", "init_from=/home/me/runs/old",
                                       "+logger.comet.api_key=hunter2"]}  # fmt: skip
    training = section(card_of(overrides), "Training").partition("\n\n|")[0]
    assert "/home/me" not in training
    assert "hunter2" not in training
    assert all(line.startswith("    ") for line in training.splitlines()[1:])
    named = card_of(classes=["a|b", "c\nd"])
    assert row(named, "2 classes") == [r"a\|b, c d"]


def test_what_names_no_digit_is_said_unless_it_has_a_class_for_that() -> None:
    assert "for any image" in section(card_of(), "Limits")
    assert "for any image" not in section(card_of(classes=[*DIGITS, "none"]), "Limits")
