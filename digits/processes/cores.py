"""The cores that this process and its jobs may use. No torch."""

from __future__ import annotations

import os


def cores() -> int:
    """The number of cores that this process may use, by its affinity and its container's limit."""
    from joblib import cpu_count  # takes 0.1 s, so not at the top

    return int(cpu_count())


MEMORY = 2 * 2**30  # bytes for a job: torch, the data and the largest steps of the shipped models took up to 1.8 GB


def jobs_at_once(most: int) -> int:
    """The number of jobs that cores and memory allow, at most `most`; any cores left over are divided among them."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else most * MEMORY
    return max(1, min(most, cores(), memory // MEMORY))


def threads_each(most: int) -> int:
    """The cores that each of `jobs_at_once(most)` jobs has to itself."""
    return max(1, cores() // jobs_at_once(most))
