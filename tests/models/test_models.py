"""Each net can learn, has the size it says, and treats images of a batch apart from each other."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from digits.models import CNN, MLP, LogisticRegression, ResNet, TinyCNN
from digits.models.stages import folded_stages

NETS: dict[str, Callable[[], nn.Module]] = {
    "logistic": lambda: LogisticRegression(28, 10),
    "mlp": lambda: MLP(28, 10, hidden=[64, 32], dropout=0.0),
    "cnn": lambda: CNN(28, 10, stages=[[8], [16, 32]], dropout=0.0),
    "resnet": lambda: ResNet(10, channels=[8, 16, 32], blocks=2, dropout=0.0),
    "tiny": lambda: TinyCNN(10, stages=[[16], [16, 32]]),
}


@pytest.fixture(params=NETS)
def net(request: pytest.FixtureRequest) -> nn.Module:
    torch.manual_seed(0)
    return NETS[str(request.param)]()


def test_it_learns_64_random_images_by_heart(net: nn.Module) -> None:
    torch.manual_seed(1)
    images, labels = torch.randn(64, 1, 28, 28), torch.randint(10, (64,))
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3)
    for _ in range(100):
        loss = nn.functional.cross_entropy(net(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (net.eval()(images).argmax(1) == labels).float().mean() >= 0.95


def test_in_evaluation_an_image_is_read_on_its_own(net: nn.Module) -> None:
    images = torch.randn(5, 1, 28, 28)
    net.eval()
    torch.testing.assert_close(net(images)[2:3], net(images[2:3]), rtol=1e-4, atol=1e-5)


def test_every_parameter_gets_a_gradient(net: nn.Module) -> None:
    net(torch.randn(8, 1, 28, 28)).square().sum().backward()
    assert all(p.grad is not None and bool(p.grad.any()) for p in net.parameters())


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("logistic", 784 * 10 + 10),
        ("mlp", 784 * 64 + 2 * 64 + 64 * 32 + 2 * 32 + 32 * 10 + 10),
        # 3x3 convolutions without bias, scale and shift of each BatchNorm, the last layer with bias
        ("tiny", 9 * (4 * 16 + 16 * 16 + 16 * 32) + 2 * (16 + 16 + 32) + 32 * 10 + 10),
        ("cnn", 9 * (4 * 8 + 8 * 16 + 16 * 32) + 2 * (8 + 16 + 32) + 32 * 4 * 4 * 10 + 10),
    ],
)
def test_the_number_of_parameters_is_what_the_sizes_say(name: str, count: int) -> None:
    assert sum(p.numel() for p in NETS[name]().parameters()) == count


def test_a_tiny_cnn_halves_the_resolution_between_its_stages() -> None:
    stage = [16]  # the same object three times, as [[16]] * 3 makes it
    pools = [layer for layer in TinyCNN(10, stages=[stage] * 3).features if isinstance(layer, nn.MaxPool2d)]
    assert len(pools) == 2


BATCH_NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def layers(*convolutions: int) -> list[str]:
    """The names of convolutions at these places, each of the BatchNorm after it, or after the pool after it."""
    return [
        f"features.{number}.{name}"
        for place in convolutions
        for number, names in ((abs(place), ["weight"]), (abs(place) + 1 + (place < 0), BATCH_NORM))
        for name in names
    ]


def test_weights_keep_the_names_by_which_old_runs_hold_them() -> None:
    """PixelUnshuffle is features.0; a convolution takes three places, with a pool after it (here: negative) four."""
    cnn, tiny = CNN(28, 10, [[8], [16, 32]], 0.0), TinyCNN(10, [[16], [16, 32]])
    assert list(cnn.state_dict()) == [*layers(-1, 5, -8), "readout.weight", "readout.bias"]
    assert list(tiny.state_dict()) == [*layers(-1, 5, 8), "classify.weight", "classify.bias"]
    shapes = [tuple(cnn.state_dict()[f"features.{place}.weight"].shape) for place in (1, 5, 8)]
    assert shapes == [(8, 4, 3, 3), (16, 8, 3, 3), (32, 16, 3, 3)]


@pytest.mark.parametrize(("pool_last", "side"), [(True, 4), (False, 7)])
def test_stages_pool_before_they_normalise(pool_last: bool, side: int) -> None:
    """Against the layers one by one, from the same start: seeds give the weights they always gave."""
    torch.manual_seed(0)
    net, width = folded_stages([[8], [16, 32]], pool_last=pool_last)
    torch.manual_seed(0)
    by_hand = [nn.Conv2d(a, b, 3, padding=1, bias=False) for a, b in ((4, 8), (8, 16), (16, 32))]
    images = torch.randn(5, 1, 28, 28)
    x = nn.functional.pixel_unshuffle(images, 2)
    for number, convolution in enumerate(by_hand):
        x = convolution(x)
        if number == 0 or (number == 2 and pool_last):
            x = nn.functional.max_pool2d(x, 2, ceil_mode=True)
        mean, variance = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), keepdim=True, unbiased=False)
        x = ((x - mean) / (variance + 1e-5).sqrt()).relu()
    assert width == 32
    assert x.shape == (5, 32, side, side)
    torch.testing.assert_close(net(images), x, rtol=1e-4, atol=1e-5)


def test_a_stage_of_no_convolution_halves_nothing() -> None:
    assert CNN(28, 10, stages=[[], [8]], dropout=0.0)(torch.randn(2, 1, 28, 28)).shape == (2, 10)
    assert CNN(28, 10, stages=[[], []], dropout=0.0).readout.in_features == 4 * 14 * 14


def test_an_mlp_of_no_hidden_layer_is_logistic_regression() -> None:
    mlp, logistic = MLP(28, 10, hidden=[], dropout=0.5), LogisticRegression(28, 10)
    logistic.linear.load_state_dict(mlp.classify.state_dict())
    images = torch.randn(3, 1, 28, 28)
    assert torch.equal(mlp(images), logistic(images))


@pytest.mark.parametrize("size", [8, 14, 28, 32])
def test_convolutional_nets_take_other_sizes(size: int) -> None:
    images = torch.randn(2, 1, size, size)
    assert CNN(size, 10, stages=[[8], [16]], dropout=0.0)(images).shape == (2, 10)
    assert NETS["resnet"]()(images).shape == (2, 10)
    assert NETS["tiny"]()(images).shape == (2, 10)


def test_a_cnn_says_that_it_needs_an_even_size() -> None:
    with pytest.raises(ValueError, match="image_size is 27; the net folds 2x2 pixels into one, so it must be even"):
        CNN(27, 10, stages=[[8]], dropout=0.0)
