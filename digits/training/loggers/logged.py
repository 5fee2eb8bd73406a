"""What a run has logged elsewhere, remembered in its directory, so that it is resumed there without anything twice."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import Field, ValidationError

from digits.config.files import RECORD_LIMIT, FileError, read_json
from digits.config.types import Section
from digits.runs.atomic import write_json
from digits.runs.layout import RunError
from digits.runs.resume import resumable

V = TypeVar("V")


class Memory(Section):
    """The content of `wandb.json` or `mlflow.json`. No address: a file must not choose where a run is sent."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    logged: dict[str, int]  # the last step of each curve and image


class Logged:
    """The id of a run elsewhere, and which curves and images it has, up to which step.

    A resumed run repeats the steps after its checkpoint to the bit, and so logs the same values again: those up to the
    step that an earlier start had reached are left out. A run without a checkpoint starts over, as a new run elsewhere.
    """

    def __init__(self, path: Path) -> None:
        """Read what an earlier start wrote to `path`; raises RunError where that is damaged."""
        self.path = path
        memory: Memory | None = None
        try:
            if resumable(path.parent):
                memory = Memory.model_validate(read_json(path, RECORD_LIMIT, finite=True))
        except FileNotFoundError:
            pass
        except (FileError, ValidationError):
            raise RunError(f"{path} is damaged; move it away, and the run is logged as a new one there") from None
        self.id = None if memory is None else memory.id
        self.before = {} if memory is None else memory.logged  # by earlier starts
        self.last = dict(self.before)

    def fresh(self, values: Mapping[str, V], step: int) -> dict[str, V]:
        """The values that no earlier start has logged; they count as logged now."""
        found = {name: value for name, value in values.items() if step > self.before.get(name, -1)}
        self.last |= dict.fromkeys(found, step)
        return found

    def write(self) -> None:
        """Write the id and the steps for a later start; nothing before there is an id."""
        if self.id is not None:
            write_json(self.path, Memory(id=self.id, logged=self.last).model_dump())
