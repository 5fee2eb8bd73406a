"""Runs are found among whatever lies in a folder; whatever is asked for by name is a run or told that it is none."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from digits.runs.layout import RunError
from digits.runs.read import find_run, read_result, runs_in

FILES = st.sampled_from(
    [
        b"", b"{}", b"[]", b"{half", b"\xff", b'{"status": "running"}', b'{"status": "failed", "finished": "2026"}',
        b'{"status": "done"}', b'{"status": "done", "finished": null}', b'{"status": "done", "finished": [1]}',
        b'{"status": "done", "finished": "2026-01-02"}', b'{"status": ["done"], "finished": "2027"}',
    ]
)  # fmt: skip
Entry: TypeAlias = "bytes | str | dict[str, Entry]"
"""A file's content, where a link leads, or a folder."""

ENTRIES: st.SearchStrategy[dict[str, Entry]] = st.recursive(
    st.dictionaries(
        st.sampled_from(["result.json", "result.json", "model.json", "é", "x y"]),
        FILES | st.sampled_from(["..", ".", "result.json", "nowhere", "a"]),
        max_size=3,
    ),
    lambda inner: st.dictionaries(
        st.sampled_from(["a", "b", "-c", ".d", "\n", "result.json"]), inner | FILES, max_size=3
    ),
    max_leaves=6,
)


@contextmanager
def folder() -> Iterator[Path]:
    """A new one for each example; pytest's tmp_path is one for all of them."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def build(place: Path, entries: dict[str, Entry]) -> None:
    place.mkdir(exist_ok=True)
    for name, entry in entries.items():
        if isinstance(entry, bytes):
            (place / name).write_bytes(entry)
        elif isinstance(entry, str):
            (place / name).symlink_to(entry)
        else:
            build(place / name, entry)


@given(ENTRIES)
@example({"result.json": {"a": b"{}"}})
@example({"result.json": {}, "model.json": b"{}"})
@example({"a": {"result.json": "result.json"}})
@example({"a": {"result.json": b'{"status": "done"}', "model.json": b"{}"}, "b": {"result.json": "../a/result.json"}})
@settings(max_examples=80, deadline=None)
def test_any_folder_is_searched(entries: dict[str, Entry]) -> None:
    """Found: a folder by the name of a record was an IsADirectoryError."""
    with folder() as outputs:
        build(outputs, entries)
        runs = list(runs_in(outputs))
        assert len(runs) == len(set(runs))
        assert {path.parent for path in outputs.rglob("result.json") if path.is_file()} <= set(runs)
        done = []
        for run in runs:
            assert os.path.lexists(run / "result.json")
            try:
                result = read_result(find_run(str(run)))
            except RunError:
                continue
            if result.status == "done" and (run / "model.json").exists():
                done.append((str(result.finished), run))
        if done:
            assert find_run(None, outputs) == max(done)[1]
        else:
            with pytest.raises(RunError, match="is done yet"):
                find_run(None, outputs)


@pytest.mark.parametrize("kept", ["mlartifacts/1/4f2a/artifacts/model", "mlruns/1/model", "wandb/run-1/files"])
def test_the_copy_that_a_logger_keeps_is_no_run(tmp_path: Path, kept: str) -> None:
    for place, finished in ((tmp_path / "runs" / "a", "2026-01-01"), (tmp_path / kept, "2026-01-02")):
        place.mkdir(parents=True)
        (place / "result.json").write_text(f'{{"status": "done", "finished": "{finished}"}}')
        (place / "model.json").touch()
    assert [*runs_in(tmp_path)] == [tmp_path / "runs" / "a"] == [find_run(None, tmp_path)]
    assert find_run(str(tmp_path / kept)) == tmp_path / kept, "by its name it is taken"
    (tmp_path / "wandb").mkdir(exist_ok=True)
    (tmp_path / "wandb" / "result.json").write_text("{}")
    assert tmp_path / "wandb" in [*runs_in(tmp_path)], "the name of a run itself is free"


@given(st.text(st.characters(codec=None), max_size=20))
@example("x" * 5000)
@example("\0")
@example("\ud800")
@example("/dev/null")
@settings(max_examples=60, deadline=None)
def test_any_name_is_a_run_or_told_that_it_is_none(name: str) -> None:
    """Found: a name too long for a file was an OSError."""
    with folder() as path, pytest.raises(RunError, match=r"no directory|is not a run directory"):
        find_run(f"{path}/{name.replace('.', '')}")
