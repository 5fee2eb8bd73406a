"""What each epoch of a page detector's training brought; records "Training the page detector".

    python -m benchmarks.reading.curve RUN

RUN is a run of experiment=page_reader that is done. The figures are those of its record.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from benchmarks.commands import make_parser, told
from benchmarks.results import Section, table
from digits.exporting.onnx_export import without_places
from digits.runs.layout import RunError
from digits.runs.read import find_run, read_result
from digits.runs.schema import RunRecord

CODE = ("digits/data/pages/**", "digits/models/detector.py", "digits/training/detection/**")
COLUMNS = ("train/pages", "val/pages", "val/recall", "val/precision", "val/accuracy")


def as_text(record: RunRecord) -> str:
    """The epochs as a table, with the command, and what it was trained on. Raises RunError for any other run."""
    if (
        record.epoch is None
        or record.finished is None
        or not record.history
        or any(name not in epoch for epoch in record.history for name in COLUMNS)
    ):
        raise RunError("the record has no validation pages; name a run of experiment=page_reader that is done")
    rows = [[i, *(f"{epoch[name]:.1%}" for name in COLUMNS)] for i, epoch in enumerate(record.history, start=1)]
    command = shlex.join(["python", "-m", "digits.train", *without_places(record.overrides or ())])
    cpu, threads, versions = record.at("hardware.cpu"), record.at("hardware.threads"), record.versions
    used = ", ".join(f"{name} {versions[name]}" for name in ("torch", "lightning") if name in versions)
    return (
        f"`{command}`: the share of pages read without a fault by the detector alone (in training, of crops), and its "
        f"digits found, finds that are digits, and digits found of the right class. Epoch {record.epoch + 1} was kept; "
        f"it reads {record.metrics['test/pages']:.1%} of the test pages.\n\n"
        f"{table(('epoch', *COLUMNS), rows)}\n\n"
        f"{cpu}, {threads} threads; Python {versions.get('python')}, {used}; "
        f"{record.finished[:10]}, commit {str(record.commit.id)[:7]}."
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Print and record."""
    parser = make_parser("benchmarks.reading.curve", __doc__)
    parser.add_argument("run", metavar="RUN", help="the run's directory")
    given = parser.parse_args(arguments)
    with told():
        text = as_text(read_result(find_run(given.run)))
    print(text)
    Section("Training the page detector", "python -m benchmarks.reading.curve RUN", CODE, text).keep("reading_curve")


if __name__ == "__main__":
    main()
