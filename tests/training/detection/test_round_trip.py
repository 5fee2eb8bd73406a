"""What the targets say, the decoding reads: the same box, from a crop and through the pyramid."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch

from digits.data.pages.crops import random_crop
from digits.data.pages.page import Composed
from digits.reading.boxes import BOX, CHANNELS, CLASSES, OBJECTNESS, STRIDE, Found, decode, sizes
from digits.reading.detect import PADDING, detect, levels
from digits.training.detection.targets import make_targets

Floats = npt.NDArray[np.float32]


def ideal(boxes: Floats, labels: npt.NDArray[np.int64], size: tuple[int, int]) -> Floats:
    """The maps (1, CHANNELS, H, W) that a detector without fault gives, of its targets."""
    targets = make_targets(torch.from_numpy(boxes)[None], torch.from_numpy(labels)[None], size)
    maps = np.zeros((1, CHANNELS, *size), np.float32)
    maps[0, OBJECTNESS] = np.where(targets.centres[0].numpy(), 9, -9)
    classes = targets.classes[0].numpy()
    maps[0, CLASSES] = 9.0 * (classes[None] == np.arange(10)[:, None, None])
    maps[0, BOX] = targets.boxes[0].numpy()
    return maps


def page(seed: int) -> Composed:
    """Twenty digits of 5 to 80 pixels, far apart."""
    random = np.random.default_rng(seed)
    places = random.permutation(np.array([(x, y) for x in range(60, 560, 120) for y in range(60, 460, 120)]))[:16]
    heights = np.exp(random.uniform(np.log(5), np.log(80), len(places)))
    widths = heights * random.uniform(0.35, 0.9, len(places))
    boxes = np.column_stack([places + random.uniform(-5, 5, places.shape), widths, heights]).astype(np.float32)
    labels = random.integers(0, 10, len(places)).astype(np.int8)
    pixels = np.full((480, 620), 255, np.uint8)
    return Composed(pixels, boxes, labels, np.full(len(labels), -1, np.int16), np.empty((0, 4), np.float32), "")


@pytest.mark.parametrize("seed", range(5))
def test_a_crops_targets_decode_to_its_boxes(seed: int) -> None:
    random = np.random.default_rng(seed)
    seen = 0
    for _ in range(20):
        _, boxes, labels = random_crop(page(seed), 128, random)
        found = decode(ideal(boxes, labels, (32, 32)), 0.5)
        sought = (labels >= 0) & (sizes(boxes) >= 15) & (sizes(boxes) <= 36)
        assert len(found.boxes) == sought.sum()
        for box, probabilities in zip(found.boxes, found.probabilities, strict=True):
            nearest = np.abs(boxes - box).max(1).argmin()
            assert boxes[nearest] == pytest.approx(box, abs=0.02)
            assert probabilities.argmax() == labels[nearest]
            seen += 1
    assert seen > 10


@pytest.mark.parametrize("seed", range(3))
def test_every_digit_of_a_page_is_found_once_through_the_pyramid(seed: int) -> None:
    written = page(seed)
    scales = iter([level.scale for level in levels(written.pixels, 1024)])

    def net(image: Floats) -> Floats:
        across, down = next(scales)
        boxes = written.boxes * np.array([across, down, across, down], np.float32)
        boxes[:, :2] += PADDING
        return ideal(boxes, written.labels.astype(np.int64), (image.shape[2] // STRIDE, image.shape[3] // STRIDE))

    found: Found = detect(net, written.pixels)
    large = sizes(written.boxes) * 1024 / 620 >= 15
    assert len(found.boxes) == large.sum(), "each once, though two levels may have seen it"
    for box, probabilities in zip(found.boxes, found.probabilities, strict=True):
        nearest = np.abs(written.boxes - box).max(1).argmin()
        assert written.boxes[nearest] == pytest.approx(box, abs=0.5)
        assert probabilities.argmax() == written.labels[nearest]
