"""A job in a process of its own: its answer, its death, and the signals that reach it, each once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from digits.processes.signals import SAME

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="jobs have processes of their own on Linux only")

BEGIN = """
import json, logging, os, signal, sys, time
from pathlib import Path
from digits.processes.child import run_isolated
from digits.runs.layout import JobFailed
from digits.runs.record import RunDirectory

logging.basicConfig(stream=sys.stdout, format="%(message)s", level=logging.INFO)

def isolated(job):
    try:
        print("came back:", run_isolated(job, Path("run"), ["seed=0"]))
    except JobFailed as failure:
        print("failed:", failure, failure.code)
"""


def script(tmp_path: Path, code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + code],
        cwd=tmp_path, timeout=60, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_what_a_job_returns_and_how_it_fails_comes_back(tmp_path: Path) -> None:
    said = script(
        tmp_path,
        """
print("before", end=" ")  # still in the buffer when the process is forked
isolated(lambda: 0.1 + 0.2)
isolated(lambda: None)
isolated(lambda: float("nan"))
def fail(): raise JobFailed("no such net: " + "ä" * 5000, code=2)
isolated(fail)
def mistake(): raise KeyError("a fault of ours")
isolated(mistake)
import atexit
atexit.register(print, "at exit")
isolated(lambda: 1.0)
""",
    )
    assert said.count("before came back: 0.30000000000000004\n") == said.count("before") == 1
    assert "came back: None\n" in said
    assert "came back: nan\n" in said
    assert "failed: no such net: ää" in said
    assert "ä 2\n" in said
    assert "failed: KeyError: 'a fault of ours' 1\n" in said
    assert "Traceback" in said
    assert said.count("at exit") == 1


@pytest.mark.parametrize(
    ("death", "reason"),
    [
        ("os._exit(7)", "its process died with exit code 7"),
        ("os._exit(0)", "its process died with exit code 0"),
        ("sys.exit(3)", "its process died with exit code 3"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "its process was killed by signal 9 (SIGKILL); out of memory?"),
        ("__import__('ctypes').string_at(0)", "its process was killed by signal 11 (SIGSEGV)"),
    ],
)
def test_a_process_that_dies_without_an_answer_is_told_and_recorded(tmp_path: Path, death: str, reason: str) -> None:
    said = script(
        tmp_path,
        f"""
def die():
    RunDirectory(Path("run")).begin({{"seed": 0}}, ["seed=0"])
    {death}
isolated(die)
isolated(lambda: 1.0)
""",
    )
    assert f"failed: seed=0\n{reason}\nfailed: {reason} 1\n" in said
    assert "came back: 1.0" in said, "it died alone"
    record = json.loads((tmp_path / "run" / "result.json").read_text())
    assert (record["status"], record["error"], record["config"]) == ("failed", reason, {"seed": 0})
    assert record["finished"] >= record["started"]


def test_a_process_that_dies_before_it_has_a_record_leaves_none(tmp_path: Path) -> None:
    assert "exit code 9" in script(tmp_path, "isolated(lambda: os._exit(9))")
    assert not (tmp_path / "run").exists()


def test_what_a_job_leaves_running_keeps_nobody_waiting(tmp_path: Path) -> None:
    """It is there until the test lets it go, which is after the job's end was told."""
    said = script(
        tmp_path,
        """
def leave_one_behind():
    if os.fork() == 0:
        os.close(1); os.close(2)
        for _ in range(6000):
            if os.path.exists("released"):
                break
            time.sleep(0.01)
        open("gone", "w").close()
        os._exit(0)
    os._exit(5)
isolated(leave_one_behind)
print("still there" if not os.path.exists("gone") else "gone")
""",
    )
    assert "exit code 5" in said
    assert "still there" in said
    (tmp_path / "released").touch()
    while not (tmp_path / "gone").exists():  # pytest's own time limit ends it
        time.sleep(0.01)


LISTEN = """
heard = []
def listen():
    signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))
    signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    print("listening", os.getpid(), flush=True)
    while not heard:
        time.sleep(0.01)
    print("one", flush=True)
    until = time.monotonic() + WAIT
    while len(heard) < 2 and time.monotonic() < until:  # for a second one
        time.sleep(0.01)
    print("heard", heard, flush=True)
    raise SystemExit(128 + heard[0])
isolated(listen)
print("a later job")
"""


def started(tmp_path: Path, code: str) -> tuple[subprocess.Popen[str], int]:
    """A script that has forked its job, in a process group of its own; and the job's process."""
    process = subprocess.Popen(
        [sys.executable, "-c", BEGIN + code], cwd=tmp_path, text=True, stdout=subprocess.PIPE, start_new_session=True
    )
    assert process.stdout is not None
    return process, int(process.stdout.readline().split()[1])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("reach", ["the parent", "the group", "the parent, then the group", "the job"])
def test_a_signal_reaches_the_job_once_and_stops_the_sweep(tmp_path: Path, number: signal.Signals, reach: str) -> None:
    process, job = started(tmp_path, LISTEN.replace("WAIT", "0.9"))
    if "parent" in reach:
        process.send_signal(number)
    if "group" in reach:  # as a terminal does, as `timeout` does after the other
        os.killpg(process.pid, number)
    if "job" in reach:
        os.kill(job, number)
    said, _ = process.communicate(timeout=20)
    assert said == f"one\nheard [{int(number)}]\n"
    assert process.returncode == 128 + number


def test_a_second_signal_is_passed_on_as_well(tmp_path: Path) -> None:
    process, _ = started(tmp_path, LISTEN.replace("WAIT", "15"))
    process.send_signal(signal.SIGTERM)
    assert process.stdout is not None
    assert process.stdout.readline() == "one\n"
    time.sleep(SAME + 0.3)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=30)
    assert said == "heard [15, 15]\n"
    assert process.returncode == 143


def test_a_job_does_not_outlive_whoever_waits_for_it(tmp_path: Path) -> None:
    process, job = started(tmp_path, LISTEN.replace("WAIT", "0.9"))
    process.kill()
    process.communicate(timeout=20)
    for _ in range(100):
        if not Path(f"/proc/{job}").exists() or ") Z " in Path(f"/proc/{job}/stat").read_text():
            return
        time.sleep(0.05)
    pytest.fail("the job lives on")
