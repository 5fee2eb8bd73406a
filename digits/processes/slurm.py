"""SLURM, by the environment variables that it sets for a job: whether this is one, and requeueing it. No torch."""

from __future__ import annotations

import logging
import os
import subprocess

log = logging.getLogger(__name__)


def in_job() -> bool:
    """Whether this process belongs to a SLURM batch job; an interactive shell's job is not requeued."""
    return "SLURM_JOB_ID" in os.environ and os.environ.get("SLURM_JOB_NAME") not in ("bash", "interactive")


def requeued() -> bool:
    """Whether SLURM has requeued this job: it was started before."""
    count = os.environ.get("SLURM_RESTART_COUNT", "0")
    return count.isdigit() and int(count) > 0


def requeue() -> None:
    """Requeue this SLURM job, under the same number."""
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    job = f"{array}_{task}" if array else os.environ.get("SLURM_JOB_ID", "")
    if int(os.environ.get("SLURM_PROCID", "0")) == 0:
        log.info("requeueing SLURM job %s; with hydra.run.dir=DIR in its command it resumes there", job)
        try:
            subprocess.run(["scontrol", "requeue", job], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            log.warning("can't requeue SLURM job %s: %s; submit it again to resume", job, error)
