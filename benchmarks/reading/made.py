"""Pages that the former reader's constants were chosen by, and others of the same kinds, scored."""

from __future__ import annotations

import time
from itertools import groupby

from benchmarks.reading.pages import made_pages
from benchmarks.results import machine, replace_section
from digits.reading.reader import Reader

NUMBER, CHOOSING, STATED = 40, 1, 6
"""Pages of each kind, and the seeds of those that constants are chosen by and of those whose score is stated."""


def report_made(reader: Reader, *, choosing: bool, failures: bool) -> None:
    """Print the score of each kind, and write it unless constants are being chosen."""
    rows = ["| kind | right | of | % | ms a picture |", "|---|---|---|---|---|"]
    for kind, pages in groupby(made_pages(NUMBER, CHOOSING if choosing else STATED), key=lambda page: page[0]):
        right, seconds = 0, 0.0
        for index, (_, pixels, text) in enumerate(pages):
            start = time.process_time()
            answer = reader.read(pixels).text
            seconds += time.process_time() - start
            right += answer == text
            if failures and answer != text:
                print(f"{kind}[{index}]: {text!r} was read as {answer!r}")
        rows.append(f"| {kind} | {right} | {NUMBER} | {100 * right / NUMBER:.2f} | {1000 * seconds / NUMBER:.1f} |")
    table = "\n".join(rows)
    text = (
        "Pages made from MNIST's validation digits (`benchmarks.reading.pages`) of which every digit is read rightly, "
        f"and nothing else. The reader's constants were chosen by pages of another seed.\n\n{table}\n\n{machine()}"
    )
    print(text)
    if not choosing:
        replace_section("Reading made pages", "python -m benchmarks.reading --made", text)
