"""How a reading is told: a line of a table for people, a JSON object or a CSV row for programs.

Each function takes a picture's name and its reading, or the sentence why there is none.
"""

from __future__ import annotations

import csv
import io
import json
from itertools import groupby

from digits.reading.result import DOUBTFUL, Reading

CSV_COLUMNS = ("path", "text", "confidence", "confidences", "boxes", "error")
LEGEND = f"? follows a digit that is less than {DOUBTFUL:.0%} sure"
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet calculates what begins so (OWASP, CSV injection)


def as_json(name: str, result: Reading | str) -> str:
    """One line of ASCII: `path`, and `text` and `digits` (`label`, `confidence`, `box`) or `error`.

    And `left_out`, where a picture has more marks than are looked at.
    """
    if isinstance(result, str):
        return json.dumps({"path": name, "error": result})
    digits = [
        {"label": digit.label, "confidence": round(digit.confidence, 4), "box": list(digit.box)}
        for digit in result.digits
    ]
    unseen = {"left_out": result.left_out} if result.left_out else {}
    return json.dumps({"path": name, "text": result.text, "digits": digits, **unseen})


def as_csv(name: str, result: Reading | str) -> str:
    """One row of CSV_COLUMNS: the lowest confidence, then each digit's confidence and box in reading order.

    Names are told as in the table, and never begin as a formula does.
    """
    name = safe(name)
    if name.startswith(FORMULA) and name != "-":
        name = "'" + name
    if isinstance(result, str):
        return _row([name, "", "", "", "", result])
    confidences = [f"{digit.confidence:.4f}" for digit in result.digits]
    boxes = [" ".join(map(str, digit.box)) for digit in result.digits]
    unseen = f"{result.left_out} marks more were not looked at" if result.left_out else ""
    return _row([name, result.text, min(confidences, default=""), " ".join(confidences), "; ".join(boxes), unseen])


def csv_header() -> str:
    """The first line of the CSV."""
    return _row(CSV_COLUMNS)


def as_row(name: str, result: Reading | str, width: int) -> str:
    """A line of the table, or several where the picture has several lines of writing; names are `width` wide."""
    if isinstance(result, str):
        return f"{safe(name):<{width}}  {'':>6}  can't be read: {result}"
    lines = groupby(result.digits, lambda digit: digit.line)
    text = ["".join(f"{digit.label}{'?' * digit.doubtful}" for digit in line) for _, line in lines]
    text = text or ["no digits"]
    if result.left_out:
        text.append(f"({result.left_out:,} marks more were not looked at: cut the picture up)")
    lowest = f"{min(digit.confidence for digit in result.digits):.0%}" if result.digits else ""
    return f"{safe(name):<{width}}  {lowest:>6}  " + f"\n{'':<{width + 10}}".join(text)


def table_header(width: int) -> str:
    """The first two lines of the table; `sure` is the confidence of the digit that is the least so."""
    return f"{'picture':<{width}}  {'sure':>6}  text\n{'-' * width}  {'-' * 6}  {'-' * 12}"


def safe(text: str) -> str:
    """A name with what a terminal would obey, hide or turn around written as an escape."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape", "surrogatepass").decode() for letter in text
    )


def _row(cells: list[str] | tuple[str, ...]) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerow(cells)  # which makes it quote a newline within a cell
    return file.getvalue().removesuffix("\n")
