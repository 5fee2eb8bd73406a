"""Read the digits on pictures: photos, scans, drawings; one digit or many, several lines of writing.

    python -m digits.predict PICTURE PICTURE                 a table
    python -m digits.predict FOLDER                          the pictures in it and in the folders inside, sorted
    python -m digits.predict "scans/**/*.jpg" --csv          what a pattern in quotes matches, for a spreadsheet
    curl … | python -m digits.predict - --json               a picture on standard input, for a program
    python -m digits.predict FOLDER --annotate DIR           leaves the pictures with boxes and answers in DIR
    python -m digits.predict FOLDER --only-sure --json       what a program may trust, and nothing else
    python -m digits.predict PICTURE --model RUN             with a net of your own (python -m digits.export RUN)

--json prints one object a line as soon as it is read: {"path": …, "text": "2026", "confidence": 0.97, "doubtful":
false, "digits": [{"label": 2, "confidence": 0.99, "box": [x, y, width, height]}, …]}, text lines separated by \\n in
text; a picture that can't be read is {"path": …, "error": …}. --csv prints a row for each picture: path, text, the
lowest confidence, each digit's confidence and box, error, the confidence of the whole, ? if doubtful. Boxes are in
pixels of the picture as one sees it. The confidence of a picture is how likely every digit on it was found and is
right; a ? follows it, or a digit, where a person should look. --only-sure prints such pictures on standard error
instead.

--model takes a page detector, a classifier of single digits, or one of each (given twice), and says which are used.

PNG, JPEG, GIF, BMP, WebP, TIFF and PPM are read; hidden files in a folder are not. Exit code: 0, or 1 when a picture
that was named could not be read, or is not there (the others are read), 2 when nothing was named that could be (only
folders without a picture, or patterns that match none) or there is no such net, 3 when --only-sure left one out.
"""

from __future__ import annotations

import argparse
import glob
import os
import select
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from digits.config.files import PICTURES
from digits.processes.streams import print_all

if TYPE_CHECKING:
    from digits.reading.pictures import Picture
    from digits.reading.reader import Reader
    from digits.reading.result import Reading

LOOK = 3
"""The exit code where a person should look at a picture, with --only-sure."""

WIDEST = 100
"""Columns that names have in the table; a longer one pushes its line to the right."""


class AskedError(ValueError):
    """What was asked for can't be: there is no picture to read, or no such net."""


@dataclass(frozen=True)
class Source:
    """A picture to read, or why there is none."""

    name: str
    """Its path as it was given, or `-`."""
    label: str = ""
    """What its annotated picture is called."""
    error: str | None = None


def find_pictures(arguments: Sequence[str], left_out: Path | None = None) -> list[Source]:
    """What the arguments name, in their order; `left_out` is a folder not to look into.

    Raises AskedError when they name only folders without pictures and patterns that match nothing.
    """
    found: list[Source] = []
    empty: list[Source] = []
    for argument in arguments:
        why = "this folder holds no picture"
        if argument == "-":
            named = [Source("-", "stdin")]
        elif _is_folder(argument):
            named = list(_in_folder(argument, left_out))
        elif os.path.lexists(argument) or not glob.has_magic(argument):
            named = [Source(argument, Path(argument).name)]
        else:
            named = list(_matching(argument, left_out))
            why = "no file matches this pattern"
        if not named:
            empty.append(Source(argument, error=f"{why}; name a picture, or a folder with {', '.join(PICTURES[:3])} …"))
        found += named or empty[-1:]
    if len(found) == len(empty):
        raise AskedError("\n".join(f"{source.name}: {source.error}" for source in empty))
    return found


def _in_folder(folder: str, left_out: Path | None) -> Iterator[Source]:
    """Its pictures, then those of the folders inside; links to folders are not followed."""
    failed: list[OSError] = []
    for where, inside, files in os.walk(folder, onerror=failed.append):
        shown = (name for name in sorted(inside) if not name.startswith("."))
        inside[:] = [name for name in shown if left_out is None or not _same(Path(where, name), left_out)]
        for name in sorted(files):
            if name.lower().endswith(PICTURES) and not name.startswith("."):
                path = Path(where, name)
                yield Source(str(path), "-".join(path.relative_to(folder).parts))
    for error in failed:
        yield Source(str(error.filename), error=f"the folder can't be opened ({error.strerror}); check who may read it")


def _matching(pattern: str, left_out: Path | None) -> Iterator[Source]:
    """What a shell would put in the place of a pattern; ** stands for folders at any depth."""
    named: set[str] = set()
    for path in sorted(glob.glob(pattern, recursive=True)):  # noqa: PTH207 (Path's takes no absolute pattern)
        for source in _in_folder(path, left_out) if _is_folder(path) else [Source(path, Path(path).name)]:
            if source.name not in named:  # ** gives a folder and what is in it
                yield source if path != "-" else Source("./-", "-")
            named.add(source.name)


