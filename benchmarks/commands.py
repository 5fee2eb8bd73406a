"""What the commands of this folder share: parsers, arguments, and how they end where something is wrong."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from benchmarks.recipes import RecipeError
from benchmarks.records import RecordError
from benchmarks.runs import TrainingError
from digits.config.files import FileError
from digits.data.datasets import DataError
from digits.runs.layout import RunError


def make_parser(name: str, doc: str | None) -> argparse.ArgumentParser:
    """The parser of `python -m NAME`, whose help is the script's docstring."""
    form = argparse.RawDescriptionHelpFormatter
    return argparse.ArgumentParser(f"python -m {name}", description=doc, formatter_class=form)


def positive(text: str) -> int:
    """An argument that counts something, 1 or more."""
    if (value := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return value


def add_jobs(parser: argparse.ArgumentParser) -> None:
    """Add --jobs, which `side_by_side` takes."""
    parser.add_argument("--jobs", type=positive, default=1, help="trainings side by side; they share the cores")


def named_runs(chosen: Sequence[str]) -> dict[str, list[str]]:
    """Runs by a name, out of NAME=RUN[,RUN...]; a name that comes again adds its runs.

    A comma before KEY= is one of a sweep's directory, as in model=cnn,seed=0. Raises RunError for anything else.
    """
    named: dict[str, list[str]] = {}
    for given in chosen:
        name, _, runs = given.partition("=")
        each = re.split(r",(?![\w.]+=)", runs)
        if not name or not all(each):
            raise RunError(f"{given!r} is no name with its runs; write NAME=RUN or NAME=RUN,RUN")
        named.setdefault(name, []).extend(each)
    return named


@contextmanager
def told(interrupted: str = "nothing was recorded") -> Iterator[None]:
    """End the script with one sentence: of what can't be with exit code 2, of a training that failed with 1.

    After Ctrl-C with 130 and what that means for its work.
    """
    try:
        yield
    except (FileError, RecipeError, RecordError, RunError, DataError) as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except TrainingError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print(f"interrupted; {interrupted}", file=sys.stderr)
        sys.exit(130)
