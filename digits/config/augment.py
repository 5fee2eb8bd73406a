"""The keys of group `augment`: the transforms of `digits.data.augment`."""

from __future__ import annotations

from pydantic import Field

from digits.config.types import Fraction, Ours


class RandomAffine(Ours):
    """`augment.affine`: each image turned, moved, scaled and sheared on its own."""

    degrees: float = Field(ge=0, le=180, description="largest rotation, either way")
    translate: float = Field(ge=0, le=28, description="largest shift in pixels")
    scale: Fraction = Field(description="largest change of size, 0.1: from 0.9 to 1.1")
    shear: float = Field(ge=0, lt=90, description="largest shear in degrees")


class RandomWarp(RandomAffine):
    """`augment.warp`: an affine map and an elastic distortion of each image."""

    elastic: float = Field(ge=0, le=28, description="largest root mean square displacement in pixels")
    smoothness: float = Field(ge=0.5, le=28, description="pixels that move alike (sigma of a Gaussian)")


class RandomStroke(Ours):
    """`augment.stroke`: thicker or thinner strokes."""

    width: float = Field(gt=0, le=1, description="largest growth or shrinking of each side of a stroke, in pixels")


class RandomErase(Ours):
    """`augment.erase`: a blank rectangle."""

    size: float = Field(gt=0, le=28, description="largest side of the rectangle in pixels")


class RandomStretch(Ours):
    """`augment.stretch`: wider or narrower."""

    width: float = Field(ge=0, le=1, description="largest change of width; 0.1: by factors from exp(-0.1) to exp(0.1)")


class RandomBlur(Ours):
    """`augment.blur`: out of focus."""

    sigma: float = Field(ge=0, le=28, description="largest standard deviation of the Gaussian in pixels")


class RandomResolution(Ours):
    """`augment.resolution`: coarse pictures, enlarged."""

    smallest: int = Field(ge=1, le=28, description="fewest pixels across")


class RandomTone(Ours):
    """`augment.tone`: brightness, gamma and contrast."""

    dimmest: float = Field(gt=0, le=1, description="least brightness of the brightest pixel, as a share of white")
    gamma: float = Field(ge=0, le=3, description="largest change of gamma; 0.1: from exp(-0.1) to exp(0.1)")
    steepest: float = Field(ge=1, le=1000, description="largest factor of the contrast between ink and paper")


class RandomNoise(Ours):
    """`augment.noise`: a camera's."""

    sigma: Fraction = Field(description="largest standard deviation, as a share of white")
