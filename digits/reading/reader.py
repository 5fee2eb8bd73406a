"""The digits on a picture of any kind: a page detector finds them, a classifier gives a second opinion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from digits.reading.boxes import Floats, Found, wholes, without_repetitions
from digits.reading.detect import LONGEST, Grey, Net, find
from digits.reading.linking import text_lines
from digits.reading.model.metadata import DIGITS
from digits.reading.model.net import SHIPPED, SHIPPED_DETECTOR, Classifier, load
from digits.reading.patch import box_patches, tightened
from digits.reading.pictures import Picture, from_array, from_image, open_picture
from digits.reading.result import Digit, Reading

Source = str | Path | bytes | Image.Image | npt.NDArray[np.uint8] | Picture
Model = str | Path
Classify = Callable[[Grey], Floats]
"""A classifier: patches uint8 (n, 28, 28) to probabilities (n, 11), of 0..9 and of no digit."""

CANDIDATES = 0.15  # least objectness of findings shown to the classifier; chosen by benchmarks.reading.constants
MOST_CANDIDATES = 1000  # shown at most, those of the most objectness: a page has fewer digits

GATE = 0.02
"""Finer levels run as long as the detector reports smaller digits with at least this probability. It costs no composed
page a fault (`python -m benchmarks.reading.choose`), nor does 0.2; but those pages are small, and large pictures have
more levels to lose."""


class Weights(NamedTuple):
    """How much the classifier's opinion counts, chosen on composed pages by `python -m benchmarks.reading.choose`."""

    label: float = 0.5  # for the class: 0 is the detector alone, 1 the classifier alone
    digit: float = 0.15  # the same for whether it is a digit at all
    threshold: float = 0.6  # probability of a digit below which a finding is left out
    surest: float = 0.75  # a picture is read only if some finding is as surely a digit, or agreed on
    agreed: float = 0.9  # the classifier's probability of the detector's class from which on both agree


class Calibration(NamedTuple):
    """Logistic regressions on logarithms of odds, fitted to composed pages by the same command."""

    right: tuple[float, float, float] = (-2.29, 1.594, 0.586)
    """That a finding is a digit of the correct class: constant, weights of its objectness and its likeliest class."""
    missed: tuple[float, float] = (-1.113, 2.592)
    """That a finding that was left out is a digit: constant, weight of its objectness."""
    whole: tuple[float, float] = (0.019, 0.886)
    """That a picture is read without a fault: constant, weight of the product of all the others."""


CHOSEN = Weights()
CALIBRATED = Calibration()


class Reader:
    """Reads the digits on pictures. Several threads may share one."""

    def __init__(self, model: Model | Sequence[Model] | None = None, threads: int = 1) -> None:
        """`model` is a page detector or a classifier, or one of each: ONNX files, or directories of exported runs.

        A model that is not named is the one that ships. Raises ModelError where one can't be used.
        """
        names = [] if model is None else [model] if isinstance(model, str | Path) else list(model)
        self.detector, self.classifier = load(*names, threads=threads)
        self._classify = opinion_of(self.classifier)

    @property
    def models(self) -> str:
        """The files of both models, in one line for people."""
        ships = {SHIPPED_DETECTOR: "the one that ships", SHIPPED: "the one that ships"}
        detector, classifier = (ships.get(net.path, net.path) for net in (self.detector, self.classifier))
        return f"page detector: {detector}; classifier: {classifier}"

    def read(self, picture: Source) -> Reading:
        """The digits on a picture: a path, the bytes of a file, a PIL image, a `Picture`, or an array.

        Arrays are uint8 (H, W), (H, W, 3) in RGB or (H, W, 4). Raises PictureError where it can't be read, ModelError
        where a model returns NaN or infinity.
        """
        opened = _opened(picture)
        grey = opened.grey
        return reading_of(look(self.detector, self._classify, grey, GATE), grey, opened.width, opened.height)


def opinion_of(classifier: Classifier) -> Classify:
    """A classifier's probabilities of 0..9 and "none"; where it lacks the class "none", its doubt stands in for it."""
    columns = [classifier.classes.index(digit) for digit in DIGITS]

    def answers(patches: Grey) -> Floats:
        if not len(patches):
            return np.empty((0, len(DIGITS) + 1), np.float32)
        probabilities = classifier.probabilities(patches)
        digits = probabilities[:, columns]
        none = probabilities[:, classifier.none] if classifier.none is not None else 1 - digits.max(1)
        return np.column_stack([digits, none])

    return answers


# ---- The answers of both models ---------------------------------------------------------------------


class Seen(NamedTuple):
    """A detector's findings on a picture with a classifier's probabilities: n candidates, the most certain first."""

    found: Found
    patches: Grey  # (n, 28, 28)
    told: Floats  # (n, 11): the classifier's probabilities of 0..9 and "none"
    left_out: int  # how many more there were


def look(detector: Net, classify: Classify, grey: Grey, gate: float | None = None, longest: int = LONGEST) -> Seen:
    """Run both models on a picture, uint8 (H, W); `gate` and `longest` as for `digits.reading.detect.find`."""
    found = without_repetitions(find(detector, grey, CANDIDATES, longest, gate))
    shown = found.only(np.arange(min(MOST_CANDIDATES, len(found.boxes))))
    patches = box_patches(grey, shown.boxes)
    return Seen(shown, patches, classify(patches), len(found.boxes) - len(shown.boxes))


