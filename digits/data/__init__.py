"""Images of digits as tensors: fetching, reading, splitting, batching, transforming.

A data set is one uint8 tensor in memory, indexed, augmented and normalised by the batch on the device that trains: no
PIL, no worker processes. Importing the package does not import torch: each name below is imported on first use, so that
modules without torch (`class_folders`) can be used alone.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from digits.data.augment import RandomAffine as RandomAffine
    from digits.data.augment import RandomBlur as RandomBlur
    from digits.data.augment import RandomErase as RandomErase
    from digits.data.augment import RandomNoise as RandomNoise
    from digits.data.augment import RandomResolution as RandomResolution
    from digits.data.augment import RandomStretch as RandomStretch
    from digits.data.augment import RandomStroke as RandomStroke
    from digits.data.augment import RandomTone as RandomTone
    from digits.data.augment import RandomWarp as RandomWarp
    from digits.data.corruptions import corrupt as corrupt
    from digits.data.datamodule import MNISTDataModule as MNISTDataModule
    from digits.data.image_folder import ImageFolder as ImageFolder
    from digits.data.loader import Batch as Batch
    from digits.data.loader import BatchLoader as BatchLoader
    from digits.data.loader import Split as Split
    from digits.data.normalise import Normalise as Normalise
    from digits.data.pages.datamodule import PagesDataModule as PagesDataModule
    from digits.data.synthetic.datamodule import ReaderDataModule as ReaderDataModule

HOMES = {  # the module that defines them: public names
    "augment": (
        *("RandomAffine", "RandomBlur", "RandomErase", "RandomNoise", "RandomResolution", "RandomStretch"),
        *("RandomStroke", "RandomTone", "RandomWarp"),
    ),
    "corruptions": ("corrupt",),
    "datamodule": ("MNISTDataModule",),
    "image_folder": ("ImageFolder",),
    "loader": ("Batch", "BatchLoader", "Split"),
    "normalise": ("Normalise",),
    "pages.datamodule": ("PagesDataModule",),
    "synthetic.datamodule": ("ReaderDataModule",),
}

__all__ = [
    *(name for names in HOMES.values() for name in names),
]


def __getattr__(name: str) -> object:
    for module, names in HOMES.items():
        if name in names:
            return getattr(import_module(f"digits.data.{module}"), name)
    raise AttributeError(f"module 'digits.data' has no attribute {name!r}")
