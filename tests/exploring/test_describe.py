"""What is told of a data set, against hand-made pictures and independent formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from digits.data import RandomAffine
from digits.exploring.demonstrate import (
    TURNS,
    augmented,
    cross_entropy,
    demonstrate,
    random_shares,
    second_moments,
    shift,
    train_linear,
    turn,
)
from digits.exploring.describe import (
    CHUNK,
    Bytes,
    Pictures,
    boxes,
    centres_of_mass,
    class_counts,
    class_means,
    copies,
    ink,
    moments,
    pixel_histogram,
)
from digits.exploring.neighbours import project


def noise(count: int, seed: int = 0, side: int = 28) -> Bytes:
    return np.random.RandomState(seed).randint(256, size=(count, side, side)).astype(np.uint8)


def blobs(count: int) -> Pictures:
    """Three classes of bright squares at three places, with noise: easy to tell apart."""
    random = np.random.RandomState(1)
    labels = random.randint(3, size=count).astype(np.int64)
    images = random.randint(40, size=(count, 12, 12)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[4 * label : 4 * label + 4, 2:6] += 200
    return Pictures(images, labels)


def test_a_class_without_pictures_counts_zero() -> None:
    assert class_counts(np.array([2, 0, 2]), 4).tolist() == [1, 0, 2, 0]


def test_moments_are_those_of_the_pixels_across_chunks() -> None:
    images = noise(CHUNK + 7, side=6)
    images[::2] //= 3
    histogram = pixel_histogram(images)
    assert histogram[17] == (images == 17).sum()
    assert histogram.sum() == images.size
    scaled = images.astype(np.float64) / 255
    assert moments(histogram) == pytest.approx((scaled.mean(), scaled.std()), rel=1e-12)


def test_ink_is_the_mean_pixel_from_0_to_1() -> None:
    images = np.zeros((3, 4, 5), np.uint8)
    images[1], images[2, 0] = 255, 51
    assert ink(images).tolist() == pytest.approx([0, 1, 0.2 / 4])


def test_class_means_average_each_class_alone() -> None:
    images = np.zeros((3, 2, 2), np.uint8)
    images[0, 0, 0], images[1, 0, 0], images[2, 1, 1] = 10, 30, 9
    means = class_means(Pictures(images, np.array([1, 1, 2])), 4)
    assert means[1].tolist() == [[20, 0], [0, 0]]
    assert means[2].tolist() == [[0, 0], [0, 9]]
    assert not means[[0, 3]].any()


def test_boxes_hold_every_inked_pixel_and_no_more() -> None:
    images = np.zeros((4, 10, 8), np.uint8)
    images[0, 2:7, 1:4] = 200
    images[1, 9, 7] = 1  # the faintest ink in the last corner
    images[2, 0, 0] = images[2, 9, 7] = 255
    assert boxes(images).tolist() == [[2, 1, 5, 3], [9, 7, 1, 1], [0, 0, 10, 8], [0, 0, 0, 0]]


def test_centres_of_mass_are_weighted_and_counted_from_the_middle() -> None:
    images = np.zeros((4, 28, 28), np.uint8)
    images[0, 13:15, 13:15] = 77  # around the very middle
    images[1, 14, 14] = 255  # MNIST's middle: half a pixel down and right
    images[2, 10, 5], images[2, 10, 9] = 30, 90  # three quarters of the way to the heavier one
    centres = centres_of_mass(images)
    assert centres[:3].tolist() == [[0, 0], [0.5, 0.5], [10 - 13.5, 8 - 13.5]]
    assert np.isnan(centres[3]).all()


def test_copies_are_counted_within_and_between_splits() -> None:
    a, b, c, d = noise(4)
    splits = {
        "train": Pictures(np.stack([a, b, a, a]), np.array([0, 1, 0, 7])),  # a three times, once labelled 7
        "val": Pictures(np.stack([c, b]), np.array([2, 1])),
        "test": Pictures(np.stack([a, a, d]), np.array([0, 0, 3])),
    }
    found = copies(splits)
    assert found.counts == {
        ("train", "train"): 2,
        ("train", "val"): 1,
        ("train", "test"): 2,
        ("val", "val"): 0,
        ("val", "test"): 0,
        ("test", "test"): 1,
    }
    assert found.conflicts == 1
    assert [("train", 1), ("val", 1)] in found.groups
    assert len(found.groups) == 2


def test_one_grey_level_makes_another_picture() -> None:
    one = noise(1)
    other = one.copy()
    other[0, 27, 27] ^= 1
    found = copies({"train": Pictures(np.concatenate([one, other]), np.array([0, 0]))})
    assert found.groups == []


def test_the_map_keeps_classes_apart_and_repeats_itself() -> None:
    pictures = blobs(200)
    found = project(pictures, 3, sample=120)
    again = project(pictures, 3, sample=120)
    np.testing.assert_array_equal(found.points, again.points)
    assert found.points.shape == (120, 2)
    assert len(set(found.rows.tolist())) == 120
    assert found.alike == 1
    assert found.alike_on_map > 0.98
    assert found.mixed.sum() == 120
    pixels = pictures.images[found.rows].reshape(120, -1) / 255
    spectrum = np.linalg.svd(pixels - pixels.mean(axis=0), compute_uv=False) ** 2
    np.testing.assert_allclose(found.variance, np.cumsum(spectrum / spectrum.sum())[:50], rtol=1e-4)


def test_second_moments_are_the_curvatures_of_a_linear_model() -> None:
    inputs = np.random.RandomState(0).rand(50, 3).astype(np.float32)
    whole = np.column_stack([inputs, np.ones(50)])
    squares = np.linalg.svd(whole / np.sqrt(50), compute_uv=False) ** 2
    np.testing.assert_allclose(second_moments(inputs), squares, rtol=1e-4)


def test_a_shift_moves_the_ink_and_brings_in_background() -> None:
    images = np.maximum(noise(2, side=9), np.uint8(1))  # nothing is background
    moved = shift(images, 2, -3)
    np.testing.assert_array_equal(moved[:, 2:, :6], images[:, :7, 3:])
    assert not moved[:, :2].any()
    assert not moved[:, :, 6:].any()
    np.testing.assert_array_equal(shift(images, 0, 0), images)


def test_turns_are_what_they_are_called() -> None:
    image = np.array([[[1, 2], [3, 4]]], np.uint8)
    assert [turn(image, how)[0].tolist() for how in TURNS] == [
        [[1, 2], [3, 4]],
        [[2, 1], [4, 3]],
        [[3, 4], [1, 2]],
        [[4, 3], [2, 1]],
    ]


def test_training_follows_torchs_sgd() -> None:
    random = np.random.RandomState(3)
    inputs, labels = random.randn(60, 5).astype(np.float32), random.randint(4, size=60)
    rates = np.array([0.1, 0.5])
    found = train_linear(inputs, labels, 4, rates, steps=6)
    for i, rate in enumerate(rates):
        layer = torch.nn.Linear(5, 4)
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
        optimizer = torch.optim.SGD(layer.parameters(), lr=float(rate))
        batches = np.random.RandomState(0)
        for step in range(6):
            rows = batches.randint(60, size=128)
            loss = torch.nn.functional.cross_entropy(
                layer(torch.from_numpy(inputs[rows])), torch.from_numpy(labels[rows])
            )
            assert found.losses[i, step] == pytest.approx(loss.item(), rel=1e-5)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        np.testing.assert_allclose(found.weights[:, i], layer.weight.detach().numpy().T, atol=1e-6)


def test_cross_entropy_survives_huge_logits() -> None:
    logits = np.array([[[1000.0, 0.0]], [[0.0, 1000.0]]], np.float32)
    assert cross_entropy(logits, np.array([0, 0])).tolist() == [500]


def test_random_shares_are_shares_and_differ() -> None:
    shares = random_shares(np.repeat([0, 1], [30, 10]), held_out=8, num_classes=2, draws=200)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert shares[:, 1].mean() == pytest.approx(0.25, abs=0.03)
    assert shares[:, 1].std() == pytest.approx(np.sqrt(0.25 * 0.75 / 8 * 32 / 39), rel=0.2)  # hypergeometric


def test_augmented_leaves_the_callers_randomness_alone() -> None:
    images, augment = noise(2), RandomAffine(10.0, 2.0, 0.1, 5.0)
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    changed = augmented(images, augment, times=3)
    assert torch.equal(torch.rand(1), expected)
    assert changed.shape == (2, 3, 28, 28)
    np.testing.assert_array_equal(changed, augmented(images, augment, times=3))
    assert not np.array_equal(changed[0, 0], changed[0, 1])


def test_demonstrations_measure_what_they_say() -> None:
    train, held_out = blobs(600), blobs(150)
    mean, std = moments(pixel_histogram(train.images))
    shown = demonstrate(train, held_out, "val", 3, mean, std)
    assert shown.shifted[0] == 1  # the three squares are easy
    assert shown.shifted[4] < 0.9  # by four pixels a square lies where the next class's is
    assert shown.turned[0].tolist() == [1, 1, 1]
    assert shown.turned[2, 0] < 0.5  # upside down, the top square is the bottom one
    raw, scaled, normalised = shown.scalings
    assert raw.largest == pytest.approx(255**2 * (scaled.largest - 1), rel=0.05)  # the bias's 1 doesn't scale
    assert normalised.held_out.min() <= scaled.held_out[normalised.held_out.argmin()]
    assert shown.rate > 1e-6
