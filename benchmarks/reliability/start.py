"""One start of the real command in a process group of its own, from its first line to its last process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PLANT = Path(__file__).with_name("plant")
PATIENCE = 300.0
"""Seconds after which a start hangs; the longest of the matrix takes 30 on a busy machine."""

LEFT_BEHIND = 30.0
"""Seconds that the other processes of a run have to notice that one of them is gone."""


@dataclass(frozen=True)
class Ended:
    """How a start ended."""

    code: int  # as subprocess tells it: -9 is SIGKILL
    output: str
    strikes: tuple[tuple[str, float], ...]  # the planted faults that struck, and when (seconds since 1970)
    ended: float  # seconds since 1970
    fitting: float | None  # seconds from the line that a run starts with to the end; None: it came to no line
    hung: bool
    left_behind: bool  # a process of the run outlived it by more than LEFT_BEHIND

    @property
    def last_lines(self) -> str:
        """The end of what it wrote, for a complaint."""
        return "\n".join(f"      | {line}" for line in self.output.strip().splitlines()[-12:])

    @property
    def seconds_after_strike(self) -> float:
        """Seconds from the last planted fault to the end of the command's process."""
        return self.ended - self.strikes[-1][1] if self.strikes else float("nan")


@dataclass(frozen=True)
class Fault:
    """A fault that strikes during a start: planted in the process (see `plant`), or a kill from outside."""

    plant: str = ""
    command: str = ""  # for the plant's action `run`
    rank: int = 0
    kill_after: float | None = None  # seconds after the run's first line

    def environment(self, log: Path) -> dict[str, str]:
        """The variables for the plant."""
        if not self.plant:
            return {}
        return {"FAULT": self.plant, "FAULT_COMMAND": self.command, "FAULT_LOG": str(log), "FAULT_RANK": str(self.rank)}


def run_command(arguments: list[str], folder: Path, fault: Fault = Fault(), *, name: str = "train") -> Ended:
    """Start one of the project's commands in a folder, with a fault, and wait until nothing of it is left."""
    folder.mkdir(parents=True, exist_ok=True)
    number = len(list(folder.glob("start-*.txt")))
    screen, log = folder / f"start-{number}.txt", folder / f"strikes-{number}.log"
    paths = [str(PLANT)] * bool(fault.plant) + [str(ROOT), os.environ.get("PYTHONPATH", "")]
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",  # their number changes the bits
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        **fault.environment(log),
    }
    command = [sys.executable, "-m", f"digits.{name}", *arguments]
    with screen.open("wb") as file:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
            start_new_session=True,
        )  # fmt: skip
    began, hung, first_line = time.monotonic(), False, None
    while process.poll() is None:
        time.sleep(0.01)
        now = time.monotonic()
        if first_line is None and b" parameters, " in screen.read_bytes():
            first_line = now
        if fault.kill_after is not None and first_line is not None and now > first_line + fault.kill_after:
            os.killpg(process.pid, signal.SIGKILL)
        if now > began + PATIENCE:
            hung = True
            os.killpg(process.pid, signal.SIGKILL)
    ended, now = time.time(), time.monotonic()
    return Ended(
        code=process.returncode,
        output=screen.read_text(encoding="utf-8", errors="replace"),
        strikes=strikes(log),
        ended=ended,
        fitting=None if first_line is None else now - first_line,
        hung=hung,
        left_behind=not end_group(process.pid),
    )


def strikes(log: Path) -> tuple[tuple[str, float], ...]:
    """What the plant says it did, and when."""
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    return tuple((fault, float(at)) for fault, _, at in (line.rpartition(" ") for line in lines if line[0] != "{"))


def end_group(group: int) -> bool:
    """Wait for the rest of a process group, and kill what stays; whether all went by themselves."""
    until = time.monotonic() + LEFT_BEHIND
    while lives(group):
        if time.monotonic() > until:
            os.killpg(group, signal.SIGKILL)
            return False
        time.sleep(0.05)
    return True


def lives(group: int) -> bool:
    """Whether any process of a group still runs; one that has ended and that nobody has asked after does not."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, its_group = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[:3]
        except OSError:  # it has just ended
            continue
        if int(its_group) == group and state not in "ZX":
            return True
    return False
