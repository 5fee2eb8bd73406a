"""Commands in forks of a process that has imported the libraries: without the seconds that torch and Lightning take.

That process, this file run as a module, imports nothing of `digits`: each fork does, as a fresh process would. It is
started at the first use, and ends with the tests' own process.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from functools import cache
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread
from typing import TextIO

LIBRARIES = (
    *("torch", "torch.utils.tensorboard", "torchvision", "torchmetrics", "lightning.pytorch", "hydra", "pydantic"),
    *("matplotlib.figure", "optuna.visualization", "plotly.graph_objects", "sklearn.datasets", "sqlalchemy"),
)
"""What takes long, and leaves no threads but BLAS's, which end before a fork and begin anew after it."""

CAN_FORK = sys.platform == "linux"


# ---- Asking for a fork ----------------------------------------------------------------------------


class Forked:
    """A command in a fork, with what the tests need of subprocess.Popen; its output is read through pipes."""

    def __init__(self, module: str, arguments: tuple[str, ...], cwd: Path, *, join_stderr: bool) -> None:
        self.args = [module, *arguments]
        self.returncode: int | None = None
        read, write = os.pipe()
        read_errors, write_errors = (None, write) if join_stderr else os.pipe()
        self._answers, theirs = Pipe(duplex=False)
        given = (write, write_errors, theirs.fileno())
        requests, server = _server()
        socket.send_fds(requests, [json.dumps([module, arguments, str(cwd)]).encode()], given)
        for descriptor in {write, write_errors}:
            os.close(descriptor)
        theirs.close()
        self.stdout: TextIO = os.fdopen(read, encoding="utf-8")
        self.stderr: TextIO | None = None if read_errors is None else os.fdopen(read_errors, encoding="utf-8")
        try:
            self.pid: int = self._answers.recv()
        except EOFError:
            raise AssertionError(server.communicate(timeout=60)[1].decode()) from None

    def poll(self) -> int | None:
        """Its exit code, or minus the number of the signal that ended it; None while it runs."""
        if self.returncode is None and self._answers.poll():
            self.returncode = self._answers.recv()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Until it has ended; its exit code."""
        if self.returncode is None and not self._answers.poll(timeout):
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        code = self.poll()
        assert code is not None
        return code

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Until it has ended and nobody can write any more; the rest of what it wrote."""
        deadline = None if timeout is None else time.monotonic() + timeout
        texts = {self.stdout: "", self.stderr: ""}

        def read(stream: TextIO) -> None:
            with stream:
                texts[stream] = stream.read()

        streams = [stream for stream in (self.stdout, self.stderr) if stream and not stream.closed]
        readers = [Thread(target=read, args=[stream], daemon=True) for stream in streams]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join(_left(deadline))
            if reader.is_alive():
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
        self.wait(_left(deadline))
        return texts[self.stdout], texts[self.stderr]

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it, unless it has ended."""
        self.send_signal(signal.SIGKILL)


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.0, deadline - time.monotonic())


SET_MEANWHILE = {
    *("PYTEST_CURRENT_TEST", "KMP_DUPLICATE_LIB_OK", "KMP_INIT_AT_FORK", "LD_LIBRARY_PATH"),
    *("PYTORCH_NVML_BASED_CUDA_CHECK", "TORCHINDUCTOR_CACHE_DIR"),
    *("PL_GLOBAL_SEED", "PL_SEED_WORKERS", "CUBLAS_WORKSPACE_CONFIG"),
}
"""Variables that pytest sets in each test, torch, scikit-learn and OpenCV on import, and Lightning in a training."""


def environment() -> dict[str, str]:
    """The variables that a command would be started with."""
    return {name: value for name, value in os.environ.items() if name not in SET_MEANWHILE}


AS_IT_WAS = environment()
"""The environment of all forks: that of the tests before one of them has changed it."""


@cache
def _server() -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """The process with the libraries, and the socket that it listens to; it ends when that is closed."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [sys.executable, "-m", __name__, str(theirs.fileno())]
    process = subprocess.Popen(
        command, cwd=Path(__file__).parents[2], env=AS_IT_WAS, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,  # as the forks have: streams remember whether they can seek
    )  # fmt: skip
    theirs.close()
    return ours, process


def would_be_fresh() -> bool:
    """Whether a fork is like a fresh process: variables may mean something to a library that is being imported."""
    return CAN_FORK and environment() == AS_IT_WAS


# ---- The process that is forked -------------------------------------------------------------------


def fork_on_request(requests: socket.socket) -> str | None:
    """Fork at each request; returns in the fork, the module to be run, and at the end in the process itself, None."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's is for the tests and the forks
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        request, descriptors, *_ = socket.recv_fds(requests, 2**20, 3)
        if not request:
            return None
        if not os.fork():
            break
        for descriptor in descriptors:
            os.close(descriptor)
        _check_threads()
    requests.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    output, errors, end = descriptors
    answers = Connection(end)
    if process := os.fork():
        _tell_of(process, answers, {output, errors})
    answers.close()
    os.dup2(output, 1)
    os.dup2(errors, 2)
    for descriptor in {output, errors}:
        os.close(descriptor)
    module, arguments, cwd = json.loads(request)
    os.chdir(cwd)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv[1:] = arguments
    sys.path[0] = str(Path.cwd())
    assert "digits" not in sys.modules
    _draw_anew()
    return str(module)


def _check_threads() -> None:
    """After a fork BLAS has none any more; other libraries' don't come through it, so there must be none of theirs."""
    until = time.monotonic() + 10  # for those that are just ending
    while len(list(Path("/proc/self/task").iterdir())) > 1:
        assert time.monotonic() < until, "a library that is imported before the fork starts threads"
        time.sleep(0.01)


def _draw_anew() -> None:
    """Seed the generators at random, as they are seeded when their libraries are imported; Python does so itself."""
    import numpy as np
    import torch

    np.random.seed()
    torch.default_generator.seed()


def _tell_of(process: int, answers: Connection, descriptors: set[int]) -> None:
    """Wait for a fork and answer how it ended: only a process's parent can."""
    with suppress(OSError):  # nobody wants to know any more
        for descriptor in descriptors:
            os.close(descriptor)
        answers.send(process)
        _, status = os.waitpid(process, 0)
        answers.send(os.waitstatus_to_exitcode(status))
    os._exit(0)


class Leave:
    """Ends a process after all else that is to be done at its end, but before what it has imported is taken apart.

    That takes a fork two seconds, and here it would show nothing of a command that fresh processes don't show.
    """

    def __init__(self) -> None:
        self.code: int | None = None
        atexit.register(self._leave)  # the first to be registered is the last to be called

    def _leave(self) -> None:
        if self.code is not None:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(self.code & 0xFF)


if __name__ == "__main__":
    leave = Leave()
    for library in LIBRARIES:
        importlib.import_module(library)
    gc.collect()
    gc.freeze()  # else the first collection in a fork copies all of it
    # what follows in a fork is the end of its main program, and what it raises ends it as it does any program
    if module := fork_on_request(socket.socket(fileno=int(sys.argv[1]))):
        try:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        except SystemExit as stop:
            leave.code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
            raise
        except Exception:  # any that the program ends with: the exit code of an uncaught one, which is raised again
            leave.code = 1
            raise
    leave.code = 0
