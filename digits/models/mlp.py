"""A multi-layer perceptron of any depth."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn


class MLP(nn.Module):
    """Fully connected layers, each with batch normalisation, ReLU and dropout (Ioffe, Szegedy 2015; Srivastava et al.
    2014).

    `hidden` lists the layers' widths; an empty list gives a linear classifier.
    """

    def __init__(self, image_size: int, num_classes: int, hidden: list[int], dropout: float) -> None:
        super().__init__()
        sizes = [image_size**2, *hidden]
        layers: list[nn.Module] = []
        for width_in, width_out in pairwise(sizes):
            # the normalisation that follows has a shift of its own, so the layer needs no bias
            layers += [
                nn.Linear(width_in, width_out, bias=False),
                nn.BatchNorm1d(width_out),
                nn.ReLU(),
                nn.Dropout(dropout),
            ]
        self.features = nn.Sequential(*layers)
        self.classify = nn.Linear(sizes[-1], num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 1, H, W) to logits (B, num_classes)."""
        logits: Tensor = self.classify(self.features(images.flatten(1)))
        return logits
