"""The log of a run that a test makes."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def logged(path: Path) -> Iterator[None]:
    """Have a run's log written, as Hydra sets it up."""
    handler = logging.FileHandler(path, encoding="utf-8", delay=True)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield
    root.setLevel(level)
    for left in [each for each in root.handlers if each is handler or type(each).__name__ == "MemoryHandler"]:
        root.removeHandler(left)
    handler.close()
