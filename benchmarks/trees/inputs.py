"""What the commands are given: pictures drawn with a fixed seed, experiments as YAML, a callback that interrupts."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml
from PIL import Image, ImageDraw, ImageFont

PAGES = {
    "dark.png": ("20260317", "white", "black"),
    "lines.png": ("3141\n5926\n53", "#ece8dc", "#2c3e8c"),
    "light.png": ("7 0 8", "black", "white"),
    "blank.png": ("", "white", "black"),
}
"""Pages to read: text, paper and ink."""

CLASSES, PICTURES = ("0", "1", "7"), 12

STRIKING = """from os import getpid, kill
from pathlib import Path
from signal import SIGTERM

from lightning.pytorch import Callback


class Strike(Callback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_end(self, trainer, *_) -> None:
        if trainer.global_step == self.step and Path("strike").exists():
            Path("strike").unlink()
            kill(getpid(), SIGTERM)
"""
"""A callback that asks its own process to leave after a step, if there is a file named strike: always the same step."""

GROUPS = {"data", "augment", "model", "loss", "optimizer", "scheduler", "trainer", "callbacks", "logger"}


def make(folder: Path, experiments: Mapping[str, Sequence[str]]) -> None:
    """Write everything into an empty folder; `experiments` are overrides by name."""
    for name, (text, paper, ink) in PAGES.items():
        page = Image.new("RGB", (420, 260), paper)
        ImageDraw.Draw(page).multiline_text((40, 30), text, ink, ImageFont.load_default(54), spacing=18)
        write(page, folder / "pages" / name)
    (folder / "pages" / "broken.png").write_bytes(b"no picture")
    chance = random.Random(0)
    for name in CLASSES:
        for number in range(PICTURES):
            picture = Image.new("L", (64, 64), 255)
            place = (18 + chance.randrange(8), 4 + chance.randrange(8))
            ImageDraw.Draw(picture).text(place, name, 0, ImageFont.load_default(40 + chance.randrange(8)))
            write(
                picture.rotate(chance.randrange(-15, 15), fillcolor=255), folder / "pictures" / name / f"{number}.png"
            )
    write(Image.new("L", (64, 64)), folder / "mixed" / "0" / "0.png")
    (folder / "mixed" / "0" / "notes.txt").write_text("no picture\n", encoding="utf-8")
    (folder / "empty").mkdir()
    (folder / "striking.py").write_text(STRIKING, encoding="utf-8")
    (folder / "mine" / "experiment").mkdir(parents=True)
    for name, overrides in experiments.items():
        (folder / "mine" / "experiment" / f"{name}.yaml").write_text(as_experiment(overrides), encoding="utf-8")


def write(picture: Image.Image, path: Path) -> None:
    """Save a picture in a folder that may be new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)


def as_experiment(overrides: Sequence[str]) -> str:
    """Overrides of the command line as the YAML of an experiment; the last of a key counts."""
    groups: dict[str, object] = {}
    values: dict[str, object] = {}
    for override in overrides:
        key, _, text = override.partition("=")
        if key in GROUPS:
            groups[f"override /{key}"] = yaml.safe_load(text)
            continue
        *sections, leaf = key.split(".")
        section = values
        for name in sections:
            inner = section.setdefault(name, {})
            assert isinstance(inner, dict), f"{key} is inside a value"
            section = inner
        section[leaf] = yaml.safe_load(text)
    tree = {"defaults": [{key: choice} for key, choice in groups.items()], **values}
    return f"# @package _global_\n{yaml.safe_dump(tree, sort_keys=False)}"
