"""A detector's training targets for each cell, made from the boxes of a batch."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from digits.data.pages.page import UNCLEAR
from digits.reading.boxes import BREADTH, LARGEST, REFERENCE, SMALLEST, STRIDE

NEARLY_SMALLEST, NEARLY_LARGEST = 12.0, 44.0
"""Sizes in pixels: digits between these and the detector's range are ignored, neither required nor wrong."""

THINNEST = 2.0  # minimum width of a box in pixels, which bounds the logarithm of its width

SPREAD = 0.15, 0.55
"""Standard deviation of the heat around a centre: as a share of the digit's side, and its minimum in cells."""

NEAR = 1.7
"""Squared distance to a centre, in units of SPREAD, below which a cell has the digit's class and box as its targets."""


class Targets(NamedTuple):
    """The targets of each cell, (B, H, W)."""

    heat: Tensor  # float32: 1 at a digit's centre, less around it
    ignored: Tensor  # bool: objectness has no loss here
    classes: Tensor  # int64: 0..9 near a centre, else -1
    boxes: Tensor  # float32 (B, 4, H, W): dx, dy, log width, log height as `digits.reading.boxes` has them
    smaller: Tensor  # float32: 1 where a digit is too small for this level
    unsure: Tensor  # bool: `smaller` has no loss here, for digits at the limit

    @property
    def centres(self) -> Tensor:
        """bool (B, H, W): the cell of each digit's centre."""
        return self.heat == 1


def make_targets(boxes: Tensor, labels: Tensor, size: tuple[int, int]) -> Targets:
    """Targets for a map of `size` (H, W) cells.

    `boxes` float32 (B, M, 4) has the centre x, y, the width and the height in pixels; `labels` int64 (B, M) has 0..9,
    UNCLEAR for a digit that is cut off, and a lower value where there is no box.
    """
    high, wide = size
    if not boxes.shape[1]:  # a minimum over an empty dimension fails
        boxes, labels = boxes.new_ones(len(boxes), 1, 4), labels.new_full((len(labels), 1), UNCLEAR - 1)
    x, y, widths, heights = boxes.unbind(-1)  # (B, M)
    sizes = torch.maximum(heights, BREADTH * widths)
    there = labels >= UNCLEAR
    sought = (labels >= 0) & (sizes >= SMALLEST) & (sizes <= LARGEST)
    ignored = there & ~sought & (sizes >= NEARLY_SMALLEST) & (sizes <= NEARLY_LARGEST)
    smaller = there & (sizes < NEARLY_SMALLEST)
    unsure = there & (sizes >= NEARLY_SMALLEST) & (sizes < 1.2 * SMALLEST)

    columns = torch.arange(wide, device=boxes.device, dtype=torch.float32)
    rows = torch.arange(high, device=boxes.device, dtype=torch.float32)
    centre_x, centre_y = x / STRIDE - 0.5, y / STRIDE - 0.5  # in cells, of which the first's centre is 0
    share, least = SPREAD
    across = (columns - centre_x[..., None]) / (widths / STRIDE * share).clamp(min=least)[..., None]  # (B, M, W)
    down = (rows - centre_y[..., None]) / (heights / STRIDE * share).clamp(min=least)[..., None]  # (B, M, H)
    distance = down.square()[..., None] + across.square()[..., None, :]  # (B, M, H, W)
    distance = distance.masked_fill(~sought[..., None, None], torch.inf)
    nearest, owner = distance.min(dim=1)  # (B, H, W)

    heat = torch.exp(-nearest / 2).clamp(max=0.999)
    column, row = centre_x.round().long(), centre_y.round().long()
    inside = sought & (column >= 0) & (column < wide) & (row >= 0) & (row < high)
    picture, digit = inside.nonzero(as_tuple=True)
    heat[picture, row[picture, digit], column[picture, digit]] = 1.0
    owner[picture, row[picture, digit], column[picture, digit]] = digit

    near = (nearest < NEAR) | (heat == 1)
    classes = torch.where(near, labels.gather(1, owner.flatten(1)).view_as(owner), -1)
    own = boxes.gather(1, owner.flatten(1)[..., None].expand(-1, -1, 4)).view(*owner.shape, 4)  # (B, H, W, 4)
    offsets = torch.stack(
        [
            own[..., 0] / STRIDE - 0.5 - columns,
            own[..., 1] / STRIDE - 0.5 - rows[:, None],
            (own[..., 2].clamp(min=THINNEST) / REFERENCE).log(),
            (own[..., 3].clamp(min=THINNEST) / REFERENCE).log(),
        ],
        dim=1,
    )

    def covered(chosen: Tensor) -> Tensor:
        """bool (B, H, W): the cells that the chosen boxes (B, M) touch."""
        reach_x, reach_y = (widths / STRIDE / 2).clamp(min=0.5), (heights / STRIDE / 2).clamp(min=0.5)
        in_columns = ((columns - centre_x[..., None]).abs() <= reach_x[..., None]) & chosen[..., None]  # (B, M, W)
        in_rows = (rows - centre_y[..., None]).abs() <= reach_y[..., None]  # (B, M, H)
        return in_rows.float().transpose(1, 2) @ in_columns.float() > 0

    return Targets(heat, covered(ignored) & (heat < 1), classes, offsets, covered(smaller).float(), covered(unsure))
