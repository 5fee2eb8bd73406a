"""The page about a data set: the template `page.html`, filled with measured numbers and embedded pictures."""

from __future__ import annotations

import base64
import html
from collections.abc import Callable, Mapping
from pathlib import Path
from string import Template
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from digits.data.augment import RandomAffine
from digits.exploring import pictures as shown
from digits.exploring import step_pictures as steps
from digits.exploring.canvas import render
from digits.exploring.describe import Whole
from digits.exploring.findings import Findings
from digits.plots.theme import THEMES

FIGURES: dict[str, tuple[Callable[[Findings], Figure], str]] = {
    "counts": (shown.counts, "Bars: the share of each class in the training, validation and test split"),
    "means": (shown.means, "The mean picture of every class"),
    "samples": (shown.samples, "A dozen training pictures of every class"),
    "pixels": (shown.pixels, "Histogram of the grey values, logarithmic"),
    "ink": (shown.ink, "Distribution of the amount of ink, class by class"),
    "frames": (shown.frames, "Histogram of box heights and widths, and a density plot of the centres of mass"),
    "duplicates": (shown.duplicates, "Pictures that occur more than once"),
    "map": (shown.classes_map, "Scatter plot of training pictures laid out by t-SNE, coloured by class"),
    "variance": (shown.variance, "Cumulative share of the variance by number of principal components"),
    "numbers": (steps.numbers, "One picture and the pixel values of its middle"),
    "normalised": (steps.normalised, "Histogram of the pixels before and after normalisation"),
    "learning": (steps.learning, "Loss curves and learning-rate sweep for three scalings of the input"),
    "stratified": (steps.stratified, "Class shares of the validation split compared with those of random splits"),
    "shifted": (steps.shifted, "Pictures moved to the right, and a linear classifier's accuracy on moved pictures"),
    "turned": (steps.turned, "One picture of each class as it is, mirrored, upside down and turned by half"),
    "augmentation": (steps.augmentation, "Training pictures and seven randomly changed copies of each"),
}
"""Every figure by name: what draws it, and what it shows in words."""


class Notes(NamedTuple):
    """What is known of a data set from its makers, which no measurement tells; HTML."""

    about: str
    split: str
    frame: str
    turning: str


DIGIT_TURNING = (
    "A photograph of a cat may be mirrored; a digit may not. A mirrored 2 or 5 is no digit at all, or the other one "
    "badly written, and a 6 turned by half is a 9: the label would be wrong. So no flips and no large rotations."
)
OFFICIAL = (
    "The makers’ test pictures are the <em>test split</em>: used once, at the end, for the figure that is reported. "
    "Their training pictures are parted in two:"
)
NOTES = {
    "mnist": Notes(
        "Digits written by employees of the US Census Bureau and by high-school pupils, collected by NIST; "
        "LeCun, Cortes and Burges mixed the two groups into training and test set (LeCun et al. 1998, "
        "<cite>Gradient-based learning applied to document recognition</cite>).",
        OFFICIAL,
        "MNIST’s makers scaled every scanned digit to fit a box of 20 × 20 pixels, keeping its proportions, and laid "
        "it into 28 × 28 so that its centre of mass comes to lie in the middle (LeCun et al. 1998).",
        DIGIT_TURNING,
    ),
    "fashion_mnist": Notes(
        "Pictures of Zalando’s articles, made as a harder replacement for MNIST in the same format "
        "(Xiao, Rasul and Vollgraf 2017, <cite>Fashion-MNIST</cite>).",
        OFFICIAL,
        "Its makers trimmed each photograph, resized its longest edge to 28 pixels and set it in the middle by its "
        "box, not by its centre of mass (Xiao et al. 2017).",
        "A mirrored shirt is still a shirt, so a left–right flip can be a sound augmentation here, and is worth an "
        "experiment; upside-down clothes do not occur in the test set. The pipeline adds no flip by itself.",
    ),
    "kmnist": Notes(
        "Cursive hiragana from classical Japanese books, one class for each row of the syllabary "
        "(Clanuwat et al. 2018, <cite>Deep learning for classical Japanese literature</cite>).",
        OFFICIAL,
        "How alike its makers framed the characters can be read off the measurements.",
        "A character’s mirror image is no character: nobody writes it, so nothing is learnt from it.",
    ),
    "optdigits": Notes(
        "Digits of 43 writers from forms, reduced to 8 × 8 counts of ink (Alpaydin and Kaynak 1998); the part that "
        "comes with scikit-learn. Enlarged here to 20 × 20 and set in the middle of 28 × 28, hence the soft strokes.",
        "scikit-learn’s part of the set is not split by its makers. A fixed fifth of each class is the "
        "<em>test split</em> here: used once, at the end, for the figure that is reported. The rest is parted in two:",
        "The enlarged pictures are set in the middle as they are; nobody moved their centres of mass.",
        DIGIT_TURNING,
    ),
}
UNKNOWN = Notes(
    "Nothing is recorded here about where this set comes from; what follows was measured.",
    OFFICIAL,
    "How alike the pictures are framed can be read off the measurements.",
    "Whether a mirrored picture is still of its class is for you to judge; the pipeline adds no flip by itself.",
)


