"""Many small images in one PNG, to show one at a time."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from digits.exploring.describe import Bytes

LEVELS = 16  # of grey: half a byte per pixel


def thumbnails(images: Bytes) -> str:
    """Square images (N, H, H) as a hidden `img` element for `hoverable`: as many columns as rows, black ink."""
    number, side, _ = images.shape
    columns = int(np.ceil(np.sqrt(number)))
    cells = np.zeros((columns * columns, side, side), np.uint8)
    cells[:number] = images // (256 // LEVELS)
    sheet = cells.reshape(columns, columns, side, side).swapaxes(1, 2).reshape(columns * side, columns * side)
    picture = Image.fromarray(sheet, mode="P")
    picture.putpalette([255 - 255 * level // (LEVELS - 1) for level in range(LEVELS) for _ in "rgb"])
    content = io.BytesIO()
    picture.save(content, format="PNG", bits=4)
    data = base64.b64encode(content.getvalue()).decode()
    return f'<img class="thumbnails" data-side="{side}" hidden alt="" src="data:image/png;base64,{data}">'
