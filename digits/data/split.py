"""The fixed, class-stratified split of a training set."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def stratified_split(
    labels: npt.NDArray[np.int64], held_out: int, seed: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows to train on and `held_out` other rows, each class in proportion; both in random order.

    A class's share is rounded down; the rows that remain go to the largest remainders. The same seed always gives the
    same split: `RandomState`'s stream is frozen by numpy's compatibility policy.
    Raises ValueError when nothing would be left to train on.
    """
    if not 0 <= held_out < len(labels):
        raise ValueError(f"can't keep {held_out} of {len(labels)} images for validation; set data.val_size lower")
    random = np.random.RandomState(seed)
    classes, counts = np.unique(labels, return_counts=True)
    exact = counts * held_out / len(labels)
    shares = np.floor(exact).astype(int)
    for i in np.argsort(shares - exact, kind="stable")[: held_out - shares.sum()]:
        shares[i] += 1
    kept: list[npt.NDArray[np.int64]] = []
    for label, share in zip(classes, shares, strict=True):
        kept.append(random.permutation(np.flatnonzero(labels == label))[:share])
    held = random.permutation(np.concatenate(kept)) if kept else np.empty(0, np.int64)
    rest = random.permutation(np.setdiff1d(np.arange(len(labels)), held))
    return rest.astype(np.int64), held.astype(np.int64)
