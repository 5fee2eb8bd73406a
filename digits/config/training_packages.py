"""Check for the extra `train`, which an install that only reads pictures doesn't have.

Every command but `predict` and `serve`, and `digits.load`, imports this module before anything else of this package or
of the extra. Where the packages are missing, a command exits here with one sentence and code 2; an import from Python
raises ModuleNotFoundError.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

LOOKED_FOR = ("hydra", "lightning", "pydantic", "torch")  # for the whole extra; find_spec does not import them

INSTALL = 'pip install "digits[train]", in a checkout ".[train]"'

if missing := [name for name in LOOKED_FOR if find_spec(name) is None]:
    running = Path(sys.argv[0]).resolve()  # the module's file, or the script `digits-train`
    if running.parent == Path(__file__).resolve().parents[1] or running.stem.startswith("digits-"):
        command = running.stem.removeprefix("digits-")
        print(f"python -m digits.{command} needs the training packages: {INSTALL}", file=sys.stderr)
        sys.exit(2)
    raise ModuleNotFoundError(f"the training packages are not installed: {INSTALL}", name=missing[0])
