"""The data sets: for each a function from a folder to arrays, registered by name in `DATASETS`."""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from digits.data.fetch import LARGEST, FetchError, fetch
from digits.data.idx import parse_idx
from digits.data.split import stratified_split
from digits.reading.model.metadata import NONE as NONE

LARGEST_UNPACKED = 1 << 28  # bytes that a file may unpack to: 268 MB; the largest has 47


class DataError(Exception):
    """Data that can't be fetched, or are damaged; the message names the file and the fix."""


class Arrays(NamedTuple):
    """A data set with its official splits."""

    train_images: npt.NDArray[np.uint8]  # (N, H, W)
    train_labels: npt.NDArray[np.int64]  # (N,)
    test_images: npt.NDArray[np.uint8]
    test_labels: npt.NDArray[np.int64]
    classes: tuple[str, ...]
    checksums: dict[str, str]  # MD5 of each file that was read


DIGITS = tuple("0123456789")
FASHION = (
    "T-shirt",
    "trousers",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)
KUZUSHIJI = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")


def mnist(root: Path, mirrors: list[str] | None) -> Arrays:
    """MNIST: 60,000 + 10,000 handwritten digits."""
    return _idx_files("MNIST", "MNIST", DIGITS, root, mirrors)


def fashion_mnist(root: Path, mirrors: list[str] | None) -> Arrays:
    """Fashion-MNIST: 60,000 + 10,000 pieces of clothing."""
    return _idx_files("FashionMNIST", "Fashion-MNIST", FASHION, root, mirrors)


def kmnist(root: Path, mirrors: list[str] | None) -> Arrays:
    """Kuzushiji-MNIST: 60,000 + 10,000 hiragana."""
    return _idx_files("KMNIST", "KMNIST", KUZUSHIJI, root, mirrors)


def reader(root: Path, mirrors: list[str] | None) -> Arrays:
    """MNIST with an eleventh class, still without images: `ReaderDataModule` generates them."""
    return mnist(root, mirrors)._replace(classes=(*DIGITS, NONE))


def optdigits(root: Path, mirrors: list[str] | None) -> Arrays:  # noqa: ARG001 (scikit-learn ships it)
    """The 1,797 digits that come with scikit-learn, as images of MNIST's size.

    Each 8x8 image of 0..16 is enlarged bilinearly to 20x20 of 0..255 and centred in 28x28, as MNIST's digits are.
    scikit-learn's copy has no official split; a fixed stratified fifth (360) is the test split.
    """
    import torch
    from sklearn.datasets import load_digits

    bunch = load_digits()
    small = torch.from_numpy(bunch.images).float().unsqueeze(1)  # (1797, 1, 8, 8), 0..16
    large = torch.nn.functional.interpolate(small, size=(20, 20), mode="bilinear", align_corners=False)
    pixels = torch.nn.functional.pad(large * (255 / 16), (4, 4, 4, 4)).round().to(torch.uint8)
    images, labels = pixels.squeeze(1).numpy(), bunch.target.astype(np.int64)
    train, test = stratified_split(labels, held_out=360, seed=0)
    checksum = hashlib.md5(images.tobytes(), usedforsecurity=False).hexdigest()
    return Arrays(images[train], labels[train], images[test], labels[test], DIGITS, {"optdigits": checksum})


DATASETS: dict[str, Callable[[Path, list[str] | None], Arrays]] = {
    "mnist": mnist,
    "fashion_mnist": fashion_mnist,
    "kmnist": kmnist,
    "optdigits": optdigits,
    "reader": reader,
}


@lru_cache(maxsize=2)
def read_dataset(name: str, root: str, mirrors: tuple[str, ...] | None) -> Arrays:
    """A data set by name, read once per process however many jobs of a sweep use it."""
    return DATASETS[name](Path(root).expanduser(), None if mirrors is None else list(mirrors))


