"""Report many runs in one table: mean ± standard deviation over seeds, ranked by the metric that the task monitors.

    python -m digits.report outputs/sweeps/SWEEP
    python -m digits.report outputs/runs --sort val/loss
    python -m digits.report SWEEP --csv > runs.csv
    python -m digits.report outputs/tune/NAME

Below the table: the hardware and commit of the runs, and whether they differ; the best run's directory; and every job
that failed, was interrupted or has no heartbeat.
Reads each run's `result.json` and writes nothing. Runs share a line if their recorded configurations are equal except
for `seed`, paths, loggers and which files are kept, however they were typed. Where the overrides of two lines are the
same, the recorded settings that differ follow in brackets. `--csv` prints a line for every run, with a column for each
such setting. Without SWEEP, the latest in `outputs/sweeps`.
For a search (a directory made by `digits.tune`) the table lists its trials, the best first, followed by the epochs that
pruning saved, the best trial, its test accuracy, the Pareto front and every failed trial.
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
    """Run the command."""
    print_all()
    parser = argparse.ArgumentParser(
        "python -m digits.report", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "sweep", metavar="SWEEP", type=Path, nargs="?", help="a folder with runs, or a search directory"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="print one line per run, for other programs")
    form.add_argument("--markdown", action="store_true", help="print the table as GitHub Markdown")
    parser.add_argument(
        "--sort",
        metavar="METRIC",
        help="metric to rank by (default: the one that the runs' task monitors, val/accuracy for "
        "classification, or the search's objective)",
    )
    parser.add_argument("--storage", metavar="URL", help="the database of a search that is stored in one")
    given = parser.parse_args(argv)
    from digits.runs.report import latest_sweep, of_runs  # here, so that --help does not wait for the schema

    try:
        folder: Path = given.sweep if given.sweep is not None else latest_sweep()
        if (folder / SEARCH).is_file():
            from digits.tuning.table import report_search  # here: importing Optuna takes longer than reporting a sweep

            text = report_search(folder, given.sort, as_csv=given.csv, markdown=given.markdown, storage=given.storage)
        else:
            text = of_runs(folder, given.sort, csv=given.csv, markdown=given.markdown)
    except RunError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:  # `| head` closed the pipe; Python would flush again at exit, and print an error
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