def render_all(found: Findings) -> dict[tuple[str, str], bytes]:
    """Every figure in every theme as a PNG, by (figure, theme); where nothing is double there is nothing to show."""
    names = [name for name in FIGURES if name != "duplicates" or found.copies.groups]
    return {(name, theme): render(FIGURES[name][0], found, theme) for name in names for theme in THEMES}


def make_page(found: Findings, images: Mapping[tuple[str, str], bytes], augment: RandomAffine, folder: Path) -> str:
    """The page as HTML, to be put into `folder`; `images` are PNGs by (figure, theme)."""
    template = Template(Path(__file__).with_name("page.html").read_text(encoding="utf-8"))
    colours = {f"{theme}_{name}": value for theme, names in THEMES.items() for name, value in names._asdict().items()}
    figures = {f"figure_{name}": _picture(name, images) for name in FIGURES}
    words = _words(found) | {"augment_values": _amounts(augment), "folder": html.escape(str(folder))}
    return template.substitute(colours, **figures, **words)


def _amounts(augment: RandomAffine) -> str:
    return (
        f"up to ±{augment.degrees:g}° of rotation, ±{augment.translate:g} pixels along each axis, "
        f"±{100 * augment.scale:g} % of size and ±{augment.shear:g}° of shear"
    )


def _picture(name: str, images: Mapping[tuple[str, str], bytes]) -> str:
    if (name, "light") not in images:
        return ""
    light, dark = (
        "data:image/png;base64," + base64.b64encode(images[name, theme]).decode() for theme in ("light", "dark")
    )
    alt = html.escape(FIGURES[name][1])
    source = f'<source media="(prefers-color-scheme: dark)" srcset="{dark}">'
    return f'<picture>{source}<img src="{light}" alt="{alt}"></picture>'


