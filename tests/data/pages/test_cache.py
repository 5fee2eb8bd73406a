"""Pages on a disk: the same whoever composes them, and whole after an interruption."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2
import matplotlib
import numpy as np
import pytest
from filelock import FileLock

from digits.data.datasets import DataError
from digits.data.pages import cache
from digits.data.pages.cache import Digits, Work, compose_missing, shards_of, work_of
from digits.data.pages.compose import compose
from digits.data.pages.page import Composed
from digits.data.pages.shards import KeptPages, Shard, write_shard
from digits.data.pages.stamps.skeleton import distance_maps
from digits.data.pages.stamps.stock import Stock
from digits.data.synthetic.draw import draw_digits
from tests.support.pages import assert_same


@pytest.fixture(scope="module")
def digits() -> Digits:
    return Digits(*draw_digits(300, np.random.RandomState(3)))


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "SHARD", 2)


def cached_pages(folder: Path, split: str, number: int, seed: int, digits: Digits) -> KeptPages:
    """Pages that are composed as far as they are not there."""
    work = work_of(folder, split, seed, digits, None)
    compose_missing(work, number, lambda: digits)
    return KeptPages(work.folder, shards_of(number))


def made_here(digits: Digits, number: int, seed: int, split: str) -> list[Composed]:
    """The same pages, one after another in this process."""
    stock = Stock(*digits, distance_maps(digits.images))
    name = int.from_bytes(split.encode())
    return [compose(np.random.default_rng([seed, name, index]), stock) for index in range(number)]


def composed_now(monkeypatch: pytest.MonkeyPatch) -> list[Shard]:
    """The shards that are composed from here on, in this process."""
    found: list[Shard] = []

    def compose_all(work: Work, missing: Sequence[Shard]) -> None:
        for shard in missing:
            found.append(shard)
            cache._compose_shard(work, shard)

    monkeypatch.setattr(cache, "_compose_all", compose_all)
    return found


# ---- The same pages ---------------------------------------------------------------------------------


def test_many_processes_compose_what_one_does(tmp_path: Path, digits: Digits) -> None:
    pages = cached_pages(tmp_path, "train", 5, 7, digits)  # three shards: by a pool
    assert_same(pages, made_here(digits, 5, 7, "train"))
    first = cached_pages(tmp_path / "other", "train", 1, 7, digits)  # one: in this process
    assert_same(first, pages[:1])


def test_nothing_is_composed_twice(tmp_path: Path, digits: Digits, monkeypatch: pytest.MonkeyPatch) -> None:
    shards = composed_now(monkeypatch)
    pages = cached_pages(tmp_path, "val", 4, 0, digits)
    assert shards == [Shard(0, 2), Shard(2, 2)]
    assert_same(cached_pages(tmp_path, "val", 4, 0, digits), pages)
    more = cached_pages(tmp_path, "val", 5, 0, digits)
    assert shards == [Shard(0, 2), Shard(2, 2), Shard(4, 1)]
    assert_same(more[:4], pages)


@pytest.fixture
def fonts(tmp_path: Path) -> Path:
    """A folder with a font, and with files that are none."""
    folder = tmp_path / "fonts"
    (folder / "hands").mkdir(parents=True)
    shutil.copy(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"), folder / "hands" / "a.ttf")
    (folder / "broken.ttf").write_bytes(b"no font")
    return folder


def test_what_pages_follow_from_has_a_folder_of_its_own(
    tmp_path: Path, digits: Digits, fonts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = digits._replace(images=digits.images[::-1])
    asked = [("train", 0, digits), ("train", 0, other), ("val", 0, digits), ("train", 1, digits)]
    works = [work_of(tmp_path, *which, None) for which in asked]
    works.append(work_of(tmp_path, "train", 0, digits, fonts))
    shutil.move(fonts / "hands" / "a.ttf", fonts / "a.ttf")
    works.append(work_of(tmp_path, "train", 0, digits, fonts))
    assert len({work.folder for work in works}) == 6
    assert work_of(tmp_path, *asked[0], None) == works[0]
    assert [work.origin == works[0].origin for work in works] == [True, False, True, False, False, False]
    monkeypatch.setattr(cv2, "__version__", "99")
    assert work_of(tmp_path, *asked[0], None).folder not in {work.folder for work in works}


def test_fonts_are_told_by_what_is_written_with(tmp_path: Path, digits: Digits, fonts: Path) -> None:
    def name(folder: Path) -> str:
        return work_of(tmp_path, "train", 0, digits, folder).folder.name

    first = name(fonts)
    (fonts / "broken.ttf").write_bytes(b"still no font")
    (fonts / "LICENSE").write_text("free")
    moved = fonts.rename(tmp_path / "moved")
    assert name(moved) == first, "wherever it lies"
    font = moved / "hands" / "a.ttf"
    font.write_bytes(font.read_bytes() + b"\0")
    assert name(moved) != first


def test_a_records_checksum_does_not_follow_from_the_source(
    tmp_path: Path, digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = work_of(tmp_path, "train", 0, digits, None)
    monkeypatch.setattr(cache, "_source", lambda: [b"other"])
    changed = work_of(tmp_path, "train", 0, digits, None)
    assert (changed.folder == first.folder, changed.origin == first.origin) == (False, True)
    monkeypatch.setattr(cache, "COMPOSER", cache.COMPOSER + 1)
    assert work_of(tmp_path, "train", 0, digits, None).origin != first.origin


def test_no_file_stays_open(tmp_path: Path, digits: Digits) -> None:
    open_files = Path("/proc/self/fd")
    if not open_files.exists():
        pytest.skip("there is no list of open files here")
    cached_pages(tmp_path, "val", 2, 0, digits)  # and what is opened once
    cached_pages(tmp_path, "val", 6, 0, digits)
    before = len(list(open_files.iterdir()))
    pages = cached_pages(tmp_path, "val", 8, 0, digits)
    looked_at = [page.pixels for page in pages]
    assert len(list(open_files.iterdir())) == before
    assert [page.pixels.tobytes() for page in pages[2:4]] == [pixels.tobytes() for pixels in looked_at[2:4]]
    assert np.array_equal(pages[-1].pixels, looked_at[-1])


# ---- Interrupted ------------------------------------------------------------------------------------


def test_what_was_interrupted_goes_on_where_it_was(
    tmp_path: Path, digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    shards = composed_now(monkeypatch)
    expected, calls = made_here(digits, 6, 3, "test"), 0

    def interrupted(random: np.random.Generator, stock: Stock) -> Composed:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise KeyboardInterrupt
        return compose(random, stock)

    with monkeypatch.context() as patch:
        patch.setattr("digits.data.pages.compose.compose", interrupted)
        with pytest.raises(KeyboardInterrupt):
            cached_pages(tmp_path, "test", 6, 3, digits)
    assert shards == [Shard(0, 2), Shard(2, 2)]
    (folder,) = tmp_path.glob("test-*")
    assert {path.name for path in folder.iterdir()} - {".lock"} == {"000000-2.raw", "000000-2.npz"}
    (folder / "000002-2.raw").write_bytes(b"half")  # of a process that was killed between a shard's two files
    assert_same(cached_pages(tmp_path, "test", 6, 3, digits), expected)
    assert shards[2:] == [Shard(2, 2), Shard(4, 2)]


def test_a_shard_that_can_not_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space"):
        write_shard(tmp_path, Shard(0, 1), [blank((4, 6))])
    assert [path.name for path in tmp_path.iterdir()] == ["000000-1.raw"], "pixels alone are no shard"


def blank(size: tuple[int, int], digits: int = 0, others: int = 0) -> Composed:
    """A page whose numbers are all different."""
    random = np.random.default_rng([*size, digits, others])
    return Composed(
        random.integers(0, 256, size, np.uint8),
        random.random((digits, 4), np.float32),
        random.integers(-1, 10, digits).astype(np.int8),
        random.integers(-1, 3, digits).astype(np.int16),
        random.random((others, 4), np.float32),
        f"layout {digits}",
    )


@pytest.mark.parametrize(
    "pages",
    [
        [blank((5, 9))],
        [blank((3, 4), 2, 1), blank((30, 2)), blank((1, 1), 0, 4), blank((7, 7), 5)],
    ],
)
def test_a_shard_is_read_as_it_was_written(tmp_path: Path, pages: list[Composed]) -> None:
    shard = Shard(50, len(pages))
    write_shard(tmp_path, shard, pages)
    assert_same(KeptPages(tmp_path, [shard]), pages)


@pytest.mark.parametrize("name", ["000000-2.npz", "000000-2.raw"])
@pytest.mark.parametrize("damage", [lambda whole: whole[:-1], lambda whole: whole[:60], lambda _: b"", None])
def test_of_damaged_pages_the_folder_is_told(
    tmp_path: Path, name: str, damage: Callable[[bytes], bytes] | None
) -> None:
    write_shard(tmp_path, Shard(0, 2), [blank((9, 8), 2, 1), blank((5, 7), 3)])
    path = tmp_path / name
    whole = path.read_bytes()
    path.unlink()
    if damage is not None:
        path.write_bytes(damage(whole))
    with pytest.raises(DataError, match=r"holds damaged files \(.*\); delete this folder") as caught:
        KeptPages(tmp_path, [Shard(0, 2)])
    assert str(tmp_path) in str(caught.value)


def test_pages_that_are_gone_while_they_are_used_are_told(tmp_path: Path) -> None:
    write_shard(tmp_path, Shard(0, 1), [blank((9, 8))])
    pages = KeptPages(tmp_path, [Shard(0, 1)])
    (tmp_path / "000000-1.raw").write_bytes(b"half")
    with pytest.raises(DataError, match="delete this folder"):
        pages[0]


# ---- Other processes --------------------------------------------------------------------------------


def test_who_waits_for_another_process_is_told(
    tmp_path: Path, digits: Digits, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(cache, "PATIENCE", 0.05)
    caplog.set_level("INFO")
    work = work_of(tmp_path, "val", 0, digits, None)
    work.folder.mkdir()
    waits = threading.Thread(target=compose_missing, args=(work, 1, lambda: digits))
    with FileLock(work.folder / ".lock"):
        waits.start()
        while not caplog.messages:
            time.sleep(0.05)
        assert caplog.messages == [f"waiting for another process, which composes in {work.folder}"]
    waits.join()
    assert len(KeptPages(work.folder, shards_of(1))) == 1
    with FileLock(work.folder / ".lock"):
        compose_missing(work, 1, lambda: digits)  # what is there nobody waits for


def test_a_process_that_dies_is_told(tmp_path: Path, digits: Digits, monkeypatch: pytest.MonkeyPatch) -> None:
    def dying() -> ProcessPoolExecutor:
        return ProcessPoolExecutor(1, initializer=os._exit, initargs=(9,))

    monkeypatch.setattr(cache, "_workers", dying)
    with pytest.raises(DataError, match=r"a process that composes pages died, .* the same command"):
        cached_pages(tmp_path, "val", 4, 0, digits)


DIES_HARD = """
import os, time
from digits.data.pages.cache import _workers
with _workers() as pool:
    print(pool.submit(os.getpid).result(), flush=True)
    pool.submit(time.sleep, 600).result()
"""


def test_who_composes_ends_with_a_parent_that_is_killed() -> None:
    parent = subprocess.Popen([sys.executable, "-c", DIES_HARD], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    parent.kill()  # by SIGKILL
    try:
        parent.communicate(timeout=60)  # until the last that could write into the pipe is gone
    except subprocess.TimeoutExpired:
        os.kill(worker, signal.SIGKILL)
        raise
