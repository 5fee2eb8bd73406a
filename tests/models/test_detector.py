"""The page detector's net: its shapes, and what light does not change."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from digits.models import Detector
from digits.models.detector import LocalContrast
from digits.reading.boxes import CHANNELS, OBJECTNESS, STRIDE


@pytest.fixture
def net() -> Detector:
    torch.manual_seed(0)
    return Detector(10, channels=[4, 8, 8, 12], head=8, blocks=1)


def pictures(number: int, high: int, wide: int) -> Tensor:
    return torch.rand(number, 1, high, wide, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("high", "wide"), [(16, 16), (32, 48), (128, 128), (80, 208)])
def test_it_takes_any_multiple_of_16(net: Detector, high: int, wide: int) -> None:
    assert net(pictures(2, high, wide)).shape == (2, CHANNELS, high // STRIDE, wide // STRIDE)


def test_in_evaluation_a_picture_is_looked_at_on_its_own(net: Detector) -> None:
    images = pictures(4, 48, 64)
    net.eval()
    torch.testing.assert_close(net(images)[2:3], net(images[2:3]), rtol=1e-4, atol=1e-5)


def test_every_parameter_gets_a_gradient(net: Detector) -> None:
    net(pictures(4, 64, 64)).square().sum().backward()
    assert all(p.grad is not None and bool(p.grad.any()) for p in net.parameters())


def test_the_number_of_parameters_is_what_the_sizes_say() -> None:
    def layer(width: int, out: int, side: int = 3) -> int:
        return width * out * side**2 + 2 * out

    half, quarter, eighth, sixteenth, head = 16, 32, 64, 96, 32
    down = layer(2, half) + layer(half, quarter) + 3 * layer(eighth, eighth) + layer(quarter, eighth)
    lowest = layer(eighth, sixteenth) + 4 * layer(sixteenth, sixteenth)  # two residual blocks
    up = layer(sixteenth, eighth, 1) + layer(eighth, head, 1) + layer(quarter, head, 1) + layer(head, head)
    answers = (head + 1) * 16 + (eighth + 1) * 10
    net = Detector(10, [half, quarter, eighth, sixteenth], head, 2)
    assert sum(p.numel() for p in net.parameters()) == down + lowest + up + answers


def test_it_begins_by_taking_nearly_nothing_for_a_digit(net: Detector) -> None:
    assert float(net(pictures(2, 64, 64))[:, OBJECTNESS].detach().sigmoid().median()) < 0.05


def test_it_learns_a_page_by_heart(net: Detector) -> None:
    images, wanted = pictures(2, 32, 32), torch.randn(2, CHANNELS, 8, 8, generator=torch.Generator().manual_seed(2))
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.01)
    losses = []
    for _ in range(150):
        loss = torch.nn.functional.mse_loss(net(images), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.3 * losses[0]


# ---- Light ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("light", [-0.3, 0.2])
def test_more_light_changes_nothing(light: float) -> None:
    images = 0.3 + 0.4 * pictures(2, 64, 96)
    torch.testing.assert_close(LocalContrast()(images + light), LocalContrast()(images), rtol=1e-3, atol=1e-4)


def test_the_other_polarity_has_the_other_sign() -> None:
    images = pictures(2, 64, 96)
    torch.testing.assert_close(LocalContrast()(1 - images), -LocalContrast()(images), rtol=1e-3, atol=1e-4)


def test_fainter_ink_is_as_far_from_the_paper_in_deviations_but_not_in_grey_levels() -> None:
    images = pictures(1, 64, 64)
    contrast, faint = LocalContrast()(images)[:, 0], LocalContrast()(0.5 + 0.5 * (images - 0.5))[:, 0]
    ratio = faint.abs().mean() / contrast.abs().mean()
    assert 0.9 < float(ratio) < 1.0, "but for the noise that an even surface has"
    levels, fainter = LocalContrast()(images)[:, 1], LocalContrast()(0.5 + 0.5 * (images - 0.5))[:, 1]
    torch.testing.assert_close(fainter, levels / 2, rtol=1e-3, atol=1e-4)


def test_an_even_surface_is_nothing() -> None:
    assert float(LocalContrast()(torch.full((1, 1, 48, 48), 0.7)).abs().max()) < 1e-4


def test_contrast_is_the_difference_from_the_mean_of_36_pixels() -> None:
    """Where the whole square is on the picture; between the middles of cells of 4x4 pixels, in a straight line."""
    images = pictures(1, 64, 64)
    cells = images[0, 0].reshape(16, 4, 16, 4).mean((1, 3))
    squares = (images[0, 0] ** 2).reshape(16, 4, 16, 4).mean((1, 3))
    rows = range(5, 11)
    mean = torch.tensor([[float(cells[r - 4 : r + 5, c - 4 : c + 5].mean()) for c in rows] for r in rows])
    square = torch.tensor([[float(squares[r - 4 : r + 5, c - 4 : c + 5].mean()) for c in rows] for r in rows])
    deviation = (square - mean**2).sqrt() + 6 / 255
    found = LocalContrast()(images)[0]
    grey = images[0, 0, 4 * 5 : 4 * 11, 4 * 5 : 4 * 11]
    here = torch.nn.functional.interpolate(mean[None, None], scale_factor=4, mode="bilinear")[0, 0]
    spread = torch.nn.functional.interpolate(deviation[None, None], scale_factor=4, mode="bilinear")[0, 0]
    inner = slice(4, -4)
    expected = ((grey - here) / spread)[inner, inner]
    torch.testing.assert_close(found[0, 24:40, 24:40], expected, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(found[1, 24:40, 24:40], 4 * (grey - here)[inner, inner], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_it_runs_in_every_precision(net: Detector, dtype: torch.dtype) -> None:
    model = net.to(dtype)
    assert model(torch.rand(1, 1, 32, 32, dtype=dtype)).dtype == dtype
