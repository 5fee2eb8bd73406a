"""Plots of images that were chosen: the typical, the hard, copies, and what a run doubts."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from digits.exploring.canvas import gallery, rows
from digits.exploring.describe import Bytes, Whole
from digits.exploring.doubts import Answers, Doubts
from digits.exploring.extremes import SHOWN
from digits.exploring.findings import Findings

ERRORS = 24  # likely label errors that are shown
PAIRS = 12  # near duplicates that are shown


def extremes(found: Findings) -> Figure:
    """The most typical images of each class, and the hardest for one nearest neighbour."""
    typical, hardest = found.extremes.typical, found.extremes.hardest
    names = [[_named(found, "train", row) for row in line] for line in typical.tolist()]
    for texts, line in zip(names, hardest.tolist(), strict=True):
        rivals = [found.classes[int(found.extremes.rival[row])] for row in line]
        near = [f"{_named(found, 'train', row)}, near a {rival}" for row, rival in zip(line, rivals, strict=True)]
        texts += [text if row >= 0 else "" for row, text in zip(line, near, strict=True)]
    chosen = np.concatenate([typical, hardest], axis=1)
    return rows(_chosen(found, "train", chosen), list(found.classes), names, line_after=SHOWN)


def duplicates(found: Findings) -> Figure:
    """The first groups of equal images."""
    places = [place for group in found.copies.groups[:3] for place in group[:4]]
    pictures = [(f"{split}\n{found.label(split, row)}", found.splits[split].images[row]) for split, row in places]
    return gallery(pictures, 6, [_named(found, split, row) for split, row in places])


def run_hardest(found: Findings) -> Figure:
    """The images of each class with the largest losses of a run."""
    doubtful = _of_run(found)
    names = [[_judged(found, doubtful.answers, row) for row in line] for line in doubtful.hardest.tolist()]
    return rows(_chosen(found, doubtful.answers.split, doubtful.hardest), list(found.classes), names)


def label_errors(found: Findings) -> Figure:
    """The likely label errors, the most suspicious first: the label, and the class that the run suggests."""
    doubtful = _of_run(found)
    split = doubtful.answers.split
    shown = doubtful.suspects[:ERRORS]
    long = max(map(len, found.classes)) > 3
    arrow = "\n→ " if long else " → "
    titles = [f"{found.classes[suspect.label]}{arrow}{found.classes[suspect.suggested]}" for suspect in shown]
    pictures = [(title, found.splits[split].images[suspect.row]) for title, suspect in zip(titles, shown, strict=True)]
    return gallery(pictures, 5 if long else 8, [_judged(found, doubtful.answers, suspect.row) for suspect in shown])


def near_duplicates(found: Findings) -> Figure:
    """The most similar pairs of images, each pair side by side, with its splits and labels."""
    pictures, texts = [], []
    for pair in _of_run(found).pairs[:PAIRS]:
        both = (pair.one, pair.other)
        one, other = (found.splits[split].images[row] for split, row in both)
        title = f"{' | '.join(split for split, _ in both)}\n{' | '.join(found.label(*place) for place in both)}"
        pictures.append((title, np.hstack([one, np.zeros_like(one[:, :4]), other])))
        texts.append(
            f"{' and '.join(found.image_name(*place) for place in both)}: {pair.share:.2f} times as far apart as is "
            f"usual, {pair.difference:.1f} grey levels"
        )
    return gallery(pictures, 4, texts)


def _of_run(found: Findings) -> Doubts:
    assert found.doubts is not None, "drawn only with the predictions of a run"
    return found.doubts


def _chosen(found: Findings, split: str, chosen: Whole) -> Bytes:
    """The images of rows (R, C), (R, C, H, W); empty ones for -1."""
    images = found.splits[split].images[chosen]
    images[chosen < 0] = 0
    return images


def _named(found: Findings, split: str, row: int) -> str:
    return f"{found.image_name(split, row)}: {found.label(split, row)}" if row >= 0 else ""


def _judged(found: Findings, answers: Answers, row: int) -> str:
    if row < 0:
        return ""
    label = int(found.splits[answers.split].labels[row])
    return (
        f"{found.image_name(answers.split, row)}: label {found.classes[label]} "
        f"({answers.probabilities[row, label]:.1%}), predicted {answers.guesses[row]} ({answers.confidences[row]:.1%})"
    )
