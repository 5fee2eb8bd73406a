"""Recognise handwritten digits, and run the experiments that make the recogniser.

`digits.load(RUN)` gives the trained net of a run, ready for a uint8 batch. Importing the package
costs nothing: torch comes with the first use of what needs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from digits.evaluating.load import load as load

__all__ = ["load"]
__version__ = "0.2.0"


def __getattr__(name: str) -> object:
    if name == "load":
        from digits.config import training_packages  # noqa: F401 (first: it says what to install)
        from digits.evaluating.load import load

        return load
    raise AttributeError(f"module 'digits' has no attribute {name!r}")
