"""What comes before the packages of the extra `train`: are they there, and how do their threads wait.

Every command but `predict` and `serve`, and `digits.load`, imports this module before anything else of this package or
of the extra. An install that only reads pictures doesn't have them: a command exits here with one sentence and code 2;
an import from Python raises ModuleNotFoundError.

The waiting threads of OpenMP spin by default, and take cores that the working threads need where there is other work;
here they sleep. What that brings beside other work and costs on a quiet machine differs from one processor to another:
`python -m benchmarks.speed.busy`. torch reads the setting once, when it is imported; processes of a sweep or a search
inherit it.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

LOOKED_FOR = ("hydra", "lightning", "pydantic", "torch")  # for the whole extra; find_spec does not import them

WAITING = {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"}
"""Variables of GNU's and LLVM's OpenMP; whoever sets one has decided how threads wait."""

INSTALL = 'pip install "digits[train]", in a checkout ".[train]"'

if missing := [name for name in LOOKED_FOR if find_spec(name) is None]:
    running = Path(sys.argv[0]).resolve()  # the module's file, or the script `digits-train`
    if running.parent == Path(__file__).resolve().parents[1] or running.stem.startswith("digits-"):
        command = running.stem.removeprefix("digits-")
        print(f"python -m digits.{command} needs the training packages: {INSTALL}", file=sys.stderr)
        sys.exit(2)
    raise ModuleNotFoundError(f"the training packages are not installed: {INSTALL}", name=missing[0])

if not WAITING & os.environ.keys():
    os.environ["OMP_WAIT_POLICY"] = "passive"
