"""How long `digits.explore` takes beyond its imports.

    python -m benchmarks.speed.explore

Describes MNIST, each time in a process of its own that imports all that is needed first: the seconds until then, and
from then to the written page, with the processor's beside them. Run it while nothing else runs. Record:
`benchmarks/records/explore.json`.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from typing import NamedTuple

from benchmarks.commands import make_parser, positive, told
from benchmarks.results import Section, machine, table

CODE = ("digits/explore.py", "digits/exploring/**", "digits/plots/**")
COLUMNS = ("", "imports, s", "describe, s", "of the processor, s")

CHILD = """
import json, sys, time
from contextlib import redirect_stdout
start = time.perf_counter()
import hydra, lightning, sklearn.decomposition, sklearn.manifold, torch.utils.tensorboard.writer
import digits.data, digits.exploring.page, digits.hydra_app.compose
from digits.explore import main
imported, used = time.perf_counter(), time.process_time()
with redirect_stdout(sys.stderr):
    code = main(["--data", sys.argv[1], "--out", sys.argv[2]])
print(json.dumps([imported - start, time.perf_counter() - imported, time.process_time() - used]))
sys.exit(code)
"""


class Times(NamedTuple):
    """Seconds of one description."""

    imports: float
    describe: float
    processor: float  # of all threads, beyond the imports


def once(data: str) -> Times:
    """Describe a data set in a new process."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", CHILD, data, folder]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return Times(*map(float, json.loads(done.stdout)))


def main() -> None:
    """Measure and record."""
    parser = make_parser("benchmarks.speed.explore", __doc__)
    parser.add_argument("--data", default="mnist", metavar="SET", help="a set of conf/data (default: mnist)")
    parser.add_argument("--repeats", type=positive, default=5, help="processes (default: 5)")
    parser.add_argument("--dry", action="store_true", help="print only, record nothing")
    given = parser.parse_args()
    with told():
        all_times = [once(given.data) for _ in range(given.repeats)]
    median = Times(*(statistics.median(seconds) for seconds in zip(*all_times, strict=True)))
    text = f"{machine()} Median of {given.repeats} processes.\n\n"
    text += table(COLUMNS, [[given.data, *(f"{seconds:.1f}" for seconds in median)]])
    print(text)
    if not given.dry:
        Section("A data set described", "python -m benchmarks.speed.explore", CODE, text).keep("explore")


if __name__ == "__main__":
    main()
