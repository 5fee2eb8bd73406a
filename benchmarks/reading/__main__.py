"""How well real pictures are read; writes its part of `benchmarks/RESULTS.md`.

    python -m benchmarks.reading DIR                     the shipped net
    python -m benchmarks.reading DIR --model FILE        another; prints only
    python -m benchmarks.reading DIR --failures          names each picture that is read wrongly, and what was read
    python -m benchmarks.reading --made                  pages of `benchmarks.reading.pages`, instead of a folder
    python -m benchmarks.reading --made --choosing       others, to choose the constants by; prints only

DIR holds pictures as KIND/SOURCE/NUMBER_LABEL.SUFFIX, of any kinds and sources: in a label `-` parts lines of writing,
and p, m, x and d are operators, which no reader is to answer with. It may hold arrays of single digits too, NAME.npz:
white ink on black, (N, H, W) or (N, H * W) with square pictures, and a label for each; the arrays may have any names.
A picture is right when all its digits are, in lines and in order, and nothing more is read.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.reading.pages import made_pages
from benchmarks.results import machine, replace_section
from digits.reading.patch import as_mnist
from digits.reading.pictures import PictureError
from digits.reading.reader import Reader

SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
NUMBER, CHOOSING, STATED = 40, 1, 6
"""Made pages of each kind, and the seeds of those that constants are chosen by and of those whose score is stated."""
MARGIN, SMALL = 0.5, 28
"""Arrays have their digits up to the edge: they get a margin of this share of their side, after those that are smaller
than 28 pixels were enlarged to at least that."""


@dataclass(frozen=True)
class Score:
    """What was read of the pictures of one source."""

    kind: str
    source: str
    right: int
    number: int
    seconds: float
    """CPU time, decoding and all."""
    failures: tuple[tuple[str, str, str], ...]
    """Picture, label, what was read."""


def label_of(path: Path) -> str:
    """The text that is on a picture, as `Reading.text` gives it; raises ValueError where its name doesn't tell."""
    found = re.fullmatch(r"[^_]*_([-0-9pmxd]+)", path.stem)
    if not found:
        raise ValueError(f"{path} doesn't end in _LABEL; name it like 001_42.png, or leave it out of the folder")
    return re.sub(r"[pmxd]", "", found[1]).replace("-", "\n")


def score_pictures(reader: Reader, folder: Path) -> Iterator[Score]:
    """The score of each source of a folder, one picture read at a time."""
    sources = sorted({path.parent for path in folder.glob("*/*/*") if path.suffix.lower() in SUFFIXES})
    for source in sources:
        failures = []
        paths = sorted(path for path in source.iterdir() if path.suffix.lower() in SUFFIXES)
        labels = [label_of(path) for path in paths]
        start = time.process_time()
        for path, label in zip(paths, labels, strict=True):
            try:
                text = reader.read(path).text
            except PictureError as error:
                text = str(error)
            if text != label:
                failures.append((str(path.relative_to(folder)), label, text))
        seconds = time.process_time() - start
        kind, name = source.parent.name, source.name
        yield Score(kind, name, len(paths) - len(failures), len(paths), seconds, tuple(failures))


