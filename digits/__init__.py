"""Recognise handwritten digits, and run the experiments that make the recogniser.

    import digits

    run = digits.fit("model=mlp", "trainer.max_epochs=2")   # train, as python -m digits.train does
    digits.score(run)["accuracy"]                           # evaluate
    digits.load(run)(images)                                # the trained model, for a uint8 batch
    digits.rows("outputs")                                  # what digits.report tables
    digits.read("photo.jpg").text                           # no torch

Importing the package costs nothing: each name is imported at its first use, and torch with those that need it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from digits.api.fit import Run as Run
    from digits.api.fit import fit as fit
    from digits.api.measure import rows as rows
    from digits.api.measure import score as score
    from digits.api.pictures import read as read
    from digits.evaluating.load import load as load

__all__ = ["Run", "fit", "load", "read", "rows", "score"]
__version__ = "0.2.0"

_HOME = {  # where each name is defined
    "Run": "digits.api.fit",
    "fit": "digits.api.fit",
    "load": "digits.evaluating.load",
    "read": "digits.api.pictures",
    "rows": "digits.api.measure",
    "score": "digits.api.measure",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'digits' has no attribute {name!r}")
    from importlib import import_module

    if name != "read":
        import digits.config.training_packages  # noqa: F401 (first: it says what to install)
    found: object = getattr(import_module(_HOME[name]), name)
    return found


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
