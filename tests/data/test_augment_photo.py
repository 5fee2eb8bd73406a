"""What other writers, pens and cameras do, against formulas of others."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor, nn

from digits.data import RandomBlur, RandomNoise, RandomResolution, RandomStretch, RandomTone
from digits.data.augment import resolution
from tests.support.pictures import Picture, digits, even, levels


def draw(monkeypatch: pytest.MonkeyPatch, value: float) -> None:
    """Make torch draw this number for every parameter of every image."""

    def rand(*size: int, device: torch.device | None = None) -> Tensor:
        return torch.full(size, value, device=device)

    monkeypatch.setattr(torch, "rand", rand)


def agree(changed: Tensor, expected: Picture, tolerance: float = 0.51) -> None:
    """Equal but for rounding."""
    assert np.abs(levels(changed) - expected).max() <= tolerance


def batch() -> Tensor:
    return digits(24).unsqueeze(1)


@pytest.mark.parametrize(
    "still",
    [RandomStretch(0), RandomBlur(0), RandomResolution(28), RandomTone(1, 0, 1), RandomNoise(0)],
    ids=lambda module: type(module).__name__,
)
def test_nothing_to_do_is_the_identity(still: nn.Module) -> None:
    images = batch()
    images[:, :, 14, 14] = 255  # what RandomTone makes of the brightest
    assert torch.equal(still(images), images)


@pytest.mark.parametrize(
    "augment",
    [RandomStretch(0.3), RandomBlur(1), RandomResolution(10), RandomTone(0.5, 0.5, 10), RandomNoise(0.1)],
    ids=lambda module: type(module).__name__,
)
def test_each_image_of_a_batch_is_augmented_by_itself_and_by_the_seed(augment: nn.Module) -> None:
    images = batch()[3:4].repeat(60, 1, 1, 1)
    torch.manual_seed(1)
    changed = augment(images)
    assert changed.dtype == torch.uint8
    assert changed.shape == images.shape
    assert len({one.numpy().tobytes() for one in changed}) >= 20
    assert not torch.equal(augment(images), changed)
    torch.manual_seed(1)
    assert torch.equal(augment(images), changed)


def test_a_wider_digit_is_interpolated_about_the_middle(monkeypatch: pytest.MonkeyPatch) -> None:
    draw(monkeypatch, 1.0)
    images, factor = batch(), float(np.exp(0.3))
    stretched = RandomStretch(0.3)(images)
    for image, changed in zip(images[:, 0], stretched[:, 0], strict=True):
        matrix, offset = [1, 1 / factor], [0, 13.5 - 13.5 / factor]
        agree(changed, ndimage.affine_transform(levels(image), matrix, offset, order=1, mode="grid-constant"))


def test_a_narrower_digit_keeps_its_share_of_ink_and_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    draw(monkeypatch, 0.0)
    images = batch()
    before, after = levels(images[:, 0]), levels(RandomStretch(0.5)(images)[:, 0])
    factor = np.exp(-0.5)
    assert after.sum((1, 2)) == pytest.approx(before.sum((1, 2)) * factor, rel=0.03)
    assert after.sum(2) == pytest.approx(before.sum(2) * factor, abs=60)  # row by row
    at = np.arange(28) - 13.5
    assert after.sum(1) @ at / after.sum((1, 2)) == pytest.approx(
        before.sum(1) @ at / before.sum((1, 2)) * factor, abs=0.15
    )


@pytest.mark.parametrize("sigma", [0.4, 1.0, 2.0])
def test_a_blur_is_gaussian(monkeypatch: pytest.MonkeyPatch, sigma: float) -> None:
    draw(monkeypatch, 1.0)
    image = torch.nn.functional.interpolate(digits(1).unsqueeze(1), size=8).int()
    image = torch.nn.functional.pad(image, (10, 10, 10, 10)).byte()  # so small that nothing reaches the border
    expected = ndimage.gaussian_filter(levels(image[0, 0]), sigma, mode="constant", truncate=6)
    agree(RandomBlur(sigma)(image)[0, 0], expected)


def test_half_the_resolution_is_the_mean_of_four_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    images = digits(1)
    means = levels(images[0]).reshape(14, 2, 14, 2).mean((1, 3))
    draw(monkeypatch, 0.0)  # the coarsest, in squares
    agree(RandomResolution(14)(images.unsqueeze(1))[0, 0], np.kron(means, np.ones((2, 2))))
    draw(monkeypatch, 1.5 / 30)  # of 15 sizes, either way, the second
    smooth = torch.nn.functional.interpolate(torch.from_numpy(means)[None, None], size=28, mode="bilinear")
    agree(RandomResolution(14)(images.unsqueeze(1))[0, 0], smooth[0, 0].numpy())


@pytest.mark.parametrize("size", [9, 16, 20])
def test_resolutions_that_are_no_divisor_are_area_weighted(size: int) -> None:
    image = levels(digits(5)[4])
    reduced = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)
    matrix = resolution(28, size, smooth=True).double().numpy()
    smooth = torch.nn.functional.interpolate(torch.from_numpy(reduced)[None, None], size=28, mode="bilinear")
    assert matrix @ image @ matrix.T == pytest.approx(smooth[0, 0].numpy(), abs=0.01)


def ramp() -> Tensor:
    """Levels 0, 4, 8 … 108 from left to right."""
    return (torch.arange(28) * 4).to(torch.uint8).expand(1, 1, 28, 28)


@pytest.mark.parametrize(("drawn", "gamma", "slope", "middle", "level"), [
    (0.0, np.exp(-0.7), 1.0, 0.25, 0.4), (0.5, 1.0, 8**0.5, 0.375, 0.7), (1.0, np.exp(0.7), 8.0, 0.5, 1.0),
])  # fmt: skip
def test_tone(
    monkeypatch: pytest.MonkeyPatch, drawn: float, gamma: float, slope: float, middle: float, level: float
) -> None:
    draw(monkeypatch, drawn)
    changed = RandomTone(dimmest=0.4, gamma=0.7, steepest=8)(ramp())
    ink = (np.arange(28) / 27) ** gamma
    agree(changed[0, 0], np.tile(np.clip((ink - middle) * slope + middle, 0, 1) * level * 255, (28, 1)))
    assert int(changed.max()) == pytest.approx(level * 255, abs=0.51)


def test_black_stays_black() -> None:
    assert not RandomTone(0.4, 0.5, 10)(even(0, 4).unsqueeze(1)).any()


def test_noise_has_the_spread_that_was_drawn_and_no_bias(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    draw(monkeypatch, 0.5)
    changed = levels(RandomNoise(0.1)(even(128, 200).unsqueeze(1)))
    assert changed.std() == pytest.approx(0.05 * 255, rel=0.02)
    assert changed.mean() == pytest.approx(128, abs=0.2)
    assert levels(RandomNoise(0.1)(even(0, 20).unsqueeze(1))).min() == 0  # cut off, not wrapped around
    assert levels(RandomNoise(0.1)(even(255, 20).unsqueeze(1))).min() > 150
