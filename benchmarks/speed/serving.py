"""How quickly `digits.serve` answers while one draws, and what it holds.

    python -m benchmarks.speed.serving

A digit is drawn stroke by stroke as the page would send it: 300 x 250, black on white, PNG. (a) One visitor, one
request after the other: the time from sending to the answer, and the server's processor time for each. (b) So many
requests a second (`--rate`, default 50), each sent when it is due whether or not others were answered: how many came
back, and how late. `--cores` binds the server to so many cores (default 1).
"""

from __future__ import annotations

import io
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
from PIL import Image, ImageDraw

from benchmarks.commands import make_parser, positive, told
from benchmarks.results import Section, machine, table

CODE = ("digits/serving/**", "digits/reading/**")
COLUMNS = ("", "requests", "lost", "median, ms", "99 % within, ms", "the server's processor time for one, ms")
SIZE, PEN = (300, 250), 8
TWO = [(94, 86), (117, 55), (168, 59), (184, 94), (160, 133), (117, 172), (90, 199), (191, 199)]
HEADERS = {"content-type": "image/png"}


def strokes() -> list[bytes]:
    """A 2 while it is drawn, a picture for each piece of its stroke."""
    pictures = []
    for drawn in range(2, len(TWO) + 1):
        picture = Image.new("L", SIZE, 255)
        ImageDraw.Draw(picture).line(TWO[:drawn], fill=0, width=PEN, joint="curve")
        file = io.BytesIO()
        picture.save(file, "PNG")
        pictures.append(file.getvalue())
    return pictures


@contextmanager
def server(cores: int | None = None) -> Iterator[tuple[str, int]]:
    """The command on a free port, bound to so many cores; gives its address and its process id."""
    command = [sys.executable, "-m", "digits.serve", "--port", "0"]
    mask = sorted(os.sched_getaffinity(0))[:cores]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True,
                               preexec_fn=lambda: os.sched_setaffinity(0, mask))  # fmt: skip
    assert process.stdout is not None
    try:
        yield process.stdout.readline().split()[2].rstrip(","), process.pid
    finally:
        process.terminate()
        process.wait()


def processor_seconds(pid: int) -> float:
    """Of all threads of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def one_visitor(address: str, pid: int, requests: int) -> tuple[list[float], float]:
    """Seconds of each request, and the server's processor seconds for one."""
    pictures, times = strokes(), []
    with httpx.Client(base_url=address) as client:
        for picture in pictures * 3:
            client.post("/api/read", content=picture, headers=HEADERS)
        before = processor_seconds(pid)
        for index in range(requests):
            begun = time.perf_counter()
            client.post("/api/read", content=pictures[index % len(pictures)], headers=HEADERS).raise_for_status()
            times.append(time.perf_counter() - begun)
    return times, (processor_seconds(pid) - before) / requests


def many(address: str, rate: int, seconds: int) -> tuple[list[float], int]:
    """Seconds from when each request was due until its answer, and how many got none."""
    pictures = strokes()
    start = time.perf_counter() + 0.5
    limits = httpx.Limits(max_connections=64)
    with httpx.Client(base_url=address, timeout=30, limits=limits) as client, ThreadPoolExecutor(64) as pool:

        def ask(index: int) -> float | None:
            due = start + index / rate
            time.sleep(max(0.0, due - time.perf_counter()))
            try:
                answer = client.post("/api/read", content=pictures[index % len(pictures)], headers=HEADERS)
            except httpx.HTTPError:
                return None
            return time.perf_counter() - due if answer.status_code == 200 else None

        answers = list(pool.map(ask, range(rate * seconds)))
    return [answer for answer in answers if answer is not None], answers.count(None)


def row(what: str, times: list[float], lost: int, processor: float | None) -> list[str]:
    """One line of the table; times in ms."""
    median, late = statistics.median(times) * 1000, sorted(times)[int(0.99 * len(times))] * 1000
    cost = "" if processor is None else f"{processor * 1000:.1f}"
    return [what, f"{len(times) + lost:,}", str(lost), f"{median:.1f}", f"{late:.1f}", cost]


def main() -> None:
    """Measure and record."""
    parser = make_parser("benchmarks.speed.serving", __doc__)
    parser.add_argument("--requests", type=positive, default=500, help="of the one visitor (default: 500)")
    parser.add_argument("--rate", type=positive, default=50, help="requests a second (default: 50)")
    parser.add_argument("--seconds", type=positive, default=20, help="for how long (default: 20)")
    parser.add_argument("--cores", type=positive, default=1, help="that the server may use (default: 1)")
    parser.add_argument("--dry", action="store_true", help="print only, record nothing")
    given = parser.parse_args()
    with told(), server(given.cores) as (address, pid):
        times, processor = one_visitor(address, pid, given.requests)
        rows = [row("one visitor", times, 0, processor)]
        rows.append(row(f"{given.rate} requests/s", *many(address, given.rate, given.seconds), None))
    cores = f"The server on {given.cores} core{'s' * (given.cores > 1)}, whoever asks beside it."
    text = f"{machine()} {cores}\n\n{table(COLUMNS, rows)}"
    print(text)
    if not given.dry:
        Section("What the server holds", "python -m benchmarks.speed.serving", CODE, text).keep("serving")


if __name__ == "__main__":
    main()
