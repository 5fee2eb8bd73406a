"""The generated pages: each key of the schema and of `conf/` is there, with its type, range, meaning and default."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from digits.config.schema import DESCRIBED, Experiment, Trainer
from digits.config.tune import Tune
from digits.config.types import Value
from docs.keys import (
    GROUPS,
    base_of,
    choice,
    configuration,
    escaped,
    experiments,
    inferred,
    kind,
    parameter,
    row,
    target_of,
)
from docs.reference import ROOT, command_page, python_api, write

CONF = ROOT / "conf"


def cells(row: str) -> list[str]:
    """The cells of a row of a table."""
    return [cell.strip() for cell in row.strip("|").split(" | ")]


@pytest.fixture(scope="module")
def keys() -> dict[str, list[str]]:
    """The rows of the page of keys by key; of several choices' the last."""
    rows = "\n".join(configuration()).splitlines()
    return {cells(row)[0].strip("`"): cells(row) for row in rows if row.startswith("| `")}


def test_no_key_of_the_schema_is_missing(keys: dict[str, list[str]]) -> None:
    sections: dict[str, type[BaseModel]] = {"": Experiment, "trainer.": Trainer, "tune.": Tune}
    wanted = {f"{prefix}{name}" for prefix, model in sections.items() for name in model.model_fields}
    assert wanted - set(keys) == set(GROUPS)  # those have keys of their own


def test_no_key_of_a_target_is_missing() -> None:
    """Of each target that has a schema, every key is in a table of a choice that builds it."""
    found: dict[str, set[str]] = {target: set() for target in DESCRIBED}
    for path in (path for group in GROUPS for path in (CONF / group).glob("*.yaml")):
        for file in (*(path.with_stem(base) for base in base_of(path)), path):
            target = target_of(path)
            for line in "\n".join(choice(file, path.parent.name)).splitlines():
                if section := re.search(r"^\| \*\*.* builds `([\w.]+)`", line):
                    target = section[1]
                elif line.startswith("| `"):
                    found.setdefault(target, set()).add(cells(line)[0].strip("`").rpartition(".")[2])
    for name, model in DESCRIBED.items():
        assert {key for key in model.model_fields if key != "target"} <= found[name], name


def test_every_key_has_a_type_and_a_meaning() -> None:
    found = [cells(line) for line in "\n".join(configuration()).splitlines() if line.startswith("| `")]
    assert len(found) > 150
    assert [line for line in found if len(line) != 4 or not line[2] or not line[3]] == []


def test_a_key_has_its_default_type_range_and_meaning(keys: dict[str, list[str]]) -> None:
    assert keys["seed"][1:3] == ["`0`", "integer ≥ 0, < 4294967296"]
    assert keys["tune.trials"][1:3] == ["`50`", "integer ≥ 1"]
    assert keys["trainer.ema_decay"][1:3] == ["`null`", "number ≥ 0, < 1 or null"]
    assert keys["trainer.on_nonfinite"][2] == "`stop`, `skip`, `ignore`"
    assert "moving average" in keys["trainer.ema_decay"][3]
    assert keys["optimizer.lr"][2] == "number > 0"
    assert keys["augment.erase.size"][1] == "`4.0`"


def test_a_choice_names_its_file_what_it_builds_and_what_it_takes_over() -> None:
    text = "\n".join(choice(CONF / "data" / "kmnist.yaml", "data"))
    assert "`conf/data/kmnist.yaml`" in text
    assert "`digits.data.MNISTDataModule`" in text  # from mnist.yaml
    assert "`mnist`" in text
    assert "number > 0, ≤ 1" in text  # so its keys are described, too


