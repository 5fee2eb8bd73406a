"""The keys of `model`: type, range and meaning."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from digits.config.types import Count, Fraction, Ours

Stages = Annotated[list[Annotated[list[Count], Field(min_length=1)]], Field(min_length=1)]


class LogisticRegression(Ours):
    """`model=logistic`."""

    image_size: Count = Field(description="side of the images in pixels")
    num_classes: Count = Field(description="number of classes")


class MLP(LogisticRegression):
    """`model=mlp`."""

    hidden: list[Count] = Field(description="width of each hidden layer; empty: no hidden layer")
    dropout: Fraction = Field(description="share of hidden units dropped in training")


class CNN(LogisticRegression):
    """`model=cnn`."""

    stages: Stages = Field(description="for each stage, the channels of its convolutions")
    dropout: Fraction = Field(description="share of the features dropped before the last layer")


class ResNet(Ours):
    """`model=resnet`."""

    num_classes: Count = Field(description="number of classes")
    channels: list[Count] = Field(min_length=1, max_length=4, description="channels of each stage")
    dropout: Fraction = Field(description="share of the features dropped before the last layer")
    blocks: Count = Field(description="residual blocks in each stage")


class TinyCNN(Ours):
    """`model=tiny`."""

    num_classes: Count = Field(description="number of classes")
    stages: Stages = Field(description="for each stage, the channels of its convolutions")


class Detector(Ours):
    """`model=detector`."""

    made_for = "detection"

    num_classes: Count = Field(description="number of classes")
    channels: Annotated[list[Count], Field(min_length=4, max_length=4)] = Field(
        description="channels at 1/2, 1/4, 1/8 and 1/16 of the resolution"
    )
    head: Count = Field(description="channels of the prediction head, at 1/4 of the resolution")
    blocks: Annotated[int, Field(ge=0)] = Field(description="residual blocks at 1/16 of the resolution")
