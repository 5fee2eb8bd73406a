"""Nearest neighbours, principal components, and what follows from them: typical, hard, doubtful, nearly the same."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from digits.exploring import neighbours
from digits.exploring.describe import Bytes, Pictures, copies
from digits.exploring.doubts import near_duplicates, suspects
from digits.exploring.extremes import SHOWN, extremes
from digits.exploring.neighbours import nearest, reduce
from digits.exploring.thumbnails import thumbnails


def noise(*shape: int, seed: int = 0) -> Bytes:
    return np.random.RandomState(seed).randint(256, size=shape).astype(np.uint8)


def test_nearest_is_the_nearest_in_any_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "BLOCK", 7)
    random = np.random.RandomState(0)
    points, others = random.randn(30, 5).astype(np.float32), random.randn(20, 5).astype(np.float32)
    own = np.full(30, -1)
    own[[3, 25]] = [19, 0]
    points[3], points[25] = others[19], others[0]
    apart = np.linalg.norm(points[:, None] - others[None], axis=2)
    apart[[3, 25], [19, 0]] = np.inf
    index, distance = nearest(points, others, own)
    assert index.tolist() == apart.argmin(axis=1).tolist()
    np.testing.assert_allclose(distance, apart.min(axis=1), rtol=1e-5)


def test_a_point_alone_has_no_neighbour() -> None:
    one = np.ones((1, 3), np.float32)
    assert nearest(one, one, np.array([0]))[1].tolist() == [np.inf]
    assert nearest(one, one[:0], np.array([-1]))[1].tolist() == [np.inf]


def test_components_keep_the_distances_of_images_that_vary_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Images made of four patterns differ in four directions only, so four components keep all."""
    monkeypatch.setattr(neighbours, "SAMPLE", 40)
    amounts = np.random.RandomState(1).rand(60, 4)
    images = (amounts @ (noise(4, 36) / 4.0)).round().astype(np.uint8).reshape(60, 6, 6)
    points = reduce(images, 4)
    pixels = images.reshape(60, 36) / 255
    apart = np.linalg.norm(pixels[:, None] - pixels[None], axis=2)
    np.testing.assert_allclose(np.linalg.norm(points[:, None] - points[None], axis=2), apart, atol=0.02)
    assert points.shape == (60, 4)


def test_the_typical_is_in_the_middle_and_the_hard_among_the_others() -> None:
    random = np.random.RandomState(0)
    points = np.concatenate([random.randn(30, 2), random.randn(30, 2) + 20, [[9.0, 9.0]]]).astype(np.float32)
    labels = np.repeat([0, 1, 2], [30, 30, 1])
    labels[7] = 1  # lies among the zeros
    found = extremes(points, labels, 4)
    assert found.hardest[1, 0] == 7
    assert found.rival[7] == 0
    assert found.difficulty[7] > 1
    zeros = np.flatnonzero(labels == 0)
    from_mean = np.linalg.norm(points[zeros] - points[zeros].mean(axis=0), axis=1)
    assert found.typical[0].tolist() == zeros[np.argsort(from_mean)[:SHOWN]].tolist()
    assert found.typical[2].tolist() == [60] + [-1] * (SHOWN - 1)  # one image
    assert found.difficulty[60] == 0  # with nothing of its own to compare with
    assert found.hardest[3].tolist() == [-1] * SHOWN  # none


def test_label_errors_are_counted_as_the_paper_does() -> None:
    """Thresholds by hand: 0.55 for class 0, the mean of 0.9, 0.8, 0.1 and 0.4; 0.7 for class 1, of 0.7, 0.9 and 0.5."""
    zero = np.array([0.9, 0.8, 0.1, 0.4, 0.3, 0.1, 0.5])
    labels = np.array([0, 0, 0, 0, 1, 1, 1])
    found = suspects(np.stack([zero, 1 - zero], axis=1).astype(np.float32), labels)
    assert [(s.row, s.label, s.suggested) for s in found] == [(2, 0, 1)]  # row 3 has 0.6 of class 1: below 0.7
    assert found[0].given == pytest.approx(0.1)
    assert found[0].probability == pytest.approx(0.9)


def test_the_most_doubtful_label_comes_first_and_a_class_without_images_is_never_suggested() -> None:
    probabilities = np.array(
        [[0.2, 0.7, 0.1], [0.05, 0.9, 0.05], [0.9, 0.05, 0.05], [0.1, 0.6, 0.3], [0.0, 0.3, 0.7]], np.float32
    )
    found = suspects(probabilities, np.array([0, 0, 0, 1, 1]))
    assert [(s.row, s.suggested) for s in found] == [(1, 1), (0, 1)]


def test_near_duplicates_are_found_across_splits_and_copies_left_out() -> None:
    train, test = noise(40, 8, 8), noise(20, 8, 8, seed=1)
    test[5] = train[11]
    test[5, 0, 0] ^= 8  # nearly the same
    test[6] = train[12]  # the same
    labels = np.arange(60) % 3
    splits = {"train": Pictures(train, labels[:40]), "test": Pictures(test, labels[40:])}
    first, second, *_ = near_duplicates(splits, copies(splits), 3)
    assert (first.one, first.other) == (("train", 11), ("test", 5))
    assert first.difference == pytest.approx(8 / 8)  # one of 64 pixels by 8: the root of 64 / 64
    assert first.share < 0.05
    assert second.share > 0.5
    assert not {("train", 12), ("test", 6)} <= {second.one, second.other}


def test_a_thumbnail_lies_where_the_script_looks_for_it() -> None:
    images = noise(5, 4, 4)
    (data,) = re.findall(r'base64,([^"]+)"', thumbnails(images))
    sheet = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("L")).astype(int)
    assert sheet.shape == (12, 12)
    for number, image in enumerate(images):
        row, column = divmod(number, 3)
        cell = sheet[4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
        assert np.abs(cell - (255 - image.astype(int))).max() <= 16
