"""Trainings by the shipped command, several side by side; what was cut off goes on when it is asked for again."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from benchmarks.recipes import digest
from digits.config.tree import Tree
from digits.training.run import runs_in

OUTPUTS = Path("outputs/benchmarks")
"""Where the runs go, and stay: their nets are those that the records tell of."""


class TrainingError(RuntimeError):
    """A training that failed; the message says where its output is."""


@dataclass(frozen=True)
class Job:
    """One training: its overrides, its seed, and a folder for it alone."""

    overrides: tuple[str, ...]
    seed: int
    folder: Path

    def train(self, threads: int | None = None) -> Path:
        """Train, or go on, or leave it if it is done; returns the run's directory. A sweep of one job does just that.

        Raises TrainingError where the command fails.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "digits.train", "-m", *self.overrides, f"seed={self.seed}"]
        environment = os.environ if threads is None else os.environ | {"OMP_NUM_THREADS": str(threads)}
        with (self.folder / "screen.log").open("a", encoding="utf-8") as screen:
            command.append(f"hydra.sweep.dir={self.folder.resolve()}")
            done = subprocess.run(command, stdout=screen, stderr=subprocess.STDOUT, env=environment, check=False)
        if done.returncode != 0:
            raise TrainingError(f"{' '.join(command[1:])} ended with {done.returncode}: see {screen.name}")
        (run,) = runs_in(self.folder)
        return run


def place(name: str, config: Tree) -> Path:
    """A folder for the runs of one configuration from one source; another of either has another."""
    here = Path(__file__).parent
    git = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(git, cwd=here, capture_output=True, text=True, check=False).stdout.strip()
    return OUTPUTS / f"{name}-{digest(config)}-{commit or 'unknown'}"


def side_by_side(jobs: Sequence[Job], at_once: int) -> Iterator[tuple[Job, Path]]:
    """Train all jobs, `at_once` at a time, the cores shared among them; gives each as it is done.

    Raises TrainingError at the end, when the others are done, where some have failed.
    """
    threads = None if at_once == 1 else max(1, (os.cpu_count() or 1) // at_once)
    failed: list[str] = []
    pool = ThreadPoolExecutor(at_once)
    try:
        futures = {pool.submit(job.train, threads): job for job in jobs}
        for future in as_completed(futures):
            try:
                run = future.result()
            except TrainingError as error:
                print(error, file=sys.stderr, flush=True)
                failed.append(str(error))
            else:
                print(f"done: {' '.join(futures[future].overrides)} seed={futures[future].seed}: {run}", flush=True)
                yield futures[future], run
    finally:
        pool.shutdown(cancel_futures=True)  # after Ctrl-C, what waits is not begun
    if failed:
        raise TrainingError(f"{len(failed)} of {len(jobs)} trainings failed; the same command goes on with them")


def positive(text: str) -> int:
    """An argument that counts something, 1 or more."""
    if (value := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return value


def add_jobs(parser: argparse.ArgumentParser) -> None:
    """Add --jobs, which `side_by_side` takes."""
    parser.add_argument("--jobs", type=positive, default=1, help="trainings side by side; they share the cores")
