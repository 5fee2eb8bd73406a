"""How well real pictures are read, by the reader that ships and by learned ones; writes its part of RESULTS.md.

    python -m benchmarks.reading DIR --detector RUN --classifier RUN --changes    writes "Reading pictures"
    python -m benchmarks.reading DIR                                    the reader that ships; prints only
    python -m benchmarks.reading DIR --detector RUN --classifier RUN    and a page detector, alone and with a classifier
    python -m benchmarks.reading DIR --changes                          each picture once more with each harmless change
    python -m benchmarks.reading DIR --failures                         names each picture that is read wrongly
    python -m benchmarks.reading --made                                 pages of `benchmarks.reading.pages`
    python -m benchmarks.reading --made --choosing                      others, to choose constants by; prints only

"Reading pictures" is written with --detector and --changes only, so that it never holds less than it held; without
either of them the same tables are printed. It names the two models by the SHA-256 of their files.

DIR holds pictures as `benchmarks.reading.pictures` says, of any kinds and sources. It may hold arrays of single digits
too, NAME.npz: white ink on black, (N, H, W) or (N, H * W) with square pictures, and a label for each; the arrays may
have any names. RUN is a run's directory with an export, or an ONNX file; a classifier is the one that ships unless
another is named.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.reading import arrays
from benchmarks.reading.made import report_made
from benchmarks.reading.pictures import (
    Result,
    accuracy_table,
    calibration_table,
    pictures_in,
    read_all,
    stability_table,
)
from benchmarks.reading.readers import Read, classifier_of, detector_of, learned, models, shipped
from benchmarks.results import machine, replace_section
from digits.reading.model.net import Net
from digits.reading.reader import Reader

ABOUT = (
    "Pictures whose text is read rightly, with its lines, and nothing else; of those without a digit, those of which "
    "nothing is read. Digits wrong, missing and false by the fewest changes; CPU time of one thread, decoding and all. "
    "Marked are pictures with a digit of a confidence below the reader's mark. Arrays of single digits are read as "
    "pictures; the classifier alone gets their digits in MNIST's form."
)


def readers_of(detector: Path | None, classifier: Path | None) -> dict[str, tuple[Read, Net | None]]:
    """The readers that are scored, by name, and the classifier of each."""
    ships = Reader()
    readers: dict[str, tuple[Read, Net | None]] = {"The reader that ships": (shipped(ships), ships.net)}
    if detector is not None:
        finds, second = detector_of(detector), Net(classifier)
        readers["A page detector alone"] = (learned(finds), None)
        readers["A page detector and a classifier"] = (learned(finds, classifier_of(second)), second)
    return readers


def report(results: Sequence[Result], read: Read, archives: Sequence[Path], net: Net | None) -> str:
    """Everything that is told of a reader, as Markdown."""
    parts = [accuracy_table(results), calibration_table(results)]
    if any(result.changed for result in results):
        parts.append(stability_table(results))
    if archives:
        parts.append(arrays.table(read, archives, net))
    return "\n\n".join(parts)


def main(arguments: Sequence[str] | None = None) -> int:
    """Read everything, print, write; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", metavar="DIR", type=Path, nargs="?", help="holds KIND/SOURCE/NUMBER_LABEL.SUFFIX")
    parser.add_argument("--detector", metavar="RUN", type=Path, help="an exported page detector")
    parser.add_argument("--classifier", metavar="RUN", type=Path, help="an exported classifier, its second opinion")
    parser.add_argument("--changes", action="store_true", help="read each picture with each harmless change, too")
    parser.add_argument("--failures", action="store_true", help="name each picture that is read wrongly")
    parser.add_argument("--made", action="store_true", help="pages that are made")
    parser.add_argument("--choosing", action="store_true", help="with --made: the pages that constants are chosen by")
    given = parser.parse_args(arguments)
    if given.made == (given.folder is not None) or (given.choosing and not given.made):
        parser.error("give either a folder or --made; --choosing goes with --made")
    if given.classifier is not None and given.detector is None:
        parser.error("--classifier goes with --detector")
    try:
        if given.made:
            report_made(Reader(), choosing=given.choosing, failures=given.failures)
            return 0
        paths, archives = pictures_in(given.folder), sorted(given.folder.glob("*.npz"))
        told = [] if given.detector is None else [models(given.detector, given.classifier)]
        for name, (read, net) in readers_of(given.detector, given.classifier).items():
            results = list(read_all(read, paths, changes=given.changes))
            told.append(f"### {name}\n\n{report(results, read, archives, net)}")
            for result in results if given.failures else ():
                if not result.right:
                    wrong = f"{result.label!r} was read as {result.answer.text!r}"
                    print(f"{name}: {result.path.relative_to(given.folder)}: {wrong}")
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    text = "\n\n".join([ABOUT, *told, machine()])
    print(text)
    if given.detector is not None and given.changes:
        second = "" if given.classifier is None else " --classifier RUN"
        command = f"python -m benchmarks.reading DIR --detector RUN{second} --changes"
        replace_section("Reading pictures", command, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
