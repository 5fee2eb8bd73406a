"""Readers as the benchmarks take them: this package's, with any models, and another checkout's beside it."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from benchmarks.reading.changes import Pixels
from digits.reading.model.net import load
from digits.reading.pictures import PictureError
from digits.reading.reader import Reader
from digits.reading.result import Digit, Reading


class Answer(NamedTuple):
    """What a reader says of a picture."""

    reading: Reading
    marked: bool  # whether it asks a person to look
    seconds: float  # CPU time, decoding and all


Read = Callable[[Path | Pixels], Answer]
"""A reader: it takes a file, or the pixels of a picture. Of what cannot be read nothing is read."""

NOTHING = Answer(Reading((), 1, 1, 1.0), marked=False, seconds=0.0)

CHILD = """
import json, sys, time
from digits.reading import Reader
reader = Reader()
for path in map(str.strip, sys.stdin):
    begun = time.process_time()
    try:
        reading = reader.read(path)
    except ValueError:
        print("null", flush=True)
        continue
    told = {"seconds": time.process_time() - begun, "width": reading.width, "height": reading.height}
    told |= {"confidence": getattr(reading, "confidence", 1.0), "left_out": reading.left_out}
    told["marked"] = getattr(reading, "doubtful", any(digit.doubtful for digit in reading.digits))
    parts = "label", "confidence", "probabilities", "box", "line"
    told["digits"] = [{part: getattr(digit, part) for part in parts} for digit in reading.digits]
    print(json.dumps(told), flush=True)
"""
"""Reads the pictures whose paths come on standard input; by what every release of the package has."""


def of_package(reader: Reader) -> Read:
    """This package's reader."""

    def read(source: Path | Pixels) -> Answer:
        begun = time.process_time()
        try:
            reading = reader.read(source)
        except PictureError:
            return NOTHING
        return Answer(reading, reading.doubtful, time.process_time() - begun)

    return read


@contextmanager
def of_checkout(folder: Path) -> Iterator[Read]:
    """The reader that ships in another checkout of this project, in a process of its own.

    Raises ValueError where the folder is none.
    """
    if not (folder / "digits" / "reading").is_dir():
        raise ValueError(f"{folder} is no checkout of this project; make one with git worktree add")
    command = [sys.executable, "-c", CHILD]
    with (
        tempfile.TemporaryDirectory() as spare,
        subprocess.Popen(
            command, cwd=folder, env={"PYTHONPATH": str(folder.resolve())}, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        ) as child,
    ):  # fmt: skip
        assert child.stdin is not None, "it was asked for"
        assert child.stdout is not None, "likewise"

        def read(source: Path | Pixels) -> Answer:
            path = source.resolve() if isinstance(source, Path) else _kept(source, Path(spare, "picture.png"))
            assert child.stdin is not None, "it was asked for"
            assert child.stdout is not None, "likewise"
            print(path, file=child.stdin, flush=True)
            answer = child.stdout.readline()
            if not answer:
                raise ValueError(f"the reader of {folder} died; try it there")
            told = json.loads(answer)
            return NOTHING if told is None else _answer(told)

        yield read
        child.stdin.close()


def _kept(pixels: Pixels, path: Path) -> Path:
    path.write_bytes(cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))[1].tobytes())
    return path


def _answer(told: dict[str, object]) -> Answer:
    """What a child process tells."""
    digits = told["digits"]
    assert isinstance(digits, list), "the process above makes it so"
    unseen = np.zeros((28, 28), np.uint8)
    found = tuple(
        Digit(each["label"], each["confidence"], tuple(each["probabilities"]), tuple(each["box"]), each["line"], unseen)
        for each in digits
    )
    width, height, left_out = (int(str(told[name])) for name in ("width", "height", "left_out"))
    reading = Reading(found, width, height, float(str(told["confidence"])), left_out)
    return Answer(reading, bool(told["marked"]), float(str(told["seconds"])))


def add_readers(parser: argparse.ArgumentParser) -> None:
    """Add --model and --beside, which `readers` takes."""
    parser.add_argument("--model", metavar="RUN", type=Path, action="append", default=[], help="an exported model")
    parser.add_argument("--beside", metavar="CHECKOUT", type=Path, help="another checkout, whose reader reads the same")


@contextmanager
def readers(models: Sequence[Path], beside: Path | None) -> Iterator[dict[str, Read]]:
    """The readers that are scored, by name: the package's with `models` for those that ship, and a checkout's."""
    own = {"The reader": of_package(Reader(models))}
    if beside is None:
        yield own
        return
    with of_checkout(beside) as former:
        yield own | {f"The reader of {commit_of(beside)}": former}


def fingerprints(models: Sequence[Path]) -> str:
    """Which models are scored, in a sentence that stays the same wherever their files lie."""
    detector, classifier = load(*models)
    first, second = detector.sha256[:8], classifier.sha256[:8]
    return f"Page detector {first}, classifier {second}: so the SHA-256 of their ONNX files begins."


def commit_of(folder: Path) -> str:
    """The commit of a checkout, shortened; raises ValueError where there is none."""
    told = subprocess.run(["git", "-C", folder, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    if told.returncode:
        raise ValueError(f"{folder} is no git checkout; make one with git worktree add")
    return told.stdout.strip()