def test_every_file_of_conf_is_on_a_page() -> None:
    text = "\n".join([*configuration(), *experiments()])
    for path in CONF.glob("*/**/*.yaml"):
        group = path.parent.relative_to(CONF).as_posix()
        assert f"# {group}={path.stem}\n" in text


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "integer", "minimum": 0, "exclusiveMaximum": 4}, "integer ≥ 0, < 4"),
        ({"enum": [1, "a", None]}, "`1`, `a`, `null`"),
        ({"anyOf": [{"type": "boolean"}, {"const": "warn"}]}, "true or false or `warn`"),
        ({"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}, "list of 2, of number"),
        ({}, "anything"),
        (None, ""),
    ],
)
def test_a_type_in_words(schema: Value, words: str) -> None:
    assert kind(schema) == words


@pytest.mark.parametrize(
    ("default", "words"),
    [
        ("5", "integer"),
        ("0.5", "number"),
        ("true", "true or false"),
        ("local", "text"),
        ("[a, b]", "list of text"),
        ("${jobs_at_once:8}", "integer"),
        ("${trainer.max_epochs}", "integer ≥ 1"),
    ],
)
def test_a_key_without_a_schema_has_the_type_of_its_default(default: str, words: str) -> None:
    assert kind(inferred(default)) == words
    assert "description" not in inferred(default)  # another key's


def test_a_parameter_of_a_search_has_its_range_and_what_it_sets() -> None:
    lr = {"key": "optimizer.lr", "type": "float", "low": "5e-4", "high": "0.1"}
    assert cells(parameter("lr", lr | {"log": "true"}))[1:] == ["", "float 5e-4 to 0.1, log", "sets `optimizer.lr`"]
    assert cells(parameter("lr", lr | {"step": "0.01"}))[2] == "float 5e-4 to 0.1, step 0.01"
    blocks = {"key": "model.blocks", "type": "categorical", "choices": "[1, 2]", "when": "{model: resnet}"}
    assert cells(parameter("blocks", blocks))[2:] == [
        "categorical `[1, 2]`",
        "sets `model.blocks`, only with `model=resnet`",
    ]


def test_a_comment_that_repeats_the_meaning_is_left_out() -> None:
    shift: Value = {"type": "number", "description": "largest shift in pixels"}
    assert row("shift", "1.0", "pixels", shift) == "| `shift` | `1.0` | number | largest shift in pixels |"
    assert row("shift", "1.0", "at most 2 pixels", shift).endswith("<br><small>at most 2 pixels</small> |")
    assert row("shift", "1.0", "pixels", {"type": "number"}).endswith("| pixels |")


def test_a_help_becomes_prose_examples_and_tables() -> None:
    text = "usage: x [-h]\n\nWhat it *does*.\n\n    x a     one\n    x b     two\n\n"
    options = f"options:\n  -h, --help  show it\n  --a {{b,c}}\n{' ' * 24}which one\n"
    page = command_page("x", text + options)
    assert r"What it \*does\*." in page
    assert "```text\nx a     one\nx b     two\n```" in page
    assert "## Options" in page
    assert "| `-h, --help` | show it |\n| `--a {b,c}` | which one |" in page


def test_the_python_page_has_every_public_name_once() -> None:
    public = (ROOT / "docs" / "public.md").read_text(encoding="utf-8")
    named = re.findall(r"^::: (.*)$", "\n".join(python_api(public)), re.MULTILINE)
    assert {"digits.load", "digits.reading.Reader", "digits.models.CNN"} <= set(named)
    assert len(named) == len(set(named))


def test_text_is_shown_as_it_is() -> None:
    assert escaped("a_b `c_d` <e> [f]") == r"a\_b `c_d` \<e> \[f\]"


def test_pages_are_written_with_links_that_the_site_has(tmp_path: Path) -> None:
    write(tmp_path)
    assert (tmp_path / "zensical.toml").exists()
    assert (tmp_path / "pages" / "reference" / "train.md").exists()
    for page in (tmp_path / "pages").glob("*.md"):
        assert not re.findall(r"\]\((?:\.\./|docs/).*?\)", page.read_text(encoding="utf-8"))
