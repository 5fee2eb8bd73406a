"""What W&B keeps of a run in offline mode: a log file of LevelDB's format, which W&B's own Python can't read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

HEADER, BLOCK = 7, 32768  # bytes: of the file, and of each record in it: checksum, length, kind; and of a block
WHOLE, LAST = 1, 4  # kinds of a record: in one part, its last part


class Offline(NamedTuple):
    """One start of a run."""

    run: dict[str, str]  # id, project, group, name
    config: dict[str, object]
    rows: list[dict[str, object]]
    summary: dict[str, object]
    models: list[dict[str, int]]  # the files of each artifact, with their sizes
    exit_code: int | None


def starts(run: Path) -> list[Offline]:
    """Every start of a run, by its directory; the first one first."""
    return [read(path) for path in sorted(run.glob("wandb/offline-run-*/*.wandb"))]


def parts(content: bytes) -> Iterator[bytes]:
    """The records of a log file."""
    at, whole = HEADER, b""
    while at + HEADER <= len(content):
        if BLOCK - at % BLOCK < HEADER:  # the rest of a block is empty
            at += BLOCK - at % BLOCK
            continue
        length, kind = int.from_bytes(content[at + 4 : at + 6], "little"), content[at + 6]
        whole += content[at + HEADER : at + HEADER + length]
        at += HEADER + length
        if kind in (WHOLE, LAST):
            yield whole
            whole = b""


class Item(Protocol):
    """A key, nested or not, and its value as JSON."""

    key: str
    nested_key: Sequence[str]
    value_json: str


def items(found: Iterable[Item]) -> dict[str, object]:
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in found}


def read(path: Path) -> Offline:
    from wandb.proto.wandb_internal_pb2 import Record

    found = Offline({}, {}, [], {}, [], None)
    for part in parts(path.read_bytes()):
        record = Record()
        record.ParseFromString(part)
        kind = record.WhichOneof("record_type")
        if kind == "run":
            run = record.run
            found.run.update(id=run.run_id, project=run.project, group=run.run_group, name=run.display_name)
        elif kind == "config":
            found.config.update(items(record.config.update))
        elif kind == "history":
            found.rows.append(items(record.history.item))
        elif kind == "summary":
            found.summary.update(items(record.summary.update))
        elif kind == "artifact":
            found.models.append({entry.path: entry.size for entry in record.artifact.manifest.contents})
        elif kind == "exit":
            found = found._replace(exit_code=record.exit.exit_code)
    return found
