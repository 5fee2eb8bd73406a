"""One process at a time in a directory: a lock that ends with its holder, and heartbeats from other machines."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from digits.processes.claim import CLAIM, STALE, claim, claimed
from digits.runs.layout import RunError

HOLD = """
import sys, time
from pathlib import Path
from digits.processes.claim import claim
claim(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


def holder(directory: Path) -> subprocess.Popen[str]:
    """Another process that holds a directory."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(directory)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_the_second_is_told_who_holds_it_and_a_kill_frees_it(tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = holder(run)
    with pytest.raises(RunError, match=rf"run is still running \(process {process.pid} on .*\); end it first"):
        claim(run)
    process.kill()
    process.wait()
    with claimed(run):
        assert json.loads((run / CLAIM).read_text())["pid"] == os.getpid()
    assert not (run / CLAIM).exists()


def test_a_directory_that_was_made_for_nothing_goes(tmp_path: Path) -> None:
    with claimed(tmp_path / "run"):
        pass
    assert not (tmp_path / "run").exists()


def test_what_was_there_stays(tmp_path: Path) -> None:
    (tmp_path / "result.json").touch()
    with claimed(tmp_path), claimed(tmp_path):  # the same process may ask again
        assert (tmp_path / CLAIM).exists()
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


def test_a_forked_process_gives_nothing_back(tmp_path: Path) -> None:
    with claimed(tmp_path):
        if (child := os.fork()) == 0:
            from digits.processes.claim import _CLAIMS

            next(iter(_CLAIMS.values())).release()
            os._exit(0)
        os.waitpid(child, 0)
        done = subprocess.run([sys.executable, "-c", HOLD, str(tmp_path)], capture_output=True, text=True, check=False)
        assert f"process {os.getpid()} on" in done.stderr


@pytest.mark.parametrize(("age", "free"), [(1, False), (STALE - 5, False), (STALE + 5, True)])
def test_of_another_machine_the_heartbeat_decides(tmp_path: Path, age: float, free: bool) -> None:
    (tmp_path / CLAIM).write_text(json.dumps({"pid": 77, "host": "elsewhere"}))
    beat = time.time() - age
    os.utime(tmp_path / CLAIM, (beat, beat))
    if free:
        with claimed(tmp_path):
            assert json.loads((tmp_path / CLAIM).read_text())["pid"] == os.getpid()
    else:
        with pytest.raises(RunError, match="process 77 on elsewhere"):
            claim(tmp_path)


@pytest.mark.parametrize("left", ["", "{", '{"pid": 1}', "[]"])
def test_a_file_without_a_holder_is_nobodys(tmp_path: Path, left: str) -> None:
    (tmp_path / CLAIM).write_text(left)
    with claimed(tmp_path):
        pass


def test_a_stopped_process_still_holds(tmp_path: Path) -> None:
    process = holder(tmp_path)
    os.kill(process.pid, signal.SIGSTOP)
    beat = time.time() - 10 * STALE
    os.utime(tmp_path / CLAIM, (beat, beat))  # on one machine the lock decides, not the heartbeat
    with pytest.raises(RunError, match=f"process {process.pid}"):
        claim(tmp_path)
    process.kill()
    process.wait()


def test_without_locks_the_heartbeat_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr("fcntl.flock", no_locks)
    (tmp_path / CLAIM).write_text(json.dumps({"pid": 2**22 + 1, "host": socket.gethostname()}))
    with pytest.raises(RunError, match="still running"):
        claim(tmp_path)
    old = time.time() - STALE - 5
    os.utime(tmp_path / CLAIM, (old, old))
    with claimed(tmp_path):
        pass


def test_a_requeued_start_waits_for_a_machine_that_died(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / CLAIM).write_text(json.dumps({"pid": 77, "host": "elsewhere"}))
    beat = time.time() - STALE + 1.5
    os.utime(tmp_path / CLAIM, (beat, beat))
    with claimed(tmp_path, wait=20):
        assert json.loads((tmp_path / CLAIM).read_text())["pid"] == os.getpid()
    assert capsys.readouterr().out.count("waiting for process 77 on elsewhere, at most 20 s") == 1
