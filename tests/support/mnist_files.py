"""MNIST's four files, as the tests make them."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np

from tests.support.mirrors import md5

NAMES = [f"{part}-{kind}-ubyte.gz" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]
TRAIN, TEST = 200, 50


def idx_bytes(array: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> bytes:
    """As Y. LeCun's page describes the format."""
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def idx(array: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> bytes:
    """The same, packed."""
    return gzip.compress(idx_bytes(array))


def resources_of(folder: Path) -> list[tuple[str, str]]:
    """What torchvision would say of the files in a folder."""
    return [(name, md5((folder / name).read_bytes())) for name in NAMES]
