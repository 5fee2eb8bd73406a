"""An evaluation as text, for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, stdev

from digits.config.files import shown
from digits.evaluating.evaluation import MemberScore
from digits.evaluating.scores import Scores
from digits.runs.table import Table

SHOWN_MISTAKES = 10


def members_table(members: Sequence[MemberScore]) -> str:
    """The accuracy of each net alone, and their mean, for the terminal."""
    rows = [[m.run, m.net, f"{m.parameters:,}", f"{m.accuracy:.2%}"] for m in members]
    accuracies = [m.accuracy for m in members]
    rows.append(["mean ± sd", "", "", f"{fmean(accuracies):.2%} ± {stdev(accuracies):.2%}"])
    return Table(("run", "net", "parameters", "accuracy"), rows, "llrl").text()


def as_text(scores: Scores, title: str, notes: Sequence[str], files: Sequence[str] = ()) -> str:
    """An evaluation for the terminal; mistakes by file name if the images have files."""
    low, high = scores.interval
    metrics = [
        ["accuracy", f"{scores.accuracy:.2%}", f"95% interval {low:.2%} to {high:.2%}; "
                                               f"{scores.correct:,} of {scores.images:,} images"],
        ["loss", f"{scores.loss:.4f}", "mean cross-entropy in nats"],
        ["calibration error", f"{scores.calibration_error:.2%}", "expected, 15 bins"],
    ]  # fmt: skip
    names = [c.name for c in scores.classes]
    by_class = [
        [c.name, f"{c.images:,}", f"{c.precision:.2%}", f"{c.recall:.2%}", f"{c.f1:.2%}"] for c in scores.classes
    ]
    confusion = [[name, *(f"{n:,}" if n else "·" for n in row)]
                 for name, row in zip(names, scores.confusion_matrix, strict=True)]  # fmt: skip
    worst = [
        [shown(files[m.index]) if files else str(m.index), m.truth, m.guess, f"{m.confidence:.1%}"]
        for m in scores.mistakes[:SHOWN_MISTAKES]
    ]
    parts = [
        title,
        *(f"note: {note}" for note in notes),
        "",
        Table((), metrics, "lrl").text(),
        "",
        Table(("class", "images", "precision", "recall", "F1"), by_class).text(),
        "",
        Table(("label \\ predicted", *names), confusion).text(),
        "",
        Table(("image", "label", "predicted", "confidence"), worst, ("l" if files else "r") + "llr").text()
        if worst
        else "no mistakes",
    ]
    return "\n".join(parts)
