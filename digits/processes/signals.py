"""Exiting on signals: a signal ends a run between two steps, never within one.

SIGTERM and SIGINT (Ctrl-C) interrupt a run, a second one ends it at once. On a SLURM cluster SIGUSR1
(`#SBATCH --signal=SIGUSR1@90`) interrupts it too, and requeues the job, as Lightning documents it.

All handlers of training, sweeps and searches are here. A command begins with `exit_on_ctrl_c`; then a sweep installs
`handle_in_sweep`, a search `handle_in_search`, its workers `handle_in_worker`; a process that waits for a job forwards
signals to it with a `Relay`; a run has `Signals`. `Debouncer` decides for all of them what is a repeat.
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
Former: TypeAlias = dict[int, Handler | int | None]  # the replaced handlers, by signal

SAME = 0.5  # seconds within which a second signal is a repeat: `timeout` signals a process and then its group

HEARD = 0.2  # seconds after which a signal to the whole group has certainly reached a job as well

LEAVING = 10.0  # seconds that jobs in workers have to save and exit

NAME = b"digits-job"  # the name of a job's process, by which the sweep's process finds it among its descendants

BECOMES_A_JOB = b"submitit.core._submit"
"""Part of the command of a process that may still start its job; submitit lets it outlive the sweep's process."""


class Debouncer:
    """Counts signals; one within SAME seconds of the last counted one is a repeat, whatever its number."""

    def __init__(self) -> None:
        self.number: int | None = None  # of the last counted signal
        self._count, self._at = 0, -SAME

    def count(self, number: int) -> int:
        """1 for the first signal, 2 for the second, and so on; 0 for a repeat."""
        if time.monotonic() - self._at < SAME:
            return 0
        self.number, self._at = number, time.monotonic()
        self._count += 1
        return self._count


RECEIVED = Debouncer()
"""Signals to this process while it runs no experiment itself; once it has a number, no further job starts."""


def exit_signals() -> tuple[signal.Signals, ...]:
    """The signals that ask a process to exit."""
    return (signal.SIGTERM, signal.SIGINT, *([signal.SIGUSR1] if slurm.in_job() else []))


def _install(handler: Handler) -> Former:
    """Install a handler for all exit signals; returns the former ones. No effect outside the main thread."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    return {number: signal.signal(number, handler) for number in exit_signals()}


def _restore(former: Former) -> None:
    for number, handler in former.items():
        signal.signal(number, handler)


@contextmanager
def blocked() -> Iterator[None]:
    """Block exit signals until the with block ends; a process started in it begins with them blocked."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, exit_signals())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


@contextmanager
def kept(number: int) -> Iterator[None]:
    """Restore a signal's handler afterwards, which a library replaces meanwhile."""
    former = signal.getsignal(number)
    try:
        yield
    finally:
        signal.signal(number, former)


# ---- A run ----------------------------------------------------------------------------------------


class Interrupted(SystemExit):
    """A run was interrupted by a signal; the exit code is 128 + the signal's number."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)


class Signals:
    """The signals to a run: they raise Interrupted at once, or, while held, at the next `release` or `leave`.

    While held, a second signal ends the process at once, and the run counts as lost.
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
        """Only record signals from now on; also replaces Lightning's handlers, which end the training at once."""
        self._held = True
        _install(self._handle)

    def release(self) -> None:
        """Stop holding; raises Interrupted where a signal was received meanwhile."""
        self._held = False
        if self.received is not None:
            self.leave()

    def leave(self) -> None:
        """Raise Interrupted, between two steps and with everything saved; on SIGUSR1 requeue the SLURM job.

        A process without a signal exits as for SIGTERM, since another process of the same run was signalled.
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
            log.info("exiting after this step (%s); send it again to exit at once", signal.Signals(number).name)
        else:
            self.leave()


# ---- A job's process, and the one that waits for it -----------------------------------------------


class Relay:
    """Forwards signals to a job's process, except those that the job received directly.

    Ctrl-C goes to every process of a terminal, signals of SLURM and systemd to every process of a job or unit. A job
    that received one twice would take it for a second signal, and exit without saving.

    Make it before the process is forked: signals are blocked until both sides have their handlers.
    """

    def __init__(self) -> None:
        self._pipe, self._job_end = os.pipe()
        for end in (self._pipe, self._job_end):
            os.set_blocking(end, False)
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, exit_signals())
        self._mask = mask - set(exit_signals())  # Ray's workers block SIGINT
        self._job = 0
        self._asked, self._heard = 0, 0

    def be_the_job(self) -> None:
        """In the job's process: restore the default handlers, and report each signal to the waiting process."""
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.set_wakeup_fd(self._job_end, warn_on_full_buffer=False)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)

    @contextmanager
    def to(self, job: int) -> Iterator[None]:
        """In the waiting process: forward signals to the job's process within the with block."""
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
    """Exit at once on Ctrl-C until something has started: KeyboardInterrupt during an import may be swallowed."""
    signal.signal(signal.SIGINT, _exit_at_once)


def _exit_at_once(number: int, _: FrameType | None) -> None:
    release_all()
    os._exit(128 + number)


@contextmanager
def handle_in_search(save: Callable[[int], None]) -> Iterator[None]:
    """Pass the first signal of a search to `save`; a second ends its process at once, and the workers with it."""

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
    """Only record signals in a search's worker: it starts no further trial; a `Relay` forwards to the current one."""
    _install(lambda number, _: RECEIVED.count(number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, exit_signals())


def handle_in_sweep() -> None:
    """Handle signals in a sweep's process while its jobs run in workers: wait for them, unless a second signal comes.

    The handler raises SystemExit with 128 + the signal's number.
    """
    _install(_leave_sweep)


def _leave_sweep(number: int, _: FrameType | None) -> None:
    count = RECEIVED.count(number)
    if count == 0:
        return
    if count > 1:
        raise SystemExit(128 + number)
    signalled, deadline = set[int](), time.monotonic() + LEAVING
    while time.monotonic() < deadline:
        below = dict(descendants(os.getpid()))
        jobs = {process: worker for process, worker in below.items() if name_of(process) == NAME}
        for process in below.keys() - jobs.keys() - set(jobs.values()):
            if BECOMES_A_JOB in command_of(process):
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
        if not jobs:
            break
        for job in jobs.keys() - signalled:
            signalled.add(job)
            with suppress(ProcessLookupError):
                os.kill(jobs[job], number)  # the worker, not the job: it knows whether the job received the signal
        time.sleep(0.05)
    raise SystemExit(128 + number)
