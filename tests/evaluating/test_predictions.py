"""What a net says about a split: its numbers, and that asking changes nothing."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn

from digits.data import Normalise, Split
from digits.evaluating.predictions import Predictions, average, predict


class Probe(nn.Module):
    """Everything that could be disturbed: dropout, running statistics, a layer frozen in evaluation mode."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(16, 8)
        self.norm, self.dropout = nn.BatchNorm1d(8), nn.Dropout(0.5)
        self.frozen = nn.BatchNorm1d(8).eval()
        self.classify = nn.Linear(8, 3)

    def features(self, images: Tensor) -> Tensor:
        features: Tensor = self.dropout(self.frozen(self.norm(self.hidden(images.flatten(1)))))
        return features

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.classify(self.features(images))
        return logits


def a_split() -> Split:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (20, 4, 4), generator=generator, dtype=torch.uint8)
    labels = torch.randint(0, 3, (20,), generator=generator)
    return Split(images, labels, torch.tensor([3, 1, 19, 7, 11, 2, 5]))


def test_answers_are_in_the_splits_order_and_those_of_evaluation_mode() -> None:
    torch.manual_seed(0)
    net, split, normalise = Probe(), a_split(), Normalise(0.5, 0.25)
    found = predict(net, split, normalise, batch_size=3, embed=True)

    net.eval()
    images = normalise(split.images[[3, 1, 19, 7, 11, 2, 5]])
    with torch.no_grad():
        expected = torch.softmax(net(images), 1)
        features = net.features(images)
    torch.testing.assert_close(found.probabilities, expected)
    assert found.labels.tolist() == split.labels[[3, 1, 19, 7, 11, 2, 5]].tolist()
    torch.testing.assert_close(found.losses, -expected[torch.arange(7), found.labels].log())
    torch.testing.assert_close(found.confidences, expected.max(1).values)
    assert found.guesses.tolist() == expected.argmax(1).tolist()
    assert found.rows.tolist() == [3, 1, 19, 7, 11, 2, 5]
    assert found.embeddings is not None
    torch.testing.assert_close(found.embeddings, features)


def test_asking_changes_neither_the_net_nor_the_random_numbers() -> None:
    net = Probe().train()
    net.frozen.eval()
    state = {key: value.clone() for key, value in net.state_dict().items()}
    modes = [layer.training for layer in net.modules()]
    random = torch.get_rng_state()
    predict(net, a_split(), Normalise(0.5, 0.25), batch_size=4, embed=True)
    assert all(torch.equal(value, state[key]) for key, value in net.state_dict().items())
    assert [layer.training for layer in net.modules()] == modes
    assert torch.equal(torch.get_rng_state(), random)
    assert not net.classify._forward_pre_hooks


def test_a_net_without_a_linear_layer_has_no_embeddings() -> None:
    net = nn.Sequential(nn.Conv2d(1, 3, 4), nn.Flatten())
    assert predict(net, a_split(), Normalise(0.5, 0.25), 4, embed=True).embeddings is None


def test_a_net_in_double_precision_is_fed_so() -> None:
    found = predict(Probe().double(), a_split(), Normalise(0.5, 0.25), batch_size=4)
    assert found.probabilities.dtype == torch.float32


# ---- Several nets, several views --------------------------------------------------------------------


def softmax(logits: Tensor) -> npt.NDArray[np.float64]:
    powers = np.exp(logits.detach().numpy().astype(np.float64))
    shares: npt.NDArray[np.float64] = powers / powers.sum(1, keepdims=True)
    return shares


def answer(logits: Tensor, labels: Tensor) -> Predictions:
    losses = nn.functional.cross_entropy(logits, labels, reduction="none")
    return Predictions(logits.softmax(1), logits.argmax(1), labels, losses, torch.arange(len(labels)), logits)


def test_the_average_is_of_probabilities_and_the_loss_is_the_averages() -> None:
    generator = torch.Generator().manual_seed(3)
    logits = [3 * torch.randn(50, 4, generator=generator) for _ in range(3)]
    labels = torch.randint(0, 4, (50,), generator=generator)
    found = average([answer(each, labels) for each in logits])

    mean = np.mean([softmax(each) for each in logits], axis=0)
    assert found.probabilities.dtype == found.losses.dtype == torch.float32
    np.testing.assert_allclose(found.probabilities, mean, rtol=1e-5)
    np.testing.assert_allclose(found.losses, -np.log(mean[np.arange(50), labels]), rtol=1e-5)
    assert found.guesses.tolist() == mean.argmax(1).tolist()
    assert found.guesses.tolist() != torch.stack(logits).mean(0).argmax(1).tolist(), "else it could be of the logits"
    assert found.embeddings is None


def test_a_probability_of_nothing_has_a_finite_loss() -> None:
    labels = torch.tensor([0])
    found = average([answer(torch.tensor([[-200.0, 0.0]]), labels), answer(torch.tensor([[-210.0, 0.0]]), labels)])
    assert found.probabilities.tolist() == [[0.0, 1.0]]
    assert found.losses.item() == pytest.approx(200 - np.log(0.5 * (1 + np.exp(-10))))
    sure = [answer(torch.tensor([[900.0, 0.0]]), labels)] * 3
    assert average(sure).losses.tolist() == [0.0]


def test_one_alone_stays_as_it_is() -> None:
    alone = answer(torch.tensor([[1.0, 2.0]]), torch.tensor([0]))
    assert average([alone]) is alone


def moved(images: npt.NDArray[np.uint8], down: int, right: int) -> npt.NDArray[np.uint8]:
    """Pixel by pixel."""
    out = np.zeros_like(images)
    for y in range(4):
        for x in range(4):
            if 0 <= y - down < 4 and 0 <= x - right < 4:
                out[:, y, x] = images[:, y - down, x - right]
    return out


@pytest.mark.parametrize("views", [1, 5, 9])
def test_views_are_the_picture_and_its_shifts_by_a_pixel(views: int) -> None:
    torch.manual_seed(0)
    net, split, normalise = Probe().eval(), a_split(), Normalise(0.5, 0.25)
    found = predict(net, split, normalise, batch_size=3, views=views)

    furthest = {1: 0, 5: 1, 9: 2}[views]
    shifts = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if abs(y) + abs(x) <= furthest]
    assert len(shifts) == views
    seen = [torch.from_numpy(moved(split.pixels().numpy(), *shift)) for shift in shifts]
    mean = np.mean([softmax(net(normalise(images))) for images in seen], axis=0)
    np.testing.assert_allclose(found.probabilities, mean, rtol=1e-4)
    np.testing.assert_allclose(found.losses, -np.log(mean[np.arange(7), split.truth()]), rtol=1e-4)
    assert found.guesses.tolist() == mean.argmax(1).tolist()
    assert found.rows.tolist() == split.rows.tolist()
