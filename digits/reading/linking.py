"""Text lines from boxes of digits, in reading order.

Neighbours are linked, the best links first, unless that would join digits that stand above one another: lines may thus
slant and bend, and the digits of a line may differ much in size. Lines run across the whole page, as in a table, except
for columns whose lines do not match.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cmp_to_key

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Line = npt.NDArray[np.intp]  # indices of boxes, from left to right
Link = tuple[int, int]  # indices of two boxes, the left one first

# Chosen by `python -m benchmarks.reading.constants`. Distances are in heights of the digits, the mean of two
# neighbours; the part of their heights that neighbours share is in heights of the lower one.
REACH = 2.5  # widest gap between neighbours
SHARED = 0.35  # least shared height of two digits of a line
SMALL, NEAR = 0.7, 0.8  # none is needed if one is so much lower than the other, up to this gap: an exponent
SLANT = 3.0  # the gap that costs a link as much as a height not shared
LINKS = 4  # the best links of each digit to its right that are kept
OVERLYING = 0.3  # a digit is above or below a line from the larger height on, less this share of the lower one
STRAIGHT = 4.0  # prior evidence that a page is straight: a sum of squared heights
END = 5  # digits at a line's end that give its slope there
GUTTER = 1.5  # narrowest gap between columns
GUTTERS = 4  # the widest gaps that are considered
WIDER = 2.0  # least ratio of a gap between columns to the gaps between digits
LEVEL = 0.4  # lines of two columns match up to this distance of their middles
MATCHED = 0.5  # columns with a smaller share of matching lines are read one after the other
FAR, SEVERAL = 4.0, 3  # so are columns farther apart than this, with at least this many lines


def text_lines(boxes: npt.NDArray[np.float32]) -> list[list[int]]:
    """The text lines from top to bottom, each as indices of its boxes in reading order.

    `boxes` are (n, 4): centre x, centre y, width, height, in pixels. Columns are read one after the other.
    """
    if not len(boxes):
        return []
    return [line.tolist() for line in _columns(_straightened(boxes.astype(np.float64)), np.arange(len(boxes)))]


def _straightened(boxes: Floats) -> Floats:
    """The boxes with their centres turned so that most lines run across."""
    boxes = _turned(boxes, -_usual_angle(boxes))
    return _turned(boxes, -_angle_of(boxes, _chains(boxes, np.arange(len(boxes)))))


def _angle_of(boxes: Floats, lines: list[Line]) -> float:
    """The angle at which lines run down to the right, in radians; long lines give it better than neighbours."""
    across, down = STRAIGHT * float(np.median(boxes[:, 3])) ** 2, 0.0
    for line in lines:
        x, y, _, _ = boxes[line].T
        across += float(((x - x.mean()) ** 2).sum())
        down += float(((x - x.mean()) * y).sum())
    return float(np.arctan2(down, across))


def _usual_angle(boxes: Floats) -> float:
    """The median of the angles between neighbours, in radians; 0 without at least two pairs."""
    x, y, _, height = boxes.T
    to_right = x[None] - x[:, None]  # (n, n)
    down = y[None] - y[:, None]
    usual, lower = (height[None] + height[:, None]) / 2, np.minimum(height[None], height[:, None])
    near = (to_right > 0.25 * usual) & (np.abs(down) < 0.75 * usual)
    near &= lower > SMALL * np.maximum(height[None], height[:, None])
    left = np.flatnonzero(near.any(1))
    if len(left) < 2:
        return 0.0
    right = np.where(near, to_right + 2 * np.abs(down), np.inf)[left].argmin(1)
    return float(np.median(np.arctan2(down[left, right], to_right[left, right])))


def _turned(boxes: Floats, angle: float) -> Floats:
    """The boxes with their centres turned clockwise about the origin, by an angle in radians."""
    x, y, width, height = boxes.T
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack([cos * x - sin * y, sin * x + cos * y, width, height], 1)


# ---- Columns ----------------------------------------------------------------------------------------


def _columns(boxes: Floats, members: Line) -> list[Line]:
    """The lines of some of the boxes, column by column where there are columns."""
    height = float(np.median(boxes[members, 3]))
    for gap, left, right in _gutters(boxes, members)[:GUTTERS]:
        if gap < GUTTER * height:
            break
        if _are_columns(boxes, _lines(boxes, left), _lines(boxes, right), gap / height):
            return _columns(boxes, left) + _columns(boxes, right)
    return _lines(boxes, members)


def _gutters(boxes: Floats, members: Line) -> list[tuple[float, Line, Line]]:
    """Empty strips from top to bottom, the widest first: each with its width and the boxes left and right of it."""
    x, _, width, _ = boxes[members].T
    order = np.argsort(x - width / 2)
    starts, ends = (x - width / 2)[order], np.maximum.accumulate((x + width / 2)[order])
    gaps = starts[1:] - ends[:-1]
    widest = [place for place in np.argsort(-gaps) if gaps[place] > 0]
    return [(float(gaps[place]), members[order[: place + 1]], members[order[place + 1 :]]) for place in widest]


def _are_columns(boxes: Floats, left: list[Line], right: list[Line], gap: float) -> bool:
    """Whether the lines left and right of a gutter, `gap` heights wide, are columns, read one after the other."""
    fewer, more = sorted((left, right), key=len)
    if len(fewer) < 2:
        return False
    usual = _usual_gap(boxes, [*left, *right])
    if gap < WIDER * usual:
        return False
    matched = sum(any(_match(boxes, line, other) for other in more) for line in fewer) / len(fewer)
    return matched < MATCHED or (gap > FAR and len(fewer) >= SEVERAL)


def _usual_gap(boxes: Floats, lines: Iterable[Line]) -> float:
    """The median gap between neighbours in lines, in heights; 0 where no line has two digits."""
    gaps = []
    for line in lines:
        x, _, width, height = boxes[line].T
        gaps.append((x[1:] - x[:-1] - (width[1:] + width[:-1]) / 2) / ((height[1:] + height[:-1]) / 2))
    every = np.concatenate(gaps)
    return float(np.median(every)) if len(every) else 0.0


def _match(boxes: Floats, one: Line, other: Line) -> bool:
    """Whether lines of two columns are at the same height."""
    (y, height), (with_y, with_height) = (np.median(boxes[line][:, [1, 3]], 0) for line in (one, other))
    return bool(abs(y - with_y) < LEVEL * (height + with_height) / 2)


# ---- Lines ------------------------------------------------------------------------------------------


def _lines(boxes: Floats, members: Line) -> list[Line]:
    """The lines of some of the boxes from top to bottom, across any gap."""
    for _ in range(2):
        lines = _chains(boxes, members)
        lines = _linked(boxes, lines, _far_links(boxes, lines))
        boxes = _turned(boxes, -_angle_of(boxes, lines))
    lines.sort(key=lambda line: float(np.median(boxes[line, 1])))

    def compared(one: Line, other: Line) -> int:
        return _above(boxes, one, other)

    return sorted(lines, key=cmp_to_key(compared))


def _chains(boxes: Floats, members: Line) -> list[Line]:
    """Lines of linked neighbours, in any order."""
    order = members[np.argsort(boxes[members, 0], kind="stable")]
    return _linked(boxes, [order[[place]] for place in range(len(order))], _near_links(boxes, order))


def _linked(boxes: Floats, lines: list[Line], links: Iterable[Link]) -> list[Line]:
    """The lines joined along the links, in their order, except where one line is above the other."""
    line_of = {int(place): line for line in lines for place in line}
    for left, right in links:
        one, other = line_of[left], line_of[right]
        if one is other or _overlie(boxes, one, other) or _overlie(boxes, other, one):
            continue
        both = np.concatenate([one, other])
        both = both[np.argsort(boxes[both, 0], kind="stable")]
        line_of.update(dict.fromkeys(both.tolist(), both))
    return list({id(line): line for line in line_of.values()}.values())


def _overlie(boxes: Floats, line: Line, other: Line) -> bool:
    """Whether digits of the other line are above or below this one, too far to belong to it."""
    x, y, width, height = boxes[line].T
    at, other_y, _, other_height = boxes[other].T
    along = (at > x[0] - width[0] / 2) & (at < x[-1] + width[-1] / 2)
    distance, own_height = np.abs(other_y - np.interp(at, x, y)), np.interp(at, x, height)
    within = np.maximum(own_height, other_height) - OVERLYING * np.minimum(own_height, other_height)
    return bool((along & (distance > within)).any())


def _near_links(boxes: Floats, order: Line) -> list[Link]:
    """Links between neighbours, the best first: near, and at the same height."""
    x, y, width, height = boxes[order].T
    usual = (height[None] + height[:, None]) / 2  # (n, n): of the left one and the right one
    lower = np.minimum(height[None], height[:, None])
    gap = np.maximum(x[None] - x[:, None] - (width[None] + width[:, None]) / 2, 0) / usual
    shared = np.minimum((usual - np.abs(y[None] - y[:, None])) / lower, 1)
    small = lower < SMALL * np.maximum(height[None], height[:, None])
    least = np.where(small & (gap < NEAR), 0, SHARED)
    cost = np.where((shared >= least) & (gap <= REACH), gap + SLANT * (1 - shared), np.inf)
    cost[np.tril_indices(len(order))] = np.inf
    return _best(cost, order, order)


def _far_links(boxes: Floats, lines: list[Line]) -> list[Link]:
    """Links from the end of a line to the start of another that continues at the same height, the best first."""
    ends = np.array([_end(boxes, line[-END:]) for line in lines])  # (m, 5)
    starts = np.array([_end(boxes, line[:END][::-1]) for line in lines])
    x, y, half, slope, height = (column[:, None] for column in ends.T)
    to_x, to_y, to_half, to_slope, to_height = (column[None] for column in starts.T)
    usual = (height + to_height) / 2
    gap = (to_x - x - half - to_half) / usual
    way = np.minimum(to_x - x, REACH * usual)  # a slope from few digits is wrong farther on
    shared = np.minimum((usual - np.abs(to_y - y - way * (slope + to_slope) / 2)) / np.minimum(height, to_height), 1)
    cost = np.where((to_x > x) & (shared >= SHARED), np.maximum(gap, 0) + SLANT * (1 - shared), np.inf)
    return _best(cost, np.array([line[-1] for line in lines]), np.array([line[0] for line in lines]))


def _end(boxes: Floats, last: Line) -> tuple[float, float, float, float, float]:
    """A line's end from its last digits without exponents: x, y and half the width of the last; slope and height."""
    last = last[boxes[last, 3] > SMALL * boxes[last, 3].max()]
    x, y, width, height = boxes[last].T
    slope = 0.0
    if len(last) >= 3 and np.ptp(x) > 0:
        slope = float(np.polyfit(x, y, 1)[0]) * (len(last) - 1) / (len(last) + 1)
    return x[-1], y[-1], width[-1] / 2, float(np.clip(slope, -0.5, 0.5)), float(np.median(height))


