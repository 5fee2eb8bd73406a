"""The run directory, whatever is written into it and whatever lies in it: told by RunError, never by anything else."""

from __future__ import annotations

import json
import os
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Literal, TypeAlias

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from digits.config.types import Tree, Value
from digits.runs.layout import RunError
from digits.runs.read import find_run, parsed, read_result, status_of
from digits.runs.record import RunDirectory
from digits.runs.schema import Outcome, RunRecord

# Neither control codes nor halves of characters, which a reader may replace; both have a test of their own
TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=8)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | TEXT
PLAIN: st.SearchStrategy[Value] = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=5
)
CONFIGS = st.builds(
    lambda seed, rest: {**rest, "seed": seed}, st.integers(0, 2**32 - 1), st.dictionaries(TEXT, PLAIN, max_size=3)
)
OVERRIDES = st.lists(TEXT, max_size=3).map(lambda values: [f"key{i}={value}" for i, value in enumerate(values)])
FIGURES = st.dictionaries(TEXT, st.floats() | st.integers(), max_size=3)
OUTCOMES = st.builds(
    Outcome,
    status=st.sampled_from(["done", "pruned"]),
    metrics=FIGURES,
    epoch=st.integers(),
    epochs=st.integers(),
    steps=st.integers(),
    images_per_second=st.floats(),
    seconds=FIGURES,
    history=st.lists(FIGURES, max_size=3),
)

Step: TypeAlias = (
    tuple[Literal["begin"], Tree, list[str]]
    | tuple[Literal["anew"], Tree, list[str]]
    | tuple[Literal["live"], bool]
    | tuple[Literal["finish"], Outcome]
    | tuple[Literal["interrupt"]]
    | tuple[Literal["fail"], str, str]
)
STEPS: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.just("begin"), CONFIGS, OVERRIDES),
    st.tuples(st.just("anew"), CONFIGS, OVERRIDES),
    st.tuples(st.just("live"), st.booleans()),
    st.tuples(st.just("finish"), OUTCOMES),
    st.tuples(st.just("interrupt")),
    st.tuples(st.just("fail"), TEXT, TEXT),
)


@contextmanager
def folder() -> Iterator[Path]:
    """A new one for each example; pytest's tmp_path is one for all of them."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def same(first: Value, second: Value) -> bool:
    """Equal, NaN and the difference of 1 and 1.0 and True included."""
    return json.dumps(first, sort_keys=True) == json.dumps(second, sort_keys=True)


# ---- Writing --------------------------------------------------------------------------------------


@given(st.tuples(CONFIGS, OVERRIDES), st.lists(STEPS, max_size=5))
@settings(max_examples=25, deadline=None)
def test_what_is_written_is_read_back(start: tuple[Tree, list[str]], steps: list[Step]) -> None:
    with folder() as parent:
        path = parent / "run"
        run = RunDirectory(path)
        run.begin(*start)
        config, fields = start[0], Tree()
        assert read_result(path).overrides == start[1]
        started, status = read_result(path).started, "running"
        error: str | None = None
        for step in steps:
            if step[0] == "anew":  # another process, with resume
                run = RunDirectory(path)
            if step[0] in ("begin", "anew"):
                config, status, fields, error = step[1], "running", {}, None
                run.begin(*step[1:])
                run.first_step()
            elif step[0] == "live":
                run.sign_of_life(at_once=step[1])
            elif step[0] == "finish":
                status = step[1].status
                fields |= {key: value for key, value in step[1].tree().items() if key != "status"}
                run.finish(step[1])
            elif step[0] == "interrupt":
                status = "interrupted"
                run.interrupt()
            elif step[0] == "fail":
                status, error = "failed", step[2]
                fields |= {"error": step[1]}
                run.fail(step[1], step[2])
            result = read_result(path)
            assert result.config is not None
            assert same(result.config.tree(), config)
            assert (result.seed, result.started, result.status) == (config["seed"], started, status)
            assert status_of(result) == status
            assert same({key: result.tree()[key] for key in fields}, fields)
            assert status != "running" or (result.pid, result.host) == (os.getpid(), socket.gethostname())
            assert (path / "error.txt").exists() == (error is not None)
            assert not list(path.glob("*.part")) + list(path.glob(".*.part"))


HALF = "data.root=/data/\udcff"  # a folder whose name is no UTF-8, as Python has it from the command line


@given(st.text(st.characters(codec=None), max_size=5))
@example(HALF)
@example("\0\x1b[31m\x85")
@settings(max_examples=20, deadline=None)
def test_any_text_can_be_written(text: str) -> None:
    """Found: of a run with a folder's name that is no UTF-8 neither the start nor the failure could be recorded."""
    with folder() as path:
        run = RunDirectory(path)
        run.begin({"seed": 0, "text": text}, [text])
        run.fail(text, text)
        assert status_of(read_result(path)) == "failed"
        assert (path / "error.txt").exists()


# ---- Reading --------------------------------------------------------------------------------------


