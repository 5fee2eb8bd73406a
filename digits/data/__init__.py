"""Pictures of digits as tensors: fetching, reading, splitting, batching, transforming.

A data set is one uint8 tensor in memory. It is indexed, augmented and normalised by the batch, on the
device that trains; no PIL, no worker processes.
"""

from digits.data.augment import RandomAffine, RandomErase, RandomStroke, RandomWarp
from digits.data.corruptions import corrupt
from digits.data.datamodule import MNISTDataModule
from digits.data.loader import Batch, BatchLoader, Split
from digits.data.normalise import Normalise

__all__ = [
    "Batch",
    "BatchLoader",
    "MNISTDataModule",
    "Normalise",
    "RandomAffine",
    "RandomErase",
    "RandomStroke",
    "RandomWarp",
    "Split",
    "corrupt",
]
