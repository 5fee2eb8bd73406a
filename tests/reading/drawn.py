"""Digits drawn with a pen, at places that the tests know."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Points = list[tuple[float, float]]


def arc(x: float, y: float, wide: float, high: float, start: float, end: float) -> Points:
    """Part of an ellipse in a box of 1 by 1: centre, half sides, degrees clockwise from the right."""
    turns = np.radians(np.linspace(start, end, 24))
    return [(x + wide * float(np.cos(turn)), y + high * float(np.sin(turn))) for turn in turns]


STROKES: dict[str, list[Points]] = {
    "0": [arc(0.5, 0.5, 0.36, 0.5, -90, 270)],
    "1": [[(0.5, 0.0), (0.46, 1.0)]],
    "2": [[*arc(0.48, 0.28, 0.38, 0.28, 190, 385), (0.1, 1.0), (0.9, 1.0)]],
    "3": [[*arc(0.42, 0.25, 0.36, 0.25, 200, 440), *arc(0.42, 0.74, 0.42, 0.26, -80, 150)]],
    "4": [[(0.55, 0.0), (0.08, 0.62), (0.92, 0.62)], [(0.68, 0.3), (0.66, 1.0)]],
    "5": [[(0.2, 0.0), (0.16, 0.45), *arc(0.42, 0.7, 0.4, 0.3, 235, 500)], [(0.2, 0.0), (0.85, 0.0)]],
    "6": [[(0.66, 0.0), *arc(0.5, 0.68, 0.4, 0.32, 200, -170)]],
    "7": [[(0.08, 0.0), (0.9, 0.0), (0.38, 1.0)]],
    "8": [[*arc(0.5, 0.25, 0.3, 0.25, 90, 450)], [*arc(0.5, 0.75, 0.38, 0.25, -90, 270)]],
    "9": [arc(0.46, 0.3, 0.34, 0.3, 0, 360), [(0.8, 0.3), (0.76, 0.6), (0.62, 1.0)]],
    "+": [[(0.1, 0.5), (0.9, 0.5)], [(0.5, 0.15), (0.5, 0.85)]],
    "-": [[(0.1, 0.5), (0.9, 0.5)]],
    "x": [[(0.15, 0.25), (0.85, 0.85)], [(0.85, 0.2), (0.15, 0.88)]],
    ":": [[(0.1, 0.5), (0.9, 0.5)], [(0.5, 0.2), (0.5, 0.22)], [(0.5, 0.78), (0.5, 0.8)]],  # divided by
}


@dataclass
class Page:
    """Ink on a page, 0 where there is none and 1 where there is, and the boxes of the digits."""

    wide: int
    high: int
    ink: npt.NDArray[np.float32] = field(init=False)
    boxes: list[tuple[int, int, int, int]] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.ink = np.zeros((self.high, self.wide), np.float32)

    def stroke(self, points: Points, left: float, top: float, wide: float, high: float, pen: int) -> None:
        """A line through points of a box of 1 by 1."""
        places = np.array([[left + x * wide, top + y * high] for x, y in points])
        line = np.zeros(self.ink.shape, np.uint8)
        cv2.polylines(line, [np.round(places * 16).astype(np.int32)], False, 255, pen, cv2.LINE_AA, 4)
        self.ink = np.maximum(self.ink, line / np.float32(255))

    def write(
        self, text: str, left: int, top: int, high: int, pen: int = 4, gap: float = 0.35, rise: float = 0
    ) -> None:
        """Signs side by side; `gap` in heights, `rise` in pixels a sign."""
        for number, sign in enumerate(text):
            before = self.ink.copy()
            y = top - rise * number
            for points in STROKES[sign]:
                self.stroke(points, left, y, 0.62 * high, high, pen)
            if sign.isdigit():
                rows, columns = np.nonzero((self.ink > 0.5) & (before <= 0.5))
                self.boxes.append(
                    (
                        int(columns.min()),
                        int(rows.min()),
                        int(np.ptp(columns)) + 1,
                        int(np.ptp(rows)) + 1,
                    )
                )
            left += round((0.62 + gap) * high)

    def picture(
        self,
        paper: tuple[int, int, int] = (255, 255, 255),
        pen: tuple[int, int, int] = (20, 20, 30),
        light: npt.NDArray[np.float64] | None = None,
    ) -> Pixels:
        """RGB, uint8 (high, wide, 3); `light` is a share for each pixel, (high, wide)."""
        ink = self.ink[..., None]
        pixels = np.array(paper) * (1 - ink) + np.array(pen) * ink
        if light is not None:
            pixels = pixels * light[..., None]
        return pixels.clip(0, 255).round().astype(np.uint8)
