"""A table in its three forms: as it is read, with nothing in a cell that breaks it, and back from CSV."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from digits.runs.table import Table


def test_text_stands_below_its_header_on_its_side() -> None:
    assert Table(["net", "wrong", "note"], [["a", "7", "x"], ["cnn", "1,000", "long"]], "lrl").text().split("\n") == [
        "net      wrong  note",
        "-----  -------  ------",
        "a            7  x",
        "cnn      1,000  long",
    ]


def test_numbers_keep_their_digits() -> None:
    text = Table(["seed", "accuracy"], [["007", "0.9100"], ["1e5", "12.5"]]).text()
    assert [line.split() for line in text.split("\n")[2:]] == [["007", "0.9100"], ["1e5", "12.5"]]


def test_without_columns_there_is_no_header_and_without_rows_only_that() -> None:
    assert Table((), [["accuracy", "91 %"]], "lr").text() == "accuracy  91 %"
    assert Table(("", "loss"), []).text().split("\n")[0].split() == ["loss"]


def test_a_cell_of_markdown_stays_one_cell() -> None:
    head, rule, row = Table(["x|y", "n"], [["a|b\nc", "1"]]).markdown().split("\n")
    assert [line.replace("\\|", "").count("|") for line in (head, rule, row)] == [3, 3, 3]
    assert row.replace(" ", "") == "|a\\|bc|1|"


def test_csv_is_read_back_in_full_precision() -> None:
    third, path = 1 / 3, Path("a,b")
    read = list(csv.reader(io.StringIO(Table(["x", "y", "z"], [[third, None, path], ['"', "a\nb", "é"]]).csv())))
    assert read == [["x", "y", "z"], [repr(third), "", "a,b"], ['"', "a\nb", "é"]]
