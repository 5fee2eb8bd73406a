"""Records parsed at their one door: of any age, with whatever else was written, and told where they are damaged."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from digits.config.types import Tree
from digits.runs.atomic import write_json
from digits.runs.layout import RunError
from digits.runs.read import check_trust, read_model, read_result, read_search_note, refused
from digits.runs.record import RunDirectory
from digits.runs.schema import Commit, RecordedConfig

TAKES = {"mean": 0.13, "std": 0.3, "image_size": 28}


def record_of(folder: Path, content: object, name: str = "result.json") -> Path:
    (folder / name).write_text(json.dumps(content))
    return folder


# ---- Of any age ---------------------------------------------------------------------------------


AGES: list[Tree] = [
    {},
    {"status": "running", "pid": 7, "host": "here", "alive": 5},
    # the first format: no epochs, no weights, no data, seconds of their own
    {"format": 1, "status": "done", "started": "2026-11-22T10:00:00+00:00", "overrides": ["model=mlp"], "seed": 0,
     "config": {"seed": 0, "trainer": {"max_epochs": 2}}, "metrics": {"val/accuracy": 0.9}, "parameters": 5,
     "seconds": {"fit": 12.5, "total": 14.0}, "images_per_second": 1000.5, "history": [{"epoch": 0}]},
    {"status": "done", "lengthened": None, "metrics": None, "history": None, "seconds": None, "overrides": None},
    {"status": "pruned", "trial": {"search": "s", "number": 3, "parameters": {"lr": 0.1, "kind": None}}},
]  # fmt: skip


@pytest.mark.parametrize("content", AGES)
def test_a_record_of_any_age_is_read_and_kept_as_it_was(tmp_path: Path, content: Tree) -> None:
    record = read_result(record_of(tmp_path, content))
    assert record.tree() == content
    assert record.status == content.get("status")
    assert record.metrics == (content.get("metrics") or {})
    assert record.lengthened == []
    assert (record.commit, record.teachers, record.init_from.weights) == (Commit(), [], None)


def test_a_key_that_is_missing_means_what_its_absence_meant() -> None:
    older: Tree = {"scheduler": {"_target_": "torch.optim.lr_scheduler.StepLR"}}
    config = RecordedConfig.model_validate(older)
    assert (config.test_views, config.init_from, config.teachers) == (1, None, [])
    assert config.tree() == older, "and what was recorded stays what it was"
    assert RecordedConfig.model_validate({"test_views": "nine"}).test_views is None, "which is not its absence"


def test_what_is_not_known_here_goes_back_into_the_file(tmp_path: Path) -> None:
    """Wherever it stands, and in the order in which it was."""
    text = (
        '{"later": {"a": [1, null, 1.0]}, "status": "done", "config": {"model": {"w": 1, "_target_": "a.B"}, "new": 1},'
        ' "metrics": {"val/loss": NaN, "top5": 1}, "commit": {"branch": "main", "id": "ab"}, "trial": {"x": 1}}'
    )
    (tmp_path / "result.json").write_text(text)
    record = read_result(tmp_path)
    write_json(tmp_path / "result.json", record.tree())
    assert (tmp_path / "result.json").read_text() == json.dumps(json.loads(text), indent=2) + "\n"
    assert record.config is not None
    assert record.config.model is not None
    assert list(record.config.model.tree()) == ["w", "_target_"]
    assert (record.at("commit.branch"), record.at("later.b.c"), record.commit.id) == ("main", None, "ab")


def test_a_run_that_goes_on_keeps_what_was_recorded(tmp_path: Path) -> None:
    former = {"status": "interrupted", "started": "then", "overrides": ["a=1"], "data": {"name": "x", "newer": 1}}
    run = RunDirectory(record_of(tmp_path, former | {"trial": {"number": 3, "newer": 2}}))
    run.begin({"seed": 1}, ["resume=…"])
    run.first_step()
    again = read_result(tmp_path)
    assert (again.started, again.overrides, again.at("data.newer"), again.at("trial.newer")) == ("then", ["a=1"], 1, 2)


def test_numbers_stay_as_they_were_written(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text(
        '{"metrics": {"a": NaN, "b": Infinity, "c": 1, "d": 1.0}, "history": [{"a": NaN}], "alive": 1e300}'
    )
    record = read_result(tmp_path)
    assert [repr(value) for value in record.metrics.values()] == ["nan", "inf", "1", "1.0"]
    assert math.isnan(record.history[0]["a"])
    assert record.alive == 1e300


# ---- Damaged ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        {"config": [3], "hardware": 3, "versions": [], "commit": "ab", "data": None, "teachers": ["t"], "init_from": 3},
        {"config": {"data": [1], "model": 3, "trainer": None, "callbacks": {"a": 3}, "teachers": "t"}},
        {"config": {"data": {"name": 7, "mean": "0.1", "val_size": []}}, "device": 3, "trial": 3},
        {"status": 3, "pid": True, "alive": "now", "seed": "0", "overrides": ["a=1", 2], "metrics": [], "seconds": 3},
        {"metrics": {"val/loss": "0.1"}, "history": [{"a": 1}, 3], "epoch": 1.5, "images_per_second": "many"},
    ],
)
def test_what_is_of_another_type_counts_as_not_recorded(tmp_path: Path, content: Tree) -> None:
    record = read_result(record_of(tmp_path, content))
    assert (record.hardware.cpu, record.versions, record.commit.id, record.teachers) == (None, {}, None, [])
    assert (record.data.checksums, record.device, record.trial) == (None, None, None)
    assert record.tree() == content
    if record.config is not None:
        assert not record.config.whole
        assert (record.config.trainer.max_epochs, record.config.callbacks, record.config.teachers) == (None, {}, [])
        assert record.config.data is None or record.config.data.name is None


def test_of_the_metrics_what_is_a_number_counts(tmp_path: Path) -> None:
    record = read_result(record_of(tmp_path, {"metrics": {"val/accuracy": 0.5, "note": "good", "x": None, "y": True}}))
    assert record.metrics == {"val/accuracy": 0.5}


@pytest.mark.parametrize(("content", "why"), [
    ({"model": {}}, "net's input (input.mean, .std, .image_size)"),
    ({"input": TAKES | {"image_size": "28"}}, "net's input (input.mean, .std, .image_size)"),
    ({"input": TAKES | {"classes": [3]}}, "input.classes must be names"),
    ({"input": TAKES | {"classes": "ab"}}, "input.classes must be names"),
])  # fmt: skip
def test_a_net_says_what_it_takes(tmp_path: Path, content: Tree, why: str) -> None:
    with pytest.raises(RunError) as caught:
        read_model(record_of(tmp_path, content, "model.json"))
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'model.json'} is damaged: ")
    assert message.endswith(why)


@pytest.mark.parametrize("content", [{}, {"name": 3}, {"name": "a", "storage": 3}])
def test_a_search_says_which_it_is(tmp_path: Path, content: Tree) -> None:
    with pytest.raises(RunError, match=r"search\.json is damaged: .* study$"):
        read_search_note(record_of(tmp_path, content, "search.json"))
    assert read_search_note(record_of(tmp_path, {"name": "a", "x": 1}, "search.json")).storage is None


# ---- Trust --------------------------------------------------------------------------------------


def test_what_a_record_names_is_asked_for_by_name() -> None:
    config = RecordedConfig.model_validate(
        {
            "model": {"_target_": "mine.Net", "inner": [{"_target_": "os.system"}]},
            "logger": {"a": {"_target_": "digits.x.A", "save_dir": "/"}},
        }
    )
    told = [(fault.key, fault.target, fault.package) for fault in refused(config)]
    assert told == [
        ("model", "mine.Net", "mine"),
        ("model.inner[0]", "os.system", "os"),
        ("logger.a.save_dir", None, ""),
    ]
    assert [fault.key for fault in refused(config, ["mine", "os"])] == ["logger.a.save_dir"], "whoever is trusted"
    assert [fault.key for fault in refused(config, own={"os.system"})] == ["model", "logger.a.save_dir"]
    with pytest.raises(
        RunError, match=r"^result\.json names a class outside .*: mine\.Net; to allow it: --trust mine$"
    ):
        check_trust(config, "result.json", [])
    with pytest.raises(RunError, match=r"^result\.json: logger\.a\.save_dir is '/'; a record doesn't choose"):
        check_trust(config, "result.json", ["mine", "os"])
