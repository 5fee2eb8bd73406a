"""A picture of any kind to the 28x28 patches that MNIST would have made of it, to digits; knows no torch.

`Reader().read(picture)` gives a `Reading`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from digits.reading.reader import Reader
    from digits.reading.result import Digit, Reading

__all__ = ["Digit", "Reader", "Reading"]


def __getattr__(name: str) -> object:
    # when asked for: what only wants the patches waits for no onnxruntime
    if name == "Reader":
        from digits.reading.reader import Reader

        return Reader
    if name in __all__:
        from digits.reading import result

        return getattr(result, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
