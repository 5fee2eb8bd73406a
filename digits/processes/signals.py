"""Leaving when asked to: a signal ends a run between two steps, never within one.

SIGTERM and SIGINT (Ctrl-C) end a run, a second one at once. On a SLURM cluster SIGUSR1
(`#SBATCH --signal=SIGUSR1@90`) does so too, and has the job queued again, as Lightning documents it.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import FrameType, TracebackType

from digits.processes import slurm

log = logging.getLogger(__name__)


def leave_signals() -> tuple[signal.Signals, ...]:
    """The signals that ask a process to leave."""
    return (signal.SIGTERM, signal.SIGINT, *([signal.SIGUSR1] if slurm.in_job() else []))


SAME = 0.5
"""Seconds within which a second signal is the first once more: `timeout` sends it to a process and to its group."""

LEAVING = 10.0
"""Seconds that jobs in workers have to save and leave."""

NAME = b"digits-job"
"""What a job's process is called, by which those who started the sweep know it among all below them."""

BECOMES_A_JOB = b"submitit.core._submit"
"""In the command of a process whose job may be still to come; submitit has it outlive whoever started the sweep."""


class Interrupted(SystemExit):
    """A run left because a signal asked it to; as an exit code, 128 and the signal's number."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)


class Signals:
    """What the process was asked by signals: told at once by raising Interrupted, or held until it suits.

    Held, a second signal ends the process on the spot, and the run counts as lost.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._since = 0.0
        self._held = False
        self._former: dict[int, object] = {}

    def __enter__(self) -> Signals:
        self._former = {number: signal.getsignal(number) for number in leave_signals()}
        self._install()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if threading.current_thread() is threading.main_thread():
            for number, former in self._former.items():
                signal.signal(number, former)  # type: ignore[arg-type]  # what getsignal gave

    def hold(self) -> None:
        """From now on only note a signal: Lightning has put its own handlers in place of ours, which don't wait."""
        self._held = True
        self._install()

    def release(self) -> None:
        """Stop holding; raises Interrupted for what came meanwhile."""
        self._held = False
        if self.received is not None:
            self.leave()

    def leave(self) -> None:
        """Leave now, between two steps, everything saved; on SIGUSR1 SLURM is told to start the job again.

        A process that got no signal itself leaves because another of the same run did.
        """
        self._held = False
        number = self.received or signal.SIGTERM
        if number not in (signal.SIGTERM, signal.SIGINT):
            slurm.requeue()
        raise Interrupted(number)

    def _install(self) -> None:
        if threading.current_thread() is threading.main_thread():  # Python lets no other thread do it
            for number in leave_signals():
                signal.signal(number, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None:
            if number == self.received and time.monotonic() - self._since < SAME:
                return
            os._exit(128 + number)
        self.received, self._since = number, time.monotonic()
        if self._held:
            log.info("leaving after this step (%s); once more to leave at once", signal.Signals(number).name)
        else:
            self.leave()


class Told:
    """What signals have told this process; it begins no further job then."""

    number: int | None = None
    at = -SAME

    @classmethod
    def is_news(cls, number: int) -> bool:
        """Note a signal; False where it is only the last one once more."""
        if time.monotonic() - cls.at < SAME:
            return False
        cls.number, cls.at = number, time.monotonic()
        return True


def leave_sweep(number: int, _: FrameType | None) -> None:
    """A signal's handler for the process that runs a sweep, while no job is its own: jobs in workers leave first.

    Raises SystemExit with 128 and the signal's number, at once where there is no such job or a second signal comes.
    """
    second = Told.number is not None
    if not Told.is_news(number):
        return
    if second:
        raise SystemExit(128 + number)
    told, deadline = set[int](), time.monotonic() + LEAVING
    while time.monotonic() < deadline:
        below = dict(_below(os.getpid()))
        jobs = {process: worker for process, worker in below.items() if _read(process, "comm").strip() == NAME}
        for process in below.keys() - jobs.keys() - set(jobs.values()):
            if BECOMES_A_JOB in _read(process, "cmdline"):
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
        if not jobs:
            break
        for job in jobs.keys() - told:
            told.add(job)
            with suppress(ProcessLookupError):
                os.kill(jobs[job], number)  # not the job: the worker knows whether it has heard
        time.sleep(0.05)
    raise SystemExit(128 + number)


def _below(process: int) -> Iterator[tuple[int, int]]:
    """Every process that this one has started, and those have, with whoever started it."""
    with suppress(OSError):  # it has ended meanwhile
        for path in Path(f"/proc/{process}/task").glob("*/children"):
            for child in map(int, path.read_text(encoding="ascii").split()):
                yield child, process
                yield from _below(child)


def _read(process: int, file: str) -> bytes:
    try:
        return Path(f"/proc/{process}/{file}").read_bytes()
    except OSError:
        return b""
