"""How a reading is told, to people and to programs."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from digits.reading.output import CSV_COLUMNS, as_csv, as_json, as_row, csv_header, safe, table_header
from digits.reading.result import Digit, Reading


def digit(label: int, confidence: float, line: int = 0) -> Digit:
    chances = tuple(confidence if i == label else (1 - confidence) / 9 for i in range(10))
    return Digit(label, confidence, chances, (10 * label, 5 + 40 * line, 8, 30), line, np.zeros((28, 28), np.uint8))


READING = Reading((digit(2, 0.98764), digit(0, 0.61), digit(7, 1.0, line=1)), 200, 100, 0.55)
NOTHING = Reading((), 20, 10, 0.98)
NASTY = "=cmd|' /C calc'!A0\x1b[2J\n\u202egnp.\udcff,\".png"


def test_json_is_an_object_a_line() -> None:
    assert json.loads(as_json("a.png", READING)) == {
        "path": "a.png",
        "text": "20\n7",
        "confidence": 0.55,
        "doubtful": True,
        "digits": [
            {"label": 2, "confidence": 0.9876, "box": [20, 5, 8, 30]},
            {"label": 0, "confidence": 0.61, "box": [0, 5, 8, 30]},
            {"label": 7, "confidence": 1.0, "box": [70, 45, 8, 30]},
        ],
    }
    empty = {"path": "a.png", "text": "", "confidence": 0.98, "doubtful": False, "digits": []}
    assert json.loads(as_json("a.png", NOTHING)) == empty
    assert json.loads(as_json("a.png", "the file is empty")) == {"path": "a.png", "error": "the file is empty"}


@pytest.mark.parametrize("name", [NASTY, "a\x85b\u2028c.png", "größe 数字.png", "\x00"])
def test_json_of_any_name_is_one_plain_line_and_gives_it_back(name: str) -> None:
    line = as_json(name, READING)
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["path"] == name


def read_back(line: str) -> dict[str, str]:
    (row,) = csv.DictReader([csv_header(), *line.splitlines(keepends=True)])
    return row


def test_csv_is_a_row_for_a_picture() -> None:
    assert csv_header() == ",".join(CSV_COLUMNS)
    assert read_back(as_csv("a, b.png", READING)) == {
        "path": "a, b.png", "text": "20\n7", "confidence": "0.6100", "confidences": "0.9876 0.6100 1.0000",
        "boxes": "20 5 8 30; 0 5 8 30; 70 45 8 30", "error": "", "sure": "0.5500",
        "doubtful": "?",
    }  # fmt: skip
    empty = dict.fromkeys(CSV_COLUMNS, "") | {"path": "a.png"}
    assert read_back(as_csv("a.png", NOTHING)) == empty | {"sure": "0.9800"}
    assert read_back(as_csv("a.png", "the file is empty; copy")) == empty | {"error": "the file is empty; copy"}


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r"])
def test_no_name_becomes_a_formula(begin: str) -> None:
    path = read_back(as_csv(f"{begin}1+1.png", READING))["path"]
    assert path.startswith("'" if begin.isprintable() else "\\")
    assert path.endswith("1+1.png")
    assert read_back(as_csv("-", READING))["path"] == "-"


def test_the_table_marks_what_is_doubtful() -> None:
    assert table_header(8).splitlines() == ["picture     sure  text", "--------  ------  ------------"]
    assert as_row("a.png", READING, 8).splitlines() == ["a.png       55%?  20?", "                  7"]
    assert as_row("b.png", NOTHING, 8) == "b.png        98%  no digits"
    assert as_row("c.png", "the file is empty", 8) == "c.png             can't be read: the file is empty"


def test_marks_that_were_not_looked_at_are_told_of() -> None:
    crowded = replace(READING, left_out=1234)
    assert as_row("a.png", crowded, 8).splitlines()[-1].strip() == (
        "(1,234 more marks were not examined; cut the picture up)"
    )
    assert json.loads(as_json("a.png", crowded))["left_out"] == 1234
    assert replace(NOTHING, left_out=1).doubtful, "however sure of the rest"
    assert "left_out" not in json.loads(as_json("a.png", READING))
    assert read_back(as_csv("a.png", crowded))["error"] == "1234 more marks were not examined"


def test_a_terminal_obeys_no_name() -> None:
    assert safe(NASTY) == "=cmd|' /C calc'!A0\\x1b[2J\\n\\u202egnp.\\udcff,\".png"
    assert safe("größe 数字.png") == "größe 数字.png"
    for told in (as_row(NASTY, NOTHING, 8), as_csv(NASTY, NOTHING)):
        assert told.isprintable()
