"""The launchers that ship, each for real: jobs that die, the same sweep again, threads, signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from itertools import product
from pathlib import Path

import pytest

from digits.processes.cores import cores
from tests.support.commands import digits, result_of
from tests.support.sweeps import (
    SLOW,
    burning,
    digest,
    directory_of,
    job,
    on_linux,
    write_burning,
    write_slow,
)

pytestmark = on_linux

TWO_AT_ONCE = {
    "side_by_side": "hydra.launcher.n_jobs=2",
    "slurm_local": f"hydra.launcher.cpus_per_task={max(1, cores() // 2)}",
    "ray_local": "hydra.launcher.ray.init.num_cpus=2",
}
every_launcher = pytest.mark.parametrize("launcher", TWO_AT_ONCE, indirect=True)


def with_launcher(name: str) -> tuple[str, str]:
    return f"hydra/launcher={name}", TWO_AT_ONCE[name]


def most_at_once(records: list[dict[str, object]]) -> int:
    """How many runs were under way at the same time, by their records, to the second."""
    spans = [(str(record["started"]), str(record["finished"])) for record in records]
    return max(sum(begun <= now < ended for begun, ended in spans) for now, _ in spans)


@every_launcher
def test_jobs_that_die_die_alone_and_the_same_sweep_goes_on(tmp_path: Path, launcher: str) -> None:
    write_burning(tmp_path)
    done = burning(tmp_path, 0.1, 0.5, 0.4, 0.2, more=with_launcher(launcher))
    assert done.returncode == 1, done.stdout + done.stderr
    outcomes = {dropout: result_of(job(tmp_path, dropout)) for dropout in (0.1, 0.5, 0.4, 0.2)}
    statuses = {dropout: outcome["status"] for dropout, outcome in outcomes.items()}
    assert statuses == {0.1: "done", 0.5: "failed", 0.4: "failed", 0.2: "done"}
    assert outcomes[0.5]["error"] == "its process died with exit code 7"
    assert "SIGKILL" in str(outcomes[0.4]["error"])
    ranking = done.stdout[done.stdout.index("4 runs in sweep") :]
    assert f"{job(tmp_path, 0.5).name}: its process died with exit code 7" in ranking
    assert "best run by val/accuracy" in ranking
    for dropout in (0.1, 0.2):
        hardware = outcomes[dropout]["hardware"]
        assert isinstance(hardware, dict)
        assert hardware["threads"] == max(1, cores() // 2), "two jobs share the cores, and nothing is left idle"
    assert most_at_once(list(outcomes.values())) <= 2

    (tmp_path / "fire").unlink()
    kept = digest(job(tmp_path, 0.1))
    again = burning(tmp_path, 0.1, 0.5, more=with_launcher(launcher))
    assert again.returncode == 0, again.stdout + again.stderr
    assert result_of(job(tmp_path, 0.5))["status"] == "done"
    assert digest(job(tmp_path, 0.1)) == kept, "what is done is left as it is"


@pytest.mark.parametrize(
    ("launcher", "number"),
    [("side_by_side", signal.SIGTERM), *product(("slurm_local", "ray_local"), (signal.SIGTERM, signal.SIGINT))],
    indirect=["launcher"],
)
def test_jobs_save_and_leave_when_their_sweep_is_told_to(tmp_path: Path, launcher: str, number: int) -> None:
    """SIGTERM comes to the sweep's own process alone, Ctrl-C to all of the terminal's."""
    write_slow(tmp_path)
    command = [sys.executable, "-m", "digits.train", "-m", *SLOW, "seed=0,1,2", "hydra.sweep.dir=sweep"]
    with (tmp_path / "said").open("w") as said:
        process = subprocess.Popen(
            [*command, *with_launcher(launcher)], cwd=tmp_path, stdout=said, stderr=said, start_new_session=True
        )
    first = tmp_path / directory_of(*SLOW, "seed=0") / "train.log"
    until = time.monotonic() + 120

    def two_at_once() -> bool:
        running = [path for path in tmp_path.rglob("result.json") if result_of(path.parent)["status"] == "running"]
        return len(running) == 2

    while not (first.exists() and "epoch 2" in first.read_text() and two_at_once()):
        assert process.poll() is None, (tmp_path / "said").read_text()
        assert time.monotonic() < until, (tmp_path / "said").read_text()
        time.sleep(0.05)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    text = f"{process.wait(timeout=60)}: {(tmp_path / 'said').read_text()}"
    assert process.returncode == 128 + number, text
    assert "interrupted; run the same command again with hydra.sweep.dir=sweep" in text
    records = [result_of(path.parent) for path in tmp_path.rglob("result.json")]
    assert [record["status"] for record in records] == ["interrupted"] * len(records)
    assert result_of(first.parent)["status"] == "interrupted"
    time.sleep(1)
    left = subprocess.run(["pgrep", "-f", str(tmp_path)], capture_output=True, text=True, check=False).stdout
    assert left == "", "nothing of it runs on"


@every_launcher
def test_a_sweep_over_jobs_of_several_processes_is_refused(tmp_path: Path, launcher: str) -> None:
    asked = ("-m", "trainer=ddp", "trainer.devices=2", "seed=0,1", f"hydra/launcher={launcher}")
    done = digits("train", *asked, cwd=tmp_path)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("trainer.strategy: several processes a job would each start the whole sweep again; leave")
    assert not list(tmp_path.iterdir())
