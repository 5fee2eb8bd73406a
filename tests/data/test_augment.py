from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy import ndimage
from sklearn.datasets import load_digits
from torch import Tensor

from digits.data import RandomAffine, RandomErase, RandomStroke, RandomWarp
from digits.data.augment import smoother


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


def warp(elastic: float, smoothness: float = 4) -> RandomWarp:
    """No affine part."""
    return RandomWarp(degrees=0, translate=0, scale=0, shear=0, elastic=elastic, smoothness=smoothness)


def displacements(elastic: float, smoothness: float, images: int = 400) -> Tensor:
    """What a warp adds to the identity, in pixels, (B, H, W, 2)."""
    torch.manual_seed(0)
    blank = torch.zeros(images, 1, 28, 28, dtype=torch.uint8)
    return (warp(elastic, smoothness).grid(blank) - warp(0, smoothness).grid(blank)) * 14


def test_a_warp_without_elasticity_is_its_affine_part() -> None:
    amounts = {"degrees": 10.0, "translate": 2.0, "scale": 0.1, "shear": 8.0}
    still = RandomWarp(**amounts, elastic=0.0, smoothness=4.0)
    torch.manual_seed(3)
    torch.rand(8, 2, 28, 28), torch.rand(8, 1, 1, 1)  # what the field draws comes first
    expected = RandomAffine(**amounts)(pictures())
    torch.manual_seed(3)
    assert torch.equal(still(pictures()), expected)


def test_elastic_moves_are_as_large_as_said() -> None:
    moves = displacements(elastic=1.5, smoothness=4)
    # the amplitude is uniform from 0 to 1.5, so the mean square is 1.5^2 / 3, at the border as in the middle
    assert moves.square().mean().sqrt() == pytest.approx(1.5 / 3**0.5, rel=0.05)
    assert moves[:, 0, 0].square().mean().sqrt() == pytest.approx(1.5 / 3**0.5, rel=0.15)
    assert moves[:, 14, 14].square().mean().sqrt() == pytest.approx(1.5 / 3**0.5, rel=0.15)
    strengths = moves.square().mean(dim=(1, 2, 3)).sqrt()
    assert strengths.min() < 0.1
    assert strengths.max() > 1.2


def test_elastic_moves_are_smooth() -> None:
    moves = displacements(elastic=1.0, smoothness=4)[:, 8:20, 8:20]

    def correlation(pixels: int) -> float:
        return float((moves[:, :-pixels] * moves[:, pixels:]).mean() / moves.square().mean())

    # noise smoothed by a Gaussian of sigma 4 has the autocorrelation exp(-d^2 / (4 sigma^2))
    assert correlation(2) == pytest.approx(np.exp(-4 / 64), abs=0.03)
    assert correlation(6) == pytest.approx(np.exp(-36 / 64), abs=0.08)


def test_the_field_is_simards() -> None:
    # uniform noise from -1 to 1, convolved with a normalised Gaussian of sigma 4, times 34: its spread is 1.4 pixels
    noise = np.random.default_rng(0).uniform(-1, 1, (200, 28, 28))
    theirs = 34 * np.stack([ndimage.gaussian_filter(field, 4, mode="wrap") for field in noise])
    assert theirs.std() == pytest.approx(1.4, rel=0.05)
    ours = smoother(28, 4, torch.zeros(1)).numpy()
    assert np.linalg.norm(ours, axis=1) == pytest.approx(1)


def test_strokes_grow_and_shrink(monkeypatch: pytest.MonkeyPatch) -> None:
    bar = torch.zeros(1, 1, 28, 28, dtype=torch.uint8)
    bar[0, 0, 10:20, 12:15] = 200  # three pixels wide
    for drawn, widths in ((1.0, [0, 200, 200, 200, 200, 200, 0]), (0.0, [0, 0, 0, 200, 0, 0, 0]),
                          (0.75, [0, 100, 200, 200, 200, 100, 0]), (0.25, [0, 0, 100, 200, 100, 0, 0]),
                          (0.5, [0, 0, 200, 200, 200, 0, 0])):  # fmt: skip
        draw(monkeypatch, drawn)
        assert RandomStroke(width=1.0)(bar)[0, 0, 15, 10:17].tolist() == widths, drawn


def test_strokes_are_dilated_and_eroded_by_a_cross(monkeypatch: pytest.MonkeyPatch) -> None:
    image, cross = large_digit(), ndimage.generate_binary_structure(2, 1)
    batch = torch.from_numpy(image)[None, None].byte()
    draw(monkeypatch, 1.0)
    agree(RandomStroke(1.0)(batch), ndimage.grey_dilation(image, footprint=cross))
    draw(monkeypatch, 0.0)
    agree(RandomStroke(1.0)(batch), ndimage.grey_erosion(image, footprint=cross))


def test_what_is_erased_is_a_rectangle_of_at_most_the_size() -> None:
    torch.manual_seed(0)
    white = torch.full((500, 1, 28, 28), 255, dtype=torch.uint8)
    blank = RandomErase(size=8)(white)[:, 0] == 0
    for image in blank:
        rows, columns = image.any(1), image.any(0)
        assert torch.equal(image, rows.unsqueeze(1) & columns)
        assert rows.sum() <= 8
        assert columns.sum() <= 8
    # sides are uniform from 0 to 8, so 16 pixels on average, less what sticks out
    assert 10 < blank.sum() / 500 < 17
    assert blank.any(0)[2:-2, 2:-2].all()


@pytest.mark.parametrize("augment", [RandomStroke(0.5), RandomErase(10), warp(1.0)])
def test_each_image_of_a_batch_is_augmented_by_itself(augment: torch.nn.Module) -> None:
    torch.manual_seed(0)
    image = torch.from_numpy(large_digit())[None, None].byte().repeat(60, 1, 1, 1)
    changed = augment(image)
    assert changed.dtype == torch.uint8
    assert changed.shape == image.shape
    assert len({one.numpy().tobytes() for one in changed}) >= 20  # what is erased may have been blank
