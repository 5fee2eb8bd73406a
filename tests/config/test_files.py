"""Files of strangers: JSON that is too much, or no plain file at all, is refused in a sentence."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digits.config.files import (
    MODEL_LIMIT,
    RECORD_LIMIT,
    FileError,
    check_stays_inside,
    read_json,
)
from digits.runs.atomic import write_json
from digits.runs.layout import WRITTEN, RunError
from digits.runs.read import read_model, read_result

pytestmark = pytest.mark.timeout(30)

INPUT = {"mean": 0.13, "std": 0.3, "image_size": 28}


def deep(levels: int) -> str:
    return '{"a": ' + "[" * (levels - 1) + "]" * (levels - 1) + "}"


# ---- JSON -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (deep(33).encode(), "is nested deeper than 32 levels"),
        (deep(1_000_000).encode(), "is nested deeper than 32 levels"),
        (b'{"a": 1, "b": {"c": 1, "c": 2}}', "it has the key 'c' twice"),
        (b'{"a": "\xff"}', "can't decode byte 0xff"),
        ('{"a": 1}'.encode("utf-16"), "can't decode byte"),
        (b"[1, 2]", "it is not a JSON object"),
        (b'{"a": ' + b"9" * 5000 + b"}", "Exceeds the limit"),
        (b'{"a": [-1' + b"0" * 300 + b"]}", "it holds a number of 302 digits"),
        (b'{"a": 1', "Expecting ',' delimiter"),
        (b"", "Expecting value"),
    ],
)
def test_json_that_is_not_read(tmp_path: Path, content: bytes, why: str) -> None:
    for name, read in {"result.json": read_result, "model.json": read_model}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(RunError) as caught:
            read(tmp_path)
        if len(content) > MODEL_LIMIT and name == "model.json":
            why = "is larger than 65,536 bytes"
        assert str(caught.value).startswith(str(tmp_path / name))
        assert why in str(caught.value)
        assert "\n" not in str(caught.value)


def test_json_that_is_just_within_the_limits_is_read(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text(deep(32))
    assert read_result(tmp_path).tree() == json.loads(deep(32))


def test_a_file_without_end_costs_no_memory(tmp_path: Path) -> None:
    for name, read, limit in (("result.json", read_result, RECORD_LIMIT), ("model.json", read_model, MODEL_LIMIT)):
        with (tmp_path / name).open("wb") as file:
            file.truncate(1 << 40)  # a terabyte of nothing
        with pytest.raises(RunError, match=rf"{name} is larger than {limit:,} bytes, so it is not read"):
            read(tmp_path)


def test_the_record_of_ten_thousand_epochs_is_read(tmp_path: Path) -> None:
    names = ("train/loss", "train/accuracy", "val/loss", "val/accuracy", "lr", "train/images_per_second")
    history = [{"epoch": epoch} | dict.fromkeys(names, 0.12345678901234567) for epoch in range(10_000)]
    write_json(tmp_path / "result.json", {"history": history})  # type: ignore[dict-item]  # lists are invariant
    assert 10 * (tmp_path / "result.json").stat().st_size < RECORD_LIMIT
    record = read_result(tmp_path)
    assert record.tree() == {"history": history}
    assert record.history == history


def test_a_diverged_runs_nan_is_read_but_a_net_is_made_of_numbers(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text('{"metrics": {"val/loss": NaN, "train/loss": Infinity}}')
    assert str(read_result(tmp_path).metrics) == "{'val/loss': nan, 'train/loss': inf}"
    for value in ("NaN", "-Infinity", "1e999"):
        (tmp_path / "model.json").write_text(f'{{"model": {{"dropout": {value}}}}}')
        with pytest.raises(RunError, match=r"model\.json is damaged: it holds (nan|-?inf), which is not finite"):
            read_model(tmp_path)


@pytest.mark.parametrize(
    "wrong", [{"std": 0}, {"mean": "0.1"}, {"mean": -1}, {"image_size": None}, {"std": [1]}, {"mean": {"a": 1}}]
)
def test_what_a_net_takes_is_told_in_numbers(tmp_path: Path, wrong: dict[str, object]) -> None:
    (tmp_path / "model.json").write_text(json.dumps({"model": {}, "input": INPUT | wrong}))
    with pytest.raises(RunError, match="net's input"):
        read_model(tmp_path)
    (tmp_path / "model.json").write_text(json.dumps({"model": {}, "input": INPUT}))
    assert read_model(tmp_path).input.tree() == INPUT


def test_a_record_gives_the_terminal_no_orders(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text(r'{"error": "\u001b]0;pwned\u0007 a\r\nb\tc \ud800", "\u009b2J": 1}')
    record = read_result(tmp_path)
    assert record.tree() == {"error": "\ufffd]0;pwned\ufffd a\ufffd\nb\tc \ufffd", "\ufffd2J": 1}
    print(record.error)  # half a character would raise UnicodeEncodeError


@pytest.mark.parametrize("kind", ["pipe", "folder", "endless", "loop"])
def test_what_is_no_file_neither_hangs_nor_fills_the_memory(tmp_path: Path, kind: str) -> None:
    for name, read in {"result.json": read_result, "model.json": read_model}.items():
        path = tmp_path / name
        if kind == "pipe":
            os.mkfifo(path)
        elif kind == "folder":
            path.mkdir()
        else:
            path.symlink_to("/dev/zero" if kind == "endless" else path)
        with pytest.raises(RunError, match=rf"{name} (is not a plain file|can't be read: Too many levels)"):
            read(tmp_path)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | st.text(alphabet='{}[]":,0e.-\\u1d "NaN', max_size=60).map(str.encode))
def test_any_bytes_give_an_object_or_a_sentence(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_bytes(content)
    try:
        assert isinstance(read_json(path, 100, finite=False), dict)
    except FileError as error:
        assert str(error).startswith(str(path))  # noqa: PT017 (either outcome is right)


# ---- Folders --------------------------------------------------------------------------------------


def test_links_that_lead_out_of_a_directory_are_found(tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    (run / "latest").symlink_to("checkpoints")
    (tmp_path / "by_another_name").symlink_to(run)
    check_stays_inside(run, run)
    check_stays_inside(tmp_path / "by_another_name" / "new", tmp_path / "by_another_name")
    (run / "checkpoints" / "last.ckpt").symlink_to(tmp_path / "precious")
    with pytest.raises(FileError, match=rf"last\.ckpt leads to {tmp_path}/precious, outside of .*; nothing is written"):
        check_stays_inside(run, run)
    (tmp_path / "run2" / "checkpoints").mkdir(parents=True)
    (tmp_path / "run2" / "latest-run").symlink_to(tmp_path / "precious")
    (tmp_path / "run2" / "README.link").symlink_to(tmp_path / "nowhere")
    check_stays_inside(tmp_path / "run2", tmp_path / "run2", WRITTEN)
    for name in ("train.log", ".result.json.7.part", "events.out.tfevents.1", "checkpoints/best.ckpt"):
        link = tmp_path / "run2" / name
        link.symlink_to(tmp_path / "precious")
        with pytest.raises(FileError, match="leads to"):
            check_stays_inside(tmp_path / "run2", tmp_path / "run2", WRITTEN)
        link.unlink()
    check_stays_inside(run / "evaluation", run)
    with pytest.raises(FileError, match=r"run/\.\. leads to"):
        check_stays_inside(run / "..", run)
