"""Which runs can teach another is told before a directory is made, from their records alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from digits.config.check import check
from digits.config.faults import ConfigError
from digits.config.types import Tree
from digits.hydra_app.paths import conf_directory
from digits.hydra_app.resolve import experiment_of, start_of_job
from digits.runs.compare import compare, differences
from digits.runs.schema import RunRecord, TeacherOf
from digits.runs.teachers import find_teachers, trained_anew
from tests.conftest import Compose

DATA: Tree = {
    "name": "optdigits",
    "mean": 0.1560,
    "std": 0.2777,
    "image_size": 28,
    "num_classes": 10,
    "val_size": 180,
    "split_seed": 0,
}
TAKES: Tree = {"mean": 0.1560, "std": 0.2777, "image_size": 28, "classes": list(map(str, range(10)))}


def make_run(
    run: Path, data: Tree | None = None, takes: Tree | None = None, model: Tree | None = None, **record: object
) -> Path:
    """What is read of a run that is done before its net is: with changes to its data, to what it takes, to its net."""
    run.mkdir(parents=True, exist_ok=True)
    result = {"status": "done", "weights": "ab", "config": {"data": DATA | (data or {})}} | record
    (run / "result.json").write_text(json.dumps(result))
    net = {"_target_": "digits.models.MLP"} | (model or {})
    (run / "model.json").write_text(json.dumps({"model": net, "input": TAKES | (takes or {})}))
    (run / "model.safetensors").touch()
    return run


def start(*overrides: str) -> Tree:
    """What a command on optdigits comes to before it starts; of a run taken up, what was recorded."""
    GlobalHydra.instance().clear()
    own = [] if overrides[0].startswith(("resume=", "config_from=")) else ["data=optdigits"]
    with initialize_config_dir(conf_directory(), version_base="1.3"):
        return experiment_of(compose("train", overrides=[*own, *overrides]), list(overrides)).tree()


def test_the_record_names_each_teacher_and_its_weights(
    composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make_run(tmp_path / "a")
    make_run(tmp_path / "b", weights=None)
    config = check(composed("data=optdigits", "teachers=[a,b]"))
    assert find_teachers(config) == [
        TeacherOf(run=str(tmp_path / "a"), weights="ab"),
        TeacherOf(run=str(tmp_path / "b"), weights=None),
    ]


def test_teachers_are_recorded_so_that_any_folder_finds_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_run(tmp_path / "runs" / "a")
    monkeypatch.chdir(tmp_path / "runs")
    assert start("teachers=[a]")["teachers"] == [str(tmp_path / "runs" / "a")]


UNFIT: list[tuple[dict[str, object], str]] = [
    ({"status": "interrupted"}, r"is interrupted, but a teacher has to be done; resume it with resume=.*teacher"),
    ({"status": "running", "alive": 0}, "is lost, but a teacher has to be done"),
    ({"config": None}, "has no configuration in its record, so what it was trained on is not known"),
    ({"takes": {"mean": 0.5}}, r"takes images with mean 0\.5, but here data\.mean is 0\.156"),
    ({"takes": {"std": 0.5}}, r"takes images with std 0\.5, but here data\.std is 0\.2777"),
    ({"takes": {"image_size": 32}}, r"takes images with image_size 32, but here data\.image_size is 28"),
    ({"takes": {"classes": list("ab")}}, r"knows 2 classes, but here data\.num_classes is 10"),
    ({"takes": {"classes": None}, "data": {"num_classes": 5}}, r"knows 5 classes, but here data\.num_classes is 10"),
    ({"data": {"name": "mnist"}}, r"was trained on mnist, but here data\.name is optdigits; name a run on the same"),
    (
        {"data": {"split_seed": 1}},
        r".* another split, .* take a teacher with data\.val_size=180 data\.split_seed=0",
    ),
    ({"data": {"val_size": 0}}, r".* another split, .* take a teacher with data\.val_size=180 data\.split_seed=0"),
    ({"model": {"_target_": "mynets.Net"}}, r"has a net outside .*: mynets\.Net; to allow it: trust=\[mynets\]"),
]


@pytest.mark.parametrize(("changes", "sentence"), UNFIT)
def test_a_teacher_that_does_not_fit_is_refused(tmp_path: Path, changes: dict[str, object], sentence: str) -> None:
    run = make_run(tmp_path / "teacher", **changes)  # type: ignore[arg-type]  # sections or fields of the record
    with pytest.raises(ConfigError, match=rf"^teachers: \S+teacher {sentence}"):
        start(f"teachers=[{run}]")


@pytest.mark.parametrize("origin", [{"init_from": "other"}, {"teachers": ["other"]}])
def test_a_teacher_that_began_with_other_nets_may_have_seen_what_is_validated_on(
    tmp_path: Path, origin: dict[str, object]
) -> None:
    run = make_run(tmp_path / "teacher")
    record = json.loads((run / "result.json").read_text())
    record["config"] |= origin
    (run / "result.json").write_text(json.dumps(record))
    with pytest.raises(ConfigError, match=r"started from other nets, .* take a teacher that has neither init_from nor"):
        start(f"teachers=[{run}]")
    assert start(f"teachers=[{run}]", "data.val_size=0")["teachers"] == [str(run)]


def test_what_is_not_validated_on_needs_no_common_split_but_the_data_set(tmp_path: Path) -> None:
    run = make_run(tmp_path / "teacher", data={"split_seed": 1})
    assert start(f"teachers=[{run}]", "data.val_size=0")["teachers"] == [str(run)]
    make_run(run, data={"name": "mnist"})
    with pytest.raises(ConfigError, match="was trained on mnist"):
        start(f"teachers=[{run}]", "data.val_size=0")


@pytest.mark.parametrize(("file", "sentence"), [
    ("result.json", "is not a run directory"), ("model.json", "it was not trained to its end"),
    ("model.safetensors", "the weights of its net; name another run"),
])  # fmt: skip
def test_a_teacher_lacks_a_file(tmp_path: Path, file: str, sentence: str) -> None:
    run = make_run(tmp_path / "teacher")
    (run / file).unlink()
    make_run(run / "deeper")  # nothing is searched for
    with pytest.raises(ConfigError, match=sentence) as caught:
        start(f"teachers=[{run}]")
    assert "deeper" not in str(caught.value)


def test_every_fault_is_told_and_none_twice(tmp_path: Path) -> None:
    good = make_run(tmp_path / "good")
    (tmp_path / "link").symlink_to(good)
    bad = make_run(tmp_path / "bad", status="failed")
    with pytest.raises(ConfigError) as caught:
        start(f"teachers=[{good},{tmp_path / 'link'},{bad}]")
    same, failed = map(str, caught.value.faults)
    assert same == f"teachers: {tmp_path / 'link'} is the same run as {good}; name each run once"
    assert "bad is failed, but a teacher has to be done" in failed


def test_nothing_of_it_takes_torch(tmp_path: Path) -> None:
    run = make_run(tmp_path / "teacher", status="failed")
    code = (
        "import sys; from tests.runs.test_teachers import start; from digits.config.check import ConfigError\n"
        "try: start(f'teachers=[{sys.argv[1]}]')\n"
        "except ConfigError as error: print(error, 'torch' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code, str(run)], capture_output=True, text=True, check=True).stdout
    assert "is failed, but a teacher has to be done" in out
    assert out.endswith("False\n")


# ---- Runs taken up again --------------------------------------------------------------------------


def make_student(run: Path, teacher: Path) -> Path:
    """A run cut off after it began to learn from a teacher."""
    run.mkdir()
    command = f"teachers=[{teacher}]"
    record: dict[str, object] = {"status": "failed", "config": start(command), "overrides": [command]}
    record["teachers"] = [{"run": str(teacher), "weights": "ab"}]
    (run / "result.json").write_text(json.dumps(record))
    (run / "checkpoints").mkdir()
    (run / "checkpoints" / "last.ckpt").touch()
    return run


def test_a_run_goes_on_with_the_teacher_it_had(tmp_path: Path) -> None:
    teacher = make_run(tmp_path / "teacher")
    student = make_student(tmp_path / "student", teacher)
    assert start(f"resume={student}")["teachers"] == [str(teacher)]
    make_run(teacher, weights="cd")
    sentence = rf"^teachers: {teacher} was retrained after {student} began .* with config_from={student}$"
    with pytest.raises(ConfigError, match=sentence):
        start(f"resume={student}")
    with initialize_config_dir(conf_directory(), version_base="1.3"):
        config = compose("train", overrides=["data=optdigits", f"teachers=[{teacher}]"])
    with pytest.raises(ConfigError, match=sentence):  # a sweep's job, met again
        start_of_job(config, [f"teachers=[{teacher}]"], student)
    assert start(f"config_from={student}")["teachers"] == [str(teacher)]
    (student / "checkpoints" / "last.ckpt").unlink()  # then it starts anew
    assert start(f"resume={student}")["teachers"] == [str(teacher)]


def test_a_run_done_once_more_says_that_its_teacher_is_another() -> None:
    then = RunRecord.model_validate(
        {"status": "done", "teachers": [{"run": "t", "weights": "ab"}], "metrics": {"val/loss": 1.0}}
    )
    now = then.changed({"teachers": [{"run": "t", "weights": "cd"}], "config": {"config_from": "first"}})
    assert differences(then, now) == ["the teacher t was retrained since"]
    assert differences(then, then) == []
    assert "the teacher t was retrained since" in compare(then, now.changed({"metrics": {"val/loss": 2.0}}))


@pytest.mark.parametrize("then", [None, [], [{"run": "t", "weights": None}], [{"run": "u", "weights": "ab"}], 3, ["t"]])
def test_what_was_not_recorded_is_not_compared(then: object) -> None:
    recorded = RunRecord.model_validate({"teachers": then})
    assert trained_anew(recorded.teachers, [TeacherOf(run="t", weights="ab")]) == []


def test_a_record_older_than_the_key_is_of_a_run_without_teachers(tmp_path: Path) -> None:
    config = start("seed=3")
    del config["teachers"]
    (tmp_path / "result.json").write_text(json.dumps({"status": "done", "config": config}))
    again = start(f"config_from={tmp_path}")
    assert (again["seed"], again["teachers"]) == (3, [])
