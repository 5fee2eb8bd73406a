"""The cache of composed pages on disk: made once, on all cores, then read on demand and never all held in memory.

A folder's name is a hash of all that its pages depend on: the digits, the seed, the material, the composer's own source
and the libraries that it draws with. Its pages are in shards, each written whole or not at all, so that an interrupted
start resumes where it was.
"""

from __future__ import annotations

import hashlib
import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
from filelock import FileLock, Timeout

from digits.data.datasets import DataError
from digits.data.pages.shards import DAMAGES, Shard, damaged, write_array, write_shard

if TYPE_CHECKING:  # the composer comes with matplotlib and Pillow: imported where it composes, not to train on MNIST
    from digits.data.pages.stamps.stock import Stock

log = logging.getLogger(__name__)

COMPOSER = 2  # raised when the same digits, seed and material give other pages; part of the runs' recorded checksums
SHARD = 50  # pages of a shard: a second or so of work
REPORTED_EVERY = 15.0  # seconds between two lines of progress
PATIENCE = 2.0  # seconds of waiting for another process until a line reports it
DRAWN_WITH = ("numpy", "cv2", "PIL")  # libraries whose next version may draw differently

NOT_COMPOSING = {"__init__", "cache", "composing", "shards", "crops", "patches", "rows", "datamodule"}
"""Files of this package on which no page depends."""


class Digits(NamedTuple):
    """The digits that are written on the pages of a split."""

    images: npt.NDArray[np.uint8]  # (N, 28, 28)
    labels: npt.NDArray[np.int64]  # (N,): 0..9


class Work(NamedTuple):
    """The pages of a split: their inputs, and the folders that hold them."""

    split: str
    seed: tuple[int, int]
    material: Path | None  # a folder of fonts and pictures
    folder: Path  # of the pages
    digits: Path  # folder of the digits and their skeletons
    origin: str  # hash of the pages' inputs, the same on every machine and in every release


def work_of(cache_folder: Path, split: str, seed: int, digits: Digits, material: Path | None) -> Work:
    """The pages of a split as a function of these arguments; page i depends on its number too."""
    drawn = _digest(*(np.ascontiguousarray(array).tobytes() for array in digits))
    extra = "" if material is None else _digest_of_material(material)
    versions = [f"{library} {import_module(library).__version__}" for library in DRAWN_WITH]
    name = _digest(f"{drawn} {split} {seed} {extra} {versions}".encode(), *_source())
    folder, digits_folder = cache_folder / f"{split}-{name}", cache_folder / f"digits-{drawn}"
    origin = _digest(f"{COMPOSER} {drawn} {seed} {extra}".encode())
    return Work(split, (seed, int.from_bytes(split.encode())), material, folder, digits_folder, origin)


def shards_of(number: int) -> list[Shard]:
    """The shards that hold `number` pages."""
    return [Shard(start, min(SHARD, number - start)) for start in range(0, number, SHARD)]


def compose_missing(work: Work, number: int, digits: Callable[[], Digits]) -> None:
    """Compose the missing ones of `number` pages. Another process that wants the same pages waits.

    Raises OSError where the folder can't be written, DataError where the digits are too few or a process dies.
    """
    if not _missing(work, number):
        return
    work.folder.mkdir(parents=True, exist_ok=True)
    work.digits.mkdir(exist_ok=True)
    with _alone(work.folder):
        missing = _missing(work, number)
        if missing:
            todo = sum(shard.pages for shard in missing)
            log.info("composing %s of %s pages for %s: %s", f"{todo:,}", f"{number:,}", work.split, work.folder)
            _keep_digits(work.digits, digits)
            _compose_all(work, missing)


def _missing(work: Work, number: int) -> list[Shard]:
    return [shard for shard in shards_of(number) if not shard.path(work.folder).exists()]


# ---- Names ------------------------------------------------------------------------------------------


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()[:12]


def _source() -> list[bytes]:
    """The composer's own source."""
    pages, synthetic = Path(__file__).parent, Path(__file__).parents[1] / "synthetic"
    files = sorted([*pages.rglob("*.py"), *synthetic.glob("*.py")])
    return [path.read_bytes() for path in files if path.stem not in NOT_COMPOSING]


