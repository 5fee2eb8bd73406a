"""Composed pages on a disk: made once, by every core, then read where they are needed and never all held in memory.

A folder belongs to what its pages follow from: the digits, the seed, the fonts and the composer's own source. Its pages
are in shards, each written whole or not at all, so what was interrupted goes on where it was.
"""

from __future__ import annotations

import hashlib
import logging
import multiprocessing
import os
import signal
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from filelock import FileLock

from digits.data.pages.compose import compose
from digits.data.pages.page import Composed
from digits.data.pages.shards import Shard, read_shard, write_array, write_shard
from digits.data.pages.stamps.skeleton import distance_maps
from digits.data.pages.stamps.stock import Stock

log = logging.getLogger(__name__)

SHARD = 50
"""Pages of a shard: a second or so of work."""

TOLD_EVERY = 15.0
"""Seconds between two lines that say how far the composing is."""

NOT_COMPOSING = {"__init__", "cache", "composing", "shards", "crops", "patches", "rows", "datamodule"}
"""Files of this package that no page follows from."""


class Digits(NamedTuple):
    """What may be written on the pages of a split."""

    images: npt.NDArray[np.uint8]  # (N, 28, 28)
    labels: npt.NDArray[np.int64]  # (N,): 0..9


class Work(NamedTuple):
    """What a process needs to compose pages of a split."""

    folder: Path  # of the pages
    digits: Path  # folder of the digits and their skeletons
    seed: tuple[int, int]
    fonts: Path | None


def cached_pages(
    cache_folder: Path, split: str, number: int, seed: int, digits: Digits, fonts: Path | None
) -> list[Composed]:
    """`number` pages, composed as far as they are not in the cache; their pixels are read when they are looked at.

    Page i follows from the digits, the split's name, the seed and i. Another process that wants the same pages waits.
    Raises OSError where the folder can't be written.
    """
    drawn = digest_of(digits)
    work = Work(
        cache_folder / f"{split}-{digest_of_pages(drawn, split, seed, fonts)}",
        cache_folder / f"digits-{drawn}",
        (seed, int.from_bytes(split.encode())),
        fonts,
    )
    work.folder.mkdir(parents=True, exist_ok=True)
    work.digits.mkdir(exist_ok=True)
    shards = [Shard(start, min(SHARD, number - start)) for start in range(0, number, SHARD)]
    with FileLock(work.folder / ".lock"):
        missing = [shard for shard in shards if not shard.path(work.folder).exists()]
        if missing:
            todo = sum(shard.pages for shard in missing)
            log.info("composing %s of %s pages for %s: %s", f"{todo:,}", f"{number:,}", split, work.folder)
            _keep_digits(work.digits, digits)
            _compose_all(work, missing)
    return [page for shard in shards for page in read_shard(shard.path(work.folder))]


def digest_of(digits: Digits) -> str:
    """A name for digits."""
    told = hashlib.sha256()
    for array in digits:
        told.update(np.ascontiguousarray(array).tobytes())
    return told.hexdigest()[:12]


def digest_of_pages(drawn: str, split: str, seed: int, fonts: Path | None) -> str:
    """A name for what the pages of a split follow from."""
    told = hashlib.sha256(f"{drawn} {split} {seed}".encode())
    pages, synthetic = Path(__file__).parent, Path(__file__).parents[1] / "synthetic"
    for path in sorted([*pages.rglob("*.py"), *synthetic.glob("*.py")]):
        if path.stem not in NOT_COMPOSING:
            told.update(path.read_bytes())
    for path in sorted(fonts.rglob("*")) if fonts is not None else ():
        told.update(f"{path.name} {path.stat().st_size}".encode())
    return told.hexdigest()[:12]


# ---- Composing --------------------------------------------------------------------------------------


def _keep_digits(folder: Path, digits: Digits) -> None:
    """Leave the digits for the processes that compose, and the distances to their skeletons, which take a while."""
    with FileLock(folder / ".lock"):
        if not (folder / "distances.npy").exists():
            write_array(folder / "images.npy", digits.images)
            write_array(folder / "labels.npy", digits.labels)
            write_array(folder / "distances.npy", distance_maps(digits.images))


@cache
def _stock(digits: Path, fonts: Path | None) -> Stock:
    """What pages are composed of; once per process."""
    images, labels, distances = (
        np.load(digits / f"{name}.npy", mmap_mode="r") for name in ("images", "labels", "distances")
    )
    return Stock(images, labels, distances, fonts)


def _compose_shard(work: Work, shard: Shard) -> int:
    """Compose and write a shard; how many pages it has."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # the pages are small, and every core has some of its own
    try:
        stock = _stock(work.digits, work.fonts)
        indices = range(shard.start, shard.start + shard.pages)
        pages = [compose(np.random.default_rng([*work.seed, index]), stock) for index in indices]
    finally:
        cv2.setNumThreads(threads)
    write_shard(shard.path(work.folder), pages)
    return shard.pages


def _compose_all(work: Work, missing: Sequence[Shard]) -> None:
    if len(missing) == 1:  # not worth a process
        _compose_shard(work, missing[0])
        return
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    spawn = multiprocessing.get_context("spawn")  # a process forked beside threads may wait for a lock for ever
    with ProcessPoolExecutor(cores, spawn, initializer=_leave_interrupts_to_the_parent) as pool:
        futures = [pool.submit(_compose_shard, work, shard) for shard in missing]
        todo, done = sum(shard.pages for shard in missing), 0
        begun = told = time.monotonic()
        try:
            for future in as_completed(futures):
                done += future.result()
                if time.monotonic() - told > TOLD_EVERY:
                    told = time.monotonic()
                    left = (told - begun) / done * (todo - done) / 60
                    log.info("%s of %s pages, %.0f min left", f"{done:,}", f"{todo:,}", left)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _leave_interrupts_to_the_parent() -> None:
    """Ctrl-C reaches every process of the terminal; the one that waits for the others ends them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
