"""The metadata of an exported net, in its ONNX file."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

FORMAT = "1"

CLASSIFICATION = "classification"  # of single digits, or other classes; the task where a file names none (`task`)
DETECTION = "detection"  # of digits on pages
DIGITS = tuple("0123456789")
NONE = "none"  # the class of non-digits: signs, letters, halves and groups of digits, specks, ruled lines
SIDE = 28  # of the reader's patches, in pixels
LONGEST = 64 << 10  # most characters of all entries together; the provenance of a run has about 2,000
MOST_CLASSES = 1_000


@dataclass(frozen=True)
class Description:
    """The entries that a reader needs; `provenance` and any other entries are for people."""

    task: str
    """CLASSIFICATION or DETECTION."""
    classes: tuple[str, ...]
    mean: float
    """Mean of the training pixels, scaled to 0..1; built into the graph, as is `std`, their standard deviation."""
    std: float
    image_size: int
    """Side of the square images, in pixels; a detector was trained on crops of this side, and takes any size."""
    temperature: float | None
    """The divisor of the logits before softmax; None without calibration, as for every detector."""
    accuracy: float
    """Share of its data set's test images, or for a detector of the digits it finds, that it classifies correctly."""

    @property
    def reads_digits(self) -> bool:
        """Whether the reader can use it."""
        if self.task == DETECTION:
            return self.classes == DIGITS
        return self.classes in (DIGITS, (*DIGITS, NONE)) and self.image_size == SIDE


def parse(entries: Mapping[str, str]) -> Description:
    """The description in a file's metadata; raises ValueError with the fault where it is invalid."""
    if entries.get("format") != FORMAT:
        raise ValueError(f"its metadata have the format {_shown(entries.get('format'))}, and not {FORMAT}")
    if sum(map(len, entries.values())) > LONGEST or any(len(key) > 100 for key in entries):
        raise ValueError(f"its metadata have more than {LONGEST:,} characters")
    task = entries.get("task", CLASSIFICATION)
    if task not in (CLASSIFICATION, DETECTION):
        raise ValueError(
            f"it was trained for {_shown(task)}, and only nets for {CLASSIFICATION} or {DETECTION} are run"
        )
    classes = _json(entries, "classes")
    if (
        not isinstance(classes, list)
        or not 2 <= len(classes) <= MOST_CLASSES
        or not all(isinstance(name, str) and 0 < len(name) <= 100 and name.isprintable() for name in classes)
        or len(set(classes)) < len(classes)
    ):
        raise ValueError(f"its metadata's classes are {_shown(entries.get('classes'))}, not a list of names")
    if not isinstance(_json(entries, "provenance"), dict):
        raise ValueError("its metadata's provenance is not a JSON object")  # noqa: TRY004 (a file's fault, as the others)
    calibrated = task == CLASSIFICATION and "temperature" in entries
    return Description(
        task=task,
        classes=tuple(classes),
        mean=_number(entries, "mean", 0, 1),
        std=_number(entries, "std", 1e-6, 1),
        image_size=int(_number(entries, "image_size", 1, 4096)),
        temperature=_number(entries, "temperature", 0.01, 100) if calibrated else None,
        accuracy=_number(entries, "accuracy", 0, 1),
    )


def _json(entries: Mapping[str, str], key: str) -> object:
    try:
        found: object = json.loads(entries.get(key, ""))
    except (ValueError, RecursionError):
        raise ValueError(f"its metadata's {key} are {_shown(entries.get(key))}, not JSON") from None
    return found


def _number(entries: Mapping[str, str], key: str, low: float, high: float) -> float:
    try:
        number = float(entries.get(key, ""))
    except ValueError:
        number = math.nan
    if not low <= number <= high:
        raise ValueError(f"its metadata's {key} is {_shown(entries.get(key))}, and not a number from {low} to {high}")
    return number


def _shown(text: str | None) -> str:
    return "missing" if text is None else f"{text!r:.80}"
