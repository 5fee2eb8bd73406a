"""The YAML head of a model card, typed as the Hub's specification describes it."""

from __future__ import annotations

from typing import NotRequired, TypedDict

import yaml


class Metric(TypedDict):
    type: str
    value: float
    name: str


class Result(TypedDict):
    task: dict[str, str]
    dataset: dict[str, str]
    metrics: list[Metric]


class Index(TypedDict):
    name: str
    results: list[Result]


Head = TypedDict(
    "Head",
    {
        "license": str,
        "library_name": str,
        "pipeline_tag": str,
        "tags": list[str],
        "datasets": NotRequired[list[str]],
        "metrics": list[str],
        "model-index": list[Index],
    },
)


def head_of(card: str) -> Head:
    """The head of a card, which has all keys of a `Head` and no other."""
    before, text, _ = card.split("---\n", 2)
    assert before == ""
    head: Head = yaml.safe_load(text)
    assert Head.__required_keys__ <= head.keys() <= Head.__required_keys__ | Head.__optional_keys__
    return head
