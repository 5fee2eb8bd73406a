"""Readers as the benchmarks take them: the one that ships, a page detector alone, and with a classifier."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime

from benchmarks.reading.changes import Pixels
from digits.reading.boxes import Floats, Found
from digits.reading.detect import Net as Detector
from digits.reading.detect import detect, text_of
from digits.reading.linking import text_lines
from digits.reading.model.metadata import DIGITS, NONE
from digits.reading.model.net import Net, find_model
from digits.reading.pictures import open_picture
from digits.reading.reader import Reader
from digits.reading.two_stage import Classify, read_twice


class Answer(NamedTuple):
    """What is read of a picture."""

    text: str  # text lines separated by a newline
    confidences: tuple[float, ...]  # of each digit of the text: that it is right


Read = Callable[[Path | Pixels], Answer]
"""A reader: it takes a file, or the pixels of a picture. Raises PictureError where it cannot read one."""


def shipped(reader: Reader) -> Read:
    """What the package's reader answers."""

    def read(source: Path | Pixels) -> Answer:
        reading = reader.read(source)
        return Answer(reading.text, tuple(digit.confidence for digit in reading.digits))

    return read


def learned(detector: Detector, classify: Classify | None = None) -> Read:
    """What a page detector answers, with a classifier's second opinion if there is one."""

    def read(source: Path | Pixels) -> Answer:
        pixels = open_picture(source).pixels if isinstance(source, Path) else source
        return answer_of(find(detector, classify, np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)))

    return read


def find(detector: Detector, classify: Classify | None, grey: npt.NDArray[np.uint8]) -> Found:
    """The digits on a picture (H, W)."""
    return detect(detector, grey) if classify is None else read_twice(detector, classify, grey)


def answer_of(found: Found) -> Answer:
    """A digit is as sure as that it is one at all, times its class."""
    order = [index for line in text_lines(found.boxes) for index in line]
    confidences = found.objectness * found.probabilities.max(1, initial=0)
    return Answer(text_of(found), tuple(confidences[order].tolist()))


def models(detector: Path, classifier: Path | None) -> str:
    """Which models are scored, in a sentence that stays the same wherever their files lie; None: the one that ships."""
    first, second = fingerprint(detector), fingerprint(classifier)
    return f"Page detector {first}, classifier {second}: so the SHA-256 of their ONNX files begins."


def fingerprint(path: Path | None) -> str:
    """The first 8 characters of the SHA-256 of a model's file; None is the classifier that ships."""
    return hashlib.sha256(find_model(path).read_bytes()).hexdigest()[:8]


def detector_of(path: Path) -> Detector:
    """A page detector, of a run or a file, on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(find_model(path), options, providers=["CPUExecutionProvider"])

    def answers(images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        maps: npt.NDArray[np.float32] = session.run(None, {"images": images})[0]
        return maps

    return answers


def classifier_of(net: Net) -> Classify:
    """A classifier, with the columns 0..9 and no digit."""
    columns = [net.classes.index(name) for name in (*DIGITS, NONE)]

    def answers(patches: npt.NDArray[np.uint8]) -> Floats:
        return net.probabilities(patches)[:, columns] if len(patches) else np.empty((0, len(columns)), np.float32)

    return answers
