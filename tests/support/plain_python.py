"""A Python that has a few installed packages, and nothing else."""

from __future__ import annotations

import re
import venv
from importlib.metadata import distribution
from pathlib import Path


def plain_python(folder: Path, *names: str) -> str:
    """A new environment in a folder with links to the named distributions and those that they require; its python."""
    venv.create(folder, symlinks=True, with_pip=False)
    [site] = folder.glob("lib/python*/site-packages")
    missing, found = list(names), set[str]()
    while missing:
        name = missing.pop()
        if name not in found:
            found.add(name)
            of = distribution(name)
            for part in {file.parts[0] for file in of.files or () if file.parts[0] not in ("..", "__pycache__")}:
                if not (site / part).exists():
                    (site / part).symlink_to(Path(str(of.locate_file(part))))
            needed = [line for line in of.requires or () if "extra ==" not in line]
            missing += [re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in needed]
    return str(folder / "bin" / "python")