def _is_folder(path: str) -> bool:
    return os.path.isdir(path)  # noqa: PTH112 (Path's raises where a folder above can't be entered)


def _same(one: Path, other: Path) -> bool:
    return other.exists() and one.samefile(other)


def read_all(sources: Sequence[Source], reader: Reader) -> Iterator[tuple[Source, Picture | None, Reading | str]]:
    """Each picture and its reading, or the sentence why there is none; in order."""
    for source in sources:
        opened = source.error or _open(source)
        yield (source, None, opened) if isinstance(opened, str) else (source, opened, reader.read(opened))


def _open(source: Source) -> Picture | str:
    from digits.reading.pictures import MAX_BYTES, PictureError, open_picture

    try:
        return open_picture(_standard_input(MAX_BYTES + 1) if source.name == "-" else source.name)
    except PictureError as error:
        return str(error)


def _standard_input(most: int) -> bytes:
    """What comes on standard input, at most so many bytes."""
    if os.name == "posix":  # a Ctrl-C just before a read that waits would be seen only after it
        while not select.select([sys.stdin], [], [], 0.2)[0]:
            pass
    return sys.stdin.buffer.read(most)


def predict(sources: Sequence[Source], reader: Reader, given: argparse.Namespace) -> int:
    """Read, print and leave the files; returns the exit code. Raises OSError where a file can't be left."""
    from digits.reading import output
    from digits.reading.output import AnnotationFolder, annotated

    folder = AnnotationFolder(given.annotate, (source.name for source in sources)) if given.annotate else None
    header = ""
    if given.json:
        as_text = output.as_json
    elif given.csv:
        as_text, header = output.as_csv, output.csv_header()
    else:
        width = max(len("picture"), min(WIDEST, max(len(output.safe(source.name)) for source in sources)))
        as_text = partial(output.as_row, width=width)
        header = output.table_header(width)
    failed, doubtful, unsure = 0, False, 0
    for source, picture, result in read_all(sources, reader):
        if header:  # not before there is an answer: a net may turn out to be none
            print(header)
            header = ""
        left_out = given.only_sure and not isinstance(result, str) and result.doubtful
        print(as_text(source.name, result), flush=True, file=sys.stderr if left_out else sys.stdout)
        if isinstance(result, str) or picture is None:
            failed += 1
            continue
        doubtful |= result.doubtful and not left_out
        unsure += left_out
        if folder is not None:
            folder.leave(source.label, annotated(picture, result))
    if not given.json and not given.csv:
        if doubtful:
            print(f"\n{output.LEGEND}", flush=True)
        if failed:
            print(f"{failed} of {len(sources)} could not be read", file=sys.stderr)
    if failed:
        return 1
    return LOOK if unsure else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    print_all()
    parser = argparse.ArgumentParser(
        "python -m digits.predict", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pictures", metavar="PICTURE", nargs="+", help="a picture's file, a folder, a pattern in "
                        "quotes, or - for a picture on standard input")  # fmt: skip
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON object a line for each picture")
    form.add_argument("--csv", action="store_true", help="print one row of CSV for each picture")
    parser.add_argument("--annotate", metavar="DIR", type=Path, help="leave each picture there as a PNG, with boxes "
                        "and answers drawn on")  # fmt: skip
    parser.add_argument("--only-sure", action="store_true", help="print what a person should look at on standard "
                        f"error instead, and exit with {LOOK} if there is any")  # fmt: skip
    parser.add_argument("--model", metavar="RUN|FILE", action="append", default=[], help="a net in place of the one "
                        "that comes with this package: a run that was exported, or its model.onnx; a page detector "
                        "or a classifier, or one of each")  # fmt: skip
    given = parser.parse_intermixed_args(arguments)
    if given.pictures.count("-") > 1:
        parser.error("there is one standard input; give - once")
    if "-" in given.pictures and sys.stdin.isatty():
        parser.error("- reads a picture from standard input; pipe one in (… < picture.png)")
    warnings.filterwarnings("ignore", module=r"PIL\.")  # of what is odd in a file that is read all the same
    try:
        sources = find_pictures(given.pictures, given.annotate)
        from digits.reading.model.check import ModelError
        from digits.reading.reader import Reader

        try:
            reader = Reader(given.model)
            if given.model:
                print(reader.models, file=sys.stderr)
            return predict(sources, reader, given)
        except ModelError as error:
            raise AskedError(str(error)) from None
    except AskedError as error:
        print(error, file=sys.stderr)
        return 2
    except BrokenPipeError:  # `| head` has seen enough; Python would flush again at its end, and complain
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        print(f"{error.filename}: {error.strerror}" if error.filename else error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
