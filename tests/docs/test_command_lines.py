"""The command lines of README and docs/ that train or search: each names only what ships or a page shows, and composes.

Composed in this process, without torch and without running anything. Where no fault is shown on purpose, the schema
takes the result, too.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override

from digits.config.check import check
from digits.config.faults import ConfigError
from digits.config.types import Tree
from digits.hydra_app.compose import plain
from digits.hydra_app.paths import as_path, conf_directory
from docs.reference import DOCS, ROOT

CONF = ROOT / "conf"
PAGES = {page: page.read_text(encoding="utf-8") for page in (ROOT / "README.md", *sorted(DOCS.glob("*.md")))}
SHOWN = {name for text in PAGES.values() for name in re.findall(r"(?:conf|mine)/([a-z_/]+/\w+)\.yaml", text)}
# What only a folder, a run, a GPU or an extra can tell
ABSENT_HERE = {"data.root", "init_from", "model.num_classes", "teachers", "trainer.accelerator",
               "logger.wandb", "logger.mlflow"}  # fmt: skip
TRIED = {"README.md": "train", "tour.md": "train", "sweeps.md": "tune"}  # what the tables of overrides are for


class Line(NamedTuple):
    """One command line, without its options."""

    command: str
    overrides: tuple[str, ...]
    refused: bool = False  # shown with the faults that it is refused for


def lines() -> Iterator[tuple[str, Line]]:
    """Every command line, with its page and text."""
    for page, text in PAGES.items():
        blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
        typed = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
        prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
        for line in [*typed, *re.findall(r"`([^`]+)`", prose)]:
            if found := re.search(r"-m digits\.(train|tune)\b(.*)", line, re.DOTALL):
                where = f"{page.name}: {found[0].partition(' #')[0].strip()}"
                yield where, Line(found[1], overrides_of(found[2]), line.startswith("$ "))
        for cell in re.findall(r"^\| (.+?) \| ", text.partition("| try | to |\n|---|---|\n")[2], re.MULTILINE):
            for span in re.findall(r"`([^`]+)`", cell) if page.name in TRIED else ():
                if overrides := overrides_of(span):
                    yield f"{page.name}: {span}", Line(TRIED[page.name], overrides)


def overrides_of(text: str) -> tuple[str, ...]:
    """The overrides among a command's arguments; Hydra's own keys need packages that may not be installed."""
    words = [as_path(word) for word in shlex.split(text, comments=True) if not word.startswith("-")]
    return tuple(word for word in words if re.match(r"~|[+\w./@]+=", word) and not word.startswith("hydra."))


def jobs(overrides: list[Override]) -> Iterator[list[Override]]:
    """One job for each value that a sweep gives to the key with most of them."""
    values = [
        [f"{o.get_key_element()}={value}" for value in o.sweep_string_iterator()]
        if o.is_sweep_override()
        else [str(o.input_line)]
        for o in overrides
    ]
    for i in range(max(map(len, values), default=1)):
        yield OverridesParser.create().parse_overrides([given[i % len(given)] for given in values])


def choices(override: Override) -> list[str]:
    """The files that an override of a group chooses, as `model/cnn`; none for a key."""
    value = override.value()
    names = value if isinstance(value, list) else [value]
    return [f"{override.key_or_group}/{name}" for name in names] if (CONF / override.key_or_group).is_dir() else []


def faults_of(config: Tree) -> set[str]:
    """The keys of a configuration's faults."""
    try:
        check(config)
    except ConfigError as error:
        return {fault.key for fault in error.faults}
    return set()


@pytest.fixture(scope="module", autouse=True)
def hydra() -> Iterator[None]:
    GlobalHydra.instance().clear()
    with initialize_config_dir(conf_directory(), version_base="1.3"):
        yield


FOUND = dict(lines())


def test_the_lines_are_found() -> None:
    commands = [line.command for line in FOUND.values()]
    assert commands.count("train") > 60
    assert commands.count("tune") > 8
    assert {Path(where.partition(":")[0]).name for where in FOUND} >= {"README.md", "spread.md", *TRIED}
    assert [where for where, line in FOUND.items() if line.refused]


@pytest.mark.parametrize("line", FOUND.values(), ids=list(FOUND))
def test_a_line_composes(line: Line) -> None:
    for job in islice(jobs(OverridesParser.create().parse_overrides(list(line.overrides))), 4):
        chosen = {name for override in job for name in choices(override)}
        absent = {name for name in chosen if not (CONF / f"{name}.yaml").exists()}
        assert absent <= SHOWN
        if absent:
            continue
        typed = [str(override.input_line) for override in job if not override.key_or_group.startswith("hydra/")]
        config = compose(line.command, typed)
        if line.command == "train" and not line.refused and config.resume is None:  # a run has a configuration
            assert faults_of(plain(config)) <= ABSENT_HERE
