"""Leaving when asked to: a signal ends a run between two steps, never within one.

SIGTERM and SIGINT (Ctrl-C) end a run, a second one at once. On a SLURM cluster SIGUSR1
(`#SBATCH --signal=SIGUSR1@90`) does so too, and has the job queued again, as Lightning documents it.

Every handler that training, sweeps and searches install is here. A command begins with `exit_on_ctrl_c`; a sweep goes
on with `handle_in_sweep`, a search with `handle_in_search`, its workers with `handle_in_worker`; whoever waits for a
job's process forwards to it with a `Relay`; a run has `Signals`. `Debouncer` decides for all of them what is a repeat.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType
from typing import TypeAlias

from digits.processes import slurm
from digits.processes.claim import release_all
from digits.processes.descendants import command_of, descendants, name_of

log = logging.getLogger(__name__)

Handler: TypeAlias = Callable[[int, FrameType | None], object]
Former: TypeAlias = dict[int, Handler | int | None]
"""The handlers that others took the place of, by signal."""

SAME = 0.5
"""Seconds within which a second signal is the first once more: `timeout` sends it to a process and to its group."""

HEARD = 0.2
"""Seconds after which a signal to the whole group has certainly reached a job as well."""

LEAVING = 10.0
"""Seconds that jobs in workers have to save and leave."""

NAME = b"digits-job"
"""What a job's process is called, by which those who started the sweep know it among all below them."""

BECOMES_A_JOB = b"submitit.core._submit"
"""In the command of a process whose job may be still to come; submitit has it outlive whoever started the sweep."""


class Debouncer:
    """Counts signals; one within SAME seconds of the last that counted is a repeat of it, whatever its number."""

    def __init__(self) -> None:
        self.number: int | None = None  # of the last that counted
        self._count, self._at = 0, -SAME

    def count(self, number: int) -> int:
        """1 for the first signal, 2 for the second, and so on; 0 for a repeat."""
        if time.monotonic() - self._at < SAME:
            return 0
        self.number, self._at = number, time.monotonic()
        self._count += 1
        return self._count


RECEIVED = Debouncer()
"""What this process received while it runs no experiment itself; once it has a number, no further job is begun."""


def exit_signals() -> tuple[signal.Signals, ...]:
    """The signals that ask a process to exit."""
    return (signal.SIGTERM, signal.SIGINT, *([signal.SIGUSR1] if slurm.in_job() else []))


def _install(handler: Handler) -> Former:
    """Have one function handle all signals, if this is the main thread, as Python demands; returns the former ones."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    return {number: signal.signal(number, handler) for number in exit_signals()}


def _restore(former: Former) -> None:
    for number, handler in former.items():
        signal.signal(number, handler)


@contextmanager
def blocked() -> Iterator[None]:
    """Signals wait until it is left; a process that is started meanwhile begins with them blocked."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, exit_signals())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


@contextmanager
def kept(number: int) -> Iterator[None]:
    """Restore a signal's handler afterwards: a library takes it for itself meanwhile."""
    former = signal.getsignal(number)
    try:
        yield
    finally:
        signal.signal(number, former)


# ---- A run ----------------------------------------------------------------------------------------


class Interrupted(SystemExit):
    """A run left because a signal asked it to; as an exit code, 128 and the signal's number."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)


class Signals:
    """What the process was asked by signals: told at once by raising Interrupted, or held until it suits.

    Held, a second signal ends the process on the spot, and the run counts as lost.
    """

    def __init__(self) -> None:
        self._signals = Debouncer()
        self._held = False
        self._former: Former = {}

    @property
    def received(self) -> int | None:
        """The first signal's number."""
        return self._signals.number

    def __enter__(self) -> Signals:
        self._former = _install(self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _restore(self._former)

    def hold(self) -> None:
        """From now on only note a signal: Lightning has put its own handlers in place of ours, which don't wait."""
        self._held = True
        _install(self._handle)

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

    def _handle(self, number: int, _: FrameType | None) -> None:
        count = self._signals.count(number)
        if count == 0 and number == self.received:
            return
        if count != 1:  # another signal is a second one, however soon it comes
            os._exit(128 + number)
        if self._held:
            log.info("leaving after this step (%s); once more to leave at once", signal.Signals(number).name)
        else:
            self.leave()


# ---- A job's process, and the one that waits for it -----------------------------------------------


class Relay:
    """Forwards signals to a job's process, but those that reached it by themselves.

    Ctrl-C goes to every process of a terminal, SLURM's and systemd's signals to every process of theirs. A job that
    got one twice would take the second as meant, and leave without saving.

    Made before that process is forked: signals wait until each side can deal with them.
    """

    def __init__(self) -> None:
        self._pipe, self._job_end = os.pipe()
        for end in (self._pipe, self._job_end):
            os.set_blocking(end, False)
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, exit_signals())
        self._mask = mask - set(exit_signals())  # Ray's workers are deaf to Ctrl-C
        self._job = 0
        self._asked, self._heard = 0, 0

    def be_the_job(self) -> None:
        """In the job's process: signals do what they do in a fresh one, and the waiting side hears of each."""
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.set_wakeup_fd(self._job_end, warn_on_full_buffer=False)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)

    @contextmanager
    def to(self, job: int) -> Iterator[None]:
        """In the waiting process: forward signals to the job's process while it is entered."""
        os.close(self._job_end)
        self._job = job
        former = _install(self._handle)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
        try:
            yield
        finally:
            _restore(former)
            os.close(self._pipe)

    def _handle(self, number: int, _: FrameType | None) -> None:
        if not RECEIVED.count(number):
            return
        self._asked += 1
        if select.select([self._pipe], [], [], HEARD)[0]:
            self._heard += sum(byte in exit_signals() for byte in os.read(self._pipe, 4096))
        if self._heard < self._asked:
            with suppress(ProcessLookupError):
                os.kill(self._job, number)


# ---- Processes that start others ------------------------------------------------------------------


def exit_on_ctrl_c() -> None:
    """A command that has begun nothing exits at once: an exception amid imports may be swallowed there."""
    signal.signal(signal.SIGINT, _exit_at_once)


def _exit_at_once(number: int, _: FrameType | None) -> None:
    release_all()
    os._exit(128 + number)


@contextmanager
def handle_in_search(save: Callable[[int], None]) -> Iterator[None]:
    """A search hands the first signal to `save`; a second ends its process at once, and with it the workers."""

    def handle(number: int, _: FrameType | None) -> None:
        count = RECEIVED.count(number)
        if count > 1:
            os._exit(128 + number)
        if count == 1:
            save(number)

    former = _install(handle)
    try:
        yield
    finally:
        _restore(former)


def handle_in_worker() -> None:
    """A search's worker only notes a signal: it begins no further trial, and a `Relay` forwards to the one it has."""
    _install(lambda number, _: RECEIVED.count(number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, exit_signals())


def handle_in_sweep() -> None:
    """The process that runs a sweep, while no job is its own: jobs in workers leave first, at a second signal none.

    The handler raises SystemExit with 128 and the signal's number.
    """
    _install(_leave_sweep)


def _leave_sweep(number: int, _: FrameType | None) -> None:
    count = RECEIVED.count(number)
    if count == 0:
        return
    if count > 1:
        raise SystemExit(128 + number)
    told, deadline = set[int](), time.monotonic() + LEAVING
    while time.monotonic() < deadline:
        below = dict(descendants(os.getpid()))
        jobs = {process: worker for process, worker in below.items() if name_of(process) == NAME}
        for process in below.keys() - jobs.keys() - set(jobs.values()):
            if BECOMES_A_JOB in command_of(process):
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
