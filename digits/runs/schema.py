"""The typed records of a run's files: `result.json`, `model.json`, `evaluation.json` and `search.json`. No torch.

Everything that was recorded is kept as it was (`tree`), so data of an older or a newer version goes back into a file, a
hash or a configuration unchanged; the fields are the values that this version reads. A key that is missing or null has
the meaning that its absence had when the record was written.

A run's record may come from many versions of many packages: a value of an unexpected type counts as not recorded, and
is checked before anything is built from it. Values needed to rebuild a net, or to find a study, must have their type,
otherwise the file is damaged.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field, PlainValidator
from pydantic_core import PydanticCustomError

from digits.config.absent import completed
from digits.config.data import DataSet
from digits.config.schema import data_set
from digits.config.task import CLASSIFICATION, Task, task_from
from digits.config.types import Tree
from digits.runs.recorded import AsFarAsKnown, Number, Numbers, Recorded

Scalar: TypeAlias = "None | bool | int | float | str"


# ---- The origins of a run -----------------------------------------------------------------------


class RecordedTarget(Recorded):
    """A section with a `_target_`."""

    target: AsFarAsKnown[str | None] = Field(None, alias="_target_")


class RecordedData(RecordedTarget):
    """The section `data` of a configuration."""

    name: AsFarAsKnown[str | None] = None
    root: AsFarAsKnown[str | None] = None
    mean: AsFarAsKnown[Number | None] = None
    std: AsFarAsKnown[Number | None] = None
    num_classes: AsFarAsKnown[int | None] = None
    image_size: AsFarAsKnown[int | None] = None
    val_size: AsFarAsKnown[Number | None] = None  # an image folder's may be a share
    split_seed: AsFarAsKnown[int | None] = None

    @property
    def kind(self) -> type[DataSet]:
        """The schema class of the data set, with the properties of its kind."""
        return data_set(self._tree)


class RecordedTrainer(Recorded):
    """The section `trainer`."""

    max_epochs: AsFarAsKnown[int | None] = None
    precision: AsFarAsKnown[str | None] = None
    channels_last: AsFarAsKnown[bool] = False


WHOLE = {"data", "model", "loss", "optimizer", "trainer"}  # the sections that a complete configuration has


class RecordedConfig(Recorded):
    """A run's configuration as recorded; `digits.config.absent` defines the meaning of missing keys."""

    @classmethod
    def _meant(cls, tree: Tree) -> Tree:
        return completed(tree)

    data: AsFarAsKnown[RecordedData | None] = None
    model: AsFarAsKnown[RecordedTarget | None] = None
    trainer: AsFarAsKnown[RecordedTrainer] = RecordedTrainer()
    augment: AsFarAsKnown[dict[str, RecordedTarget | None]] = Field(default_factory=dict)
    callbacks: AsFarAsKnown[dict[str, RecordedTarget | None]] = Field(default_factory=dict)
    test_views: AsFarAsKnown[int | None] = None
    init_from: AsFarAsKnown[str | None] = None
    config_from: AsFarAsKnown[str | None] = None
    teachers: AsFarAsKnown[list[str]] = Field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether the configuration describes what was trained."""
        return self._tree.keys() >= WHOLE

    def completed(self) -> Tree:
        """The configuration with the keys added since it was written, set to what their absence meant."""
        return completed(self._tree)


class Commit(Recorded):
    """The commit of the source that trained a run, and whether the source had changes."""

    id: AsFarAsKnown[str | None] = None
    dirty: AsFarAsKnown[bool | None] = None


class Hardware(Recorded):
    """The machine that a run was trained on."""

    cpu: AsFarAsKnown[str | None] = None
    cores: AsFarAsKnown[int | None] = None
    threads: AsFarAsKnown[int | None] = None


class DataRead(Recorded):
    """The numbers of images that were read, by split, and the checksums of their files."""

    name: AsFarAsKnown[str | None] = None
    train: AsFarAsKnown[int | None] = None
    val: AsFarAsKnown[int | None] = None
    test: AsFarAsKnown[int | None] = None
    checksums: AsFarAsKnown[dict[str, str] | None] = None


class TeacherOf(Recorded):
    """A teacher of a run, and the SHA-256 of its weights at that time."""

    run: AsFarAsKnown[str | None] = None
    weights: AsFarAsKnown[str | None] = None


class BeganWith(Recorded):
    """The weights that a run started from (`init_from`): their SHA-256; `tree` also has what became of the classes."""

    weights: AsFarAsKnown[str | None] = None


class TrialOf(Recorded):
    """The search and trial that a run belongs to; a parameter of the space that the trial doesn't have is None."""

    search: AsFarAsKnown[str | None] = None
    number: AsFarAsKnown[int | None] = None
    parameters: AsFarAsKnown[dict[str, Scalar] | None] = None
    numbers: AsFarAsKnown[list[str]] = Field(default_factory=list)


# ---- The records --------------------------------------------------------------------------------


