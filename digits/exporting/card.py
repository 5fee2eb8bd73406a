"""A model card in Markdown: what the model is, how good it was measured to be, how it was made, and where it ends.

After Mitchell et al. 2019, Model Cards for Model Reporting (arXiv 1810.03993). Every number is one of the run's record
or of the export; what neither has is called not measured, or not recorded.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from textwrap import indent

from digits.config.task import SPLITS
from digits.evaluating.members import CORRUPTED_SIZE
from digits.evaluating.scores import wilson_interval
from digits.exporting.about import UNKNOWN, About
from digits.exporting.card_head import head
from digits.exporting.onnx_export import without_places
from digits.reading.boxes import LARGEST, SMALLEST
from digits.runs.schema import CLEAN
from digits.runs.table import Table

NOT_MEASURED, NOT_RECORDED = "not measured", "not recorded"

FEW = 20  # classes that are listed in the card; more are in config.json alone

USE = (
    "With `pip install onnxruntime numpy` and nothing else, `python example.py` runs this in the folder; "
    "`sha256sum --check SHA256SUMS` checks that the files arrived as they were:"
)

CORRUPT = "python -m digits.evaluate RUN --corrupt"

VERSIONS = ("python", "torch", "torchvision", "lightning")


def model_card(about: About, example: str, files: Sequence[tuple[str, str]]) -> str:
    """The card, with its YAML head; `files` are the names of the bundle's files, each with what it is for."""
    what = "Page detector: finds handwritten digits on pictures" if about.detects else "Image classifier"
    opening = f"{what}, a {about.net} trained on {about.origin.title} with PyTorch, to be run by ONNX Runtime."
    sections = {
        "Use": f"{USE}\n\n```python\n{example}```\n\n{Table(('file', 'is'), files, 'll').markdown()}",
        "Input and output": pairs(interface(about)),
        "Metrics": metrics(about),
        "Calibration": calibration(about),
        "Robustness": robustness(about),
        "Data": pairs(data(about)),
        "Training": training(about),
        "Limits": "\n".join(f"- {limit}" for limit in limits(about)),
        "Licence": licence(about),
    }
    parts = [f"# {about.name}", opening, *(f"## {title}\n\n{text}" for title, text in sections.items())]
    return f"{head(about)}\n" + "\n\n".join(parts) + "\n"


def pairs(rows: Sequence[tuple[str, object]]) -> str:
    """Names and values as a table of Markdown."""
    return Table(("", ""), rows, "ll").markdown()


def interface(about: About) -> list[tuple[str, object]]:
    """What goes into the graph, and what comes out."""
    if about.detects:
        return [
            ("`images`", "float32 (1, 1, H, W): grey levels 0..1, H and W multiples of 16"),
            ("`maps`", "float32 (1, 16, H / 4, W / 4): objectness, 10 classes, 4 numbers of the box, smaller digits"),
            ("decoding", "peaks of objectness at several scales, each digit once; the package `digits` does it"),
        ]
    side, classes = about.takes.image_size, about.classes
    named = ", ".join(classes) if len(classes) <= FEW else "in config.json"
    return [
        ("`images`", f"uint8 (N, 1, {side}, {side}), white ink on black; the graph normalises them"),
        ("`logits`", f"float32 (N, {len(classes)}), to be divided by the temperature before softmax"),
        (f"{len(classes)} classes", named),
    ]


def metrics(about: About) -> str:
    """The files' measurements by the export, then the record's."""
    rows = [
        [file.name, name, _percent(share.value), _interval(share.interval), f"{share.hits:,} of {share.of:,}"]
        for file in about.files
        for name, share in file.shares.items()
    ]
    measured = Table(("file", "metric", "test split", "95 % interval", "counted"), rows, "lllll").markdown()
    task, found = about.record.task, about.record.metrics
    recorded = [
        [metric.name, *(_recorded(found.get(f"{split}/{metric.name}"), fraction=metric.fraction) for split in SPLITS)]
        for metric in task.headline
    ]
    views = (about.record.config.test_views if about.record.config else None) or 1
    chosen = f" The epoch was chosen by `{task.monitored}`." if task.monitored in found else ""
    seen = f" The test there is the mean over {views} shifted views of each image." if views > 1 else ""
    return (
        f"Of these files, run by ONNX Runtime on the test split of {about.origin.title}:\n\n{measured}\n\n"
        f"Of the model in PyTorch, as its training recorded them.{chosen}{seen}\n\n"
        f"{Table(('metric', *SPLITS), recorded, 'llll').markdown()}"
    )


def calibration(about: About) -> str:
    """Each file's temperature, and its calibration error with and without."""
    rows = [
        [file.name, "none: not calibrated" if found.temperature is None else f"{found.temperature:.4f}",
         _percent(found.before), _percent(found.error)]
        for file in about.files
        if (found := file.calibration) is not None
    ]  # fmt: skip
    if not rows:
        return f"{NOT_MEASURED.capitalize()}."
    headers = ("file", "temperature", "calibration error at 1", "at the temperature")
    return (
        "Expected calibration error on the test split over 15 bins; the temperature was fitted on the validation "
        f"split.\n\n{Table(headers, rows, 'llll').markdown()}"
    )


def robustness(about: About) -> str:
    """The evaluations of the run on other data sets, and on distorted images."""
    return f"{elsewhere(about)}\n\n{distorted(about)}"


