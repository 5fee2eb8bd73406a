"""RESULTS.md, written from the records alone; what a figure was measured on, and whether its code has changed since."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

import benchmarks.__main__ as command
from benchmarks import results
from benchmarks.accuracy import table as accuracy
from benchmarks.records import RECORDS
from benchmarks.results import EXPERIMENTS, RESULTS, Section, by_machine, kept, machine, table
from benchmarks.speed import speedrun

Git = Callable[..., str]


@pytest.fixture
def git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Git:
    """Git in a repository of two files of code and a page, in place of the project's."""

    def run(*arguments: str) -> str:
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        done = subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    run("init", "--quiet")
    for path in ("digits/a.py", "digits/inner/b.py", "benchmarks/b.py", "benchmarks/RESULTS.md"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("1\n")
    run("add", ".")
    run("commit", "--quiet", "--message", "first")
    monkeypatch.setattr(results, "ROOT", tmp_path)
    results.changed_since.cache_clear()
    return run


def test_what_is_quoted_is_what_the_records_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without git, or in a clone that lacks their commits, nothing is known of the age of figures."""
    shutil.copytree(EXPERIMENTS, tmp_path / "experiment")
    for module in (accuracy, speedrun):
        monkeypatch.setattr(module, "EXPERIMENTS", tmp_path / "experiment")
    monkeypatch.setattr(command, "RESULTS", tmp_path / "RESULTS.md")
    results.changed_since.cache_clear()
    command.main([])
    for path in EXPERIMENTS.glob("*.yaml"):
        assert (tmp_path / "experiment" / path.name).read_bytes() == path.read_bytes(), "run python -m benchmarks"
    texts = [path.read_text(encoding="utf-8") for path in (tmp_path / "RESULTS.md", RESULTS)]
    if subprocess.run(["git", "cat-file", "-e", "82c7ac2"], cwd=results.ROOT, capture_output=True).returncode:
        texts = [re.sub(r" \(older than [^)]*\)", "", text) for text in texts]
    assert texts[0] == texts[1], "run python -m benchmarks"


def test_every_commit_in_the_page_has_the_day_and_the_machine_of_its_measurement() -> None:
    for line in RESULTS.read_text(encoding="utf-8").splitlines():
        for before, _ in re.findall(r"(.{0,20})\bcommit ([0-9a-f]{7})\b", line):
            assert re.search(r"; 20\d\d-\d\d-\d\d, $", before), line
            assert re.search(r" (cores|threads)\b.*; Python 3\.\d+\.\d+, torch ", line), line


def test_every_record_of_a_section_is_in_the_page() -> None:
    page = RESULTS.read_text(encoding="utf-8")
    titles = [kept(path.stem).title for path in RECORDS.glob("*.json") if '"title":' in path.read_text()[:20]]
    assert len(titles) >= 5
    assert all(f"\n## {title}\n" in page for title in titles)


def test_a_section_is_kept_with_a_line_a_line(tmp_path: Path) -> None:
    section = Section("Rain", "python -m rain", ("sky/**",), "Drops.\n\n| a | b |\n|---|---|\n| 1 | 2 |")
    section.keep("rain", tmp_path)
    assert '\n  "| 1 | 2 |"\n' in (tmp_path / "rain.json").read_text()
    assert kept("rain", tmp_path) == section


def test_a_figure_older_than_its_code_says_so(git: Git, tmp_path: Path) -> None:
    commit = git("rev-parse", "--short", "HEAD")

    def told() -> str:
        results.changed_since.cache_clear()
        code = ("digits/*.py", "digits/inner/**")
        return Section("Rain", "", code, f"A CPU; commit {commit} with changes.").markdown().splitlines()[-1]

    assert told() == f"A CPU; commit {commit} with changes."
    (tmp_path / "digits" / "a.py").write_text("2\n")
    changed = f"A CPU; commit {commit} with changes (older than digits)."
    assert told() == changed
    git("commit", "--quiet", "--all", "--message", "second")
    assert told() == changed, "whether it is committed makes no difference"
    (tmp_path / "digits" / "inner" / "new.py").touch()
    assert told().endswith("(older than digits, digits/inner).")


@pytest.mark.usefixtures("git")
def test_of_an_unknown_commit_nothing_is_said() -> None:
    section = Section("Rain", "", ("digits/*.py",), "commit 0123456789; commit unknown")
    assert section.markdown().endswith("commit 0123456789; commit unknown\n")


def test_a_source_with_changes_is_called_one(git: Git, tmp_path: Path) -> None:
    """Figures that the scripts wrote are none: RESULTS.md and the records."""
    commit = git("rev-parse", "--short", "HEAD")
    today = datetime.now(UTC).date().isoformat()
    (tmp_path / "benchmarks" / "RESULTS.md").write_text("2\n")
    assert machine().endswith(f"; {today}, commit {commit}.")
    for name in ("digits/a.py", "benchmarks/b.py"):
        (tmp_path / name).write_text("2\n")
        assert machine().endswith(f"; {today}, commit {commit} with changes.")
        git("checkout", "--quiet", "--", name)
    (tmp_path / "digits" / "new.py").touch()
    assert machine().endswith(f"; {today}, commit {commit} with changes.")


def test_tables_and_machines_by_hand() -> None:
    assert table(["", "n"], [["a", 1], ["b", ""]]) == "|  | n |\n|---|---|\n| a | 1 |\n| b |  |"
    assert by_machine([("a", "X."), ("b", "Y."), ("c", "X."), ("a", "X.")]) == "- a, c: X.\n- b: Y."
