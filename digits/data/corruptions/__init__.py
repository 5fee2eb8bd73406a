"""The fifteen corruptions of MNIST-C, which test a model on images unlike its training data.

N. Mu, J. Gilmer: MNIST-C: A Robustness Benchmark for Computer Vision, 2019, arXiv 1906.02337. Operations, strengths
and order are those of the authors' program (github.com/google-research/mnist-c); each function here states its
constants. The random numbers are this project's own, so the images are other draws of the same kinds, not the
published files.

Images are white on black, 28x28; lengths are in pixels, levels run from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from digits.data.corruptions.blur import glass_blur, motion_blur
from digits.data.corruptions.edges import canny_edges
from digits.data.corruptions.geometry import rotate, scale, shear, translate
from digits.data.corruptions.overlays import dotted_line, fog, spatter, stripe, zigzag
from digits.data.corruptions.pixelwise import brightness, impulse_noise, shot_noise
from digits.data.loader import mix

SIDE = 28
CHUNK = 2000  # images at a time: bounds the memory to some 300 MB

_FUNCTIONS: dict[str, Callable[[Tensor, Generator], Tensor]] = {  # levels float64 (N, 28, 28) to the same shape
    "shot_noise": shot_noise,
    "impulse_noise": impulse_noise,
    "glass_blur": glass_blur,
    "motion_blur": motion_blur,
    "shear": shear,
    "scale": lambda images, _: scale(images),
    "rotate": rotate,
    "brightness": lambda images, _: brightness(images),
    "translate": translate,
    "stripe": lambda images, _: stripe(images),
    "fog": fog,
    "spatter": spatter,
    "dotted_line": dotted_line,
    "zigzag": zigzag,
    "canny_edges": lambda images, _: canny_edges(images),
}

KINDS = tuple(_FUNCTIONS)  # in the paper's order; their indices are part of the seeds


def corrupt(images: Tensor, kind: str, seed: int) -> Tensor:
    """Images uint8 (N, 28, 28) with one kind of corruption, on the CPU: a function of (images, kind, seed).

    Every image has its own draws, and every kind its own random stream. Raises ValueError for an unknown kind and for
    anything but uint8 images of 28x28 pixels.
    """
    if kind not in _FUNCTIONS:
        raise ValueError(f"there is no corruption {kind!r}; choose one of {', '.join(KINDS)}")
    if images.dtype != torch.uint8 or images.ndim != 3 or images.shape[1:] != (SIDE, SIDE):
        raise ValueError(
            f"MNIST-C's corruptions are defined for uint8 images (N, {SIDE}, {SIDE}), but these are {images.dtype} "
            f"{tuple(images.shape)}; bring them to that size and 0..255 first"
        )
    generator = torch.Generator().manual_seed(mix(seed, KINDS.index(kind)))
    function, corrupted = _FUNCTIONS[kind], torch.empty(images.shape, dtype=torch.uint8)
    for source, target in zip(torch.split(images.cpu(), CHUNK), torch.split(corrupted, CHUNK), strict=True):
        # float64, as in the authors' program: settings for faster matrix products don't round it
        levels = function(source.to(torch.float64) / 255, generator)
        target.copy_(levels.clamp(0, 1).mul(255).round())
    return corrupted


__all__ = ["KINDS", "corrupt"]
