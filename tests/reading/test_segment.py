"""Pieces, lines, cuts, and the choice among the ways to read them."""

from __future__ import annotations

import numpy as np
import pytest

from digits.reading.components import LOW, Piece, join
from digits.reading.lines import find_lines
from digits.reading.pieces import find_pieces
from digits.reading.segment import Row, cut_doubtful, parse, start
from digits.reading.split import cut
from tests.reading.drawn import Page


def pieces_of(page: Page) -> list[Piece]:
    return find_pieces((page.ink * 255).astype(np.uint8))[0]


def box(left: int, top: int, width: int, height: int) -> Piece:
    return Piece(left, top, np.full((height, width), 255, np.uint8))


# ---- Pieces -----------------------------------------------------------------------------------------


def test_a_piece_holds_its_own_ink_and_none_of_another_in_its_box() -> None:
    ink = np.zeros((60, 60), np.uint8)
    ink[10:50, 10:14] = ink[46:50, 10:50] = 255  # an L, and within its box a bar
    ink[15:30, 25:29] = 255
    large, small = sorted(find_pieces(ink)[0], key=lambda piece: -piece.size)
    assert (large.left, large.top, large.width, large.height) == (10, 10, 40, 40)
    assert int((large.ink > 0).sum()) == 40 * 4 + 36 * 4
    assert (small.left, small.top, small.right, small.bottom) == (25, 15, 29, 30)
    both = join([small, large])
    assert (both.left, both.top, both.width, both.height) == (10, 10, 40, 40)
    assert int((both.ink > 0).sum()) == int((ink > 0).sum())


@pytest.mark.parametrize("width", [1, 3, 6, 11])
def test_the_width_of_a_stroke(width: int) -> None:
    assert box(0, 0, width, 200).stroke == pytest.approx(width, abs=1.1)


def test_faint_ink_belongs_to_a_piece_only_beside_full_ink() -> None:
    ink = np.zeros((80, 80), np.uint8)
    ink[10:40, 10:13] = 255
    ink[40:60, 10:13] = LOW
    ink[10:60, 50:53] = LOW
    ((piece,), _) = find_pieces(ink)
    assert (piece.left, piece.height) == (10, 50)


def test_a_desk_along_the_edge_and_specks_are_no_pieces() -> None:
    page = Page(300, 120)
    page.write("25", 60, 30, 60)
    page.ink[:, -8:] = 1
    page.ink[90:92, 40:42] = 1
    assert len(pieces_of(page)) == 2


# ---- Lines ------------------------------------------------------------------------------------------


def test_lines_from_top_to_bottom_and_pieces_from_left_to_right() -> None:
    lines = [[box(10 + 40 * n, 10 + 60 * line - 3 * n, 20, 40) for n in range(5)] for line in range(3)]
    mixed = [lines[line][n] for n, line in [(4, 2), (0, 0), (1, 2), (3, 1), (0, 1), (2, 2), (4, 0), (1, 1), (3, 0)]]
    mixed += [lines[line][n] for n, line in [(0, 2), (1, 0), (2, 0), (2, 1), (3, 2), (4, 1)]]
    found = find_lines(mixed, (250, 300))
    assert [[piece.left for piece in line] for line in found] == [[10, 50, 90, 130, 170]] * 3
    assert [[piece.top for piece in line] for line in found] == [[piece.top for piece in line] for line in lines]
    assert find_lines([], (250, 300)) == []


def test_small_print_and_lines_at_the_edge_alone_are_left_out() -> None:
    main = [box(60, 60, 30, 60), box(110, 60, 30, 60)]
    small = [box(200 + 12 * n, 230, 8, 12) for n in range(6)]
    at_edge = [box(0, 140, 20, 60)]
    (line,) = find_lines([*main, *small, *at_edge], (250, 300))
    assert line == main
    assert len(find_lines(at_edge, (250, 300))) == 1  # unless there is nothing else


# ---- Cuts -------------------------------------------------------------------------------------------


