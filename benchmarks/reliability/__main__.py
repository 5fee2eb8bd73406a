"""Kills, signals, full disks and damaged files, hundreds of them, on real runs.

    python -m benchmarks.reliability --kills 200 --seed 0

A run that was harmed is started again until it is done, and must then have come to the same as one that was left
alone: weights, records and curves, to the bit. The exit code is 1 when anything was lost. Needs Linux, and root for
the disks.
"""

from __future__ import annotations

import math
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from benchmarks.commands import make_parser, positive
from benchmarks.reliability.matrix import CONFIGURATIONS, overrides
from benchmarks.reliability.plan import Trial, trial
from benchmarks.reliability.storage import mounting_fails, small_disk
from benchmarks.reliability.trial import Life, Reference, lead, reference
from benchmarks.results import Section, machine, table

CODE = ("digits/processes/**", "digits/runs/**", "digits/training/*.py", "digits/train.py")
ABOUT = """Real runs of `python -m digits.train`, each harmed one to four times and started again as its owner would:
the same command while there is no `result.json`, `resume=RUN` from then on. *Survived* means that no file that looked
whole was not, that the command left as it promises, and that the run came at its end to the same as one that was left
alone: the same weights, optimizer states, metrics and history to the bit, the same (step, value) series in
`metrics.csv` and in both of TensorBoard's readers, the same files. Kills are SIGKILL, at a random moment from outside
or, to hit the moments that chance would miss, from a hook in the process (`benchmarks/reliability/plant`). When a run
is lost, every fault it had counts as lost that can have done it."""
OTHERS = {"signals": 16, "damages": 21, "disks": 8}
"""How many trials of each kind go with 200 kills; fewer with fewer."""


class Bench:
    """The folder of all runs, and the runs that were left alone."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.seed = folder, seed
        self._references: dict[str, Reference] = {}
        self._locks = {name: Lock() for name in CONFIGURATIONS}

    def reference(self, configuration: str) -> Reference:
        """The run of a configuration that was left alone, run now if it is the first time."""
        with self._locks[configuration]:
            if configuration not in self._references:
                self._references[configuration] = reference(configuration, self.folder / "alone" / configuration)
            return self._references[configuration]

    def try_out(self, name: str) -> tuple[Trial, Life]:
        """Draw a trial and lead its run to its end; a run that survived leaves nothing."""
        folder = self.folder / name
        run = folder / "disk" / "run"
        drawn = trial(name, self.seed, run, self.reference)
        wanted = self.reference(drawn.configuration).outcome
        first = overrides(drawn.configuration)
        with small_disk(run.parent) if drawn.disk else nullcontext():
            life = lead(run, first, drawn.steps, wanted, screens=folder, end=drawn.end)
            if life.complaints and drawn.disk:
                shutil.copytree(run.parent, folder / "kept", dirs_exist_ok=True)
        if not life.complaints:
            shutil.rmtree(folder)
        return drawn, life


@dataclass
class Tally:
    """What was tried of a kind, and what was lost."""

    configurations: set[str] = field(default_factory=set)
    tried: int = 0
    lost: int = 0


def names(kills: int, struck: list[int], *, disks: bool) -> Iterator[str]:
    """The trials' names, as long as there are too few kills."""
    for kind, number in OTHERS.items():
        if kind != "disks" or disks:
            yield from (f"{kind}-{i}" for i in range(math.ceil(number * min(1.0, kills / 200))))
    i = 0
    while struck[0] < kills:
        yield f"kills-{i}"
        i += 1


def told(drawn: Trial, life: Life) -> str:
    """One trial in a few lines."""
    faults = "; ".join(
        f"{step.kind} ({step.fault.plant or f'after {step.fault.kill_after:.2f} s'})"
        for step in drawn.steps[: len(life.struck)]
    )
    end = "LOST" if life.complaints else "survived"
    lines = [f"{drawn.name} {drawn.configuration}: {faults or 'nothing struck'}: {end}"]
    lines += [f"    {kind or 'at the end'}: {text}" for kind, text in life.complaints[:8]]
    return "\n".join(lines)


def faults_table(tallies: dict[str, Tally]) -> str:
    """Kinds of faults, and what was survived."""
    rows = []
    for kind, tally in sorted(tallies.items()):
        where = "all" if len(tally.configurations) == len(CONFIGURATIONS) else ", ".join(sorted(tally.configurations))
        rows.append([kind, where, tally.tried, tally.tried - tally.lost, tally.lost])
    tried, lost = (sum(getattr(t, name) for t in tallies.values()) for name in ("tried", "lost"))
    rows.append(["**all**", "", f"**{tried}**", f"**{tried - lost}**", f"**{lost}**"])
    return table(["fault", "configurations", "tried", "survived", "lost"], rows)


def section(tallies: dict[str, Tally], lost: list[str]) -> str:
    """The section of RESULTS.md."""
    configurations = "\n".join(f"- `{name}`: `{' '.join(overrides(name))}`" for name in CONFIGURATIONS)
    losses = "\n".join(f"- {line}" for line in lost) or "Nothing was lost."
    parts = (ABOUT, faults_table(tallies), "### Lost", losses, "### Configurations", configurations)
    return "\n\n".join([machine(), *parts])


def main() -> None:
    """Try them all, tell of each, record."""
    parser = make_parser("benchmarks.reliability", __doc__)
    parser.add_argument("--kills", type=positive, default=200, help="SIGKILLs that must have struck")
    parser.add_argument("--seed", type=int, default=0, help="of the faults")
    parser.add_argument("--jobs", type=positive, default=2, help="runs side by side")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these trials only, kills-7 or such; records nothing")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave the runs that were lost in this folder")
    arguments = parser.parse_args()
    if why := mounting_fails():
        print(f"no disks are taken away, since none can be mounted here: {why}", flush=True)
    tallies: dict[str, Tally] = defaultdict(Tally)
    lost: list[str] = []
    struck = [0]
    with tempfile.TemporaryDirectory() as temporary, ThreadPoolExecutor(arguments.jobs) as pool:
        bench = Bench((arguments.keep or Path(temporary)).resolve(), arguments.seed)
        waiting = iter(arguments.only or names(arguments.kills, struck, disks=not why))
        running: set[Future[tuple[Trial, Life]]] = set()
        while True:
            while len(running) < arguments.jobs and (name := next(waiting, None)):
                running.add(pool.submit(bench.try_out, name))
            if not running:
                break
            ended, running = wait(running, return_when=FIRST_COMPLETED)
            for future in ended:
                drawn, life = future.result()  # raises where the bench itself is at fault
                print(told(drawn, life), flush=True)
                blamed = life.lost
                for kind in life.struck:
                    tallies[kind].tried += 1
                    tallies[kind].configurations.add(drawn.configuration)
                    struck[0] += drawn.name.startswith("kills")
                for kind in blamed:
                    tallies[kind].lost += 1
                if life.complaints:
                    again = f"python -m benchmarks.reliability --seed {arguments.seed} --only {drawn.name}"
                    lost.append(f"`{again}` ({drawn.configuration}): {life.complaints[0][1].splitlines()[0]}")
    print(faults_table(tallies))
    if not arguments.only:
        command = f"python -m benchmarks.reliability --kills {arguments.kills} --seed {arguments.seed}"
        Section("Reliability", command, CODE, section(tallies, lost)).keep("reliability")
    sys.exit(1 if lost else 0)


if __name__ == "__main__":
    main()
