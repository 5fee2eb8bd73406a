"""Loggers that need an extra: what is said where it is missing, and that no file can send a run to an address."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from digits.config import types
from digits.config.check import check
from digits.config.faults import ConfigError
from digits.config.schema import DESCRIBED
from digits.config.trust import harmful, untrusted
from digits.config.types import Target, Tree, Value

Compose = Callable[..., Tree]
ROOT = Path(__file__).parents[2]
EXTRAS = [kind.extra for kind in DESCRIBED.values() if kind.extra]


@pytest.mark.parametrize("extra", EXTRAS)
def test_a_missing_extra_is_one_sentence_with_the_command(
    composed: Compose, monkeypatch: pytest.MonkeyPatch, extra: str
) -> None:
    monkeypatch.setattr(types, "find_spec", lambda _: None)
    with pytest.raises(ConfigError) as caught:
        check(composed(f"logger=[default,{extra}]"))
    assert str(caught.value) == (
        f"logger.{extra}: needs the package {extra}, which is not installed: "
        f'pip install "digits[{extra}]", in a checkout ".[{extra}]"'
    )


def test_the_folder_that_a_logger_writes_is_not_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "of_nobody").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    section = Target(target="a.B")
    for extra, lacks in (("of_nobody", True), ("yaml", False), (None, False)):
        monkeypatch.setattr(Target, "extra", extra)
        assert section.lacks_extra == lacks


def test_every_extra_is_one_of_the_project_and_brings_the_training() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for extra in EXTRAS:
        assert [word.partition(">")[0] for word in project["optional-dependencies"][extra]] == ["digits[train]", extra]


@pytest.mark.parametrize("extra", EXTRAS)
def test_its_record_needs_no_trust_and_holds_no_address(
    composed: Compose, monkeypatch: pytest.MonkeyPatch, extra: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:secret@host")
    monkeypatch.setenv("WANDB_BASE_URL", "http://user:secret@host")
    config = composed(f"logger={extra}")
    assert untrusted(config) == []
    assert harmful(config) == []
    assert "secret" not in str(config)


@pytest.mark.parametrize(
    ("extra", "key", "value"),
    [
        ("wandb", "entity", "somebody"),
        ("wandb", "settings", {"base_url": "http://somewhere"}),
        ("wandb", "host", "http://somewhere"),
        ("wandb", "mode", "online"),
        ("mlflow", "tracking_uri", "http://somewhere"),
        ("mlflow", "artifact_location", "s3://somewhere"),
    ],
)
def test_no_key_chooses_where_a_run_is_sent(composed: Compose, extra: str, key: str, value: Value) -> None:
    config = composed(f"logger={extra}")
    loggers = config["logger"]
    assert isinstance(loggers, dict)
    section = loggers[extra]
    assert isinstance(section, dict)
    with pytest.raises(ConfigError, match=rf"^logger\.{extra}\.{key}: "):
        check(config | {"logger": {extra: section | {key: value}}})
