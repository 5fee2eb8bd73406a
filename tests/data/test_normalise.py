from __future__ import annotations

import pytest
import torch
from torchvision import transforms

from digits.data import Normalise


def test_equal_to_torchvision() -> None:
    images = torch.randint(0, 256, (16, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    images[0], images[1] = 0, 255
    pipeline = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
    expected = torch.stack([pipeline(image.numpy()) for image in images])
    result = Normalise(0.1307, 0.3081)(images)
    assert result.dtype == torch.float32
    assert result.shape == (16, 1, 28, 28)
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-6)


def test_with_or_without_a_channel_is_the_same() -> None:
    images = torch.arange(2 * 3 * 3, dtype=torch.uint8).reshape(2, 3, 3)
    normalise = Normalise(0.5, 0.25)
    assert torch.equal(normalise(images), normalise(images.unsqueeze(1)))


def test_images_are_left_as_they_were() -> None:
    images = torch.full((1, 2, 2), 200, dtype=torch.uint8)
    Normalise(0.5, 0.25)(images)
    assert images.tolist() == [[[200, 200], [200, 200]]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64, torch.bool])
def test_anything_but_bytes_is_refused(dtype: torch.dtype) -> None:
    message = rf"images must be uint8 0\.\.255, but are {dtype}; scale them back, then \.to\(torch\.uint8\)"
    with pytest.raises(ValueError, match=message):
        Normalise(0.5, 0.25)(torch.zeros(1, 1, 2, 2, dtype=dtype))
