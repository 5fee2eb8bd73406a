"""What a net says about a split: its numbers, and that asking changes nothing."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from digits.data import Normalise, Split
from digits.training.predictions import predict


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