def _words(found: Findings) -> dict[str, str]:
    """Every number and every sentence that depends on a number, by its place in the template."""
    notes = NOTES.get(found.name, UNKNOWN)
    test = found.demonstrations
    train = found.splits["train"]
    side = train.images.shape[1]
    images = sum(len(pictures.labels) for pictures in found.splits.values())
    longest = found.boxes[:, 2:].max(axis=1)
    usual = int(np.bincount(longest).argmax())
    offsets = found.centres[~np.isnan(found.centres[:, 0])]
    astray = np.abs(offsets - offsets.mean(axis=0)).max(axis=1)
    inks = np.array([found.ink[train.labels == c].mean() for c in range(len(found.classes))])
    raw, scaled, normal = test.scalings
    held_out = found.counts[test.evaluated_on] / found.counts[test.evaluated_on].sum()
    together = np.sum([count for name, count in found.counts.items() if name != "test"], axis=0)
    base = together / together.sum()
    turned = test.turned @ held_out
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
        "count_table": _table(
            ["", *found.splits],
            [[html.escape(c), *(f"{n[i]:,}" for n in found.counts.values())] for i, c in enumerate(found.classes)]
            + [["all", *(f"{n.sum():,}" for n in found.counts.values())]],
        ),
        "largest_share": f"{100 * base.max():.1f}\N{NO-BREAK SPACE}%",
        "largest_class": html.escape(found.classes[int(base.argmax())]),
        "smallest_share": f"{100 * base.min():.1f}\N{NO-BREAK SPACE}%",
        "smallest_class": html.escape(found.classes[int(base.argmin())]),
        "background": f"{100 * found.histogram[0] / found.histogram.sum():.1f}\N{NO-BREAK SPACE}%",
        "full": f"{100 * found.histogram[255] / found.histogram.sum():.2f}\N{NO-BREAK SPACE}%",
        "most_ink": html.escape(found.classes[int(inks.argmax())]),
        "least_ink": html.escape(found.classes[int(inks.argmin())]),
        "ink_ratio": f"{inks.max() / inks.min():.1f}",
        "moment_table": _table(
            ["", "mean", "sd"],
            [["configured", *(f"{value:.4f}" for value in found.configured)]]
            + [["recomputed, train + val", *(f"{value:.4f}" for value in found.official)]]
            + [[name, *(f"{value:.4f}" for value in pair)] for name, pair in found.moments.items()],
        ),
        "verdict": _verdict(found),
        "longer_side": f"{usual}",
        "longer_share": f"{100 * np.mean(longest == usual):.2f}\N{NO-BREAK SPACE}%",
        "offset_mean": f"{offsets[:, 0].mean():+.2f} down and {offsets[:, 1].mean():+.2f} right",
        "offset_spread": f"{offsets[:, 0].std():.2f} and {offsets[:, 1].std():.2f}",
        "within_pixel": f"{100 * np.mean(astray <= 1):.1f}\N{NO-BREAK SPACE}%",
        "copy_table": _table(
            ["", "pictures"],
            [
                [f"in {a}, again" if a == b else f"in {b}, and in {a} too", f"{n:,}"]
                for (a, b), n in found.copies.counts.items()
            ]
            + [["the same picture under two labels", f"{found.copies.conflicts:,}"]],
        ),
        "copy_verdict": _copy_verdict(found),
        "map_pictures": f"{len(found.map.rows):,}",
        "alike": f"{100 * found.map.alike:.1f}\N{NO-BREAK SPACE}%",
        "alike_on_map": f"{100 * found.map.alike_on_map:.1f}\N{NO-BREAK SPACE}%",
        "mixed": _mixed(found.map.mixed, found.classes),
        "kept_10": f"{100 * found.map.variance[min(9, len(found.map.variance) - 1)]:.0f}\N{NO-BREAK SPACE}%",
        "kept": f"{100 * found.map.variance[-1]:.0f}\N{NO-BREAK SPACE}%",
        "components": str(len(found.map.variance)),
        "bytes": _megabytes(images * side * side),
        "float_bytes": _megabytes(4 * images * side * side),
        "rate": f"{test.rate:.2g}",
        "steps": str(len(normal.curve)),
        "learning_table": _table(
            ["pixels", "largest curvature", "largest / 50th", "best loss", f"loss at {test.rate:.2g}"],
            [
                [
                    s.name,
                    f"{s.largest:,.3g}" if s.largest < 1000 else f"{s.largest:,.0f}",
                    f"{s.ratio:,.0f}",
                    f"{np.nanmin(s.held_out):.3f}",
                    f"{s.held_out[normal.held_out.argmin()]:,.3f}",
                ]
                for s in test.scalings
            ],
        ),
        "raw_ratio": f"{raw.ratio:,.0f}",
        "scaled_ratio": f"{scaled.ratio:,.0f}",
        "normal_ratio": f"{normal.ratio:,.0f}",
        "evaluated_on": {"val": "validation", "train": "training"}[test.evaluated_on],
        "stratified_worst": f"{100 * np.abs(held_out - base).max():.3f}",
        "random_worst": f"{100 * np.median(np.abs(test.shares - base).max(axis=1)):.2f}",
        "shift_0": f"{100 * test.shifted[0]:.1f}\N{NO-BREAK SPACE}%",
        "shift_2": f"{100 * test.shifted[2]:.1f}\N{NO-BREAK SPACE}%",
        "shift_4": f"{100 * test.shifted[4]:.1f}\N{NO-BREAK SPACE}%",
        "upright": f"{100 * turned[0]:.1f}\N{NO-BREAK SPACE}%",
        "mirrored": f"{100 * turned[1]:.1f}\N{NO-BREAK SPACE}%",
        "upside_down": f"{100 * turned[2]:.1f}\N{NO-BREAK SPACE}%",
        "by_half": f"{100 * turned[3]:.1f}\N{NO-BREAK SPACE}%",
        "least_mirrored": html.escape(found.classes[int(test.turned[1].argmin())]),
        "least_mirrored_share": f"{100 * test.turned[1].min():.0f}\N{NO-BREAK SPACE}%",
    }


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.{0 if count > 1e7 else 1}f}\N{NO-BREAK SPACE}MB"


def _verdict(found: Findings) -> str:
    if found.agrees:
        return "The configuration’s constants agree with the data to the four decimals they are given with."
    mean, std = found.official
    return (
        "<strong>The configuration’s constants differ from the data.</strong> "
        f"Set <code>data.mean={mean:.4f} data.std={std:.4f}</code>, or make sure the difference is meant."
    )


def _copy_verdict(found: Findings) -> str:
    if not found.copies.groups:
        return "There are none: no two pictures of this set are equal byte for byte, within a split or between splits."
    leaked = sum(count for (a, b), count in found.copies.counts.items() if a != b and b == "test")
    return (
        f"{len(found.copies.groups):,} pictures occur more than once, and {leaked:,} of the test split are known from "
        "another: on those, a net is asked what it was told before. The first groups:"
    )


def _mixed(mixed: Whole, classes: tuple[str, ...]) -> str:
    """The pairs of classes that lie among each other most often."""
    both = np.triu(mixed + mixed.T, 1)
    pairs = [np.unravel_index(place, both.shape) for place in np.argsort(both, axis=None)[::-1][:3]]
    told = [f"{html.escape(classes[a])} and {html.escape(classes[b])} ({both[a, b]})" for a, b in pairs if both[a, b]]
    return ", ".join(told) if told else "none"


def _table(head: list[str], rows: list[list[str]]) -> str:
    """Cells are HTML; the first column names the row."""
    top = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row">{first}</th>' + "".join(f"<td>{cell}</td>" for cell in rest) + "</tr>"
        for first, *rest in rows
    )
    return f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'
