"""The program in a bundle that shows how its model is run: five lines, with onnxruntime and numpy alone."""

from __future__ import annotations

CLASSIFY = """\
import json

import numpy as np
import onnxruntime

config = json.load(open("config.json", encoding="utf-8"))
images = np.zeros((1, 1, {side}, {side}), np.uint8)  # white ink on black, any number of images: put yours here
images[:, :, {top}:{bottom}, {left}:{right}] = 255  # a stroke
logits = onnxruntime.InferenceSession("model.onnx").run(None, {{"images": images}})[0][0]  # of the first image
print(config["classes"][logits.argmax()], 1 / np.exp((logits - logits.max()) / config["temperature"]).sum())
"""

DETECT = """\
import numpy as np
import onnxruntime

page = np.ones((1, 1, 96, 128), np.float32)  # grey, 0..1, both sides multiples of 16: put yours here
page[:, :, 32:58, 62:66] = 0  # a stroke
[maps] = onnxruntime.InferenceSession("model.onnx").run(None, {"images": page})[0]  # a cell for 4 x 4 pixels
row, column = np.unravel_index(maps[0].argmax(), maps[0].shape)  # where a digit is most likely
print(maps[1:11, row, column].argmax(), "at", 4 * column + 2, 4 * row + 2, "sure", 1 / (1 + np.exp(-maps[0].max())))
"""


def example(image_size: int, *, detects: bool) -> str:
    """The program for a page detector, or for a classifier of square images of that side in pixels."""
    if detects:
        return DETECT
    edge, middle, width = image_size // 7, image_size // 2, max(1, image_size // 14)
    return CLASSIFY.format(
        side=image_size, top=edge, bottom=image_size - edge, left=middle - width // 2, right=middle - width // 2 + width
    )
