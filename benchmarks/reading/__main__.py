"""How well real pictures are read, by the reader that ships or with other models.

    python -m benchmarks.reading DIR --changes --beside CHECKOUT    records "Reading pictures"
    python -m benchmarks.reading DIR                                the reader that ships; prints only
    python -m benchmarks.reading DIR --model RUN --model RUN        a page detector, a classifier or both in its place
    python -m benchmarks.reading DIR --changes                      each picture once more with each harmless change
    python -m benchmarks.reading DIR --failures                     names each picture that is read wrongly

CHECKOUT is another checkout of this project (git worktree add), whose reader reads the same pictures in the same run.
"Reading pictures" is recorded with --changes and --beside only, so that it never holds less than it held; without
either of them the same tables are printed. It names the models by the SHA-256 of their files.

DIR holds pictures as `benchmarks.reading.pictures` says, of any kinds and sources. It may hold arrays of single digits
too, NAME.npz: white ink on black, (N, H, W) or (N, H * W) with square pictures, and a label for each; the arrays may
have any names. RUN is a run's directory with an export, or an ONNX file.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.commands import make_parser
from benchmarks.reading import arrays
from benchmarks.reading.pictures import (
    Result,
    accuracy_table,
    calibration_table,
    pictures_in,
    read_all,
    stability_table,
)
from benchmarks.reading.readers import Read, add_readers, fingerprints, readers
from benchmarks.results import Section, machine

CODE = ("digits/reading/**",)
ABOUT = (
    "Pictures whose text is read rightly, with its lines, and nothing else; of those without a digit, those of which "
    "nothing is read. Digits wrong, missing and false by the fewest changes; CPU time of one thread, decoding and all. "
    "Marked are pictures that the reader asks a person to look at. Arrays of single digits are read as pictures."
)


def report(results: Sequence[Result], read: Read, archives: Sequence[Path]) -> str:
    """Everything that is told of a reader, as Markdown."""
    parts = [accuracy_table(results), calibration_table(results)]
    if any(result.changed for result in results):
        parts.append(stability_table(results))
    if archives:
        parts.append(arrays.table(read, archives))
    return "\n\n".join(parts)


def main(arguments: Sequence[str] | None = None) -> int:
    """Read everything, print, record; returns the exit code."""
    parser = make_parser("benchmarks.reading", __doc__)
    parser.add_argument("folder", metavar="DIR", type=Path, help="holds KIND/SOURCE/NUMBER_LABEL.SUFFIX")
    add_readers(parser)
    parser.add_argument("--changes", action="store_true", help="read each picture with each harmless change, too")
    parser.add_argument("--failures", action="store_true", help="name each picture that is read wrongly")
    given = parser.parse_args(arguments)
    try:
        paths, archives = pictures_in(given.folder), sorted(given.folder.glob("*.npz"))
        told = [fingerprints(given.model)]
        with readers(given.model, given.beside) as scored:
            for name, read in scored.items():
                results = list(read_all(read, paths, changes=given.changes))
                told.append(f"### {name}\n\n{report(results, read, archives)}")
                for result in results if given.failures else ():
                    if not result.right:
                        sure = f"{result.answer.reading.text!r}, {result.answer.reading.confidence:.0%} sure"
                        print(f"{name}: {result.path.relative_to(given.folder)}: {result.label!r} was read as {sure}")
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    text = "\n\n".join([ABOUT, *told, machine()])
    print(text)
    if given.beside is not None and given.changes:
        models = " --model RUN" * len(given.model)
        command = f"python -m benchmarks.reading DIR{models} --changes --beside CHECKOUT"
        Section("Reading pictures", command, CODE, text).keep("reading_pictures")
    return 0


if __name__ == "__main__":
    sys.exit(main())