def _best(cost: Floats, left: Line, right: Line) -> list[Link]:
    """The links of least cost, up to LINKS of each left one; `cost` (n, m) is infinite where there is none."""
    several = min(LINKS, cost.shape[1])
    nearest = np.argpartition(cost, several - 1, 1)[:, :several]
    rows = np.repeat(np.arange(len(cost)), several)
    columns = nearest.ravel()
    costs = cost[rows, columns]
    order = np.argsort(costs, kind="stable")
    return [(int(left[rows[k]]), int(right[columns[k]])) for k in order if np.isfinite(costs[k])]


def _above(boxes: Floats, one: Line, other: Line) -> int:
    """-1 where a line is above the other, 1 where below: along the part that both have, else as a whole."""
    offsets = []
    for sign, line, along in ((1, one, other), (-1, other, one)):
        x, y, width, _ = boxes[line].T
        at, along_y = boxes[along][:, 0], boxes[along][:, 1]
        within = (at > x[0] - width[0] / 2) & (at < x[-1] + width[-1] / 2)
        offsets.append(sign * (along_y - np.interp(at, x, y))[within])
    below = np.concatenate(offsets)
    if not len(below):
        below = np.array([np.median(boxes[other, 1]) - np.median(boxes[one, 1])])
    return -int(np.sign(np.mean(below)))
