"""Read the digits on pictures: photos, scans, drawings; one digit or many, several lines of writing.

    python -m digits.predict PICTURE PICTURE                 a table
    python -m digits.predict FOLDER                          its pictures, those of its subfolders too, sorted
    python -m digits.predict "scans/**/*.jpg" --csv          all that a quoted pattern matches, for a spreadsheet
    curl … | python -m digits.predict - --json               a picture on standard input, for a program
    python -m digits.predict FOLDER --annotate DIR           save the pictures with boxes and predictions in DIR
    python -m digits.predict FOLDER --only-sure --json       only the confident results
    python -m digits.predict PICTURE --model RUN             with a model of your own (python -m digits.export RUN)

--json prints one object per line, as soon as a picture is read: {"path": …, "text": "2026", "confidence": 0.97,
"doubtful": false, "digits": [{"label": 2, "confidence": 0.99, "box": [x, y, width, height]}, …]}, with \\n between
text lines; a picture that can't be read gives {"path": …, "error": …}. --csv prints one row per picture: path, text,
the lowest confidence, each digit's confidence and box, error, the confidence of the whole picture, ? if doubtful.
Boxes are in pixels of the picture as displayed. A picture's confidence is the probability that every digit on it was
found and is correct; a ? after it, or after a digit, means that a person should check. --only-sure prints doubtful
pictures on standard error instead.

--model takes a page detector, a classifier of single digits, or one of each (given twice), and reports which are used.

Reads PNG, JPEG, GIF, BMP, WebP, TIFF and PPM; skips hidden files in folders. Exit code: 0 done; 1 a named picture is
missing or could not be read (the others are read); 2 nothing to read (only folders without pictures, or patterns
without a match), or no such model; 3 --only-sure kept a picture back.
"""

from __future__ import annotations

import argparse
import glob
import os
import select
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
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

LOOK = 3  # exit code of --only-sure when a person should check a picture
WIDEST = 100  # maximum width of the table's name column, in characters; a longer name shifts its row to the right


class AskedError(ValueError):
    """An impossible request: no picture to read, or no such model."""


@dataclass(frozen=True)
class Source:
    """A picture to read, or the reason why it can't be."""

    name: str  # its path as given, or `-`
    label: str = ""  # names its annotated picture
    error: str | None = None


def find_pictures(arguments: Sequence[str], left_out: Path | None = None) -> list[Source]:
    """The pictures that the arguments name, in order; the folder `left_out` is not searched.

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
    """The pictures of a folder, then those of its subfolders; links to folders are not followed."""
    failed: list[OSError] = []
    for where, inside, files in os.walk(folder, onerror=failed.append):
        shown = (name for name in sorted(inside) if not name.startswith("."))
        inside[:] = [name for name in shown if left_out is None or not _same(Path(where, name), left_out)]
        for name in sorted(files):
            if name.lower().endswith(PICTURES) and not name.startswith("."):
                path = Path(where, name)
                yield Source(str(path), "-".join(path.relative_to(folder).parts))
    for error in failed:
        yield Source(str(error.filename), error=f"the folder can't be opened ({error.strerror}); check its permissions")


def _matching(pattern: str, left_out: Path | None) -> Iterator[Source]:
    """The pictures that match a shell pattern; ** matches folders at any depth."""
    named: set[str] = set()
    for path in sorted(glob.glob(pattern, recursive=True)):  # noqa: PTH207 (Path's takes no absolute pattern)
        for source in _in_folder(path, left_out) if _is_folder(path) else [Source(path, Path(path).name)]:
            if source.name not in named:  # ** matches both a folder and its files
                yield source if path != "-" else Source("./-", "-")
            named.add(source.name)


def _is_folder(path: str) -> bool:
    return os.path.isdir(path)  # noqa: PTH112 (Path's raises where a folder above can't be entered)


def _same(one: Path, other: Path) -> bool:
    return other.exists() and one.samefile(other)


def read_all(sources: Sequence[Source], reader: Reader) -> Iterator[tuple[Source, Picture | None, Reading | str]]:
    """Each picture with its reading, or with a sentence that says why there is none; in order."""
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
    """Standard input, at most `most` bytes."""
    if os.name == "posix":  # a Ctrl-C just before a blocking read would be handled only after it
        while not select.select([sys.stdin], [], [], 0.2)[0]:
            pass
    return sys.stdin.buffer.read(most)


def predict(sources: Sequence[Source], reader: Reader, given: argparse.Namespace) -> int:
    """Read and print the pictures, save the annotated ones; returns the exit code. Raises OSError when a save fails."""
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
    found: Iterable[tuple[Source, Picture | None, Reading | str]] = read_all(sources, reader)
    keep_back = partial(print, flush=True, file=sys.stderr)
    if len(sources) > 1 and sys.stderr.isatty() and not sys.stdout.isatty():  # on a terminal the table shows how far
        from tqdm import tqdm  # only here: nobody else should wait for it

        found = tqdm(found, total=len(sources), unit=" pictures", leave=False)
        keep_back = partial(tqdm.write, file=sys.stderr)  # above the bar
    for source, picture, result in found:
        if header:  # only with the first result: loading the model may still fail
            print(header)
            header = ""
        left_out = given.only_sure and not isinstance(result, str) and result.doubtful
        if left_out:
            keep_back(as_text(source.name, result))
        else:
            print(as_text(source.name, result), flush=True)
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
    """Run the command; returns its exit code."""
    print_all()
    parser = argparse.ArgumentParser(
        "python -m digits.predict", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pictures", metavar="PICTURE", nargs="+", help="a picture file, a folder, a quoted pattern, "
                        "or - for a picture on standard input")  # fmt: skip
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON object per picture, one per line")
    form.add_argument("--csv", action="store_true", help="print one CSV row per picture")
    parser.add_argument("--annotate", metavar="DIR", type=Path, help="save each picture in DIR as a PNG with boxes and "
                        "predictions drawn on it")  # fmt: skip
    parser.add_argument("--only-sure", action="store_true", help="print pictures that a person should check on "
                        f"standard error instead; exit code {LOOK} if there are any")  # fmt: skip
    parser.add_argument("--model", metavar="RUN|FILE", action="append", default=[], help="a model to use instead of "
                        "the bundled one: an exported run, or its model.onnx; a page detector, a classifier, or one "
                        "of each")  # fmt: skip
    given = parser.parse_intermixed_args(arguments)
    if given.pictures.count("-") > 1:
        parser.error("- is given more than once; give it once")
    if "-" in given.pictures and sys.stdin.isatty():
        parser.error("- reads a picture from standard input; pipe one in (… < picture.png)")
    warnings.filterwarnings("ignore", module=r"PIL\.")  # about oddities in files that PIL reads anyway
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
    except BrokenPipeError:  # `| head` closed the pipe; Python would flush again at exit, and print an error
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        print(f"{error.filename}: {error.strerror}" if error.filename else error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
