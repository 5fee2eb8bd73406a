"""Preparing Hydra's launchers: missing packages, jobs at once, threads per job.

Their values are in `conf/hydra/launcher/`, their use is described in `docs/spread.md`. No torch.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import cast

from omegaconf import DictConfig, OmegaConf

import digits.hydra_app.momentum
import digits.hydra_app.paths  # noqa: F401 (the resolvers with which a launcher's worker composes its job)
from digits.processes.cores import cores, jobs_at_once, threads_each

TURNS = "DIGITS_JOBS_AT_ONCE"  # environment variable: how many jobs of submitit's local executor may run at once

MANY_STARTS = "a sweep is started once; leave out torchrun, or srun's further tasks"
NEED_A_NAME = "several processes can't agree on a new name; give hydra.run.dir=DIR"


OmegaConf.register_new_resolver("jobs_at_once", jobs_at_once, replace=True)
OmegaConf.register_new_resolver("threads_each", threads_each, replace=True)


# ---- A sweep's launcher -------------------------------------------------------------------------


def missing_launcher(text: str) -> str:
    """The package to install, where Hydra's message is about a missing launcher; empty for any other message."""
    known = re.search(r"Could not (?:find|load) 'hydra/launcher/(ray|submitit)\w*'", text)
    if known is None:
        return ""
    package, extra = {"ray": ("hydra-ray-launcher", "ray"), "submitit": ("hydra-submitit-launcher", "slurm")}[known[1]]
    return f"hydra/launcher: {package} is not installed; pip install 'digits[{extra}]', in a checkout '.[{extra}]'"


def prepare_launcher(config: DictConfig) -> None:
    """Divide this machine's cores among the jobs of a sweep, and set environment variables that launchers read.

    joblib divides the cores itself; jobs on a cluster have the cores that they requested. A value of OMP_NUM_THREADS
    that is already set stays.
    """
    launcher = config.hydra.launcher
    kind = str(launcher._target_).rsplit(".", 1)[-1]
    at_once: int | None = None
    if kind == "LocalLauncher" and launcher.cpus_per_task:
        at_once = max(1, cores() // launcher.cpus_per_task)
        os.environ[TURNS] = str(at_once)
    elif kind == "SlurmLauncher":  # submitit has SLURM send USR2, which kills a run; on USR1 it saves
        os.environ.setdefault("SUBMITIT_PREEMPT_SIGNAL", "USR1")
    elif kind == "RayLauncher":
        at_once = launcher.ray.init.get("num_cpus")
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no telemetry
        os.environ.setdefault("RAY_DEDUP_LOGS", "0")  # similar lines of different jobs would be left out
    if at_once:
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores() // at_once)))
    if kind == "RayLauncher":  # started here, since Ray replaces the SIGTERM handler; the launcher finds it running
        from digits.processes.signals import kept  # here, so that --help waits for no schema

        with kept(signal.SIGTERM):
            import_module("ray").init(
                **cast("dict[str, object]", OmegaConf.to_container(launcher.ray.init, resolve=True))
            )


@contextmanager
def turn(sweep: Path) -> Iterator[None]:
    """Wait for one of this machine's launch slots: submitit's local executor starts all jobs at once.

    A slot is a lock on a file, so a process that dies frees it.
    """
    logging.getLogger("submitit").propagate = False  # it has its own log, and would add to the log of an ended run
    at_once = int(os.environ.get(TURNS, "0")) if os.environ.get("SUBMITIT_EXECUTOR") == "local" else 0
    if not at_once:
        yield
        return
    from filelock import FileLock, Timeout

    slots = [FileLock(sweep / ".submitit" / f"place-{number}.lock") for number in range(at_once)]
    while True:
        for slot in slots:
            with suppress(Timeout), slot.acquire(timeout=0):
                yield
                return
        time.sleep(0.2)


# ---- Processes started by torchrun or srun ------------------------------------------------------


def check_processes(config: DictConfig, *, sweeps: bool) -> None:
    """Raise ConfigError where the processes of one run would each choose a directory, or each run the whole sweep.

    Every process raises it, since torchrun stops the others as soon as one exits.
    """
    from digits.config.faults import ConfigError, Fault  # here, so that --help waits for no schema

    several = started_together() or (not sweeps and OmegaConf.select(config, "trainer.num_nodes", default=1) != 1)
    made_up = "${run_directory:" in str(OmegaConf.to_container(config.hydra.run, resolve=False))
    if not several or (not sweeps and (not made_up or config.get("resume") is not None)):
        return
    raise ConfigError(Fault("", MANY_STARTS) if sweeps else Fault("hydra.run.dir", NEED_A_NAME))


def be_on_its_own() -> None:
    """Remove the variables of torchrun and srun: a search's worker trains each trial in a single process."""
    torchrun = r"(LOCAL_|GROUP_|NODE_|ROLE_)?RANK|(LOCAL_|ROLE_)?WORLD_SIZE|MASTER_(ADDR|PORT)|TORCHELASTIC_.*"
    srun = "SLURM_(PROCID|LOCALID|NODEID|NTASKS|NTASKS_PER_NODE|STEP_NUM_TASKS)"
    for name in [name for name in os.environ if re.fullmatch(f"{torchrun}|{srun}", name)]:
        del os.environ[name]


def started_together() -> bool:
    """Whether this process is one of several that torchrun or srun has started with the same command."""
    together = {"WORLD_SIZE": "RANK", "SLURM_STEP_NUM_TASKS": "SLURM_PROCID"}
    return any(
        os.environ.get(size, "1").isdigit() and int(os.environ.get(size, "1")) > 1
        for size, rank in together.items()
        if rank in os.environ
    )
