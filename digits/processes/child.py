"""A sweep's job in a child process: a crash, by os._exit, a segfault or the OOM killer, ends that job alone.

The process is forked once torch is imported, so that imports are paid once (once per worker, with the joblib launcher).
The parent computes nothing with torch, whose threads don't survive a fork. This module does not import torch.
"""

from __future__ import annotations

import ctypes
import faulthandler
import json
import logging
import multiprocessing
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from digits.processes.signals import NAME, RECEIVED, Relay
from digits.runs.atomic import write_json
from digits.runs.layout import RESULT, JobDied, JobFailed, RunError
from digits.runs.read import read_result

log = logging.getLogger(__name__)

CAN_FORK = sys.platform == "linux"  # macOS has os.fork too, but its frameworks abort in a forked process

ANSWER = 4096  # bytes that fit into a pipe without a reader

PR_SET_PDEATHSIG, PR_SET_NAME = 1, 15  # linux/prctl.h


def run_isolated(job: Callable[[], float | None], directory: Path, overrides: list[str]) -> float | None:
    """Run a job in a child process, and return its value.

    Raises JobFailed where the job does, and JobDied where its process died, after writing that to its record and the
    log. A signal is forwarded to the job; when that has exited, SystemExit with 128 + the signal's number stops the
    sweep.
    """
    if not CAN_FORK:
        return job()
    if RECEIVED.number is not None:
        raise SystemExit(128 + RECEIVED.number)
    answers, answer_end = os.pipe()
    for end in (answers, answer_end):
        os.set_blocking(end, False)
    relay = Relay()
    child = multiprocessing.get_context("fork").Process(target=_be_the_job, args=(job, os.getpid(), answer_end, relay))
    with warnings.catch_warnings():  # Python 3.12 warns of other threads' locks; the job needs none of theirs
        warnings.simplefilter("ignore", DeprecationWarning)
        child.start()
    os.close(answer_end)
    assert child.pid is not None  # it was started
    with relay.to(child.pid):
        child.join()
    text = b""
    with suppress(BlockingIOError):  # no answer, and a process that the job started still holds the other end
        text = os.read(answers, ANSWER)
    os.close(answers)
    if RECEIVED.number is not None:
        raise SystemExit(128 + RECEIVED.number)
    return _outcome(Answer(**json.loads(text)) if text else None, child.exitcode or 0, directory, overrides)


# ---- In the job's process -----------------------------------------------------------------------


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent dies (Linux only); exit at once if it has died already."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)


def _be_the_job(job: Callable[[], float | None], parent: int, answer_end: int, relay: Relay) -> None:
    """Run the job, send the answer, and exit; multiprocessing leaves the parent's clean-up to the parent."""
    die_with(parent)  # nobody would be left to report to; its checkpoint stays, and the sweep resumes from it
    ctypes.CDLL(None).prctl(PR_SET_NAME, NAME)
    relay.be_the_job()
    with suppress(OSError, ValueError, RuntimeError):  # stderr is closed or not a file
        faulthandler.enable()  # a segfault prints a traceback
    answer, code = _answer(job)
    if answer is not None:
        os.write(answer_end, json.dumps(asdict(answer)).encode())
    sys.exit(code)


@dataclass(frozen=True)
class Answer:
    """The outcome of a job whose process did not die."""

    value: float | None = None  # the job's return value
    failed: str | None = None  # the reason, if it failed
    code: int = 1  # the exit code, if it failed
    storage: bool = False  # whether it failed since nothing could be written
    left: int | None = None  # the exit code, if it was interrupted


def _answer(job: Callable[[], float | None]) -> tuple[Answer | None, int]:
    """The job's answer, or None where it called sys.exit; and the exit code of its process."""
    try:
        return Answer(job()), 0
    except JobFailed as failure:
        return Answer(failed=str(failure)[:300], code=failure.code, storage=failure.storage), 0
    except KeyboardInterrupt:
        return Answer(left=130), 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        return (Answer(left=code), 0) if code > 128 else (None, code)
    except Exception as error:  # a bug of this package; the job's own errors arrive as JobFailed
        traceback.print_exc()
        return Answer(failed=f"{type(error).__name__}: {error}"[:300]), 0


# ---- The outcome --------------------------------------------------------------------------------


def _outcome(answer: Answer | None, code: int, directory: Path, overrides: list[str]) -> float | None:
    if answer is None:
        reason = _death(code)
        _record_death(directory, reason)
        log.error("failed: %s\n%s", " ".join(overrides) or directory, reason)
        raise JobDied(reason)
    if answer.left is not None:
        raise SystemExit(answer.left)
    if answer.failed is not None:
        raise JobFailed(answer.failed, answer.code, storage=answer.storage)
    return answer.value


def _death(code: int) -> str:
    """How a process died, in words, from its exit code, which is negative for a signal."""
    if code >= 0:
        return f"its process died with exit code {code}"
    names = {number.value: number.name for number in signal.Signals}
    hint = "; out of memory?" if -code == signal.SIGKILL else ""
    return f"its process was killed by signal {-code} ({names.get(-code, 'no name')}){hint}"


def _record_death(directory: Path, reason: str) -> None:
    """Close the record of a process that died; nothing is written where it had no record."""
    with suppress(RunError, OSError):
        record, finished = read_result(directory), datetime.now(UTC).isoformat(timespec="seconds")
        if record.status == "running":  # else it died before its first step, and the record of an earlier start stays
            write_json(directory / RESULT, record.tree() | {"status": "failed", "finished": finished, "error": reason})
