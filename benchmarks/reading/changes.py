"""Changes of a picture that a person does not notice, or does not mind: the answer should stay the same."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]  # (h, w, 3) RGB

MARGIN = 0.06  # of the longer side
QUALITY = 75  # of a JPEG, which most programs write without being asked
ANGLE = 2.0  # degrees, clockwise


def enlarged(pixels: Pixels) -> Pixels:
    """Twice as large."""
    return np.asarray(cv2.resize(pixels, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR), np.uint8)


def with_margin(pixels: Pixels) -> Pixels:
    """More of the same paper around."""
    around = max(1, round(MARGIN * max(pixels.shape[:2])))
    return np.asarray(
        cv2.copyMakeBorder(pixels, around, around, around, around, cv2.BORDER_CONSTANT, value=_paper(pixels)), np.uint8
    )


def as_jpeg(pixels: Pixels) -> Pixels:
    """Saved as a JPEG."""
    _, file = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    decoded = cv2.imdecode(file, cv2.IMREAD_COLOR)
    assert decoded is not None, "it was encoded a line above"
    return np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8)


def turned(pixels: Pixels) -> Pixels:
    """Turned a little; nothing is cut off."""
    height, width = pixels.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), -ANGLE, 1.0)
    cos, sin = abs(turn[0, 0]), abs(turn[0, 1])
    size = int(np.ceil(cos * width + sin * height)), int(np.ceil(sin * width + cos * height))
    turn[:, 2] += (size[0] - width) / 2, (size[1] - height) / 2
    return np.asarray(cv2.warpAffine(pixels, turn, size, flags=cv2.INTER_LINEAR, borderValue=_paper(pixels)), np.uint8)


def _paper(pixels: Pixels) -> tuple[int, int, int]:
    """The median colour of the edge."""
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    red, green, blue = (int(level) for level in np.median(edge, 0))
    return red, green, blue


CHANGES: dict[str, Callable[[Pixels], Pixels]] = {
    "twice as large": enlarged,
    "a margin": with_margin,
    "as JPEG": as_jpeg,
    "turned by 2°": turned,
}