def elsewhere(about: About) -> str:
    """The evaluations of the run on other data sets."""
    rows = [
        [str(found.data.name), found.views or 1, _percent(correct / images),
         _interval(wilson_interval(correct, images)), f"{correct:,} of {images:,}"]
        for found in about.elsewhere
        if (images := found.images) and (correct := found.correct) is not None
    ]  # fmt: skip
    if not rows:
        return f"{NOT_MEASURED.capitalize()} on other data sets."
    headers = ("test split of", "views of an image", "accuracy", "95 % interval", "counted")
    return f"In PyTorch, on other data sets:\n\n{Table(headers, rows, 'lllll').markdown()}"


def distorted(about: About) -> str:
    """The evaluations of the run with MNIST-C's corruptions; without any, the command that would measure it."""
    found = about.corrupted
    if not found:
        possible = not about.detects and about.takes.image_size == CORRUPTED_SIZE
        how = f"; `{CORRUPT}` measures it" if possible else ""
        return f"{NOT_MEASURED.capitalize()} on distorted images{how}."
    kinds = dict.fromkeys(kind for one in found for kind in one.accuracy)  # in the order of the file
    rows = [
        ["as it is" if kind == CLEAN else kind, *(_percent(one.accuracy.get(kind)) for one in found)] for kind in kinds
    ]
    rows.append(["mean of the distortions", *(_percent(one.mean) for one in found)])
    rows.append(["images", *(_count(one.images) for one in found)])
    sets = [f"{one.data.name}{'' if one.views in (None, 1) else f', {one.views} views'}" for one in found]
    return (
        "In PyTorch, on the test split with each of MNIST-C's kinds of distortion (Mu and Gilmer 2019), the "
        f"accuracy:\n\n{Table(('distortion', *sets), rows, 'l' * (len(sets) + 1)).markdown()}"
    )


def data(about: About) -> list[tuple[str, object]]:
    """What it was trained and measured on."""
    read = about.record.data
    counts = [f"{split} {_count(getattr(read, split))}" for split in SPLITS]
    return [
        ("set", about.origin.title),
        ("licence", about.origin.licence),
        ("images", ", ".join(counts)),
        ("normalisation", f"mean {about.takes.mean}, standard deviation {about.takes.std}, of pixels 0..1"),
    ]


def training(about: About) -> str:
    """The command that trained it, and on what."""
    record = about.record
    command, commit = NOT_RECORDED, record.commit.id or NOT_RECORDED
    if record.overrides is not None:
        command = shlex.join(["python", "-m", "digits.train", *without_places(record.overrides)])
    versions = [f"{name} {record.versions[name]}" for name in VERSIONS if name in record.versions]
    seconds = record.seconds.get("fit")
    kept = None if record.epoch is None else record.epoch + 1  # counted from 1, as training prints it
    rows = [
        ("commit", f"{commit}, with changes of its own" if record.commit.dirty else commit),
        ("seed", NOT_RECORDED if record.seed is None else record.seed),
        ("parameters", _count(record.parameters)),
        ("epochs", f"{_count(record.epochs)}; weights of epoch {_count(kept)}"),
        ("steps", _count(record.steps)),
        ("time", NOT_RECORDED if seconds is None else f"{seconds:,.0f} s"),
        ("device", record.device or NOT_RECORDED),
        ("versions", ", ".join(versions) or NOT_RECORDED),
        ("SHA-256 of the weights", about.sha256),
    ]
    if (began := record.init_from.weights) is not None:
        rows.append(("started from the weights with SHA-256", began))
    rows += [("distilled from the weights with SHA-256", str(teacher.weights)) for teacher in record.teachers]
    return f"{indent(command, '    ')}\n\n{pairs(rows)}"


def limits(about: About) -> list[str]:
    """What the numbers don't say."""
    found = []
    if about.detects:
        found.append(
            f"It finds digits of {SMALLEST:g} to {LARGEST:g} pixels; with larger or smaller ones, scale the picture."
        )
        found.append("The metrics but `pages` have no interval, since the digits of one page are not independent.")
    else:
        side = about.takes.image_size
        found.append(
            f"It takes images prepared as those of its data: {side} x {side} pixels, one object each, centred."
        )
        if "none" not in about.classes:
            found.append("It names one of its classes for any image, also for one that shows something else.")
    found += [
        "The test images have the same origin as the training images; other writers, cameras and scanners differ.",
        "The interval is about the choice of test images alone, not about other seeds.",
    ]
    if about.record.init_from.weights is not None or about.record.teachers:
        found.append("What the weights that it started or learnt from were trained on is not in this card.")
    return [*found, *(f"{note[0].upper()}{note[1:]}." for note in about.notes)]


def licence(about: About) -> str:
    """Of the weights, the code and the data."""
    weights = "not stated" if about.licence == UNKNOWN else f"`{about.licence}`"
    return f"The weights: {weights}. The package `digits`: MIT. The images: {about.origin.licence}."


def _percent(value: float | None) -> str:
    return NOT_MEASURED if value is None else f"{value:.2%}"


def _interval(interval: tuple[float, float] | None) -> str:
    return "none" if interval is None else "{:.2%} to {:.2%}".format(*interval)


def _recorded(value: float | None, *, fraction: bool) -> str:
    return NOT_MEASURED if value is None else f"{value:.2%}" if fraction else f"{value:.4f}"


def _count(number: int | None) -> str:
    return NOT_RECORDED if number is None else f"{number:,}"
