"""SLURM, known by the variables it sets for a job: whether there is one, and to start it again. No torch."""

from __future__ import annotations

import logging
import os
import subprocess

log = logging.getLogger(__name__)


def in_job() -> bool:
    """Whether this process belongs to a SLURM job that runs by itself; a shell in one asks for no requeueing."""
    return "SLURM_JOB_ID" in os.environ and os.environ.get("SLURM_JOB_NAME") not in ("bash", "interactive")


def requeued() -> bool:
    """Whether SLURM has started this job before."""
    count = os.environ.get("SLURM_RESTART_COUNT", "0")
    return count.isdigit() and int(count) > 0


def requeue() -> None:
    """Have SLURM start this job again, under the same number."""
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    job = f"{array}_{task}" if array else os.environ.get("SLURM_JOB_ID", "")
    if int(os.environ.get("SLURM_PROCID", "0")) == 0:
        log.info("requeueing SLURM job %s; with hydra.run.dir=DIR in its command it goes on there", job)
        try:
            subprocess.run(["scontrol", "requeue", job], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            log.warning("SLURM job %s could not be requeued: %s; submit it again, and it goes on", job, error)
