"""The README's picture of a page that was read: a note in shadow, drawn here; writes `docs/pictures/predict.jpg`.

Prints what the README quotes of it.

python -m benchmarks.pictures.note
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.results import PICTURES
from digits.data.synthetic import strokes
from digits.data.synthetic.draw import parse
from digits.reading import Reader
from digits.reading.output import annotated
from digits.reading.pictures import from_array

LINES = ("12 + 30 = 42", "6 - 5 = 1", "7 + 80 = 87")
SIGNS = {"+": "0,50! 60,50! / 30,20! 30,80!", "=": "0,38! 56,36! / 0,62! 56,60!", "-": "0,50! 50,48!"}
WIDTH, HEIGHT, LETTER = 800, 460, 78
PAPER, INK, RULE = (236, 232, 220), (44, 62, 140), (196, 210, 224)


def note(random: np.random.RandomState) -> npt.NDArray[np.uint8]:
    """A photo of some sums on ruled paper, uint8 (H, W, 3) RGB."""
    page = np.full((HEIGHT, WIDTH, 3), PAPER, np.uint8)
    for top in range(40, HEIGHT, 42):
        cv2.line(page, (0, top), (WIDTH, top + 6), RULE, 1, cv2.LINE_AA)
    for row, line in enumerate(LINES):
        x, y = 70.0, 40.0 + 132 * row
        for sign in line:
            if sign != " ":
                style = parse(SIGNS[sign] if sign in SIGNS else strokes.DIGITS[int(sign)][0 if sign != "1" else 2])
                way = style.weights @ (style.points + 0.015 * random.randn(*style.points.shape))
                pixels = (way * LETTER * random.uniform(0.9, 1.1) + (x, y + random.uniform(-5, 5))) * 16
                for start, end in zip((0, *style.ends), style.ends, strict=False):
                    cv2.polylines(page, [pixels[start:end].round().astype(np.int32)], False, INK, 5, cv2.LINE_AA, 4)
            x += 30 if sign == " " else 72
    across, down = np.meshgrid(np.linspace(0, 1, WIDTH), np.linspace(0, 1, HEIGHT))
    shadow = 1 - 0.45 / (1 + np.exp(-14 * (across + 0.6 * down - 1.05)))
    grain = random.normal(0, 3, (HEIGHT, WIDTH, 1))
    photo = cv2.GaussianBlur(page, (0, 0), 0.8) * shadow[..., None] + grain
    return np.asarray(photo.clip(0, 255), np.uint8)


def main() -> None:
    """Draw it, read it, keep it."""
    picture = from_array(note(np.random.RandomState(4)))
    reading = Reader().read(picture)
    print(f"{reading.confidence:.0%} sure\n{reading.text}")
    shown = cv2.cvtColor(annotated(picture, reading), cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(PICTURES / "predict.jpg"), shown, [cv2.IMWRITE_JPEG_QUALITY, 80])


if __name__ == "__main__":
    main()
