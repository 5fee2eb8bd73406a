"""`digits.evaluate` asked in this process."""

from __future__ import annotations

import json

import pytest

from digits.evaluate import main

PICTURES = {"class_accuracy.png", "confusion_matrix.png", "reliability.png", "worst_mistakes.png"}


def evaluated(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    """What --json says; fails if anything else is on the standard output."""
    assert main([*arguments, "--json"]) == 0
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found
