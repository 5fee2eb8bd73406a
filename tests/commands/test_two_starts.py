"""Two starts in one directory at the same moment: one trains, the other is told who does and exits with 2."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.support.commands import digits, start

QUICK = ("data=optdigits", "data.limit=500", "model=logistic", "trainer.max_epochs=1", "trainer=cpu", "logger=none",
         "callbacks=none")  # fmt: skip


def both(folder: Path, *arguments: str) -> tuple[str, str, int]:
    """What the winner printed, what the other one did, and the winner's process number."""
    started = [start("train", *arguments, cwd=folder) for _ in range(2)]
    ended = [(process.communicate(timeout=200), process.wait(), process.pid) for process in started]
    (won, code, pid), (lost, other, _) = sorted(ended, key=lambda end: end[1])
    assert (code, other) == (0, 2), ended
    assert lost[0] == ""
    return won[0], lost[1], pid


@pytest.mark.timeout(600)
def test_a_run_a_resumed_run_and_a_sweep(tmp_path: Path) -> None:
    def refused(sentence: str, directory: str, pid: int) -> None:
        who = rf"{directory} is still running \(process {pid} on \S+\); end it first[^\n]*\n"
        already = rf"hydra\.run\.dir: {directory} holds a run already[^\n]*\n"  # where the first has done all by then
        assert re.fullmatch(f"{who}|{already}", sentence), sentence

    _, sentence, pid = both(tmp_path, *QUICK, "hydra.run.dir=two")
    refused(sentence, "two", pid)
    record = json.loads((tmp_path / "two" / "result.json").read_text())
    assert (record["status"], record.get("pid", pid)) == ("done", pid)
    assert not (tmp_path / "two" / ".claim").exists()

    asked = (tmp_path / "two" / ".hydra" / "overrides.yaml").read_text()
    _, sentence, pid = both(tmp_path, "resume=two", "trainer.max_epochs=2")
    refused(sentence, "two", pid)
    assert json.loads((tmp_path / "two" / "result.json").read_text())["epochs"] == 2
    assert (tmp_path / "two" / ".hydra" / "overrides.yaml").read_text() == asked

    said, sentence, pid = both(tmp_path, "-m", *QUICK, "seed=0,1", "hydra.sweep.dir=sweep")
    refused(sentence, "sweep", pid)
    assert "2 runs in sweep: 2 done" in said


def test_a_start_that_is_refused_leaves_no_directory(tmp_path: Path) -> None:
    assert digits("train", *QUICK, "optimizer.lr=fast", "hydra.run.dir=new", cwd=tmp_path).returncode == 2
    assert list(tmp_path.iterdir()) == []
