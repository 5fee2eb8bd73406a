"""The page about a data set: the template `page.html`, filled with measurements and embedded plots."""

from __future__ import annotations

import html
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from string import Template

import numpy as np
from matplotlib.figure import Figure

from digits.data.augment import RandomAffine
from digits.exploring import example_pictures as examples
from digits.exploring import pictures as shown
from digits.exploring import step_pictures as steps
from digits.exploring.canvas import Plot, render
from digits.exploring.describe import Whole
from digits.exploring.doubts import Answers, Doubts
from digits.exploring.findings import Findings, Tell, class_ink, silent
from digits.exploring.notes import NOTES, UNKNOWN
from digits.exploring.thumbnails import thumbnails
from digits.plots.hover import hoverable, script
from digits.plots.html import contents, page, table

FIGURES: dict[str, tuple[Callable[[Findings], Figure], str]] = {
    "counts": (shown.counts, "Bars: the share of each class in the training, validation and test split"),
    "means": (shown.means, "The mean image of every class"),
    "samples": (shown.samples, "A dozen training images of every class"),
    "extremes": (examples.extremes, "Seven typical images of every class, and the seven hardest"),
    "pixels": (shown.pixels, "Histogram of the grey values, logarithmic"),
    "ink": (shown.ink, "Distribution of the amount of ink, class by class"),
    "frames": (shown.frames, "Histogram of box heights and widths, and a density plot of the centres of mass"),
    "duplicates": (examples.duplicates, "Images that occur more than once"),
    "map": (shown.classes_map, "Scatter plot of training images laid out by t-SNE, coloured by class"),
    "variance": (shown.variance, "Cumulative share of the variance by number of principal components"),
    "numbers": (steps.numbers, "One image and the pixel values at its centre"),
    "normalised": (steps.normalised, "Histogram of the pixels before and after normalisation"),
    "learning": (steps.learning, "Loss curves and learning-rate sweep for three scalings of the input"),
    "stratified": (steps.stratified, "Class shares of the validation split compared with those of random splits"),
    "shifted": (steps.shifted, "Images shifted to the right, and a linear classifier's accuracy on shifted images"),
    "turned": (steps.turned, "One image of each class as it is, mirrored, upside down and turned by half"),
    "augmentation": (steps.augmentation, "Training images and seven randomly augmented copies of each"),
}
"""The plots by name: the function that draws each, and its alternative text."""

RUN_FIGURES: dict[str, tuple[Callable[[Findings], Figure], str]] = {
    "run_hardest": (examples.run_hardest, "The images of every class with the largest losses"),
    "label_errors": (examples.label_errors, "Images whose labels are likely to be wrong"),
    "near_duplicates": (examples.near_duplicates, "The pairs of images that are most alike"),
}
"""The plots that need the predictions of a run."""


NAMING = (
    " An image is named by its row, from 0: train #123 and val #123 are row 123 of the official training split, which "
    "both are parts of, and test #123 that of the test split."
)


def render_all(found: Findings, tell: Tell = silent) -> dict[str, Plot]:
    """Every plot, by name; without duplicates, or without a run and its doubts, those plots are omitted."""
    run = found.doubts
    empty = {"duplicates": not found.copies.groups or found.one_split}
    if run is not None:
        empty |= {"label_errors": not run.suspects, "near_duplicates": not run.pairs}
    figures = FIGURES | ({} if run is None else RUN_FIGURES)
    plots = {}
    for name, (draw, _) in figures.items():
        tell(f"plot of {name}")
        if not empty.get(name):
            plots[name] = render(draw, found)
    return plots


def make_page(found: Findings, plots: Mapping[str, Plot], augment: RandomAffine, folder: Path, command: str) -> str:
    """The page as HTML, to be written to `folder` by `command`."""
    body = Template(_template("page.html")).safe_substitute(run="" if found.doubts is None else _template("run.html"))
    figures = {f"figure_{name}": "" for name in FIGURES | RUN_FIGURES}
    for name, plot in plots.items():
        _, alt = (FIGURES | RUN_FIGURES)[name]
        figures[f"figure_{name}"] = hoverable(plot.png, alt, plot.marks, _thumbnails(found) if name == "map" else "")
    words = _words(found) | {
        "augment_values": _amounts(augment),
        "command": html.escape(command),
        "folder": html.escape(shlex.quote(str(folder))),
    }
    if found.doubts is not None:
        words |= _run_words(found.doubts)
    filled = Template(body).substitute(figures, **words, contents=contents(body))
    return page(f"{found.name}, described", filled + script())


