"""Reading the digits on a picture of any kind: boxes, 28x28 patches in MNIST's form, labels; without torch.

`Reader().read(picture)` returns a `Reading`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from digits.reading.reader import Reader
    from digits.reading.result import Digit, Reading

__all__ = ["Digit", "Reader", "Reading"]


def __getattr__(name: str) -> object:
    # lazily: code that needs only the patches does not wait for onnxruntime
    if name == "Reader":
        from digits.reading.reader import Reader

        return Reader
    if name in __all__:
        from digits.reading import result

        return getattr(result, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
