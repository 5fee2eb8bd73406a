"""Two commits of this project under the same commands, on this machine and now: do they leave and say the same?

    python -m benchmarks.trees                       all of it, five to ten minutes on two cores
    python -m benchmarks.trees --only cnn resume     these, and what they need
    python -m benchmarks.trees --base COMMIT --out DIR

For changes that must change no result. The base is checked out into a temporary worktree, and this checkout as it
stands is copied to another, so that work can go on in it. Both then run every command of `benchmarks.trees.cases` side
by side, each on one thread, in a folder of its own with the same relative names, and everything is compared that is
left there (weights, records, checkpoints, curves, event files, exported nets, studies: to the bit) or printed (text and
exit code). Only what follows from the moment, the machine's speed or the place is left out: `benchmarks.trees.masks`.

Prints a line for each, and what differs; differences that are wanted are named with their reasons in WANTED. The exit
code is 1 where anything else differs. With --out the two folders stay, DIR/base and DIR/here. MNIST is read from
$DIGITS_DATA, else from data/.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import Request, urlopen

from benchmarks.commands import make_parser
from benchmarks.results import ROOT as HERE
from benchmarks.trees.cases import FAILING, JOBS, LATER, Case, cases, chosen, job, sweep
from benchmarks.trees.inputs import make
from benchmarks.trees.masks import Places, masked
from benchmarks.trees.outcome import WRONG, Outcome, outcomes_of, status, weights
from benchmarks.trees.verdict import judge, rows_of
from digits.runs.table import Table

BASE = "5fcbf55b42ef4d8dd4191f648b7c8126aa697115"
"""The last commit before the files were moved."""

THE_TASK = "which LightningModule trains is the key task, recorded with its metrics; what follows it is null in conf/"
IN_ORDER = "a section's faults stand where the section does, not after all others"
WANTED: dict[str, str] = {
    "*: *: hydra runtime choices task": THE_TASK,
    "*: *: task _target_": THE_TASK,
    "*: *: config task _target_": THE_TASK,
    "*: result.json: task *": THE_TASK,
    "*: search.sqlite: attributes definition *task *": THE_TASK,
    "*: *callbacks early_stopping monitor": THE_TASK,
    "*: *callbacks start _target_": "Hydra's hooks are in hydra_app/",
    "* --help: stdout": THE_TASK,
    "configuration *: stdout": THE_TASK,
    "logged: events: config/text_summary": THE_TASK,
    "wrong: types: stderr": IN_ORDER,
    "wrong: ranges: stderr": IN_ORDER,
    "wrong: tune key: stderr": THE_TASK,
}
"""Differences that are meant, and why: the name of a row, or "ROW: ITEM" for one item of it; * stands for anything."""

DATA = Path(os.environ.get("DIGITS_DATA", HERE / "data")).resolve()
"""Where MNIST lies."""

PASSING = ("date", "content-length")
"""Headers of an answer that say when it was given, and how many digits its time has."""

LONGEST = 900
"""Seconds that a command may take."""


@dataclass(frozen=True)
class Side:
    """One of the two trees, and the folder that its commands start in."""

    name: str
    places: Places

    def start(self, words: Sequence[str]) -> subprocess.Popen[str]:
        """Start `python -m digits.WORDS`."""
        own = {
            "PYTHONPATH": str(self.places.tree),
            "OMP_NUM_THREADS": "1",
            "OMP_WAIT_POLICY": "passive",
            "COLUMNS": "100",
            "DIGITS_DATA": str(DATA),
        }
        return subprocess.Popen(
            [sys.executable, "-m", f"digits.{words[0]}", *words[1:]], cwd=self.places.folder, env=os.environ | own,
            text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def visit(self, server: subprocess.Popen[str]) -> Outcome:
        """Ask a server for its page and about a picture, and tell it to stop; its answers."""
        assert server.stdout is not None
        address = re.search(r"http://[\d.:]+/", server.stdout.readline())
        found: Outcome = {}
        if address is not None:
            picture = (self.places.folder / "pages" / "lines.png").read_bytes()
            question = Request(f"{address[0]}api/read", picture, {"Content-Type": "image/png"})
            for item, asked in (("page", Request(address[0])), ("answer", question)):
                with urlopen(asked, timeout=60) as answer:
                    text = answer.read().decode()
                    headers = sorted(f"{key}: {value}" for key, value in answer.headers.items() if key not in PASSING)
                found[item] = masked("\n".join([*headers, text]), self.places)
        server.terminate()
        return found

    def check(self) -> None:
        """Make sure that the commands are this tree's, whatever is installed."""
        done = subprocess.run(
            [sys.executable, "-c", "import digits; print(digits.__file__)"], cwd=self.places.folder, check=True,
            env=os.environ | {"PYTHONPATH": str(self.places.tree)}, text=True, capture_output=True,
        )  # fmt: skip
        found = Path(done.stdout.strip()).resolve().parents[1]
        if found != self.places.tree:
            raise RuntimeError(f"commands of {self.places.tree} would run those of {found}")

    def outcomes(self, case: Case) -> dict[str, Outcome]:
        """Run a case; what it said, and all that it left, by the names of the rows."""
        case.prepare(self.places.folder)
        process = self.start(case.words)
        answers = self.visit(process) if case.serves else {}
        stdout, stderr = process.communicate(timeout=LONGEST)
        wrong = case.code not in (None, process.returncode)
        found = {case.name: {"exit code": f"{WRONG}: " * wrong + str(process.returncode), **answers}}
        for item, text in (("stdout", stdout), ("stderr", stderr)):
            found[case.name][item] = masked(text, self.places)
        if case.leaves and (place := self.places.folder / case.leaves).exists():
            for row, items in outcomes_of(case.name, place, self.places).items():
                found.setdefault(row, {}).update(items)
        if case.same is not None:
            found[case.name]["weights"] = weights(self.places.folder, case.same)
        return found

    def all_outcomes(self, jobs: Sequence[str], others: Sequence[Case]) -> dict[str, Outcome]:
        """Run the sweeps of runs, then the other cases, one after the other."""
        found: dict[str, Outcome] = {}
        for title, names in (("runs", JOBS), ("later runs", LATER)):
            if wanted := [name for name in jobs if name in names]:
                found |= self.outcomes(sweep(wanted, title))
                self.say(title)
        for case in others:
            found |= self.outcomes(case)
            self.say(case.name)
        for name in jobs:
            found |= outcomes_of(name, self.places.folder / job(name), self.places)
            found[name]["status"] = status(found[name], "failed" if name in FAILING else "done")
        return found

    def say(self, name: str) -> None:
        """Say on the screen that something is done."""
        print(f"{self.name}: {name}", file=sys.stderr, flush=True)