def _template(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def _thumbnails(found: Findings) -> str:
    return thumbnails(found.splits["train"].images[found.map.rows])


def _amounts(augment: RandomAffine) -> str:
    return (
        f"up to ±{augment.degrees:g}° of rotation, ±{augment.translate:g} pixels along each axis, "
        f"±{100 * augment.scale:g} % of size and ±{augment.shear:g}° of shear"
    )


def _words(found: Findings) -> dict[str, str]:
    """Every number, and every sentence that depends on one, by its name in the template."""
    notes = NOTES.get(found.name, UNKNOWN)
    test = found.demonstrations
    train = found.splits["train"]
    side = train.images.shape[1]
    images = sum(len(pictures.labels) for pictures in found.splits.values())
    longest = found.boxes[:, 2:].max(axis=1)
    usual = int(np.bincount(longest).argmax())
    offsets = found.centres[~np.isnan(found.centres[:, 0])]
    astray = np.abs(offsets - offsets.mean(axis=0)).max(axis=1)
    inks = class_ink(found)
    raw, scaled, normal = test.scalings
    held_out = found.counts[test.evaluated_on] / found.counts[test.evaluated_on].sum()
    together = np.sum([count for name, count in found.counts.items() if name != "test"], axis=0)
    base = together / together.sum()
    turned = np.nan_to_num(test.turned) @ held_out
    return {
        "name": html.escape(found.name),
        "about": notes.about,
        "split_note": notes.split,
        "frame_note": notes.frame,
        "turning_note": notes.turning,
        "images": f"{images:,}",
        "train_images": f"{len(train.labels):,}",
        "classes": str(len(found.classes)),
        "side": str(side),
        "pixels": str(side * side),
        "largest_share": _percent(base.max()),
        "largest_class": html.escape(found.classes[int(base.argmax())]),
        "smallest_share": _percent(base.min()),
        "smallest_class": html.escape(found.classes[int(base.argmin())]),
        "background": _percent(found.histogram[0] / found.histogram.sum()),
        "full": _percent(found.histogram[255] / found.histogram.sum(), 2),
        "most_ink": html.escape(found.classes[int(np.nanargmax(inks))]),
        "least_ink": html.escape(found.classes[int(np.nanargmin(inks))]),
        "ink_ratio": f"{np.nanmax(inks) / np.nanmin(inks):.1f}",
        "moment_table": table(
            ["", "mean", "sd"],
            [["configured", *(f"{value:.4f}" for value in found.configured)]]
            + [["recomputed, train + val", *(f"{value:.4f}" for value in found.official)]]
            + [[name, *(f"{value:.4f}" for value in pair)] for name, pair in found.moments.items()],
        ),
        "verdict": _verdict(found),
        "longer_side": f"{usual}",
        "longer_share": _percent(np.mean(longest == usual), 2),
        "offset_mean": f"{offsets[:, 0].mean():+.2f} down and {offsets[:, 1].mean():+.2f} right",
        "offset_spread": f"{offsets[:, 0].std():.2f} and {offsets[:, 1].std():.2f}",
        "within_pixel": _percent(np.mean(astray <= 1)),
        "misplaced": _percent(float(np.mean(found.extremes.difficulty > 1))),
        "also_shown": "" if found.doubts is None else _also_shown(found.doubts.answers),
        "naming": "" if found.files else NAMING,
        "copy_table": _copy_table(found),
        "copy_verdict": _copy_verdict(found),
        "map_pictures": f"{len(found.map.rows):,}",
        "alike": _percent(found.map.alike),
        "alike_on_map": _percent(found.map.alike_on_map),
        "mixed": _mixed(found.map.mixed, found.classes),
        "kept_10": _percent(found.map.variance[min(9, len(found.map.variance) - 1)], 0),
        "kept": _percent(found.map.variance[-1], 0),
        "components": str(len(found.map.variance)),
        "bytes": _megabytes(images * side * side),
        "float_bytes": _megabytes(4 * images * side * side),
        "rate": f"{test.rate:.2g}",
        "steps": str(len(normal.curve)),
        "learning_table": table(
            ["pixels", "largest curvature", "largest / 50th"],
            [
                [s.name, f"{s.largest:,.3g}" if s.largest < 1000 else f"{s.largest:,.0f}", f"{s.ratio:,.0f}"]
                for s in test.scalings
            ],
        ),
        "raw_ratio": f"{raw.ratio:,.0f}",
        "scaled_ratio": f"{scaled.ratio:,.0f}",
        "normal_ratio": f"{normal.ratio:,.0f}",
        "evaluated_on": {"val": "validation", "train": "training"}[test.evaluated_on],
        "stratified_worst": f"{100 * np.abs(held_out - base).max():.3f}",
        "random_worst": f"{100 * np.median(np.abs(test.shares - base).max(axis=1)):.2f}",
        "shift_0": _percent(test.shifted[0]),
        "shift_2": _percent(test.shifted[2]),
        "shift_4": _percent(test.shifted[4]),
        "upright": _percent(turned[0]),
        "mirrored": _percent(turned[1]),
        "upside_down": _percent(turned[2]),
        "by_half": _percent(turned[3]),
        "least_mirrored": html.escape(found.classes[int(np.nanargmin(test.turned[1]))]),
        "least_mirrored_share": _percent(np.nanmin(test.turned[1]), 0),
    }


def _also_shown(answers: Answers) -> str:
    return f", near duplicates and what {html.escape(answers.run)} doubts in the {answers.split} split"


def _run_words(doubtful: Doubts) -> dict[str, str]:
    answers = doubtful.answers
    doubted = len(doubtful.suspects)
    return {
        "run_name": html.escape(answers.run),
        "run_split": {"val": "validation", "test": "test"}[answers.split],
        "run_images": f"{len(answers.losses):,}",
        "run_errors": f"{doubted:,} labels are" if doubted != 1 else "One label is",
        "run_error_share": _percent(doubted / len(answers.losses), 2),
        "run_shown": "The first are shown." if doubted > examples.ERRORS else "",
    }


def _percent(share: float, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f}\N{NO-BREAK SPACE}%"


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.{0 if count > 1e7 else 1}f}\N{NO-BREAK SPACE}MB"


