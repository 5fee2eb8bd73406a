from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy import ndimage
from sklearn.datasets import load_digits
from torch import Tensor

from digits.data import RandomAffine


def pictures(n: int = 8, side: int = 28) -> Tensor:
    return torch.randint(0, 256, (n, 1, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def dot(y: int, x: int) -> Tensor:
    image = torch.zeros(1, 1, 28, 28, dtype=torch.uint8)
    image[0, 0, y, x] = 255
    return image


def draw(monkeypatch: pytest.MonkeyPatch, *values: float) -> None:
    """Make torch draw these numbers, the same for every parameter; 0.5 is no change, 1 the largest."""

    def rand(n: int, device: torch.device) -> Tensor:
        return torch.tensor(values, device=device).expand(n)

    monkeypatch.setattr(torch, "rand", rand)


def test_nothing_to_do_is_the_identity() -> None:
    images = pictures()
    assert torch.equal(RandomAffine(degrees=0, translate=0, scale=0, shear=0)(images), images)


def test_translation_moves_by_whole_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    images, translate = pictures(), RandomAffine(degrees=0, translate=2, scale=0, shear=0)
    draw(monkeypatch, 1.0)
    expected = torch.zeros_like(images)
    expected[:, :, :-2, :-2] = images[:, :, 2:, 2:]  # what came in at the other side is background
    assert torch.equal(translate(images), expected)
    draw(monkeypatch, 0.0)
    expected = torch.zeros_like(images)
    expected[:, :, 2:, 2:] = images[:, :, :-2, :-2]
    assert torch.equal(translate(images), expected)


def test_half_a_pixel_is_interpolated(monkeypatch: pytest.MonkeyPatch) -> None:
    draw(monkeypatch, 1.0)
    moved = RandomAffine(degrees=0, translate=0.5, scale=0, shear=0)(dot(10, 10))
    # 255 is parted among four pixels: 63.75 each
    assert moved[0, 0, 9:11, 9:11].tolist() == [[64, 64], [64, 64]]
    assert int(moved.sum()) == 256


def test_each_image_has_its_own_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    draw(monkeypatch, 0.0, 0.5, 1.0)
    moved = RandomAffine(degrees=0, translate=3, scale=0, shear=0)(dot(14, 14).repeat(3, 1, 1, 1))
    assert [image[0].nonzero().tolist() for image in moved] == [[[17, 17]], [[14, 14]], [[11, 11]]]


def test_every_parameter_differs_from_image_to_image() -> None:
    for name in ("degrees", "translate", "scale", "shear"):
        amounts = {"degrees": 0.0, "translate": 0.0, "scale": 0.0, "shear": 0.0}
        amounts[name] = 0.4 if name == "scale" else 20.0
        torch.manual_seed(0)
        moved = RandomAffine(**amounts)(pictures(1).repeat(6, 1, 1, 1))
        assert len({image.numpy().tobytes() for image in moved}) == 6, name


def test_draws_follow_the_global_seed() -> None:
    images, affine = pictures(), RandomAffine(degrees=20, translate=2, scale=0.1, shear=10)
    torch.manual_seed(5)
    first = affine(images)
    other = affine(images)
    torch.manual_seed(5)
    assert torch.equal(affine(images), first)
    assert not torch.equal(other, first)


def test_bytes_in_bytes_out() -> None:
    torch.manual_seed(0)
    white = torch.full((64, 1, 28, 28), 255, dtype=torch.uint8)
    moved = RandomAffine(degrees=180, translate=5, scale=0.5, shear=45)(white)
    assert moved.dtype == torch.uint8
    assert moved.shape == white.shape
    # interpolating never exceeds 255, which would wrap around to 0: the middle stays white
    assert bool((moved[:, :, 13:15, 13:15] == 255).all())


Picture: TypeAlias = npt.NDArray[np.float64]


def large_digit() -> Picture:
    small = load_digits().images[2] * (255 / 16)
    enlarged: Picture = np.zeros((28, 28))
    enlarged[6:22, 6:22] = np.kron(small, np.ones((2, 2)))
    return enlarged.round()


def agree(moved: Tensor, expected: Picture) -> None:
    """Equal but for rounding."""
    assert np.abs(moved[0, 0].numpy().astype(float) - expected).max() <= 0.51


@pytest.mark.parametrize(("drawn", "degrees"), [(1.0, 30.0), (0.0, 30.0), (1.0, 90.0), (0.75, 30.0)])
def test_rotation_is_about_the_centre(monkeypatch: pytest.MonkeyPatch, drawn: float, degrees: float) -> None:
    image = large_digit()
    draw(monkeypatch, drawn)
    moved = RandomAffine(degrees=degrees, translate=0, scale=0, shear=0)(torch.from_numpy(image)[None, None].byte())
    angle = (2 * drawn - 1) * degrees
    agree(moved, ndimage.rotate(image, angle, reshape=False, order=1, mode="grid-constant"))


@pytest.mark.parametrize("drawn", [0.0, 1.0])
def test_scale_enlarges_about_the_centre(monkeypatch: pytest.MonkeyPatch, drawn: float) -> None:
    image = large_digit()
    draw(monkeypatch, drawn)
    moved = RandomAffine(degrees=0, translate=0, scale=0.2, shear=0)(torch.from_numpy(image)[None, None].byte())
    size = 1 + (2 * drawn - 1) * 0.2
    offset = 13.5 - 13.5 / size  # output pixel p shows input pixel 13.5 + (p - 13.5) / size
    agree(moved, ndimage.affine_transform(image, [1 / size, 1 / size], offset, order=1, mode="grid-constant"))


def test_shear_moves_rows_by_the_tangent_of_their_height(monkeypatch: pytest.MonkeyPatch) -> None:
    image = large_digit()
    draw(monkeypatch, 1.0)
    moved = RandomAffine(degrees=0, translate=0, scale=0, shear=20)(torch.from_numpy(image)[None, None].byte())
    # row y shows, at x, what was at x + tan 20° (y - 13.5)
    tan = np.tan(np.radians(20))
    agree(moved, ndimage.affine_transform(image, [[1, 0], [tan, 1]], [0, -tan * 13.5], order=1, mode="grid-constant"))
