"""A sweep's job in a process of its own: one that dies hard, by os._exit, a segfault or the OOM killer, dies alone.

The process is forked once torch is imported, so that imports are paid once (once a worker, with the joblib launcher).
Whoever forks computes nothing with torch, whose threads don't come through a fork. This module imports none of it.
"""

from __future__ import annotations

import ctypes
import faulthandler
import json
import logging
import multiprocessing
import os
import select
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from multiprocessing.context import ForkProcess
from pathlib import Path
from types import FrameType, TracebackType
from typing import cast

from digits.config.types import Tree
from digits.processes.signals import NAME, Told, leave_signals
from digits.runs.atomic import write_json
from digits.runs.layout import RESULT, JobDied, JobFailed, RunError
from digits.runs.read import read_result

log = logging.getLogger(__name__)

CAN_FORK = sys.platform == "linux"
"""macOS has os.fork too, but its frameworks abort in a forked process that uses them."""


HEARD = 0.2
"""Seconds after which a signal to the whole group has certainly reached a job as well."""


ANSWER = 4096
"""Bytes that a pipe takes whether anybody reads or not."""

PR_SET_PDEATHSIG, PR_SET_NAME = 1, 15  # linux/prctl.h


def run_isolated(job: Callable[[], float | None], directory: Path, overrides: list[str]) -> float | None:
    """Run a job in a process of its own, and return what it returns.

    Raises JobFailed where the job does, and JobDied where its process died, once its record and the log say so. A
    signal is passed on to the job; when it has left, SystemExit with 128 and the signal's number stops the sweep.
    """
    if not CAN_FORK:
        return job()
    if Told.number is not None:
        raise SystemExit(128 + Told.number)
    (answers, answer_end), (heard, heard_end) = os.pipe(), os.pipe()
    for end in (answers, heard, heard_end):
        os.set_blocking(end, False)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, leave_signals()) - set(
        leave_signals()
    )  # Ray's workers are deaf to Ctrl-C
    child = multiprocessing.get_context("fork").Process(
        target=_be_the_job, args=(job, os.getpid(), answer_end, heard_end, mask)
    )
    with warnings.catch_warnings():  # Python 3.12 warns of other threads' locks; the job needs none of theirs
        warnings.simplefilter("ignore", DeprecationWarning)
        child.start()
    os.close(answer_end)
    os.close(heard_end)
    with Relay(child, heard, mask):
        child.join()
    text = b""
    with suppress(BlockingIOError):  # nothing there, and a process that the job left behind still holds the other end
        text = os.read(answers, ANSWER)
    os.close(answers)
    os.close(heard)
    if Told.number is not None:
        raise SystemExit(128 + Told.number)
    return _outcome(json.loads(text) if text else None, child.exitcode or 0, directory, overrides)


class Relay:
    """While it is entered, passes signals on to a job's process, but those that reached it by themselves.

    Ctrl-C goes to every process of a terminal, SLURM's and systemd's signals to every process of theirs. A job that
    got one twice would take the second as meant, and leave without saving.
    """

    def __init__(self, child: ForkProcess, heard: int, mask: set[int | signal.Signals]) -> None:
        self._child, self._pipe, self._mask = child, heard, mask
        self._asked, self._heard = 0, 0
        self._former: dict[int, Callable[[int, FrameType | None], object] | int | None] = {}

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():  # Python lets no other thread do it
            self._former = {number: signal.signal(number, self._handle) for number in leave_signals()}
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, former in self._former.items():
            signal.signal(number, former)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if not Told.is_news(number):
            return
        self._asked += 1
        if select.select([self._pipe], [], [], HEARD)[0]:
            self._heard += sum(byte in leave_signals() for byte in os.read(self._pipe, ANSWER))
        if self._heard < self._asked:
            with suppress(ProcessLookupError):
                os.kill(cast(int, self._child.pid), number)


# ---- In the job's process -----------------------------------------------------------------------


def _be_the_job(
    job: Callable[[], float | None], parent: int, answer_end: int, heard_end: int, mask: set[int | signal.Signals]
) -> None:
    """Run the job, answer, and exit; multiprocessing leaves the parent's clean-up to the parent."""
    # Nobody would be left to tell of this process; what it has saved is there, and the sweep goes on from it
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    ctypes.CDLL(None).prctl(PR_SET_NAME, NAME)
    if os.getppid() != parent:
        sys.exit(1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.set_wakeup_fd(heard_end, warn_on_full_buffer=False)  # tells the parent what this process has heard
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    with suppress(OSError, ValueError, RuntimeError):  # no screen to write on
        faulthandler.enable()  # a segfault shows where it was
    answer, code = _answer(job)
    if answer is not None:
        os.write(answer_end, json.dumps(answer).encode())
    sys.exit(code)


def _answer(job: Callable[[], float | None]) -> tuple[Tree | None, int]:
    """What came out of a job, or nothing where it asked for the end of its process; and the exit code."""
    try:
        return {"accuracy": job()}, 0
    except JobFailed as failure:
        return {"failed": str(failure)[:300], "code": failure.code, "storage": failure.storage}, 0
    except KeyboardInterrupt:
        return {"left": 130}, 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        return ({"left": code}, 0) if code > 128 else (None, code)
    except Exception as error:  # a fault of ours; the job's own errors come as JobFailed
        traceback.print_exc()
        return {"failed": f"{type(error).__name__}: {error}"[:300], "code": 1}, 0


# ---- What came of it ----------------------------------------------------------------------------


def _outcome(answer: Tree | None, code: int, directory: Path, overrides: list[str]) -> float | None:
    if answer is None:
        reason = _death(code)
        _record_death(directory, reason)
        log.error("failed: %s\n%s", " ".join(overrides) or directory, reason)
        raise JobDied(reason)
    if "left" in answer:
        raise SystemExit(answer["left"])
    if "failed" in answer:
        raise JobFailed(str(answer["failed"]), int(str(answer["code"])), storage=answer.get("storage") is True)
    return cast("float | None", answer["accuracy"])


def _death(code: int) -> str:
    """How a process died, from its exit code, or minus the signal's number."""
    if code >= 0:
        return f"its process died with exit code {code}"
    names = {number.value: number.name for number in signal.Signals}
    hint = "; out of memory?" if -code == signal.SIGKILL else ""
    return f"its process was killed by signal {-code} ({names.get(-code, 'no name')}){hint}"


def _record_death(directory: Path, reason: str) -> None:
    """Close the record of a process that could not; one that died before it had a record leaves none."""
    with suppress(RunError, OSError):
        record, finished = read_result(directory), datetime.now(UTC).isoformat(timespec="seconds")
        if record.get("status") == "running":  # else it died before its first step, and a former start's record stays
            write_json(directory / RESULT, record | {"status": "failed", "finished": finished, "error": reason})
