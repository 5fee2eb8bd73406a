"""One table over many runs: mean ± standard deviation over seeds, ranked by validation accuracy, or its task's metric.

    python -m digits.report outputs/sweeps/SWEEP
    python -m digits.report outputs/runs --sort val/loss
    python -m digits.report SWEEP --csv > runs.csv
    python -m digits.report outputs/tune/NAME

Below the table: what its runs were measured on, from which commit, and whether they differ in it; the best run's
directory; and every job that failed, was cut off or shows no sign of life.
It reads each run's `result.json` and leaves nothing behind. Runs share a line if their recorded configurations are the
same but for `seed`, places, loggers and what is kept, however they were typed. Where the overrides of two lines don't
tell them apart, the recorded settings that do stand in brackets. `--csv` has a line for every run, and a column for
each such setting. Without a SWEEP, the latest in `outputs/sweeps`.
Of a search (a directory that `digits.tune` made) the table has its trials, the best first, and below it are what
pruning saved, the best trial, its test accuracy, the Pareto front and every trial that failed.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from digits.config import training_packages  # noqa: F401 (first: it says what to install where they are missing)
from digits.processes.streams import print_all
from digits.runs.layout import SEARCH, RunError


def main(argv: Sequence[str] | None = None) -> None:
    """The command."""
    print_all()
    parser = argparse.ArgumentParser(
        "python -m digits.report", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sweep", metavar="SWEEP", type=Path, nargs="?", help="a folder with runs, or a search's")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="one line for every run, for other programs")
    form.add_argument("--markdown", action="store_true", help="the same as GitHub Markdown")
    parser.add_argument(
        "--sort",
        metavar="METRIC",
        help="what to rank by (default: what the runs' task monitors, val/accuracy of "
        "classification, or what is searched for)",
    )
    parser.add_argument("--storage", metavar="URL", help="the database of a search that was kept in one")
    given = parser.parse_args(argv)
    from digits.runs.report import latest_sweep, of_runs  # here, so that --help waits for no schema

    try:
        folder: Path = given.sweep if given.sweep is not None else latest_sweep()
        if (folder / SEARCH).is_file():
            from digits.tuning.table import report_search  # here, since Optuna takes longer than the sweeps' report

            text = report_search(folder, given.sort, as_csv=given.csv, markdown=given.markdown, storage=given.storage)
        else:
            text = of_runs(folder, given.sort, csv=given.csv, markdown=given.markdown)
    except RunError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:  # `| head` has seen enough; Python would flush again at its end, and complain
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
