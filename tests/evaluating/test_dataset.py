"""The data that a net is asked about, where they come from a DataModule of one's own."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from digits.data import MNISTDataModule
from digits.data.datasets import DataError
from digits.evaluating.dataset import file_names, net_input
from digits.evaluating.members import Member
from digits.runs.schema import ModelRecord, NetInput, RecordedData


def module(**attributes: object) -> MNISTDataModule:
    return cast(MNISTDataModule, SimpleNamespace(**attributes))


def test_what_its_names_mean_to_it_is_not_asked() -> None:
    data, takes = RecordedData.model_validate({"_target_": "own.Data"}), NetInput(mean=0.1, std=0.3, image_size=28)
    member = Member(Path("run"), ModelRecord(input=takes), Path("run"), None, data, data, channels_last=False)
    assert file_names(member, module(files=["a.bin"]), "test") == ()


def test_its_classes_may_be_numbers() -> None:
    takes = net_input(module(mean=0, std=1, image_size=28, classes=(3, 7)))
    assert (takes.mean, takes.classes) == (0.0, ["3", "7"])


def test_what_it_lacks_is_told_before_the_training() -> None:
    with pytest.raises(DataError, match="SimpleNamespace needs a mean, an std, an image_size and the names of its"):
        net_input(module(mean=None, std=1, image_size=28, classes=()))
