"""What a bundle says of its model: facts of the run's record and of the export, under the names that a card uses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from digits.config.task import DETECTION
from digits.exporting.onnx_export import MadeFile
from digits.exporting.origins import Origin, origin_of
from digits.runs.schema import CorruptedRecord, EvaluationRecord, NetInput, RecordedData, RecordedTarget, RunRecord

UNKNOWN = "unknown"  # the Hub's identifier of a licence that nobody stated


@dataclass(frozen=True)
class About:
    """A model, its files and its origin."""

    record: RunRecord
    data: RecordedData  # that it was trained on
    model: RecordedTarget  # its class and arguments
    takes: NetInput
    files: Sequence[MadeFile]  # the float file first
    notes: Sequence[str]  # of the export, one sentence each
    evaluations: Sequence[EvaluationRecord]  # of the run, by `digits.evaluate`
    sha256: str  # of the weights
    licence: str = UNKNOWN  # of the weights, an identifier of the Hub's
    corruptions: Sequence[CorruptedRecord] = ()  # evaluations of the run on corrupted images

    @property
    def detects(self) -> bool:
        """Whether it is a page detector."""
        return self.record.task.name == DETECTION.name

    @property
    def net(self) -> str:
        """The name of the net's class."""
        return str(self.model.target).rpartition(".")[2]

    @property
    def name(self) -> str:
        """What the model is called: the data set and the net."""
        return f"{self.data.name}-{self.net}".lower()

    @property
    def origin(self) -> Origin:
        """Where its training images come from."""
        return origin_of(self.data)

    @property
    def classes(self) -> list[str]:
        """The names of its classes, in the order of its output."""
        return self.takes.classes or []

    @property
    def elsewhere(self) -> list[EvaluationRecord]:
        """The evaluations of these weights on the test splits of other data sets."""
        return [
            found
            for found in self.evaluations
            if found.split == "test"
            and found.data.name != self.data.name
            and [member.weights_sha256 for member in found.members] == [self.sha256]
            and found.images
            and found.correct is not None
            and 0 <= found.correct <= found.images
        ]

    @property
    def corrupted(self) -> list[CorruptedRecord]:
        """The evaluations of these weights on corrupted test splits."""
        return [
            found
            for found in self.corruptions
            if found.split == "test"
            and found.weights_sha256 == [self.sha256]
            and found.mean is not None
            and all(0 <= share <= 1 for share in (found.mean, *found.accuracy.values()))
        ]