@contextmanager
def worktree(commit: str, tree: Path) -> Iterator[Path]:
    """A commit checked out, and removed afterwards."""
    git("worktree", "add", "--detach", str(tree), commit)
    try:
        yield tree.resolve()
    finally:
        git("worktree", "remove", "--force", str(tree))


def fill(tree: Path) -> None:
    """Bring a worktree to what this checkout holds now, uncommitted changes too: the work goes on meanwhile."""
    for name in git("ls-files", "-z", tree=tree).split("\0"):
        (tree / name).unlink(missing_ok=True)
    for name in git("ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0"):
        if (HERE / name).is_file():  # else it was deleted
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(HERE / name, tree / name)


def git(*words: str, tree: Path = HERE) -> str:
    """What git says."""
    return subprocess.run(["git", *words], cwd=tree, check=True, text=True, capture_output=True).stdout.strip("\0\n")


def compare(base: Path, here: Path, folder: Path, names: Sequence[str]) -> list[dict[str, Outcome]]:
    """The outcomes of both trees; raises ValueError for a name that there is not."""
    experiments = {path.stem for tree in (base, here) for path in (tree / "conf" / "experiment").glob("*.yaml")}
    jobs, others = chosen(names, cases(sorted(experiments)))
    sides = []
    for name, tree in (("base", base), ("here", here)):
        own = (folder / name).resolve()
        own.mkdir(parents=True)
        make(own, {**JOBS, **{job: overrides for job, (overrides, _) in LATER.items()}})
        sides.append(Side(name, Places(tree, own, git("rev-parse", "HEAD", tree=tree))))
        sides[-1].check()
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda side: side.all_outcomes(jobs, others), sides))


def main(argv: Sequence[str] | None = None) -> None:
    """The command."""
    parser = make_parser("benchmarks.trees", __doc__)
    parser.add_argument(
        "--base", metavar="COMMIT", default=BASE, help="compared with this commit (default: %(default).7s)"
    )
    parser.add_argument("--only", metavar="NAME", nargs="+", default=[], help="runs or commands, with what they need")
    parser.add_argument("--out", metavar="DIR", type=Path, help="keep what both trees left in this folder, a new one")
    given = parser.parse_args(argv)
    if not (DATA / "MNIST" / "raw").is_dir():
        parser.error(f"MNIST is not in {DATA}; put it there, or set DIGITS_DATA")
    with (
        tempfile.TemporaryDirectory() as temporary,
        worktree(given.base, Path(temporary, "trees", "base")) as base,
        worktree("HEAD", Path(temporary, "trees", "here")) as here,
    ):
        fill(here)
        try:
            of_base, of_here = compare(base, here, given.out or Path(temporary), given.only)
        except (ValueError, FileExistsError) as error:
            parser.error(str(error))
    verdicts = judge(of_base, of_here, WANTED)
    print(Table(["name", "verdict"], rows_of(verdicts), "ll").text())
    for verdict in verdicts:
        if verdict.differences:
            print("\n".join([f"\n{verdict.name}:", *(f"  {line}" for line in verdict.differences)]))
    wrong = sum(not verdict.holds for verdict in verdicts)
    print(
        f"\n{len(verdicts)} compared, {wrong} differ" if wrong else f"\n{len(verdicts)} compared, all equal or wanted"
    )
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