def _digest_of_material(folder: Path) -> str:
    """A hash of the fonts and pictures of a folder that are used."""
    from digits.data.pages.paper.photographs import photographs
    from digits.data.pages.stamps.lettering import handwriting_fonts

    used = handwriting_fonts(folder) + photographs(folder)
    named = ((path.relative_to(folder).as_posix(), path.read_bytes()) for path in used)
    return _digest(*(f"{name} {hashlib.sha256(content).hexdigest()}\n".encode() for name, content in named))


# ---- Composing --------------------------------------------------------------------------------------


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """A lock, under which no other process writes into a folder."""
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=PATIENCE)
    except Timeout:
        log.info("waiting for another process, which composes in %s", folder)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _keep_digits(folder: Path, digits: Callable[[], Digits]) -> None:
    """Write the digits for the processes that compose, and the distances to their skeletons, which take a while."""
    from digits.data.pages.stamps.skeleton import distance_maps

    with _alone(folder):
        if not (folder / "distances.npy").exists():
            images, labels = digits()
            write_array(folder / "images.npy", images)
            write_array(folder / "labels.npy", labels)
            write_array(folder / "distances.npy", distance_maps(images))


@lru_cache(maxsize=1)
def _stock(digits: Path, material: Path | None) -> Stock:
    """The stock that pages are composed of, loaded once per process.

    Raises DataError where the files are damaged, or the digits too few.
    """
    from digits.data.pages.stamps.stock import Stock

    try:
        images, labels, distances = (
            np.load(digits / f"{name}.npy", mmap_mode="r") for name in ("images", "labels", "distances")
        )
    except DAMAGES as error:
        raise damaged(digits, error) from None
    try:
        return Stock(images, labels, distances, material)
    except ValueError as error:
        why = f"no pages can be composed of {len(labels):,} digits: {error}"
        raise DataError(f"{why}; data.val_size divides them among the splits") from None


def _compose_shard(work: Work, shard: Shard) -> int:
    """Compose and write a shard; returns the number of its pages."""
    import cv2

    from digits.data.pages.compose import compose

    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # the pages are small, and every core composes its own
    try:
        stock = _stock(work.digits, work.material)
        indices = range(shard.start, shard.start + shard.pages)
        pages = [compose(np.random.default_rng([*work.seed, index]), stock) for index in indices]
    finally:
        cv2.setNumThreads(threads)
    write_shard(work.folder, shard, pages)
    return shard.pages


def _compose_all(work: Work, missing: Sequence[Shard]) -> None:
    if len(missing) == 1:  # not worth a process
        _compose_shard(work, missing[0])
        _stock.cache_clear()  # and with it its open files
        return
    with _workers() as pool:
        futures = [pool.submit(_compose_shard, work, shard) for shard in missing]
        todo, done = sum(shard.pages for shard in missing), 0
        begun = reported = time.monotonic()
        try:
            for future in as_completed(futures):
                done += future.result()
                if time.monotonic() - reported > REPORTED_EVERY:
                    reported = time.monotonic()
                    left = (reported - begun) / done * (todo - done) / 60
                    log.info("%s of %s pages, %.0f min left", f"{done:,}", f"{todo:,}", left)
        except BrokenProcessPool:
            why = "a process that composes pages died, perhaps for lack of memory"
            raise DataError(f"{why}; run the same command again to compose the rest in {work.folder}") from None
        except BaseException:  # an interrupt too: shards that are not begun are cancelled, and the error is raised
            pool.shutdown(wait=False, cancel_futures=True)
            raise


# ---- Processes --------------------------------------------------------------------------------------


def _workers() -> ProcessPoolExecutor:
    """A process for each core."""
    from joblib import cpu_count  # by affinity and a container's share, as `digits.processes.cores` counts them

    spawn = multiprocessing.get_context("spawn")  # a process forked beside threads may deadlock
    return ProcessPoolExecutor(cpu_count(), spawn, initializer=_follow_the_parent)


def _follow_the_parent() -> None:
    """Ignore Ctrl-C, which reaches every process of the terminal: the parent handles it; exit when the parent does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()


def _end_with_the_parent() -> None:
    """Exit with the parent: one that is killed can't stop its workers, and they would wait for work for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "it is run in a pool's process"
    parent.join()
    os._exit(1)
