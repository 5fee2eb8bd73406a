"""Commands in processes of their own, and trainings by the shipped one, several side by side."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from torch import nn

from benchmarks.recipes import composed, digest
from benchmarks.results import ROOT
from digits.config.check import check
from digits.config.instantiate import instantiate
from digits.config.types import Tree
from digits.runs.read import runs_in
from digits.training.machine import settle

OUTPUTS = Path("outputs/benchmarks")
"""Where the runs go, and stay: their nets are those that the records tell of."""


LAST_LINES = 15
"""Of what a failed command complained of."""


class TrainingError(RuntimeError):
    """A training, or another command, that failed; the message says why or where its output is."""


@dataclass(frozen=True)
class Job:
    """One training: its overrides, its seed, and a folder for it alone."""

    overrides: tuple[str, ...]
    seed: int
    folder: Path

    def train(self, threads: int | None = None) -> Path:
        """Train, or go on, or leave it if it is done; returns the run's directory. A sweep of one job does just that.

        Raises TrainingError where the command fails, or where the folder holds other runs too.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "digits.train", "-m", *self.overrides, f"seed={self.seed}"]
        environment = os.environ if threads is None else os.environ | {"OMP_NUM_THREADS": str(threads)}
        with (self.folder / "screen.log").open("a", encoding="utf-8") as screen:
            command.append(f"hydra.sweep.dir={self.folder.resolve()}")
            done = subprocess.run(command, stdout=screen, stderr=subprocess.STDOUT, env=environment, check=False)
        if done.returncode != 0:
            raise TrainingError(f"{' '.join(command[1:])} ended with {done.returncode}: see {screen.name}")
        return only_run(self.folder)


def only_run(folder: Path) -> Path:
    """The run in a folder; raises TrainingError where it holds none, or several."""
    found = list(runs_in(folder))
    if len(found) != 1:
        raise TrainingError(f"{folder} should hold one run, but holds {len(found)}; move the others away")
    return found[0]


def place(name: str, config: Tree) -> Path:
    """A folder for the runs of one configuration from one source; another of either has another."""
    return OUTPUTS / f"{name}-{digest(config)}-{source(ROOT)}"


def source(repository: Path) -> str:
    """The commit, short, and where digits/ or conf/ has changes since, a digest of them; a new file is one."""

    def git(*command: str) -> str:
        done = subprocess.run(["git", *command], cwd=repository, capture_output=True, check=False)
        return done.stdout.decode(errors="replace").strip()

    commit = git("rev-parse", "--short", "HEAD") or "unknown"
    places = ("--", "digits", "conf")
    if not (state := git("status", "--porcelain", "--untracked-files=all", *places)):
        return commit
    new = git("ls-files", "-z", "--others", "--exclude-standard", *places).split("\0")
    changes = [state, git("diff", "HEAD", *places), *(git("hash-object", "--", path) for path in new if path)]
    return f"{commit}-{hashlib.sha256(chr(0).join(changes).encode()).hexdigest()[:8]}"


def number_format(overrides: tuple[str, ...]) -> str:
    """What this machine trains a configuration in; raises RecipeError where the overrides have faults."""
    config = check(composed(overrides))
    return settle(config, cast(nn.Module, instantiate(config.model.tree()))).trainer.precision


def output_of(*command: str, environment: Mapping[str, str] | None = None) -> str:
    """What `python -m COMMAND` prints, in a process of its own; the environment is added to ours.

    Raises TrainingError with the last of its complaints where it fails.
    """
    own = os.environ | (environment or {})
    done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, env=own, check=False)
    if done.returncode != 0:
        last = "\n".join(done.stderr.strip().splitlines()[-LAST_LINES:])
        raise TrainingError(f"python -m {' '.join(command)} ended with {done.returncode}: {last}")
    return done.stdout


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
