"""What a figure is stated with: tables, what it was measured on, its section of `RESULTS.md`, an experiment's head.

A script whose record holds runs renders its section from them; one whose record is its section keeps that as it is
(`Section.keep`). `python -m benchmarks` puts them all into `RESULTS.md`.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import cast

from benchmarks.records import RECORDS, RecordError, write_lines
from digits.config.files import RECORD_LIMIT, read_json
from digits.runs.atomic import write_text

ROOT = Path(__file__).resolve().parents[1]
EXPERIMENTS = ROOT / "conf" / "experiment"
PICTURES = ROOT / "docs" / "pictures"
RESULTS = Path(__file__).with_name("RESULTS.md")

TRAINING = ("digits/data/*.py", "digits/models/**", "digits/training/*.py")
"""The code of a training, as git's globs."""


@dataclass(frozen=True)
class Section:
    """A part of `RESULTS.md`: its text in Markdown, and the code that its figures are of, as git's globs."""

    title: str
    command: str
    code: tuple[str, ...]
    text: str

    def keep(self, name: str, folder: Path = RECORDS) -> None:
        """Record it, a line of its text a line, and say what is to be done next."""
        write_lines(folder / f"{name}.json", {
            "title": self.title, "command": self.command, "code": [*self.code], "text": [*self.text.split("\n")],
        })  # fmt: skip
        print(f"recorded in {name}.json; to write RESULTS.md: python -m benchmarks", file=sys.stderr)

    def markdown(self) -> str:
        """As it stands in `RESULTS.md`: each commit with what of the code has changed since."""

        def aged(found: re.Match[str]) -> str:
            changed = changed_since(found[1], self.code)
            return f"{found[0]} (older than {', '.join(map(_folder, changed))})" if changed else found[0]

        text = re.sub(r"\bcommit ([0-9a-f]{7,40})\b( with changes)?", aged, self.text)
        return f"## {self.title}\n\n`{self.command}`\n\n{text}\n"


def kept(name: str, folder: Path = RECORDS) -> Section:
    """A section as it was recorded."""
    tree = read_json(folder / f"{name}.json", RECORD_LIMIT, finite=False)
    code, text = (cast(list[str], tree[key]) for key in ("code", "text"))
    return Section(str(tree["title"]), str(tree["command"]), tuple(code), "\n".join(text))


@cache
def changed_since(commit: str, code: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the globs under which a file is not as it was at a commit; none where git doesn't know the commit."""

    def changed(glob: str) -> bool:
        path = ("--", f":(glob){glob}")
        differs = _git("diff", "--quiet", commit, *path).returncode  # 0 or 1; others: there is no such commit
        return differs == 1 or (differs == 0 and bool(_git("ls-files", "--others", "--exclude-standard", *path).stdout))

    return tuple(filter(changed, code))


def machine() -> str:
    """What a figure is measured on, the day (UTC) and the source, in one line."""
    cpu = platform.processor()
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            cpu = line.split(":", 1)[1].strip()
            break
    commit = _git("rev-parse", "--short", "HEAD").stdout.strip() or "unknown"
    changes = " with changes" if _git("status", "--porcelain", "--", "digits", "conf", "benchmarks/*.py").stdout else ""
    versions = ", ".join(f"{package} {metadata.version(package)}" for package in ("torch", "lightning"))
    source = f"{datetime.now(UTC):%Y-%m-%d}, commit {commit}{changes}"
    return f"{cpu}, {os.cpu_count()} cores; Python {platform.python_version()}, {versions}; {source}."


def by_machine(machines: Iterable[tuple[str, str]]) -> str:
    """What each was measured on, out of pairs of a name and a machine: a line a machine, with its names."""
    names: dict[str, list[str]] = {}
    for name, where in machines:
        names.setdefault(where, []).append(name)
    return "\n".join(f"- {', '.join(dict.fromkeys(of))}: {where}" for where, of in names.items())


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table in Markdown, with nothing padded: a new figure changes its own line alone."""
    head, *lines = (f"| {' | '.join(map(str, cells))} |" for cells in (columns, *rows))
    return "\n".join([head, f"|{'---|' * len(columns)}", *lines])


def replace_head(path: Path, figures: str, where: Iterable[str]) -> None:
    """Put figures, and what each was measured on, at the head of an experiment, in place of the former ones.

    Raises RecordError where it has no line for them.
    """
    text = path.read_text(encoding="utf-8")
    lines = "\n".join([f"# Measured: {figures}", *(f"# on {place}" for place in where)])
    new, found = re.subn(r"^# Measured:.*(\n# on .*)*", lambda _: lines, text, flags=re.MULTILINE)
    if not found:
        raise RecordError(f"{path} has no line '# Measured:' to put its figures in; add one to its head")
    write_text(path, new)


def _folder(glob: str) -> str:
    return glob.removesuffix("/*.py").removesuffix("/**")


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