def combined(found: Found, told: Floats, weights: Weights = CHOSEN) -> Found:
    """A detector's findings combined with the classifier's probabilities of them, (n, 11), in the same order."""
    digits = 1 - told[:, 10]
    second = told[:, :10] / np.maximum(told[:, :10].sum(1, keepdims=True), 1e-6)
    mixed = (1 - weights.label) * _log(found.probabilities) + weights.label * _log(second)
    probabilities = np.exp(mixed - mixed.max(1, keepdims=True, initial=-np.inf))
    odds = (1 - weights.digit) * log_odds(found.objectness) + weights.digit * log_odds(digits)
    return found._replace(
        objectness=_probability(odds),
        probabilities=(probabilities / probabilities.sum(1, keepdims=True)).astype(np.float32),
    )


def once_each(found: Found) -> npt.NDArray[np.intp]:
    """The indices of findings that may be digits, the most certain first, without parts of others.

    The classifier rejects a box around several digits, so wholes and parts compete only after its answer.
    """
    order = np.argsort(-found.objectness, kind="stable")
    return order[wholes(found.only(order))]


def agreed_of(found: Found, told: Floats, weights: Weights = CHOSEN) -> npt.NDArray[np.bool_]:
    """Mask (n,) of the findings whose class the classifier confirms almost certainly."""
    label = found.probabilities.argmax(1)
    agreed: npt.NDArray[np.bool_] = told[np.arange(len(told)), label] >= weights.agreed
    return agreed


def are_read(objectness: Floats, agreed: npt.NDArray[np.bool_], weights: Weights = CHOSEN) -> npt.NDArray[np.bool_]:
    """Mask (n,) of the findings that are read; where none is certain or agreed on, none is read."""
    read = objectness >= weights.threshold
    return read & bool((read & (agreed | (objectness >= weights.surest))).any())


# ---- The reading ------------------------------------------------------------------------------------


def reading_of(seen: Seen, grey: Grey, width: int, height: int, calibration: Calibration = CALIBRATED) -> Reading:
    """The reading of a picture, uint8 (H, W), that had `width` by `height` pixels before it was reduced."""
    both = combined(seen.found, seen.told)
    places = once_each(both)
    certain = are_read(both.objectness[places], agreed_of(seen.found, seen.told)[places])
    read, missed = places[certain], both.only(places[~certain])
    found, right = both.only(read), sure_of(both.only(read), calibration)
    scale = np.array([width / grey.shape[1], height / grey.shape[0]] * 2, np.float32)
    corners = _corners(tightened(grey, found.boxes) * scale, width, height)
    digits = tuple(
        Digit(
            int(found.probabilities[place].argmax()),
            float(right[place]),
            _shared_out(found.probabilities[place], float(right[place]), float(found.objectness[place])),
            corners[place],
            line,
            seen.patches[read[place]],
        )
        for line, line_places in enumerate(text_lines(found.boxes))
        for place in line_places
    )
    return Reading(digits, width, height, whole_of(right, missed_of(missed, calibration), calibration), seen.left_out)


def sure_of(found: Found, calibration: Calibration = CALIBRATED) -> Floats:
    """The probability of each finding that it is a digit of the correct class: (n,)."""
    constant, objectness, label = calibration.right
    likeliest = found.probabilities.max(1, initial=0)
    return _probability(constant + objectness * log_odds(found.objectness) + label * log_odds(likeliest))


def missed_of(found: Found, calibration: Calibration = CALIBRATED) -> Floats:
    """The probability of each finding that was left out that it is a digit: (n,)."""
    constant, objectness = calibration.missed
    return _probability(constant + objectness * log_odds(found.objectness))


def product(right: Floats, missed: Floats) -> float:
    """The probability that all digits are correct and none is missed, if these were independent."""
    return float(np.prod(right, dtype=np.float64) * np.prod(1 - missed.astype(np.float64)))


def whole_of(right: Floats, missed: Floats, calibration: Calibration = CALIBRATED) -> float:
    """The probability that a whole picture is read without a fault."""
    constant, weight = calibration.whole
    return float(_probability(constant + weight * log_odds(np.array(product(right, missed), np.float32))))


def log_odds(probability: Floats) -> Floats:
    """The logarithm of the odds of a probability, which is kept away from 0 and 1."""
    clipped = np.clip(probability, 1e-4, 1 - 1e-4)
    odds: Floats = np.log(clipped / (1 - clipped))
    return odds


def _probability(log_odds: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-log_odds)), np.float32)


def _log(probabilities: Floats) -> Floats:
    return np.log(np.maximum(probabilities, np.float32(1e-5)))


def _shared_out(probabilities: Floats, right: float, digit: float) -> tuple[float, ...]:
    """The likeliest class gets its calibrated probability, the others the rest of the probability of a digit at all.

    None of them gets more than the likeliest; what remains is the probability that it is not a digit.
    """
    others = probabilities.astype(np.float64)
    label = int(others.argmax())
    others[label] = 0
    left, most = max(0.0, digit - right) / max(float(others.sum()), 1e-9), right / max(float(others.max()), 1e-9)
    others *= min(left, most)
    others[label] = right
    return tuple(others.tolist())


def _corners(boxes: Floats, width: int, height: int) -> list[tuple[int, int, int, int]]:
    """Boxes (n, 4) by their left, top, width and height in whole pixels of a picture, within it."""
    corners = []
    for x, y, wide, high in boxes.tolist():
        left, top = min(max(0, round(x - wide / 2)), width - 1), min(max(0, round(y - high / 2)), height - 1)
        right, bottom = min(width, round(x + wide / 2)), min(height, round(y + high / 2))
        corners.append((left, top, max(1, right - left), max(1, bottom - top)))
    return corners


def _opened(source: Source) -> Picture:
    if isinstance(source, Picture):
        return source
    if isinstance(source, np.ndarray):
        return from_array(source)
    if isinstance(source, Image.Image):
        return from_image(source)
    return open_picture(source if isinstance(source, bytes) else Path(source))