def _idx_files(folder_name: str, title: str, classes: tuple[str, ...], root: Path, mirrors: list[str] | None) -> Arrays:
    """Four idx files in torchvision's layout, `ROOT/MNIST/raw/*.gz`; torchvision knows mirrors and checksums."""
    from torchvision import datasets

    source = getattr(datasets, folder_name)
    folder = root / folder_name / "raw"
    mirrors = mirrors if mirrors is not None else list(source.mirrors)
    sums: dict[str, str] = dict(source.resources)
    arrays = {}
    for name, md5 in sums.items():
        try:
            path = fetch(name, md5, folder, mirrors)
        except FetchError as error:
            raise DataError(
                f"could not download {title}: {name} is not in {folder} and every mirror failed:\n{error}\n"
                f"Put {', '.join(sums)} into {folder}, or name another mirror with data.mirrors=[URL/], "
                "or use data=optdigits, which needs no network."
            ) from None
        except OSError as error:
            raise DataError(
                f"{title} can't be stored in {folder}: {error}; choose another folder with data.root=DIR"
            ) from None
        arrays[name] = parse_checked(path, sums)
    train_images, train_labels, test_images, test_labels = arrays.values()
    found = Arrays(
        train_images, train_labels.astype(np.int64), test_images, test_labels.astype(np.int64), classes, sums
    )
    if fault := fault_in(found):
        raise DataError(f"{title}'s files in {folder} can't be used: {fault}; delete them, and they are fetched again")
    return found


def fault_in(arrays: Arrays) -> str:
    """The fault of a data set's arrays as a sentence; empty where there is none."""
    for part, images, labels in (
        ("training", arrays.train_images, arrays.train_labels),
        ("test", arrays.test_images, arrays.test_labels),
    ):
        if images.ndim != 3 or labels.ndim != 1:
            return f"the {part} images have the shape {images.shape} and the labels {labels.shape}, not (N, H, W), (N,)"
        if images.dtype != np.uint8:
            return f"the {part} images are {images.dtype}, not uint8"
        if len(images) != len(labels):
            return f"there are {len(images)} {part} images, but {len(labels)} labels"
        if images.size == 0:
            return f"the {part} images have the shape {images.shape}, which has no pixels"
        if images.shape[1] != images.shape[2]:
            return f"the {part} images have {images.shape[1]}x{images.shape[2]} pixels, which is not square"
        if images.shape[1:] != arrays.train_images.shape[1:]:
            return f"the test images have the side {images.shape[1]}, the training images {len(arrays.train_images[0])}"
        outside = labels[(labels < 0) | (labels >= len(arrays.classes))]
        if len(outside):
            return f"a {part} label is {outside[0]}, but labels go from 0 to {len(arrays.classes) - 1}"
    return ""


def parse_checked(path: Path, sums: dict[str, str]) -> npt.NDArray[np.uint8]:
    """The array in a gzipped idx file whose MD5 checksum is the one recorded for its name.

    Raises DataError, which names the file, for anything else.
    """
    try:
        if not path.is_file():  # reading a named pipe would block for ever
            raise DataError(f"{path} is not a plain file; move it away, and the file is fetched again")
        size = path.stat().st_size
        if size > LARGEST:
            raise DataError(f"{path} is damaged: it has {size} bytes; delete it, and it is fetched again")
        packed = path.read_bytes()
        found = hashlib.md5(packed, usedforsecurity=False).hexdigest()
        if found != sums[path.name]:
            twin = next((f" (it is really {name})" for name, md5 in sums.items() if md5 == found), "")
            raise DataError(
                f"{path} is damaged: its MD5 sum is {found}, not {sums[path.name]} ({len(packed)} bytes){twin}; "
                "delete it, and it is fetched again"
            )
        return parse_idx(unpacked(packed), path.name)
    except PermissionError:
        raise DataError(f"{path} can't be read by this user; grant the permission, or delete the file") from None
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise DataError(f"{path} can't be read: {error}; delete it, and it is fetched again") from None


def unpacked(packed: bytes) -> bytearray:
    """The content of gzipped bytes, without a second copy, which would take 47 MB more for MNIST in every process.

    Raises ValueError where it is larger than any data set's file.
    """
    promised = int.from_bytes(packed[-4:], "little")  # gzip's last four bytes
    if promised > LARGEST_UNPACKED:
        raise ValueError(f"it would unpack to {promised} bytes")
    content = bytearray(promised)
    view, filled = memoryview(content), 0
    with gzip.GzipFile(fileobj=io.BytesIO(packed)) as file:
        while size := file.readinto(view[filled : filled + (1 << 20)]):  # in chunks, since readinto makes a copy
            filled += size
        if filled < promised or file.read(1):  # this read also makes gzip compare its own checksum
            raise ValueError(f"it does not unpack to the {promised} bytes that its trailer states")
    return content
