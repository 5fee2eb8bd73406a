"""What a figure was measured on, in one line."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from benchmarks import results, search
from benchmarks.results import machine


def test_what_is_quoted_of_the_searches_is_what_their_record_says() -> None:
    assert search.section(search.read()) in results.RESULTS.read_text(encoding="utf-8"), (
        "run python -m benchmarks.search"
    )


def test_a_source_with_changes_is_called_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures that the scripts wrote are none: RESULTS.md and the records."""

    def git(*arguments: str) -> str:
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        return subprocess.run(["git", *identity, *arguments], check=True, capture_output=True, text=True).stdout.strip()

    monkeypatch.chdir(tmp_path)
    git("init", "--quiet")
    for path in (Path("digits/a.py"), Path("benchmarks/b.py"), Path("benchmarks/RESULTS.md")):
        path.parent.mkdir(exist_ok=True)
        path.write_text("1\n")
    git("add", ".")
    git("commit", "--quiet", "--message", "first")
    commit = git("rev-parse", "--short", "HEAD")
    Path("benchmarks/RESULTS.md").write_text("2\n")
    assert machine().endswith(f"; commit {commit}.")
    for path in (Path("digits/a.py"), Path("benchmarks/b.py")):
        path.write_text("2\n")
        assert machine().endswith(f"; commit {commit} with changes.")
        git("checkout", "--quiet", "--", str(path))
    Path("digits/new.py").touch()
    assert machine().endswith(f"; commit {commit} with changes.")