def test_a_cut_goes_where_two_digits_touch() -> None:
    page = Page(200, 120)
    page.write("00", 20, 20, 80, 6, gap=-0.1)
    (piece,) = pieces_of(page)
    parts, costs = cut(piece)
    assert len(parts) == len(costs) + 1
    assert sum(int((part.ink > 0).sum()) for part in parts) == int((piece.ink > 0).sum())
    middle = piece.left + piece.width / 2
    assert min(abs(part.left - middle) for part in parts[1:]) < 8


def drawn_row() -> Row:
    """Two apart and two that touch, as pieces."""
    row = start([box(0, 0, 30, 50), box(50, 0, 30, 50), box(100, 0, 75, 50)])
    assert row.height == 50
    return row


def test_only_what_is_wide_and_doubtful_is_cut() -> None:
    row = drawn_row()
    candidates = row.candidates()
    assert [(candidate.first, candidate.last) for candidate in candidates] == [(0, 1), (1, 2), (2, 3)]
    sure = np.full(3, 0.99, np.float32)
    changed, _ = cut_doubtful(row, candidates, sure, 1 - sure, 100)
    assert changed is not None
    assert list(changed.parts) == [(2, len(changed.pieces))]  # 1.5 times as wide as high: more than one digit
    two = start(row.pieces[:2])
    assert cut_doubtful(two, two.candidates(), sure[:2], 1 - sure[:2], 100) == (None, 0)


# ---- The choice -------------------------------------------------------------------------------------


def chosen(row: Row, digit: dict[tuple[int, int], float], none: dict[tuple[int, int], float]) -> list[tuple[int, int]]:
    candidates = row.candidates()
    spans = [(candidate.first, candidate.last) for candidate in candidates]
    digits = np.array([digit.get(span, 1e-4) for span in spans], np.float32)
    rejected = np.array([none.get(span, 1e-4) for span in spans], np.float32)
    return [spans[index] for index in parse(row, candidates, digits, rejected)]


def test_two_strokes_are_one_digit_or_two_as_the_net_says() -> None:
    row = start([box(0, 0, 15, 50), box(20, 0, 15, 50)])
    assert chosen(row, {(0, 1): 0.6, (1, 2): 0.6, (0, 2): 0.99}, {}) == [(0, 2)]
    assert chosen(row, {(0, 1): 0.99, (1, 2): 0.98, (0, 2): 0.6}, {}) == [(0, 1), (1, 2)]


def test_what_is_no_digit_is_left_out() -> None:
    row = start([box(0, 0, 30, 50), box(50, 0, 30, 50), box(100, 0, 30, 50)])
    assert chosen(row, {(0, 1): 0.99, (1, 2): 0.2, (2, 3): 0.99}, {(1, 2): 0.7}) == [(0, 1), (2, 3)]
    assert chosen(row, {(0, 1): 0.1, (1, 2): 0.1, (2, 3): 0.1}, dict.fromkeys([(0, 1), (1, 2), (2, 3)], 0.9)) == []


def test_parts_of_a_cut_are_read_all_or_none() -> None:
    parts = [box(0, 0, 20, 50), box(20, 0, 20, 50)]
    row = Row(parts, 50, {1: 0.1}, {(0, 2): 0.3})
    everything_else = {(0, 1): 0.999, (1, 2): 0.9}  # the second part, alone, is no digit
    assert chosen(row, {(0, 1): 0.9}, everything_else) == []
    assert chosen(row, {(0, 1): 0.9, (1, 2): 0.9}, {}) == [(0, 1), (1, 2)]
    assert chosen(row, {(0, 1): 0.9, (1, 2): 0.9, (0, 2): 0.95}, {}) == [(0, 2)]  # a split must win clearly


def test_strokes_far_apart_are_never_one_digit() -> None:
    row = start([box(0, 0, 10, 50), box(40, 0, 10, 50)])
    assert [(candidate.first, candidate.last) for candidate in row.candidates()] == [(0, 1), (1, 2)]