def _verdict(found: Findings) -> str:
    if found.agrees:
        return "The configuration’s constants agree with the data to four decimals."
    mean, std = found.official
    return (
        "<strong>The configuration’s constants differ from the data.</strong> "
        f"Set <code>data.mean={mean:.4f} data.std={std:.4f}</code>, or make sure that the difference is intended."
    )


def _copy_table(found: Findings) -> str:
    """The number of copies within and between the splits; empty if there are none to speak of."""
    if not found.copies.groups or found.one_split:
        return ""
    return table(
        ["", "images"],
        [
            [f"repeated in {a}" if a == b else f"in {b} and also in {a}", f"{n:,}"]
            for (a, b), n in found.copies.counts.items()
        ]
        + [["the same image with two labels", f"{found.copies.conflicts:,}"]],
    )


def _copy_verdict(found: Findings) -> str:
    if found.one_split:
        return "The training and the test split are the same images here: all are there to be evaluated on."
    if not found.copies.groups:
        return "There are none: no two images of this set are equal byte for byte, within a split or between splits."
    leaked = sum(count for (a, b), count in found.copies.counts.items() if a != b and b == "test")
    return (
        f"{len(found.copies.groups):,} images occur more than once, and {leaked:,} of the test split are also in "
        "another: a model may have seen their labels in training. The first groups:"
    )


def _mixed(mixed: Whole, classes: tuple[str, ...]) -> str:
    """The pairs of classes that are mixed most on the map."""
    both = np.triu(mixed + mixed.T, 1)
    pairs = [np.unravel_index(place, both.shape) for place in np.argsort(both, axis=None)[::-1][:3]]
    named = [f"{html.escape(classes[a])} and {html.escape(classes[b])} ({both[a, b]})" for a, b in pairs if both[a, b]]
    return ", ".join(named) if named else "none"