@cache
def record() -> bytes:
    """The bytes of a real one."""
    with folder() as path:
        run = RunDirectory(path)
        run.begin({"seed": 3, "data": {"root": "dätä", "mean": 0.1307, "list": [1, None, True]}}, ["seed=3"])
        metrics = {"test/accuracy": 0.99, "test/loss": float("nan")}
        run.finish(Outcome("done", metrics, 0, 1, 10, 100.0, {"fit": 1.0}, [{"epoch": 0}]))
        return (path / "result.json").read_bytes()


def flipped(content: bytes, bits: list[int]) -> bytes:
    changed = bytearray(content)
    for bit in bits:
        changed[bit // 8 % len(changed)] ^= 1 << bit % 8
    return bytes(changed)


BITS = st.lists(st.integers(0, 20_000), min_size=1, max_size=3)


@given(
    st.one_of(
        st.binary(max_size=30),
        st.integers(0, 10_000).map(lambda kept: record()[:kept]),
        BITS.map(lambda bits: flipped(record(), bits)),
        st.tuples(st.integers(0, 2000), st.binary(min_size=1, max_size=5)).map(
            lambda drawn: record()[: drawn[0]] + drawn[1] + record()[drawn[0] :]
        ),
        PLAIN.map(lambda tree: json.dumps(tree).encode()),
    )
)
@example(b"")
@example(b"null")
@example(b"\xef\xbb\xbf{}")
@example(b'"\xed\xa0\x80"')
@example(b'{"pid": ' + b"1" * 5000 + b"}")
@settings(max_examples=250, deadline=None)
def test_a_damaged_record_is_told_as_such(content: bytes) -> None:
    """Found: a number of more than 4,300 digits was Python's ValueError."""
    with folder() as path:
        (path / "result.json").write_bytes(content)
        try:
            result = read_result(path)
        except RunError as error:
            told = str(error)
        else:
            assert isinstance(status_of(result), str)
            return
    assert told.startswith(f"{path / 'result.json'} "), told
    assert told.isprintable()


@pytest.mark.parametrize("opening", [b"[", b'{"a":'], ids=["lists", "objects"])
def test_a_record_of_any_depth_is_told_as_damaged(tmp_path: Path, opening: bytes) -> None:
    """Found: a RecursionError."""
    (tmp_path / "result.json").write_bytes(opening * 100_000)
    with pytest.raises(RunError, match=r"^\S*/result\.json is "):
        read_result(tmp_path)


@pytest.mark.timeout(10)
@pytest.mark.parametrize("kind", ["directory", "pipe", "loop", "nowhere"])
def test_what_is_no_file_is_no_record(tmp_path: Path, kind: str) -> None:
    """Found: a directory was an IsADirectoryError, a loop of links an OSError, and a pipe was waited on for ever."""
    path = tmp_path / "run" / "result.json"
    path.parent.mkdir()
    if kind == "directory":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(path if kind == "loop" else "nowhere")
    with pytest.raises(RunError, match=r"result\.json"):
        read_result(path.parent)
    with pytest.raises(RunError, match=r"result\.json"):
        read_result(find_run(str(path.parent)))
    with pytest.raises(RunError, match="is done yet"):
        find_run(None, tmp_path)


# ---- Status ---------------------------------------------------------------------------------------

HERE = socket.gethostname()
RECORDS = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from(["running", "running", "done", "failed", "interrupted"]) | PLAIN,
        "pid": st.integers() | st.integers(-2, 2**22) | PLAIN,
        "host": st.sampled_from([HERE, "elsewhere"]) | PLAIN,
        "alive": st.floats() | st.integers() | PLAIN,
    },
)


@given(RECORDS)
@example({"status": "running", "host": HERE, "pid": 2**63})
@example({"status": "running", "host": HERE, "pid": -(2**63)})
@example({"status": "running", "host": HERE, "pid": 0})
@example({"status": "running", "host": HERE, "pid": -1})
@example({"status": "running", "host": HERE, "pid": True})
@example({"status": "running", "host": "elsewhere", "alive": 10**400})
@example({"status": "running", "host": "elsewhere", "alive": float("nan")})
@settings(max_examples=200, deadline=None)
def test_the_status_of_any_record(result: Tree) -> None:
    """Found: process numbers and times that no machine has were OverflowErrors; process 0, our own group, was alive."""
    record, given_status = parsed(RunRecord, result, Path("result.json")), result.get("status")
    status = status_of(record)
    if given_status in ("done", "failed", "interrupted"):
        assert status == given_status
    elif given_status == "running":
        assert status in ("running", "lost")
        pid, alive = result.get("pid"), result.get("alive")
        if result.get("host") == HERE and isinstance(pid, int) and (pid <= 0 or pid > 2**22):
            assert status == "lost", "there is no such process"
        if result.get("host") != HERE and not isinstance(alive, int | float):
            assert status == "lost", "it never gave a sign of life"
    else:
        assert isinstance(status, str)
        assert status not in ("running", "done")


def test_this_process_lives() -> None:
    assert status_of(RunRecord(status="running", host=HERE, pid=os.getpid(), alive=time.time())) == "running"
