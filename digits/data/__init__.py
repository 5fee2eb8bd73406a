"""Pictures of digits as tensors: fetching, reading, splitting, batching, transforming.

A data set is one uint8 tensor in memory. It is indexed, augmented and normalised by the batch, on the
device that trains; no PIL, no worker processes.
"""

from digits.data.augment import (
    RandomAffine,
    RandomBlur,
    RandomErase,
    RandomNoise,
    RandomResolution,
    RandomStretch,
    RandomStroke,
    RandomTone,
    RandomWarp,
)
from digits.data.corruptions import corrupt
from digits.data.datamodule import MNISTDataModule
from digits.data.image_folder import ImageFolder
from digits.data.loader import Batch, BatchLoader, Split
from digits.data.normalise import Normalise
from digits.data.reader_set import ReaderDataModule

__all__ = [
    "Batch",
    "BatchLoader",
    "ImageFolder",
    "MNISTDataModule",
    "Normalise",
    "RandomAffine",
    "RandomBlur",
    "RandomErase",
    "RandomNoise",
    "RandomResolution",
    "RandomStretch",
    "RandomStroke",
    "RandomTone",
    "RandomWarp",
    "ReaderDataModule",
    "Split",
    "corrupt",
]