def read_arrays(path: Path) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Images, uint8 (N, H, W), and labels, (N,), whatever an archive calls them.

    Raises ValueError where it holds no such two.
    """
    with np.load(path, allow_pickle=False) as archive:
        arrays = [archive[name] for name in archive.files]
    images = max(arrays, key=lambda array: array.size)
    labels = [array for array in arrays if array is not images and array.size == len(images)]
    if images.ndim == 4:
        images = images.reshape(len(images), *(side for side in images.shape[1:] if side != 1))
    if images.ndim == 2 and round(images.shape[1] ** 0.5) ** 2 == images.shape[1]:
        images = images.reshape(len(images), round(images.shape[1] ** 0.5), -1)
    if images.ndim != 3 or not labels:
        shapes = ", ".join(str(array.shape) for array in arrays)
        raise ValueError(f"{path} holds {shapes}; it needs images (N, H, W) or (N, H * W) and labels (N,)")
    scale = 255 / max(float(images.max()), 1e-6) if images.dtype != np.uint8 or images.max() <= 1 else 1.0
    return (images * scale).round().astype(np.uint8), labels[0].ravel().astype(np.int64)


def as_picture(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """A digit that fills its array, as a picture that people would take of it."""
    factor = -(-SMALL // min(image.shape))
    return np.pad(np.kron(image, np.ones((factor, factor), np.uint8)), round(MARGIN * factor * min(image.shape)))


def score_array(reader: Reader, path: Path) -> Score:
    """The score of an archive of single digits, read as pictures, many at a time."""
    images, labels = read_arrays(path)
    pictures = [as_picture(image) for image in images]
    start = time.process_time()
    texts = [reading.text for reading in reader.read_many(pictures)]
    seconds = time.process_time() - start
    failures = tuple(
        (f"{path.stem}[{number}]", str(label), text)
        for number, (label, text) in enumerate(zip(labels, texts, strict=True))
        if text != str(label)
    )
    return Score("arrays", path.stem, len(labels) - len(failures), len(labels), seconds, failures)


def score_patches(reader: Reader, path: Path) -> float:
    """The share of an archive's digits that the net alone gets right, brought to MNIST's form without the reader."""
    images, labels = read_arrays(path)
    drawn = np.flatnonzero(images.any((1, 2)))
    probabilities = reader.net.probabilities(np.stack([as_mnist(images[number]) for number in drawn]))
    names = np.array([name if name.isdigit() else "-1" for name in reader.net.classes]).astype(np.int64)
    digits = np.where(names >= 0, probabilities, 0).argmax(1)
    return float((names[digits] == labels[drawn]).sum()) / len(labels)


def score_made(reader: Reader, number: int, seed: int) -> Iterator[Score]:
    """The score of each kind of made page; the time of making them is left out."""
    for kind, pages in groupby(made_pages(number, seed), key=lambda page: page[0]):
        failures, seconds = [], 0.0
        for index, (_, pixels, text) in enumerate(pages):
            start = time.process_time()
            answer = reader.read(pixels).text
            seconds += time.process_time() - start
            if answer != text:
                failures.append((f"{kind}[{index}]", text, answer))
        yield Score("made", kind, number - len(failures), number, seconds, tuple(failures))


def table(scores: Sequence[Score], alone: dict[str, float]) -> str:
    """A row for each source and one for each kind, as Markdown."""
    rows = ["| kind | source | right | of | % | ms a picture |", "|---|---|---|---|---|---|"]
    for kind in dict.fromkeys(score.kind for score in scores):
        mine = [score for score in scores if score.kind == kind]
        for score in mine:
            rows.append(_row(kind, score.source, score.right, score.number, score.seconds))
            if score.source in alone:
                rows.append(
                    f"| {kind} | {score.source}, the net alone | | {score.number} | {100 * alone[score.source]:.2f} | |"
                )
        if kind != "arrays":
            right, number = sum(score.right for score in mine), sum(score.number for score in mine)
            rows.append(_row(f"**{kind}**", "**all**", right, number, sum(score.seconds for score in mine)))
    return "\n".join(rows)


def _row(kind: str, source: str, right: int, number: int, seconds: float) -> str:
    return f"| {kind} | {source} | {right} | {number} | {100 * right / number:.2f} | {1000 * seconds / number:.1f} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Read everything, print, and for the shipped net write; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "folder", metavar="DIR", type=Path, nargs="?", help="folder with KIND/SOURCE/NUMBER_LABEL.SUFFIX, NAME.npz"
    )
    parser.add_argument("--made", action="store_true", help=f"{NUMBER} pages of each kind that are made")
    parser.add_argument("--choosing", action="store_true", help="with --made: the pages that constants are chosen by")
    parser.add_argument("--model", metavar="FILE", type=Path, help="an exported net (default: the shipped one)")
    parser.add_argument("--failures", action="store_true", help="name each picture that is read wrongly")
    given = parser.parse_args(arguments)
    if given.made == (given.folder is not None) or (given.choosing and not given.made):
        parser.error("give either a folder or --made; --choosing goes with --made")
    try:
        reader = Reader(given.model)
        if given.made:
            return _report_made(reader, given.model is None, given.choosing, given.failures)
        scores = list(score_pictures(reader, given.folder))
        archives = sorted(given.folder.glob("*.npz"))
        scores += [score_array(reader, path) for path in archives]
        alone = {path.stem: score_patches(reader, path) for path in archives}
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    if not scores:
        print(f"{given.folder} holds no pictures as KIND/SOURCE/NUMBER_LABEL.SUFFIX and no NAME.npz", file=sys.stderr)
        return 2
    text = (
        "Pictures of which every digit is read rightly, in lines and in order, and nothing else; CPU time of one "
        "thread, decoding and all. Arrays of single digits are read as pictures; the net alone gets their digits in "
        f"MNIST's form.\n\n{table(scores, alone)}\n\n{machine()}"
    )
    print(text)
    if given.failures:
        _print_failures(scores)
    if given.model is None:
        replace_section("Reading pictures", "python -m benchmarks.reading DIR", text)
    return 0


def _report_made(reader: Reader, shipped: bool, choosing: bool, failures: bool) -> int:
    scores = list(score_made(reader, NUMBER, CHOOSING if choosing else STATED))
    text = (
        "Pages made from MNIST's validation digits (`benchmarks.reading.pages`) of which every digit is read rightly, "
        "and nothing else. The reader's constants were chosen by pages of another seed.\n\n"
        f"{table(scores, {})}\n\n{machine()}"
    )
    print(text)
    if failures:
        _print_failures(scores)
    if shipped and not choosing:
        replace_section("Reading made pages", "python -m benchmarks.reading --made", text)
    return 0


def _print_failures(scores: Sequence[Score]) -> None:
    for score in scores:
        for name, label, answer in score.failures:
            print(f"{name}: {label!r} was read as {answer!r}")


if __name__ == "__main__":
    sys.exit(main())
