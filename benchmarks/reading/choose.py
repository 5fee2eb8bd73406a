"""The reader's constants, chosen on composed pages; prints only.

    python -m benchmarks.reading.choose DETECTOR CLASSIFIER

DETECTOR and CLASSIFIER are exported ONNX files, or directories of runs that have one. The pages are composed of MNIST's
validation digits, of a seed of their own; `python -m benchmarks.reading.composed` scores others. It prints

- how far the detector's boxes are off, by which the patches are cut that the classifier is trained on
  (`digits.data.pages.patches`);
- `Weights` of `digits.reading.reader`, the best first, beside the detector alone with `THRESHOLD` of its decoding;
- `Calibration`, for the weights that are in force;
- `GATE`: what it costs and saves;
- `SURE` of `digits.reading.result`: how many of the pages that are read with and without a fault it marks.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from itertools import product as every
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from benchmarks.commands import make_parser, positive
from benchmarks.reading.composed import CHOOSING, composed_pages
from digits.data.pages.page import UNCLEAR, Composed
from digits.evaluating.pages import PagesScores, judge_page, total
from digits.reading.boxes import THRESHOLD, Floats, Found, sizes
from digits.reading.detect import Net, detect
from digits.reading.model.net import load
from digits.reading.reader import (
    CHOSEN,
    Calibration,
    Classify,
    Seen,
    Weights,
    agreed_of,
    are_read,
    combined,
    log_odds,
    look,
    missed_of,
    once_each,
    opinion_of,
    product,
    sure_of,
    whole_of,
)

LABELS, DIGITS = (0.0, 0.3, 0.5, 0.7), (0.0, 0.15, 0.3)
THRESHOLDS, SUREST, AGREED = (0.55, 0.6, 0.65), (0.7, 0.75, 0.8), (0.0, 0.9, 0.97, 1.1)
"""What is tried of each of the Weights."""

GATES = (None, 0.02, 0.2)
SURES = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


class Looked(NamedTuple):
    """A page, and what both nets say of it."""

    page: Composed
    seen: Seen


class Told(NamedTuple):
    """What is read of a page, what is left out, and which of both are digits."""

    read: Found
    right: npt.NDArray[np.bool_]  # of what is read: a digit, and that one; without what is cut off or covered
    missed: Found
    digit: npt.NDArray[np.bool_]  # of what is left out
    perfect: bool


def read_with(seen: Seen, weights: Weights) -> Found:
    """What is read with these weights."""
    both = combined(seen.found, seen.told, weights)
    places = once_each(both)
    agreed = agreed_of(seen.found, seen.told, weights)[places]
    return both.only(places[are_read(both.objectness[places], agreed, weights)])


def score(looked: Sequence[Looked], weights: Weights) -> PagesScores:
    """How well it is read."""
    return total(judge_page(page, read_with(seen, weights)) for page, seen in looked)


def told_of(page: Composed, seen: Seen) -> Told:
    """What is read with the weights in force, held against the page."""
    both = combined(seen.found, seen.told, CHOSEN)
    places = once_each(both)
    certain = are_read(both.objectness[places], agreed_of(seen.found, seen.told)[places])
    read, missed = both.only(places[certain]), both.only(places[~certain])
    judged = judge_page(page, read)
    clear = judged.true_labels != UNCLEAR
    free = np.setdiff1d(np.arange(len(page.labels)), judged.matches)
    left = page._replace(boxes=page.boxes[free], labels=page.labels[free], lines=page.lines[free])
    digit = judge_page(left, missed).true_labels >= 0
    right = judged.true_labels == read.probabilities.argmax(1)
    return Told(read.only(clear), right[clear], missed, digit, judged.perfect)


def calibrated(told: Sequence[Told]) -> Calibration:
    """Logistic regressions, each fitted to what the ones before it give."""
    read, missed = ([getattr(each, name) for each in told] for name in ("read", "missed"))
    right = np.concatenate([each.right for each in told])
    first = _fitted(
        right,
        log_odds(np.concatenate([found.objectness for found in read])),
        log_odds(np.concatenate([found.probabilities.max(1, initial=0) for found in read])),
    )
    second = _fitted(
        np.concatenate([each.digit for each in told]),
        log_odds(np.concatenate([found.objectness for found in missed])),
    )
    calibration = Calibration((first[0], first[1], first[2]), (second[0], second[1]))
    products = [product(sure_of(each.read, calibration), missed_of(each.missed, calibration)) for each in told]
    third = _fitted(np.array([each.perfect for each in told]), log_odds(np.array(products, np.float32)))
    return calibration._replace(whole=(third[0], third[1]))


def _fitted(true: npt.NDArray[np.bool_], *features: Floats) -> list[float]:
    """The constant and the weights of a logistic regression, to three decimals."""
    fit = LogisticRegression(C=np.inf).fit(np.stack(features, 1), true)
    return [round(float(number), 3) for number in (*fit.intercept_, *fit.coef_[0])]


def gates(detector: Net, classify: Classify, pages: Sequence[Composed]) -> list[str]:
    """For each gate how many pages are right, and how long they take."""
    lines = []
    for gate in GATES:
        begun = time.process_time()
        seen = [Looked(page, look(detector, classify, page.pixels, gate)) for page in pages]
        seconds = time.process_time() - begun
        perfect = score(seen, CHOSEN).perfect
        lines.append(f"gate {gate}: {perfect} of {len(pages)} right, {1000 * seconds / len(pages):.1f} ms a page")
    return lines


def marks(told: Sequence[Told], calibration: Calibration) -> list[str]:
    """For each SURE the shares of wrong and of right pages that are marked."""
    whole = np.array(
        [whole_of(sure_of(each.read, calibration), missed_of(each.missed, calibration), calibration) for each in told]
    )
    perfect = np.array([each.perfect for each in told])
    return [
        f"below {sure:.2f}: {(whole[~perfect] < sure).mean():.1%} of the wrong pages, "
        f"{(whole[perfect] < sure).mean():.1%} of the right ones"
        for sure in SURES
    ]


def box_errors(looked: Sequence[Looked]) -> dict[str, float]:
    """Standard deviations of how boxes are off: of centres in shares of the size, of size and aspect as logarithms."""
    centres, lengths, aspects = [], [], []
    for page, seen in looked:
        judged = judge_page(page, seen.found)
        hit = judged.true_labels >= 0
        boxes: npt.NDArray[np.float32] = seen.found.boxes[hit]
        true = page.boxes[judged.matches[hit]]
        centres.append((boxes[:, :2] - true[:, :2]) / sizes(true)[:, None])
        lengths.append(np.log(sizes(boxes) / sizes(true)))
        wide = true[:, 2] > 0.3 * true[:, 3]  # of a stick's width a pixel is half
        aspects.append(np.log((boxes[:, 2] / boxes[:, 3])[wide] / (true[:, 2] / true[:, 3])[wide]))
    parts = {"centre": centres, "size": lengths, "aspect": aspects}
    return {name: float(np.std(np.concatenate(part))) for name, part in parts.items()}


def nets_and_pages(
    name: str, doc: str | None, number: int, arguments: Sequence[str] | None
) -> tuple[Net, Classify, Sequence[Composed]]:
    """What a command that chooses is given: a page detector, a classifier, and the pages to choose on."""
    parser = make_parser(name, doc)
    parser.add_argument("detector", metavar="DETECTOR", type=Path)
    parser.add_argument("classifier", metavar="CLASSIFIER", type=Path)
    parser.add_argument("--pages", metavar="N", type=positive, default=number, help=f"how many (default: {number})")
    given = parser.parse_args(arguments)
    detector, classifier = load(given.detector, given.classifier)
    return detector, opinion_of(classifier), composed_pages(given.pages, CHOOSING, "val")


def main(arguments: Sequence[str] | None = None) -> int:
    """Look at every page once, try every combination, print the best; returns the exit code."""
    detector, classify, pages = nets_and_pages("benchmarks.reading.choose", __doc__, 600, arguments)
    looked = [Looked(page, look(detector, classify, page.pixels)) for page in pages]
    print("boxes are off by", ", ".join(f"{name} {value:.3f}" for name, value in box_errors(looked).items()))
    tried = [Weights(*each) for each in every(LABELS, DIGITS, THRESHOLDS, SUREST, AGREED)]
    scores = {weights: score(looked, weights) for weights in tried}
    for weights in sorted(tried, key=lambda weights: -scores[weights].perfect)[:12]:
        chosen = ", ".join(f"{name} {value:.2f}" for name, value in weights._asdict().items())
        print(f"{chosen}: {_metrics(scores[weights])}")
    alone = total(judge_page(page, detect(detector, page.pixels)) for page in pages)
    print(f"the detector alone, threshold {THRESHOLD:.2f}: {_metrics(alone)}")
    told = [told_of(page, seen) for page, seen in looked]
    calibration = calibrated(told)
    print(calibration, *gates(detector, classify, pages), *marks(told, calibration), sep="\n")
    return 0


def _metrics(scores: PagesScores) -> str:
    return ", ".join(f"{name} {value:.2%}" for name, value in scores.metrics.items())


if __name__ == "__main__":
    sys.exit(main())
