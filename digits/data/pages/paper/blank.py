"""Pictures in which nothing is written: textures, things, photographs, empty paper and empty boards."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from digits.data.pages.page import Grey, Page, Random
from digits.data.pages.paper.light import blur, log_uniform, shade
from digits.data.pages.paper.photographs import photographed
from digits.data.pages.paper.render import Writing, developed, photograph, render
from digits.data.pages.paper.scenery import Scenery, cover, drawing, lay, things
from digits.data.pages.paper.textures import rough_paper, scraps, texture

PHOTOGRAPHS = 0.6  # share of these pictures that are made of photographs, if there are any


def nothing(random: Random, height: int, width: int, photos: tuple[Path, ...] = ()) -> Grey:
    """A picture (H, W) in which nothing is written; `photos` are pictures without digits."""
    photo = bool(photos) and random.random() < PHOTOGRAPHS
    kind, page = random.random(), Page(height, width)
    if photo:
        image = photographed(random, height, width, photos)
    elif kind < 0.15:  # empty paper, on a desk or among things
        return photograph(page, cover(page, random), random)
    elif kind < 0.22:
        return render(page, Scenery(), random)
    elif kind < 0.45:
        image = rough_paper(random, height, width)
    elif kind < 0.61:
        image = things(random, height, width)
    elif kind < 0.66:
        image = drawing(random, height, width)
    else:
        image = texture(random, height, width)
        for _ in range(int(random.choice([0, 0, 1, 2, 3]))):
            mask = ((scraps(random, height, width, int(random.integers(1, 8))) > 0.5) * 255).astype(np.uint8)
            image = lay(image, mask, texture(random, height, width))
    if random.random() < 0.6:
        image = image * shade(random, height, width)
    image = blur(image, log_uniform(random, 0.2, 2)) if random.random() < 0.5 else image
    return developed(image, random, Writing(20, 3), 0.3, inverted=random.random() < 0.25)
