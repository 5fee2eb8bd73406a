"""The run directory as an interface: found, read, alive or lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from digits.runs import record as run_module
from digits.runs.atomic import write_json
from digits.runs.layout import RunError
from digits.runs.read import find_run, read_model, read_result, status_of
from digits.runs.record import RunDirectory
from digits.runs.schema import Outcome, RunRecord

OUTCOME = Outcome("done", {"test/accuracy": 0.5}, 0, 1, 10, 100.0, {"fit": 1.0}, [{"epoch": 0}])


def make_run(path: Path, **record: object) -> Path:
    path.mkdir(parents=True)
    (path / "result.json").write_text(json.dumps(record))
    return path


def test_the_record_of_a_run_from_begin_to_end(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    run.begin({"seed": 3}, ["seed=3"])
    begun = read_result(tmp_path / "run")
    assert begun.status == "running"
    assert begun.pid == os.getpid()
    assert status_of(begun) == "running"
    assert begun.seed == 3
    assert begun.versions["torch"]
    run.finish(OUTCOME)
    done = read_result(tmp_path / "run")
    assert (done.status, done.metrics, done.overrides) == ("done", {"test/accuracy": 0.5}, ["seed=3"])
    assert done.started == begun.started


def test_a_run_that_goes_on_keeps_its_start_and_its_overrides(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    run.begin({}, ["model=mlp"])
    run.fail("RuntimeError: fire", "Traceback …")
    started = read_result(tmp_path).started
    RunDirectory(tmp_path).begin({}, ["resume=…"])
    again = read_result(tmp_path)
    assert (again.started, again.overrides, again.status) == (started, ["model=mlp"], "running")
    assert not (tmp_path / "error.txt").exists()


def test_signs_of_life_are_renewed_but_not_every_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunDirectory(tmp_path)
    run.begin({}, [])
    written = (tmp_path / "result.json").stat().st_mtime_ns
    run.sign_of_life()
    assert (tmp_path / "result.json").stat().st_mtime_ns == written
    monkeypatch.setattr(run_module, "SIGN_OF_LIFE", 0.0)
    time.sleep(0.01)
    run.sign_of_life()
    assert (tmp_path / "result.json").stat().st_mtime_ns > written


@pytest.mark.parametrize(
    ("record", "status"),
    [
        ({"status": "done"}, "done"),
        ({"status": "running", "alive": time.time() + 1e6, "host": "elsewhere", "pid": 1}, "running"),
        ({"status": "running", "alive": time.time() - 120, "host": "elsewhere", "pid": 1}, "lost"),
        ({"status": "running", "host": "elsewhere", "pid": 1}, "lost"),
        ({"status": "running", "alive": time.time(), "host": "here", "pid": os.getpid()}, "running"),
        ({"status": "running", "alive": 1e9, "host": "here", "pid": os.getpid()}, "lost"),  # before this process began
        ({"status": "running", "alive": time.time() + 1e6, "host": "here", "pid": 2**22 + 1}, "lost"),
    ],
)
def test_a_run_without_a_sign_of_life_is_lost(
    record: dict[str, object], status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "here")
    assert status_of(RunRecord.model_validate(record)) == status


def test_the_latest_run_is_the_latest_that_is_done(tmp_path: Path) -> None:
    make_run(tmp_path / "a", status="done", finished="2026-01-02")
    make_run(tmp_path / "deep" / "b", status="done", finished="2026-01-03")
    for run in ("a", "deep/b"):
        (tmp_path / run / "model.json").write_text("{}")
    make_run(tmp_path / "c", status="failed", finished="2026-01-04")
    make_run(tmp_path / "fast_dev_run", status="done", finished="2026-01-05")  # leaves no net
    make_run(tmp_path / "d", status="running")
    (make_run(tmp_path / "e") / "result.json").write_text("{half a fi")
    assert find_run(None, tmp_path) == tmp_path / "deep" / "b"


def test_what_is_no_run_is_told_with_the_fix(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="there is no directory"):
        find_run(str(tmp_path / "nowhere"))
    with pytest.raises(RunError, match=r"no run in .* is done yet; train one first"):
        find_run(None, tmp_path)
    make_run(tmp_path / "sweep" / "job", status="done")
    with pytest.raises(RunError, match=r"name one of the runs in it, such as .*job"):
        find_run(str(tmp_path / "sweep"))
    with pytest.raises(RunError, match=r"has no model\.json: it was not trained to its end"):
        read_model(tmp_path / "sweep" / "job")


def test_a_reader_sees_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    """A writer in another process is killed again and again; what is read is always whole."""
    path = tmp_path / "result.json"
    code = (
        "from pathlib import Path; from digits.runs.atomic import write_json; import itertools\n"
        f"for n in itertools.count(): write_json(Path({str(path)!r}), {{'n': n, 'padding': 'x' * 200_000}})"
    )
    for _ in range(3):
        writer = subprocess.Popen([sys.executable, "-c", code])
        deadline = time.monotonic() + 30
        while not path.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        for _ in range(200):
            assert len(str(read_result(tmp_path).at("padding"))) == 200_000
        writer.kill()
        writer.wait()
        assert len(str(read_result(tmp_path).at("padding"))) == 200_000


def test_reading_a_run_takes_no_torch(tmp_path: Path) -> None:
    write_json(tmp_path / "result.json", {"status": "done"})
    code = (
        f"import sys; from pathlib import Path; from digits.runs.read import read_result; "
        f"read_result(Path({str(tmp_path)!r})); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
