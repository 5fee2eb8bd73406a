"""The extra `train`, which an install that only reads pictures does without.

Every command but `predict` and `serve` imports this module before it imports anything else of ours or of the extra, and
`digits.load` does. Where the packages are missing, a command ends here with one sentence and exit code 2; imported from
Python it is ModuleNotFoundError.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

LOOKED_FOR = ("hydra", "lightning", "pydantic", "torch")
"""They stand for all of the extra; looking for a package does not import it."""

INSTALL = 'pip install "digits[train]", in a checkout ".[train]"'

if missing := [name for name in LOOKED_FOR if find_spec(name) is None]:
    running = Path(sys.argv[0]).resolve()  # of `python -m digits.train` the module's file, or the script `digits-train`
    if running.parent == Path(__file__).resolve().parents[1] or running.stem.startswith("digits-"):
        command = running.stem.removeprefix("digits-")
        print(f"python -m digits.{command} needs the training packages: {INSTALL}", file=sys.stderr)
        sys.exit(2)
    raise ModuleNotFoundError(f"the training packages are not installed: {INSTALL}", name=missing[0])
