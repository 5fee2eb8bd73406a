"""Composed pages compared."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from digits.data.pages.page import Composed


def assert_same(pages: Sequence[Composed], others: Sequence[Composed]) -> None:
    assert len(pages) == len(others)
    for page, other in zip(pages, others, strict=True):
        for part, same in zip(page, other, strict=True):
            np.testing.assert_array_equal(part, same)
            assert np.asarray(part).dtype == np.asarray(same).dtype
