"""Hydra's launchers made ready: what is missing of them, how many jobs at once, how many threads for each.

Their values are in `conf/hydra/launcher/`, how they are used in `docs/spread.md`. No torch.
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

TURNS = "DIGITS_JOBS_AT_ONCE"
"""Where the jobs of submitit's local executor find how many of them may run at once."""

MANY_STARTS = "a sweep is started once; leave out torchrun, or srun's further tasks"
NEED_A_NAME = "several processes can't agree on a new name; give hydra.run.dir=DIR"


OmegaConf.register_new_resolver("jobs_at_once", jobs_at_once, replace=True)
OmegaConf.register_new_resolver("threads_each", threads_each, replace=True)


# ---- A sweep's launcher -------------------------------------------------------------------------


def missing_launcher(text: str) -> str:
    """What to install, where Hydra says that it knows no such launcher; empty where it is another's fault."""
    known = re.search(r"Could not (?:find|load) 'hydra/launcher/(ray|submitit)\w*'", text)
    if known is None:
        return ""
    package, extra = {"ray": ("hydra-ray-launcher", "ray"), "submitit": ("hydra-submitit-launcher", "slurm")}[known[1]]
    return f"hydra/launcher: {package} is not installed; pip install 'digits[{extra}]', in a checkout '.[{extra}]'"


def prepare_launcher(config: DictConfig) -> None:
    """Divide this machine's cores among the jobs of a sweep, and set what launchers read from the environment.

    joblib divides them itself; a cluster's jobs have what they asked it for. Whoever has set OMP_NUM_THREADS keeps it.
    """
    launcher = config.hydra.launcher
    kind = str(launcher._target_).rsplit(".", 1)[-1]
    at_once: int | None = None
    if kind == "LocalLauncher" and launcher.cpus_per_task:
        at_once = max(1, cores() // launcher.cpus_per_task)
        os.environ[TURNS] = str(at_once)
    elif kind == "SlurmLauncher":  # submitit has SLURM send USR2, at which a run would die; at USR1 it saves
        os.environ.setdefault("SUBMITIT_PREEMPT_SIGNAL", "USR1")
    elif kind == "RayLauncher":
        at_once = launcher.ray.init.get("num_cpus")
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would tell its makers
        os.environ.setdefault("RAY_DEDUP_LOGS", "0")  # jobs' lines look alike, and would be left out
    if at_once:
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores() // at_once)))
    if kind == "RayLauncher":  # here, since it takes SIGTERM for itself as it starts; the launcher finds it running
        from digits.processes.signals import kept  # here, so that --help waits for no schema

        with kept(signal.SIGTERM):
            import_module("ray").init(
                **cast("dict[str, object]", OmegaConf.to_container(launcher.ray.init, resolve=True))
            )


@contextmanager
def turn(sweep: Path) -> Iterator[None]:
    """Wait until this machine has cores for one more job: submitit starts here at once all that it is given.

    A place is a lock on a file, so whoever dies makes room.
    """
    logging.getLogger("submitit").propagate = False  # it has a log of its own, and would write on in a run that is done
    at_once = int(os.environ.get(TURNS, "0")) if os.environ.get("SUBMITIT_EXECUTOR") == "local" else 0
    if not at_once:
        yield
        return
    from filelock import FileLock, Timeout

    places = [FileLock(sweep / ".submitit" / f"place-{number}.lock") for number in range(at_once)]
    while True:
        for place in places:
            with suppress(Timeout), place.acquire(timeout=0):
                yield
                return
        time.sleep(0.2)


# ---- Processes that somebody else has started ---------------------------------------------------


def check_processes(config: DictConfig, *, sweeps: bool) -> None:
    """Raise ConfigError where processes of one run would each make up a directory, or each run the same sweep.

    Each of them says so: torchrun ends the others as soon as one has left.
    """
    from digits.config.faults import ConfigError, Fault  # here, so that --help waits for no schema

    several = started_together() or (not sweeps and OmegaConf.select(config, "trainer.num_nodes", default=1) != 1)
    made_up = "${run_directory:" in str(OmegaConf.to_container(config.hydra.run, resolve=False))
    if not several or (not sweeps and (not made_up or config.get("resume") is not None)):
        return
    raise ConfigError(Fault("", MANY_STARTS) if sweeps else Fault("hydra.run.dir", NEED_A_NAME))


def be_on_its_own() -> None:
    """Forget that torchrun or srun has started several of these: each is a worker of a search, whose trials are one."""
    told = r"(LOCAL_|GROUP_|NODE_|ROLE_)?RANK|(LOCAL_|ROLE_)?WORLD_SIZE|MASTER_(ADDR|PORT)|TORCHELASTIC_.*"
    of_slurm = "SLURM_(PROCID|LOCALID|NODEID|NTASKS|NTASKS_PER_NODE|STEP_NUM_TASKS)"
    for name in [name for name in os.environ if re.fullmatch(f"{told}|{of_slurm}", name)]:
        del os.environ[name]


def started_together() -> bool:
    """Whether this process is one of several that torchrun or srun has started with the same command."""
    together = {"WORLD_SIZE": "RANK", "SLURM_STEP_NUM_TASKS": "SLURM_PROCID"}
    return any(
        os.environ.get(size, "1").isdigit() and int(os.environ.get(size, "1")) > 1
        for size, rank in together.items()
        if rank in os.environ
    )
