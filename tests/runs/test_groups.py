"""`python -m digits.report`: which runs are seeds of one configuration, and in what lines differ; records by hand."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from digits.runs.table import grouped, read_rows
from tests.support.reports import output, write_run, write_unfinished

CONFIG = """{
    "data": {"_target_": "digits.data.MNISTDataModule", "name": "mnist", "root": "data", "mirrors": null,
             "num_classes": 10, "image_size": 28, "limit": null, "split_seed": 0, "batch_size": 512},
    "augment": {"affine": {"_target_": "digits.data.RandomAffine", "degrees": 10.0}},
    "model": {"_target_": "digits.models.MLP", "image_size": 28, "num_classes": 10, "hidden": [256], "dropout": 0.2},
    "loss": {"_target_": "torch.nn.CrossEntropyLoss", "label_smoothing": 0.0},
    "optimizer": {"_target_": "torch.optim.AdamW", "lr": 0.006, "betas": [0.9, 0.999], "weight_decay": 0.01},
    "scheduler": {"_target_": "torch.optim.lr_scheduler.OneCycleLR", "interval": "step", "max_lr": 0.006},
    "trainer": {"max_epochs": 10, "accelerator": "auto", "precision": "32-true", "log_every_n_steps": 50},
    "callbacks": {"early_stopping": {"_target_": "lightning.pytorch.callbacks.EarlyStopping", "patience": 5},
                  "dashboard": {"_target_": "digits.training.dashboard.Dashboard", "every_n_epochs": 5}},
    "logger": {"csv": {"_target_": "digits.training.metrics_csv.MetricsCSV"}},
    "seed": 0, "test": true, "test_views": 1, "checkpoints": "both", "checkpoint_minutes": 5,
    "resume": null, "config_from": null, "trust": [], "init_from": null, "teachers": []
}"""
"""A whole configuration, as a record has it."""


def configured(**values: object) -> dict[str, object]:
    """That configuration with other values; `optimizer__lr` is optimizer.lr, and None for a section takes it away."""
    config: dict[str, object] = json.loads(CONFIG)
    for name, value in values.items():
        *sections, key = name.split("__")
        inner = config
        for section in sections:
            found = inner[section]
            assert isinstance(found, dict)
            inner = found
        inner[key] = value
    return config


def write_seeds(
    folder: Path, *differing: Mapping[str, object], overrides: list[str] | None = None, **fields: object
) -> list[Path]:
    """Runs with the same overrides and seeds from 0, of configurations that differ so; validated to 90 %, 89 % …"""
    return [
        write_run(
            folder / f"run{seed}",
            ["model=mlp"] if overrides is None else overrides,
            seed,
            metrics={"val/accuracy": (90 - seed) / 100},
            config=configured(**{**values, "seed": seed}),
            **fields,
        )
        for seed, values in enumerate(differing)
    ]


def first_column(text: str) -> list[str]:
    """What a report says of each line of its table."""
    lines = text.splitlines()
    rule = next(i for i, line in enumerate(lines) if line.startswith("---"))
    width = len(lines[rule].split()[0])
    return [line[:width].rstrip() for line in lines[rule + 1 : lines.index("", rule)]]


def test_a_yaml_that_was_edited_makes_other_runs_and_not_seeds_of_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edited = {"optimizer__lr": 0.5, "scheduler__max_lr": 0.5}  # max_lr follows lr, and need not be told
    write_seeds(tmp_path, {}, edited, {}, edited)
    text = output(capsys, tmp_path)
    assert first_column(text) == ["[optimizer.lr=0.006]", "[optimizer.lr=0.5]"]
    assert "all with model=mlp" in text
    assert "\n\nin brackets: recorded settings that tell lines apart where their overrides don't\n" in text
    assert [len(group.rows) for group in grouped(read_rows(tmp_path))] == [2, 2]
    write_run(tmp_path / "cnn", ["model=cnn"], config=configured(model={"_target_": "digits.models.CNN"}))
    assert first_column(output(capsys, tmp_path)) == [
        "model=cnn", "model=mlp [optimizer.lr=0.006]", "model=mlp [optimizer.lr=0.5]",
    ]  # fmt: skip


def test_what_changes_no_result_splits_no_group(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_seeds(
        tmp_path,
        {},
        {"data__root": "/elsewhere", "data__mirrors": ["https://mirror.example/"]},
        {"logger": {}, "trainer__log_every_n_steps": 1, "trainer__enable_progress_bar": False},
        {"checkpoints": "best", "checkpoint_minutes": None, "test": False, "trust": ["mine"]},
        {"resume": "outputs/runs/a"},
        {"config_from": "outputs/runs/a"},
        {"callbacks__dashboard__every_n_epochs": None, "trainer__profiler": "simple"},
        {"callbacks": {"early_stopping": configured_early_stopping()}},
        {"callbacks__rates": {"_target_": "lightning.pytorch.callbacks.LearningRateMonitor"}},
        dict(reversed(configured().items())),
    )
    (group,) = grouped(read_rows(tmp_path))
    assert len(group.rows) == 10
    assert "in brackets" not in output(capsys, tmp_path)


def configured_early_stopping() -> object:
    callbacks = configured()["callbacks"]
    assert isinstance(callbacks, dict)
    return callbacks["early_stopping"]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"trainer__precision": "bf16-mixed"}, ("trainer.precision=32-true", "trainer.precision=bf16-mixed")),
        ({"test_views": 9}, ("test_views=1", "test_views=9")),
        ({"data__split_seed": 1}, ("data.split_seed=0", "data.split_seed=1")),
        ({"model__hidden": [256, 256]}, ("model.hidden=[256]", "model.hidden=[256,256]")),
        ({"loss__label_smoothing": None}, ("loss.label_smoothing=0", "loss.label_smoothing=null")),
        ({"callbacks": {}}, ("callbacks.early_stopping._target_=lightning.pytorch.callbacks.EarlyStopping "
                             "callbacks.early_stopping.patience=5", "~callbacks")),
        ({"augment": {}}, ("augment.affine._target_=digits.data.RandomAffine augment.affine.degrees=10", "~augment")),
        # a key by another name is another key
        ({"optimizer__amsgrad": True}, ("~optimizer.amsgrad", "optimizer.amsgrad=true")),
        # what only one of two models has goes without saying
        ({"model": {"_target_": "digits.models.LogisticRegression", "image_size": 28, "num_classes": 10}},
         ("model._target_=digits.models.MLP model.dropout=0.2 model.hidden=[256]",
          "model._target_=digits.models.LogisticRegression")),
        ({"data__name": "1", "data__limit": 1}, ("data.limit=null data.name=mnist", "data.limit=1 data.name=1")),
    ],
)  # fmt: skip
def test_brackets_name_what_differs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], values: dict[str, object], told: tuple[str, str]
) -> None:
    write_seeds(tmp_path, {}, values)
    text = output(capsys, tmp_path)
    assert first_column(text) == [f"[{part}]" for part in told]
    assert ("; ~KEY: the line has no such key" in text) == any(part.startswith("~") for part in told)


def test_order_of_augmentations_is_a_difference(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    affine, erase = {"_target_": "digits.data.RandomAffine"}, {"_target_": "digits.data.RandomErase"}
    write_seeds(tmp_path, {"augment": {"a": affine, "e": erase}}, {"augment": {"e": erase, "a": affine}})
    assert first_column(output(capsys, tmp_path)) == ['[augment=["a","e"]]', '[augment=["e","a"]]']


def test_many_differences_and_long_values_are_cut(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    many = {f"optimizer__{letter}": 1 for letter in "abcdefgh"}
    write_seeds(tmp_path, {f"optimizer__{letter}": 2 for letter in "abcdefgh"}, many)
    assert first_column(output(capsys, tmp_path))[1] == (
        "[optimizer.a=1 optimizer.b=1 optimizer.c=1 optimizer.d=1 optimizer.e=1 and 3 more]"
    )
    long = list(range(100, 200))
    write_seeds(tmp_path / "long", {"model__hidden": [*long, 1, *long]}, {"model__hidden": [*long, 2, *long]})
    assert first_column(output(capsys, tmp_path / "long")) == [
        f"[model.hidden=…7,198,199,{number},100,101,102,103,104,105,106,107,108,…]" for number in (1, 2)
    ]
    alike = [[7, *long, 1], [8, *long, 1], [8, *long, 2]]  # cut to where the first differs, two would look the same
    write_seeds(tmp_path / "alike", *({"model__hidden": hidden} for hidden in alike))
    lengths = {len(cell) for cell in first_column(output(capsys, tmp_path / "alike"))}
    assert lengths == {len("[model.hidden=[7,,1]]") + len(",".join(map(str, long)))}


def test_a_value_cannot_write_on_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_seeds(tmp_path, {"optimizer__note": "\x1b[2J"}, {"optimizer__note": "1"}, {"optimizer__note": 1})
    text = output(capsys, tmp_path)
    assert first_column(text) == ['[optimizer.note="�[2J"]', '[optimizer.note="1"]', "[optimizer.note=1]"]
    assert "\x1b" not in text


def test_the_same_number_is_the_same_however_it_was_typed(tmp_path: Path) -> None:
    paths = write_seeds(
        tmp_path, {"optimizer__weight_decay": 1, "optimizer__betas": [0, 0.5]},
        {"optimizer__weight_decay": 1.0, "optimizer__betas": [0.0, 5e-1]},
    )  # fmt: skip
    for path, typed in zip(paths, ("1", "1.0"), strict=True):
        record = json.loads((path / "result.json").read_text())
        (path / "result.json").write_text(json.dumps(record | {"overrides": [f"optimizer.weight_decay={typed}"]}))
    (group,) = grouped(read_rows(tmp_path))
    assert group.overrides == (("optimizer.weight_decay", "1"),)
    # to Lightning, 1 is one batch and 1.0 all of them; and true is no number
    write_seeds(tmp_path / "batches", {"trainer__limit_val_batches": 1}, {"trainer__limit_val_batches": 1.0})
    write_seeds(tmp_path / "flags", {"optimizer__nesterov": True}, {"optimizer__nesterov": 1})
    for folder in ("batches", "flags"):
        assert len(grouped(read_rows(tmp_path / folder))) == 2


def test_a_default_that_was_typed_is_no_difference(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed, overrides in enumerate((["model=mlp"], [], ["optimizer.lr=6e-3", "data.root=/a"])):
        write_run(tmp_path / str(seed), [*overrides, f"seed={seed}"], seed, config=configured(seed=seed))
    (group,) = grouped(read_rows(tmp_path))
    assert (group.overrides, len(group.rows)) == ((), 3)
    # nor does it hide one: lr was edited, and max_epochs=10 is what all have
    edited = configured(optimizer__lr=0.5, seed=3)
    write_run(tmp_path / "3", ["trainer.max_epochs=10"], 3, config=edited, metrics={"val/accuracy": 0.1})
    assert first_column(output(capsys, tmp_path)) == [
        "[optimizer.lr=0.006]", "trainer.max_epochs=10 [optimizer.lr=0.5]",
    ]  # fmt: skip
    write_run(tmp_path / "4", ["trainer.max_epochs=20"], 4, config=configured(trainer__max_epochs=20), metrics={})
    assert first_column(output(capsys, tmp_path))[2] == "trainer.max_epochs=20"


def test_a_group_is_called_by_what_its_runs_needed(tmp_path: Path) -> None:
    typed = (["experiment=mine", "data.root=/a"], ["optimizer.lr=0.006", "augment=affine", "data.root=/a"],
             ["config_from=outputs/runs/a"])  # fmt: skip
    for seed, overrides in enumerate(typed):
        write_run(tmp_path / str(seed), overrides, seed, config=configured())
    (group,) = grouped(read_rows(tmp_path))
    assert group.overrides == (("data.root", "/a"), ("experiment", "mine"))


def test_keys_that_an_older_record_lacks_have_the_value_they_had_then(tmp_path: Path) -> None:
    older = configured(seed=1)
    for key in ("test_views", "init_from", "teachers", "checkpoint_minutes", "trust", "resume"):
        del older[key]
    write_run(tmp_path / "older", ["model=mlp"], 1, config=older)
    write_seeds(tmp_path, {"scheduler__cycle_momentum": True})
    (group,) = grouped(read_rows(tmp_path))
    assert len(group.rows) == 2


def test_other_data_are_other_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = write_seeds(tmp_path, {}, {}, {}, {}, {})
    files = {"train": "aa", "test": "bb"}
    read: list[dict[str, object]] = [
        {"train": 8, "checksums": files},
        {"train": 8, "checksums": dict(reversed(files.items()))},
        {"train": 8, "checksums": files | {"train": "cc"}},
        {"train": 8, "val": 2, "test": 1, "checksums": {}},  # of a set of one's own
        {},
    ]
    for run, data in zip(runs, read, strict=True):
        record = json.loads((run / "result.json").read_text())
        (run / "result.json").write_text(json.dumps(record | {"data": data}))
    column = first_column(output(capsys, tmp_path))
    digests = [hashlib.sha256(f'{{"test":"bb","train":"{train}"}}'.encode()).hexdigest()[:12] for train in ("aa", "cc")]
    assert column == [
        f"[data.checksums={digests[0]} ~data.images]",
        f"[data.checksums={digests[1]} ~data.images]",
        "[~data.checksums data.images=[8,2,1]]",
        "[~data.checksums ~data.images]",
    ]


def test_a_run_that_was_lengthened_is_another(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_seeds(tmp_path, {}, lengthened=[])
    write_run(tmp_path / "longer", ["model=mlp"], 1, config=configured(), lengthened=[5], metrics={"val/accuracy": 0.1})
    write_run(tmp_path / "older", ["model=mlp"], 2, config=configured())  # from before that was recorded
    assert first_column(output(capsys, tmp_path)) == ["[lengthened=[]]", "[lengthened=[5]]"]
    assert sorted(len(group.rows) for group in grouped(read_rows(tmp_path))) == [1, 2]


def test_weights_and_teachers_are_known_by_their_checksums(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = "a1" * 32, "b2" * 32
    records: list[tuple[str, str | None, dict[str, str | None]]] = [
        ("/a", one, {"/t": one, "/u": other}),
        ("/b", one, {"/v": other, "/w": one}),
        ("/a", other, {"/t": one, "/u": None}),
        ("/a", None, {"/t": None, "/u": None}),
    ]
    for seed, (begun, weights, taught) in enumerate(records):
        teachers = [{"run": run, "weights": digest} for run, digest in taught.items()]
        record = {"init_from": {"weights": weights}, "teachers": teachers} if weights else {}
        config, metrics = configured(init_from=begun, teachers=[*taught]), {"val/accuracy": (90 - seed) / 100}
        write_run(tmp_path / str(seed), ["init_from=a"], seed, metrics=metrics, config=config, **record)
    assert first_column(output(capsys, tmp_path)) == [
        f'[init_from={one[:12]} teachers=["{one[:12]}","{other[:12]}"]]',
        f'[init_from={other[:12]} teachers=["/u","{one[:12]}"]]',
        '[init_from=/a teachers=["/t","/u"]]',
    ]


def test_without_a_whole_configuration_the_overrides_stand_for_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed, config in enumerate((None, {}, {"trainer": None}, [3])):
        write_run(tmp_path / str(seed), ["model=mlp"], seed, config=config)
    (group,) = grouped(read_rows(tmp_path))
    assert (group.overrides, len(group.rows)) == ((("model", "mlp"),), 4)
    write_seeds(tmp_path / "whole", {}, {"test_views": 5})
    assert sorted(first_column(output(capsys, tmp_path))) == [
        "[config=not recorded]", "[test_views=1]", "[test_views=5]",
    ]  # fmt: skip


def test_left_out_is_what_ran_again_with_the_same_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder, config in (("whole", configured()), ("without", None)):
        for name, overrides in (("first", ["model=mlp"]), ("second", ["model=mlp"]), ("third", [])):
            write_run(tmp_path / folder / name, overrides, 3, config=config)
    told = "left out of the means: the same"
    assert f"2 runs {told} configuration and seed ran again later" in output(capsys, tmp_path / "whole")
    assert f"1 run {told} overrides and seed ran again later" in output(capsys, tmp_path / "without")
    assert f"3 runs {told} configuration or overrides and seed ran again later" in output(capsys, tmp_path)


def test_brackets_in_markdown_and_keys_in_csv(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_seeds(tmp_path, {}, {"model___target_": "mine.MLP", "optimizer__note": "a|b"})
    lines = output(capsys, tmp_path, "--markdown").splitlines()
    table = [line.split(" | ")[0].strip("| ") for line in lines if line.startswith("| ")]
    assert table == [
        "overrides",
        "[`model._target_=digits.models.MLP ~optimizer.note`]",
        r"[`model._target_=mine.MLP optimizer.note=a\|b`]",
    ]
    assert lines[lines.index("", 4) + 1].startswith("in brackets: ")
    write_unfinished(tmp_path / "failed", status="failed", config=configured())
    rows = list(csv.DictReader(io.StringIO(output(capsys, tmp_path, "--csv"))))
    told = [(row["model"], row["model._target_"], row["optimizer.note"]) for row in rows]
    assert told == [("mlp", "digits.models.MLP", ""), ("mlp", "mine.MLP", "a|b"), ("", "digits.models.MLP", "")]
    assert "optimizer.lr" not in rows[0]