class RunRecord(Recorded):
    """`result.json`."""

    format: AsFarAsKnown[int | None] = None
    status: AsFarAsKnown[str | None] = None
    started: AsFarAsKnown[str | None] = None
    finished: AsFarAsKnown[str | None] = None
    error: AsFarAsKnown[str | None] = None

    pid: AsFarAsKnown[int | None] = None
    host: AsFarAsKnown[str | None] = None
    alive: AsFarAsKnown[Number | None] = None  # seconds since 1970

    overrides: AsFarAsKnown[list[str] | None] = None
    seed: AsFarAsKnown[int | None] = None
    lengthened: AsFarAsKnown[list[int]] = Field(default_factory=list)  # earlier lengths, in epochs
    config: AsFarAsKnown[RecordedConfig | None] = None
    trial: AsFarAsKnown[TrialOf | None] = None
    versions: AsFarAsKnown[dict[str, str]] = Field(default_factory=dict)
    commit: AsFarAsKnown[Commit] = Commit()
    hardware: AsFarAsKnown[Hardware] = Hardware()
    device: AsFarAsKnown[str | None] = None
    data: AsFarAsKnown[DataRead] = DataRead()
    teachers: AsFarAsKnown[list[TeacherOf]] = Field(default_factory=list)
    init_from: AsFarAsKnown[BeganWith] = BeganWith()

    task: Annotated[Task, PlainValidator(task_from)] = CLASSIFICATION
    weights: AsFarAsKnown[str | None] = None  # SHA-256
    parameters: AsFarAsKnown[int | None] = None
    metrics: AsFarAsKnown[Numbers] = Field(default_factory=dict)
    epoch: AsFarAsKnown[int | None] = None  # of the weights
    epochs: AsFarAsKnown[int | None] = None
    steps: AsFarAsKnown[int | None] = None
    images_per_second: AsFarAsKnown[Number | None] = None
    seconds: AsFarAsKnown[Numbers] = Field(default_factory=dict)
    history: AsFarAsKnown[list[dict[str, Number]]] = Field(default_factory=list)

    def figures(self) -> dict[str, float]:
        """All metrics and costs of a run: its metrics, parameters, seconds and images per second."""
        more = {
            "parameters": self.parameters,
            "seconds": self.seconds.get("fit"),
            "images_per_second": self.images_per_second,
        }
        return self.metrics | {name: value for name, value in more.items() if value is not None}


def _not_negative(number: float) -> float:
    if not number >= 0:
        raise PydanticCustomError("not_negative", "Input should be 0 or more")
    return number


def _positive(number: float) -> float:
    if not number > 0:
        raise PydanticCustomError("positive", "Input should be greater than 0")
    return number


class NetInput(Recorded):
    """The images that a net takes, and the classes that it predicts."""

    std: Annotated[Number, AfterValidator(_positive)]
    mean: Annotated[Number, AfterValidator(_not_negative)]
    image_size: Annotated[int, Field(ge=0)]
    classes: list[str] | None = None


class ModelRecord(Recorded):
    """`model.json`: the data needed to rebuild a net and to normalise its input."""

    format: int | None = None
    model: AsFarAsKnown[RecordedTarget] = RecordedTarget()
    input: NetInput


class EvaluatedMember(Recorded):
    """A net of an evaluation."""

    weights_sha256: AsFarAsKnown[str | None] = None


class EvaluationRecord(Recorded):
    """`evaluation.json` of a classifier."""

    members: AsFarAsKnown[list[EvaluatedMember]] = Field(default_factory=list)
    data: AsFarAsKnown[RecordedData] = RecordedData()
    split: AsFarAsKnown[str | None] = None
    views: AsFarAsKnown[int | None] = None
    images: AsFarAsKnown[int | None] = None
    correct: AsFarAsKnown[int | None] = None


CLEAN = "none"  # in `CorruptedRecord.accuracy`: the split as it is


class CorruptedRecord(Recorded):
    """`corrupted.json`: a classifier's accuracy on a split as it is and with each kind of corruption."""

    weights_sha256: AsFarAsKnown[list[str | None]] = Field(default_factory=list)  # of each net
    data: AsFarAsKnown[RecordedData] = RecordedData()
    split: AsFarAsKnown[str | None] = None
    views: AsFarAsKnown[int | None] = None
    images: AsFarAsKnown[int | None] = None
    accuracy: AsFarAsKnown[Numbers] = Field(default_factory=dict)  # by kind, fractions
    mean: AsFarAsKnown[Number | None] = None  # over the kinds, without CLEAN


class SearchRecord(Recorded):
    """`search.json`: the name of a search's study and its database; `storage` None: a file in the same directory."""

    format: int | None = None
    name: str
    storage: str | None = None


@dataclass(frozen=True)
class Outcome:
    """The outcome of an experiment, as written to the record of its run."""

    status: Literal["done", "pruned"]
    metrics: dict[str, float]
    epoch: int  # of the weights that are kept
    epochs: int
    steps: int
    images_per_second: float
    seconds: dict[str, float]
    history: list[dict[str, float]]

    def tree(self) -> Tree:
        """The outcome as plain data."""
        return asdict(self)
