"""The images of MNIST's official test split whose labels people doubt."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

PEOPLE = 5

AGREED: Mapping[int, int] = MappingProxyType({
    947: 0, 1621: 2, 1901: 2, 2130: 2, 2462: 0, 2597: 0, 2654: 0, 3520: 2, 3558: 1, 5937: 1, 6651: 0, 6783: 2, 8527: 2,
    9679: 2, 9729: 2,
})  # fmt: skip
"""By image, how many of five people agreed with its label, where it was fewer than three: Northcutt, Athalye and
Mueller 2021, arXiv 2103.14749; mturk/mnist_mturk.json of cleanlab/label-errors. Only images that their nets doubted
were shown to people, so there may be others."""

SEEN: Mapping[int, str] = MappingProxyType({
    445: "6, its loop not closed",
    582: "8, open below",
    947: "9, with a thick stem",
    1014: "6, wide and open",
    1039: "7, with a bar",
    1226: "7, its bar at the foot; or 2",
    1232: "9 or 4",
    1242: "4, closed above",
    1621: "0, open above; or 6",
    1709: "9, with a bent tail",
    1901: "4; or 9, open above",
    2035: "5 or 3",
    2118: "6, its loop as high as its stem",
    2130: "9 or 4",
    2182: "1, with serifs",
    2293: "9, open above; or 4",
    2414: "9, narrow",
    2462: "a blot, 0 or 2",
    2597: "3 or 5",
    2654: "a hook without a loop, 1 rather than 6",
    2939: "9",
    3060: "9, its loop small",
    3073: "1, with a foot; or 2",
    3422: "6 or 0",
    3520: "6, lying, its loop filled",
    3534: "4, with a flourish",
    3558: "a ring with a blot, 0 rather than 5",
    3850: "9, open above; or 4",
    4078: "9, its tail flat",
    4224: "9, its loop flat",
    4571: "6, bent around its loop",
    4740: "5 without its bar; or 3",
    4761: "9, its stem drawn past the loop",
    4860: "9 or 4",
    5937: "3 or 5, its top filled",
    5955: "3, its lower bow closed; or 8",
    6571: "9 or 7, broken",
    6576: "7, most of its bar lost",
    6597: "0, broken",
    6625: "8, broken",
    6651: "6; or 0 with a tail",
    6783: "6, its loop filled; or 1",
    8408: "8, with a long stroke",
    8527: "9 or 4, filled",
    9015: "7, its bar at the foot; or 2",
    9679: "broken, 6 or 2",
    9692: "9, broken",
    9729: "6; or 5, its bow closed",
})  # fmt: skip
"""By image, what it is by eye, enlarged; of two digits the likelier one first."""
