"""Describe a data set: statistics, plots, and the reason for each preprocessing step.

    python -m digits.explore
    python -m digits.explore --data fashion_mnist --root ~/data

Writes to `outputs/explore/DATA/`: `index.html`, a self-contained page; `statistics.json`, its numbers; and TensorBoard
events with the same plots. The counts are those of the default split, as training uses it.
"""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

from digits.config import training_packages  # noqa: F401 (first: it says what to install where they are missing)
from digits.processes.streams import print_all

if TYPE_CHECKING:
    from digits.exploring.findings import Findings

EVENTS = ".explore"  # ends the names of our event files, so that no others are replaced


def main() -> None:
    """Run the command."""
    print_all()
    from digits.hydra_app.paths import conf_directory

    choices = sorted(path.stem for path in Path(conf_directory(), "data").glob("*.yaml"))
    parser = argparse.ArgumentParser(
        prog="python -m digits.explore",
        description="Describe a data set: statistics, plots, and the reason for each preprocessing step.",
    )
    sets = ", ".join(choices)
    parser.add_argument("--data", default="mnist", choices=choices, metavar="SET", help=f"{sets} (default: mnist)")
    parser.add_argument(
        "--root", metavar="DIR", help="folder that holds the data sets (default: $DIGITS_DATA, or data/)"
    )
    parser.add_argument("--out", metavar="DIR", help="where to write the page (default: outputs/explore/SET)")
    arguments = parser.parse_args()
    out = Path(arguments.out or Path("outputs/explore", arguments.data))
    sys.exit(explore(arguments.data, arguments.root, out))


def explore(name: str, root: str | None, out: Path) -> int:
    """Measure, draw and write; returns the exit code."""
    from digits.config.schema import data_set
    from digits.data.class_folders import counted
    from digits.hydra_app.compose import compose_section

    data_section, augment_section = compose_section(f"data/{name}"), compose_section("augment/affine")["affine"]
    if (task := data_set(data_section).made_for) is not None:
        print(
            f"{name} is a data set for {task}; explore describes images of classes: name another set", file=sys.stderr
        )
        return 2
    if root is not None:
        data_section["root"] = str(Path(root).expanduser())
    data_section, faults = counted(data_section)
    if faults:
        print("\n".join(faults.values()), file=sys.stderr)
        return 2

    from digits.config.instantiate import instantiate
    from digits.data import MNISTDataModule, RandomAffine
    from digits.data.datasets import DataError
    from digits.exploring.findings import examine, statistics
    from digits.exploring.page import make_page, render_all
    from digits.runs.atomic import write_json, write_text

    data = cast(MNISTDataModule, instantiate(data_section))
    assert isinstance(augment_section, dict)
    augment = cast(RandomAffine, instantiate(augment_section))
    try:
        data.setup()
    except (DataError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    found = examine(data, augment)
    images = render_all(found)
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_text(out / "index.html", make_page(found, images, augment, out))
        write_json(out / "statistics.json", statistics(found))
        write_events(out, images)
    except OSError as error:
        print(f"can't write {out}: {error}; choose another folder with --out DIR", file=sys.stderr)
        return 1
    print(summary(found))
    print(
        f"\npage      {out / 'index.html'}\nnumbers   {out / 'statistics.json'}\npictures  tensorboard --logdir {out}"
    )
    return 0


def write_events(out: Path, images: dict[str, bytes]) -> None:
    """Write the plots for TensorBoard, replacing those of an earlier call."""
    import numpy as np
    from PIL import Image
    from torch.utils.tensorboard import SummaryWriter

    for former in out.glob(f"events.out.tfevents.*{EVENTS}"):
        former.unlink()
    with SummaryWriter(str(out), filename_suffix=EVENTS) as writer:
        for name, png in images.items():
            pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
            writer.add_image(f"explore/{name}", pixels, dataformats="HWC")


def summary(found: Findings) -> str:
    """Counts and moments as tables for the terminal."""
    from digits.runs.table import Table

    rows = [[name, *(f"{count[i]:,}" for count in found.counts.values())] for i, name in enumerate(found.classes)]
    rows.append(["all", *(f"{count.sum():,}" for count in found.counts.values())])
    measured = {**found.moments, "train + val": found.official, "configured": found.configured}
    moments = [[name, f"{mean:.4f}", f"{sd:.4f}"] for name, (mean, sd) in measured.items()]
    repeated = sum(found.copies.counts.values())
    return "\n".join(
        [
            Table(["class", *found.splits], rows).text(),
            "",
            Table(["pixels", "mean", "sd"], moments).text(),
            "" if found.agrees else "The configured mean and sd differ from the recomputed ones.",
            f"exact copies: {repeated:,}; under more than one label: {found.copies.conflicts:,}",
        ]
    )


if __name__ == "__main__":
    main()
