"""Files that are there already, but wrong: each is refused by its name, with what to do."""

from __future__ import annotations

import gzip
import io
import os
import re
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torchvision import datasets

from digits.data.datasets import LARGEST_UNPACKED, Arrays, DataError, parse_checked, read_dataset
from digits.data.fetch import LARGEST
from tests.support.mirrors import md5
from tests.support.mnist_files import NAMES, TEST, TRAIN, idx, idx_bytes, resources_of

AGAIN = "delete it, and it is fetched again"


def read(root: Path) -> Arrays:
    return read_dataset("mnist", str(root), None)


def refusal(root: Path) -> str:
    with pytest.raises(DataError) as caught:
        read(root)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# ---- Whose checksum is wrong --------------------------------------------------------------------


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda packed: packed[:-100], id="truncated"),
        pytest.param(lambda packed: packed + b"\0", id="too long"),
        pytest.param(lambda packed: packed[:60] + bytes([packed[60] ^ 1]) + packed[61:], id="a bit flipped"),
        pytest.param(lambda _: b"", id="empty"),
        pytest.param(lambda _: b"<html>Log in</html>", id="a web page"),
        pytest.param(lambda packed: gzip.compress(gzip.decompress(packed)[:-1]), id="truncated before it was packed"),
        pytest.param(lambda _: idx(np.zeros((TEST, 5, 5), np.uint8)), id="another side"),
        pytest.param(lambda _: idx(np.zeros((0, 6, 6), np.uint8)), id="no images"),
    ],
)
def test_damaged_file_is_named_with_its_sum(root: Path, damage: Callable[[bytes], bytes]) -> None:
    path = root / "MNIST" / "raw" / NAMES[2]
    whole = path.read_bytes()
    damaged = damage(whole)
    path.write_bytes(damaged)
    expected = f"its MD5 sum is {md5(damaged)}, not {md5(whole)} ({len(damaged)} bytes)"
    assert refusal(root) == f"{path} is damaged: {expected}; {AGAIN}"
    assert path.read_bytes() == damaged, "nothing of a user's is deleted"


def test_swapped_files_are_told_by_their_names(root: Path) -> None:
    folder = root / "MNIST" / "raw"
    (folder / NAMES[0]).rename(folder / "aside")
    (folder / NAMES[2]).rename(folder / NAMES[0])
    (folder / "aside").rename(folder / NAMES[2])
    text = refusal(root)
    assert text.startswith(f"{folder / NAMES[0]} is damaged: its MD5 sum is ")
    assert text.endswith(f" (it is really {NAMES[2]}); {AGAIN}")


def test_deleted_as_told_it_is_asked_for_again(root: Path) -> None:
    path = root / "MNIST" / "raw" / NAMES[1]
    path.write_bytes(b"damaged")
    refusal(root)
    path.unlink()
    with pytest.raises(DataError) as caught:
        read(root)
    assert str(caught.value).startswith(f"could not download MNIST: {NAMES[1]} is not in {root / 'MNIST' / 'raw'}")
    assert f"http://127.0.0.1:9/{NAMES[1]}: " in str(caught.value)
    assert "damaged" not in str(caught.value)


# ---- What is no file at all ---------------------------------------------------------------------


def test_directory_in_its_place(root: Path) -> None:
    path = root / "MNIST" / "raw" / NAMES[0]
    path.unlink()
    path.mkdir()
    assert refusal(root) == f"{path} is not a plain file; move it away, and the file is fetched again"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are POSIX's")
def test_pipe_in_its_place_is_not_waited_on(root: Path) -> None:
    path = root / "MNIST" / "raw" / NAMES[0]
    path.unlink()
    os.mkfifo(path)
    assert refusal(root) == f"{path} is not a plain file; move it away, and the file is fetched again"


def test_link_to_nowhere_is_a_missing_file(root: Path) -> None:
    path = root / "MNIST" / "raw" / NAMES[0]
    path.unlink()
    path.symlink_to(root / "nowhere")
    with pytest.raises(DataError, match="could not download MNIST: train-images"):
        read(root)


