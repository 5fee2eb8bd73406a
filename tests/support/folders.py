"""Folders of classes with small pictures of signs, of every size and polarity, no two the same."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw

SIGNS = {"0": [(2, 1), (8, 1), (8, 9), (2, 9), (2, 1)], "1": [(5, 1), (5, 9)], "7": [(2, 1), (8, 1), (4, 9)],
         "L": [(3, 1), (3, 9), (8, 9)], "none": [(1, 5), (9, 5)]}  # fmt: skip


def picture(sign: str, number: int) -> Image.Image:
    """A sign on a grid of 10x10, dark on light for even numbers, light on dark for odd ones."""
    size = 40 + 3 * number
    paper, ink = (250, 20) if number % 2 == 0 else (10, 240)
    image = Image.new("L", (size + 10 + number % 3, size + 8), paper)
    points = [(5 + x * size / 10, 4 + y * size / 10) for x, y in SIGNS[sign]]
    ImageDraw.Draw(image).line(points, fill=ink, width=3 + number % 4)
    return image


def draw(root: Path, **numbers: int) -> Path:
    """A folder of classes with so many pictures each; `_1` stands for the class 1, which no argument can be called."""
    for name, count in numbers.items():
        sign = name.removeprefix("_")
        (root / sign).mkdir(parents=True)
        for number in range(count):
            picture(sign, number).save(root / sign / f"{number:03}.png")
    return root
