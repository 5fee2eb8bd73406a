"""A command in a fork of a process with the libraries is like one in a fresh process, which is how it is typed."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.commands import QUICK, digits, start, start_module
from tests.support.forked import CAN_FORK, Forked

pytestmark = pytest.mark.skipif(not CAN_FORK, reason="a fork is for Linux only: elsewhere every process is a fresh one")

PROGRAMS = {
    "nothing": "",
    "a code": "import sys; sys.exit(3)",
    "a reason": "import sys; sys.exit('why')",
    "an error": "import os, sys; os.write(2, b'before'); sys.tracebacklimit = 0; raise ValueError('why')",
    "at once": "import os; os._exit(7)",
    "a signal": "import os; os.kill(os.getpid(), 9)",
    "later": "import atexit, threading, time; atexit.register(print, 'end'); print('begin', end=' ')\n"
    "threading.Thread(target=lambda: (time.sleep(0.3), print('thread'))).start()",
    "itself": "import os, sys; print(sys.argv, sys.path, os.getcwd(), __name__, __file__, __spec__.name)\n"
    "print(os.getpgrp(), sys.modules['__main__'].__spec__.name, sorted(os.listdir('/proc/self/fd')), sys.stdin.read())",
    "streams": "import sys\n"
    "for s in (sys.stdout, sys.stderr): print(s.encoding, s.errors, s.isatty(), s.line_buffering)\n"
    "sys.stdout.reconfigure(errors='backslashreplace')",
    "signals": "import signal; print([signal.getsignal(n) for n in signal.valid_signals() if n != signal.SIGINT])\n"
    "print(signal.getsignal(signal.SIGINT) is signal.default_int_handler, signal.pthread_sigmask(0, []))",
    "processes": "import multiprocessing as m, threading; print(m.current_process().name, m.parent_process())\n"
    "print(threading.active_count(), threading.current_thread() is threading.main_thread())",
    "figures": "import os; print(len(os.listdir('/proc/self/task')))\n"
    "import numpy, torch; a = numpy.random.default_rng(0).random((600, 600)); t = torch.from_numpy(a).float()\n"
    "print((a @ a).sum().hex(), (t @ t).sum().item().hex(), torch.get_num_threads())",
}


@pytest.mark.parametrize("kind", PROGRAMS)
def test_a_program_in_a_fork_is_as_in_a_fresh_process(tmp_path: Path, kind: str) -> None:
    (tmp_path / "program.py").write_text(PROGRAMS[kind])
    forked = start_module("program", "a", "b c", cwd=tmp_path)
    assert isinstance(forked, Forked)
    outcome = forked.communicate(timeout=60)
    fresh = start_module("program", "a", "b c", cwd=tmp_path, fresh=True)
    expected = fresh.communicate(timeout=60)
    assert (forked.returncode, outcome[0]) == (fresh.returncode, expected[0])
    assert outcome[1].splitlines()[-1:] == expected[1].splitlines()[-1:]


def test_a_run_in_a_fork_is_the_same_to_the_bit(tmp_path: Path) -> None:
    weights = []
    for fresh in (False, True):
        done = digits("train", *QUICK, f"hydra.run.dir={fresh}", cwd=tmp_path, fresh=fresh)
        assert (done.returncode, done.stderr) == (0, "")
        weights.append(hashlib.sha256((tmp_path / str(fresh) / "model.safetensors").read_bytes()).hexdigest())
    assert weights[0] == weights[1]


def test_a_fork_is_signalled_waited_for_and_given_up(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text("import time\nprint('here', flush=True)\ntime.sleep(600)\n")
    process = start_module("program", cwd=tmp_path)
    assert isinstance(process, Forked)
    assert process.stdout.readline() == "here\n"
    assert process.poll() is None
    began = time.monotonic()
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=0.2)
    with pytest.raises(subprocess.TimeoutExpired):
        process.communicate(timeout=0.2)
    assert time.monotonic() - began >= 0.4
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == process.poll() == -signal.SIGTERM
    process.kill()  # which is nothing to what has ended


def test_nothing_of_ours_is_imported_before_the_fork(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text("import sys; print([name for name in sys.modules if name[:6] == 'digits'])\n")
    process = start_module("program", cwd=tmp_path)
    assert isinstance(process, Forked)
    assert process.communicate(timeout=60) == ("[]\n", "")


def test_what_is_drawn_without_a_seed_is_another_thing_in_each(tmp_path: Path) -> None:
    drawn = "import random, numpy, torch; print(random.random(), numpy.random.random(), torch.rand(1).item())\n"
    (tmp_path / "program.py").write_text(drawn)
    outputs = [start_module("program", cwd=tmp_path).communicate(timeout=60)[0].split() for _ in range(2)]
    assert len({*outputs[0], *outputs[1]}) == 6


def test_where_the_environment_is_another_one_the_process_is_a_fresh_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_PROCID", "1")
    process = start("report", "--help", cwd=tmp_path)
    assert isinstance(process, subprocess.Popen)
    assert process.args[0] == sys.executable  # type: ignore[index]  # a fresh process: its arguments are a list
    assert "digits.report" in process.communicate(timeout=60)[0]
