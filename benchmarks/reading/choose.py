"""How much the classifier's opinion counts beside the detector's, chosen on composed pages; prints only.

    python -m benchmarks.reading.choose DETECTOR CLASSIFIER

DETECTOR and CLASSIFIER are exported ONNX files, or directories of runs that have one. The pages are composed of MNIST's
validation digits, of a seed of their own; `python -m benchmarks.reading.composed` scores others. Beside the best
weights stands the detector alone, as the reader's decoding has it. It also prints how far the detector's boxes are off,
by which the patches are cut that the classifier is trained on (`digits.data.pages.patches`).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.reading.composed import CHOOSING, composed_pages
from benchmarks.reading.readers import classifier_of, detector_of
from digits.data.pages.page import Composed
from digits.evaluating.pages import PagesScores, judge_page, total
from digits.reading.box_patch import box_patches
from digits.reading.boxes import THRESHOLD, Floats, Found, sizes
from digits.reading.detect import detect
from digits.reading.model.net import Net
from digits.reading.two_stage import Weights, candidates, combined

LABELS, DIGITS = (0.0, 0.3, 0.5, 0.7), (0.0, 0.15, 0.3, 0.45)
THRESHOLDS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8)
"""What is tried of each of the Weights."""


class Seen(NamedTuple):
    """A page, what the detector finds on it, and what the classifier says of that."""

    page: Composed
    found: Found
    told: Floats  # (n, 11)


def score(seen: Sequence[Seen], weights: Weights) -> PagesScores:
    """What is read with these weights."""
    return total(judge_page(page, combined(found, told, weights)) for page, found, told in seen)


def box_errors(seen: Sequence[Seen]) -> dict[str, float]:
    """Standard deviations of how boxes are off: of centres in shares of the size, of size and aspect as logarithms."""
    centres, lengths, aspects = [], [], []
    for page, found, _ in seen:
        judged = judge_page(page, found)
        hit = judged.true_labels >= 0
        boxes: npt.NDArray[np.float32] = found.boxes[hit]
        true = page.boxes[judged.matches[hit]]
        centres.append((boxes[:, :2] - true[:, :2]) / sizes(true)[:, None])
        lengths.append(np.log(sizes(boxes) / sizes(true)))
        wide = true[:, 2] > 0.3 * true[:, 3]  # of a stick's width a pixel is half
        aspects.append(np.log((boxes[:, 2] / boxes[:, 3])[wide] / (true[:, 2] / true[:, 3])[wide]))
    parts = {"centre": centres, "size": lengths, "aspect": aspects}
    return {name: float(np.std(np.concatenate(part))) for name, part in parts.items()}


def main(arguments: Sequence[str] | None = None) -> int:
    """Look at every page once, try every combination, print the best; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("detector", metavar="DETECTOR", type=Path)
    parser.add_argument("classifier", metavar="CLASSIFIER", type=Path)
    parser.add_argument("--pages", metavar="N", type=int, default=400, help="how many (default: 400)")
    given = parser.parse_args(arguments)
    detector, classify = detector_of(given.detector), classifier_of(Net(given.classifier))
    pages, seen = composed_pages(given.pages, CHOOSING, "val"), []
    for page in pages:
        found = candidates(detector, page.pixels)
        seen.append(Seen(page, found, classify(box_patches(page.pixels, found.boxes))))
    print("boxes are off by", ", ".join(f"{name} {value:.3f}" for name, value in box_errors(seen).items()))
    tried = [Weights(*each) for each in product(LABELS, DIGITS, THRESHOLDS)]
    scores = {weights: score(seen, weights) for weights in tried}
    for weights in sorted(tried, key=lambda weights: -scores[weights].perfect)[:12]:
        chosen = ", ".join(f"{name} {value:.2f}" for name, value in weights._asdict().items())
        print(f"{chosen}: {_metrics(scores[weights])}")
    alone = total(judge_page(page, detect(detector, page.pixels)) for page in pages)
    print(f"the detector alone, threshold {THRESHOLD:.2f}: {_metrics(alone)}")
    return 0


def _metrics(scores: PagesScores) -> str:
    return ", ".join(f"{name} {value:.2%}" for name, value in scores.metrics.items())


if __name__ == "__main__":
    sys.exit(main())
