"""What a detector should answer, against the same worked out cell by cell."""

from __future__ import annotations

from math import exp, log

import pytest
import torch

from digits.data.pages.page import UNCLEAR
from digits.data.pages.rows import NO_BOX
from digits.training.detection.targets import Targets, make_targets

SIZE = (12, 16)  # cells: 48 x 64 pixels
FITTING = (33.0, 21.0, 20.0, 24.0)


def targets_of(*digits: tuple[tuple[float, float, float, float], int]) -> Targets:
    """Of one picture."""
    boxes = torch.tensor([[box for box, _ in digits]])
    return make_targets(boxes, torch.tensor([[label for _, label in digits]]), SIZE)


def touched(box: tuple[float, float, float, float]) -> set[tuple[int, int]]:
    """The cells, row and column, whose middle lies in a box; half a cell around its middle at least."""
    x, y, wide, high = box
    return {
        (row, column)
        for row in range(SIZE[0])
        for column in range(SIZE[1])
        if abs(4 * column + 2 - x) <= max(wide / 2, 2) and abs(4 * row + 2 - y) <= max(high / 2, 2)
    }


def cells(mask: torch.Tensor) -> set[tuple[int, int]]:
    """Rows and columns where a map of one picture isn't zero."""
    return {(row, column) for _, row, column in mask.nonzero().tolist()}


def test_a_digit_of_the_right_size_cell_by_cell() -> None:
    targets = targets_of((FITTING, 7))
    x, y, wide, high = FITTING
    assert cells(targets.centres) == {(5, 8)}, "21 / 4 and 33 / 4"
    for row in range(SIZE[0]):
        for column in range(SIZE[1]):
            across, down = x - (4 * column + 2), y - (4 * row + 2)  # pixels from the cell's middle
            spread_x, spread_y = max(0.15 * wide, 0.55 * 4), max(0.15 * high, 0.55 * 4)
            distance = (across / spread_x) ** 2 + (down / spread_y) ** 2
            centre = (row, column) == (5, 8)
            heat = 1.0 if centre else min(exp(-distance / 2), 0.999)
            assert float(targets.heat[0, row, column]) == pytest.approx(heat, rel=1e-4, abs=1e-7)
            near = centre or distance < 1.7
            assert int(targets.classes[0, row, column]) == (7 if near else -1)
            if near:
                expected = [across / 4, down / 4, log(wide / 24), log(high / 24)]
                assert targets.boxes[0, :, row, column].tolist() == pytest.approx(expected, abs=1e-5)
    assert not torch.stack([targets.ignored, targets.smaller > 0, targets.unsure]).any()


def test_the_centre_of_a_stick_is_a_cell_too() -> None:
    """However narrow, and between cells."""
    targets = targets_of(((32.0, 24.0, 1.0, 30.0), 1))
    assert len(cells(targets.centres)) == 1
    ((row, column),) = cells(targets.centres)
    assert float(targets.boxes[0, 2, row, column]) == pytest.approx(log(2 / 24)), "2 pixels wide at least"


@pytest.mark.parametrize("label", [3, UNCLEAR])
def test_what_is_too_small_is_for_a_finer_level(label: int) -> None:
    tiny = (20.0, 30.0, 6.0, 9.0)
    targets = targets_of((tiny, label))
    assert cells(targets.smaller) == touched(tiny)
    assert not torch.stack([targets.centres, targets.ignored, targets.unsure]).any()
    assert bool((targets.classes == -1).all())


@pytest.mark.parametrize(
    ("high", "label", "ignored", "unsure"),
    [
        (13.0, 4, True, True),  # nearly large enough
        (14.9, 4, True, True),
        (15.1, 4, False, True),  # sought; whether a finer level sees more is hard to say
        (18.1, 4, False, False),
        (35.0, 4, False, False),
        (37.0, 4, True, False),  # nearly small enough
        (43.0, 4, True, False),
        (45.0, 4, False, False),  # far too large: its parts are no digits
        (24.0, UNCLEAR, True, False),
        (16.0, UNCLEAR, True, True),
        (24.0, NO_BOX, False, False),
    ],
)
def test_what_counts_for_nothing(high: float, label: int, ignored: bool, unsure: bool) -> None:
    box = (30.0, 24.0, 10.0, high)
    targets = targets_of((box, label))
    assert cells(targets.ignored) == (touched(box) if ignored else set())
    assert cells(targets.unsure) == (touched(box) if unsure else set())
    assert bool(targets.centres.any()) == (label >= 0 and 15 <= high <= 36)
    assert not targets.smaller.any()


def test_breadth_makes_a_digit_large_too() -> None:
    """A size is the height, or 0.9 of the width."""
    assert not targets_of(((32.0, 24.0, 45.0, 20.0), 2)).centres.any()
    assert targets_of(((32.0, 24.0, 39.0, 20.0), 2)).centres.any()


def test_neighbours_have_each_their_own_cells() -> None:
    left, right = (20.0, 24.0, 14.0, 24.0), (34.0, 24.0, 14.0, 24.0)
    targets = targets_of((left, 5), (right, 8), ((34.0, 24.0, 6.0, 25.0), UNCLEAR))
    rows = targets.classes[0]
    assert (int(rows[6, 4]), int(rows[6, 8])) == (5, 8)
    assert bool((rows[:, :6] != 8).all())
    assert bool((rows[:, 7:] != 5).all())
    assert not bool((targets.ignored & targets.centres).any()), "a digit that is sought counts, whatever lies over it"


def test_a_centre_beyond_the_edge_is_no_cell_of_the_map() -> None:
    targets = targets_of(((-3.0, 24.0, 20.0, 24.0), 6), ((66.0, 24.0, 20.0, 24.0), 6))
    assert not targets.centres.any()
    assert float(targets.heat.max()) > 0.1, "though near one"


def test_pictures_of_a_batch_have_nothing_to_do_with_each_other() -> None:
    one, other = (FITTING, 7), ((12.0, 30.0, 15.0, 20.0), 2)
    boxes = torch.tensor([[one[0], (1.0, 1.0, 1.0, 1.0)], [other[0], one[0]]])
    both = make_targets(boxes, torch.tensor([[7, NO_BOX], [2, 7]]), SIZE)
    for i, alone in enumerate((targets_of(one), targets_of(other, one))):
        for name, part in alone._asdict().items():
            torch.testing.assert_close(getattr(both, name)[i], part[0], msg=name)
