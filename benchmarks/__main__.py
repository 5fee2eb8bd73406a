"""`RESULTS.md` and the heads of `conf/experiment/*.yaml`, written anew from the records; measures nothing.

    python -m benchmarks

What the scripts measure they record in `benchmarks/records/`; this is the only one that writes what is quoted. Where
code that a figure is of has changed since the commit beside it, that is said: "older than …".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.accuracy import ablations, ceiling, choices, ensemble, table
from benchmarks.commands import make_parser, told
from benchmarks.records import RECORDS
from benchmarks.results import RESULTS, TRAINING, Section, kept
from benchmarks.robustness import record as robustness
from benchmarks.speed import growth, search, speedrun, step
from digits.runs.atomic import write_text

HEAD = """# Results

Every figure quoted in this project, as the scripts in this folder measured it. `python -m benchmarks` writes this page
from `benchmarks/records/`; no line is edited by hand. Every measurement has its machine, its versions, its day (UTC; of
several runs, the last one's) and its commit. One that is *older than* some code was made before that code was what it
is now.
"""

SEARCHING = (*TRAINING, "digits/tuning/*.py", "digits/processes/**")


def sections() -> Iterator[Section]:
    """All that is recorded, in the order of the page."""
    yield Section("Accuracy", "python -m benchmarks.accuracy run NAME", TRAINING, table.section())
    yield Section("Ensembles", "python -m benchmarks.accuracy.ensemble NAME=RUN,RUN",
                  ("digits/evaluating/*.py", "digits/models/**"), ensemble.section())  # fmt: skip
    if ceiling.RECORD.exists():
        yield Section("The ceiling", "python -m benchmarks.accuracy.ceiling NAME=RUN,RUN",
                      ("digits/evaluating/*.py", "digits/models/**"), ceiling.section())  # fmt: skip
    yield Section("Ablations", "python -m benchmarks.accuracy.ablations run NAME", TRAINING, ablations.section())
    yield Section("Choices", "python -m benchmarks.accuracy.choices NAME WHAT RUN", TRAINING, choices.section())
    yield Section("Robustness", "python -m benchmarks.robustness NAME=RUN,RUN --pictures DIR",
                  ("digits/data/corruptions/**", "digits/evaluating/*.py", "digits/models/**"),
                  robustness.as_text(robustness.read(robustness.RECORD)))  # fmt: skip
    yield Section("Speedrun", "python -m benchmarks.speed.speedrun", TRAINING, speedrun.section())
    yield from _kept("throughput", "busy")
    yield Section("One step", "python -m benchmarks.speed.step",
                  ("digits/models/**", "digits/training/machine.py"), step.section())  # fmt: skip
    yield Section("Growth", "python -m benchmarks.speed.growth", TRAINING, growth.section())
    yield Section("Searches", "python -m benchmarks.speed.search PART", SEARCHING, search.section())
    yield from _kept("serving", "explore", "reading_pictures", "reading_composed", "reading_curve", "reading_speed")
    yield from _kept("reliability")


def page() -> str:
    """The whole of RESULTS.md."""
    return "\n".join([HEAD, *(section.markdown() for section in sections())])


def _kept(*names: str) -> Iterator[Section]:
    return (kept(name) for name in names if (RECORDS / f"{name}.json").exists())


def main(argv: Sequence[str] | None = None) -> None:
    """Write everything; nothing where a record isn't of what there is now."""
    make_parser("benchmarks", __doc__).parse_args(argv)
    with told():
        text = page()
        table.write_heads()
        speedrun.write_head()
        write_text(RESULTS, text)


if __name__ == "__main__":
    main()