def test_file_of_any_size_is_not_read_to_its_end(root: Path) -> None:
    path = root / "MNIST" / "raw" / NAMES[0]
    with path.open("wb") as file:
        file.truncate(1 << 40)  # no block of it is stored
    assert refusal(root) == f"{path} is damaged: it has {1 << 40} bytes; {AGAIN}"


@contextmanager
def as_somebody() -> Iterator[None]:
    """Not as root, who may read everything."""
    me = os.geteuid()
    os.seteuid(me or 65534)
    try:
        yield
    finally:
        os.seteuid(me)


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="permissions are POSIX's")
def test_unreadable_file() -> None:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own are root's alone
        Path(folder).chmod(0o755)
        path = Path(folder) / NAMES[0]
        path.write_bytes(b"secret")
        path.chmod(0)
        with as_somebody(), pytest.raises(DataError) as caught:
            parse_checked(path, {NAMES[0]: md5(b"secret")})
    assert str(caught.value) == f"{path} can't be read by this user; grant the permission, or delete the file"


# ---- Whose checksum is right: what torchvision's sums would be if they were these files' ------------


def zeros(*shape: int) -> bytes:
    return idx(np.zeros(shape, np.uint8))


FILES = {
    "no gzip": ({0: b"no gzip\1\0\0\0"}, f"{NAMES[0]} can't be read: Not a gzipped file .*; {AGAIN}"),
    "empty": ({0: b""}, f"{NAMES[0]} can't be read: {NAMES[0]} is not an idx file: .*; {AGAIN}"),
    "no idx": ({0: gzip.compress(b"no idx")}, f"{NAMES[0]} can't be read: {NAMES[0]} is not an idx file: .*; {AGAIN}"),
    "packed truncated": ({0: zeros(TRAIN, 6, 6)[:-9] + b"\x30\x1c\0\0"}, f"{NAMES[0]} can't be read: .*; {AGAIN}"),
    "idx truncated": (
        {1: gzip.compress(idx_bytes(np.zeros(TRAIN, np.uint8))[:-1])},
        f"{NAMES[1]} can't be read: {NAMES[1]} has 207 bytes where its header, .*, promises 208; {AGAIN}",
    ),
    "idx too long": (
        {1: gzip.compress(idx_bytes(np.zeros(TRAIN, np.uint8)) + b"!")},
        f"{NAMES[1]} can't be read: {NAMES[1]} has 209 bytes where its header, .*, promises 208; {AGAIN}",
    ),
    "fewer labels": ({3: zeros(49)}, "there are 50 test images, but 49 labels"),
    "more labels": ({1: zeros(201)}, "there are 200 training images, but 201 labels"),
    "a label too large": ({1: idx(np.full(TRAIN, 10, np.uint8))}, "a training label is 10, but labels go from 0 to 9"),
    "labels of two dimensions": ({1: zeros(TRAIN, 1)}, r"training images .* \(200, 6, 6\) and the labels \(200, 1\), "),
    "images of two dimensions": ({2: zeros(TEST, 36)}, r"the test images .* \(50, 36\) and the labels \(50,\), "),
    "no images": ({2: zeros(0, 6, 6), 3: zeros(0)}, r"the test images have the shape \(0, 6, 6\), .* no pixel"),
    "no pixels": ({0: zeros(TRAIN, 0, 0)}, r"the training images have the shape \(200, 0, 0\), .* no pixel"),
    "not square": ({0: zeros(TRAIN, 4, 9)}, "the training images have 4x9 pixels, which is not square"),
    "another side": ({2: zeros(TEST, 5, 5)}, "the test images have the side 5, the training images 6"),
    "images for labels": (
        {0: zeros(TRAIN), 1: zeros(TRAIN, 6, 6)},
        r"the training images have the shape \(200,\) and the labels \(200, 6, 6\)",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("files", "message"), [pytest.param(*case, id=name) for name, case in FILES.items()])
def test_content_that_cannot_be_is_refused_even_with_the_right_sum(
    root: Path, monkeypatch: pytest.MonkeyPatch, files: dict[int, bytes], message: str
) -> None:
    folder = root / "MNIST" / "raw"
    for number, content in files.items():
        (folder / NAMES[number]).write_bytes(content)
    monkeypatch.setattr(datasets.MNIST, "resources", resources_of(folder))
    text = refusal(root)
    assert re.search(message, text), text
    if "can't be read" not in text:
        assert text.startswith(f"MNIST's files in {folder} can't be used: ")
        assert text.endswith("; delete them, and they are fetched again")


# ---- Packed ---------------------------------------------------------------------------------------


def parse(packed: bytes, folder: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    path = folder / "pixels.gz"
    path.write_bytes(packed)
    return parse_checked(path, {path.name: md5(packed)})


def peak_of(action: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_while_reading_is_that_of_the_data(tmp_path: Path) -> None:
    """Unpacking goes straight to its place; a second copy would be 47 MB more for MNIST, in every process."""
    packed = zeros(20_000, 28, 28)  # 15.7 MB, packed 15 kB
    assert peak_of(lambda: parse(packed, tmp_path)) < 1.5 * 20_000 * 28 * 28


@cache
def bomb(size: int) -> bytes:
    """So many zeros, a thousandth of them packed."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as file:
        for start in range(0, size, 1 << 20):
            file.write(bytes(min(1 << 20, size - start)))
    return packed.getvalue()


@pytest.mark.parametrize("lie", [None, 0, 100, 1 << 20], ids=lambda lie: f"says {lie}")
def test_gzip_bomb_takes_no_memory(tmp_path: Path, lie: int | None) -> None:
    """Its last four bytes are the size that it claims; it may lie in them."""
    packed = bomb(LARGEST_UNPACKED + 1)
    assert len(packed) < LARGEST
    if lie is not None:
        packed = packed[:-4] + lie.to_bytes(4, "little")

    def refused() -> None:
        with pytest.raises(
            DataError, match=r"pixels\.gz can't be read: it (would unpack to 268435457|does not unpack)"
        ):
            parse(packed, tmp_path)

    assert peak_of(refused) < 5 * (1 << 20)


def test_size_that_is_claimed_and_not_there_takes_no_memory(tmp_path: Path) -> None:
    packed = gzip.compress(b"small")[:-4] + b"\xff" * 4

    def refused() -> None:
        with pytest.raises(DataError, match="it would unpack to 4294967295 bytes; delete it, and it is fetched again"):
            parse(packed, tmp_path)

    assert peak_of(refused) < 1 << 20


WHOLE = gzip.compress(idx_bytes(np.arange(24, dtype=np.uint8).reshape(2, 3, 4)), mtime=0)


def one_byte_changed(drawn: tuple[int, int]) -> bytes:
    place, byte = drawn
    return WHOLE[:place] + bytes([byte]) + WHOLE[place + 1 :]


@given(st.binary(max_size=60) | st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)).map(one_byte_changed))
@example(b"")
@example(WHOLE + WHOLE)
@example(WHOLE + b"\0\0\0\0")
@example(WHOLE[:-1])
@example(gzip.compress(idx_bytes(np.zeros(3, np.uint8)) + b"and more")[:-4] + b"\x0b\0\0\0")
@example(WHOLE[:-8] + b"\0\0\0\0" + WHOLE[-4:])
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_the_array_or_refused_by_name(packed: bytes) -> None:
    """Found: a stream longer than it claims was cut short without a word, and gzip's checksum never compared."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            array = parse(packed, Path(folder))
        except DataError as error:
            refused = str(error)
        else:
            assert idx_bytes(array) == gzip.decompress(packed)
            return
    assert refused.startswith(f"{folder}/pixels.gz can't be read: ")
    assert refused.endswith(AGAIN)
