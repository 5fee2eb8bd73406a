"""With `hydra.job.chdir=true` jobs go into their own directories; paths mean the folder that they were typed in."""

from __future__ import annotations

from pathlib import Path

from digits.runs.read import read_result, runs_in
from tests.support.commands import digits
from tests.support.folders import draw

OWN = ("data=image_folder", "data.root=pictures", "model=logistic", "trainer=cpu", "trainer.max_epochs=1",
       "callbacks=none", "hydra.job.chdir=true")  # fmt: skip


def test_relative_paths_are_those_of_the_folder_that_the_command_was_given_in(tmp_path: Path) -> None:
    draw(tmp_path / "pictures", _0=20, _1=20, _7=20)
    one = digits("train", *OWN, "hydra.run.dir=one", cwd=tmp_path)
    assert one.returncode == 0, one.stdout + one.stderr
    longer = digits("train", "resume=one", "hydra.job.chdir=true", "trainer.max_epochs=2", cwd=tmp_path)
    assert longer.returncode == 0, longer.stdout + longer.stderr
    sweep = digits("train", "-m", *OWN, "seed=1,2", "init_from=one", "hydra.sweep.dir=sweep", cwd=tmp_path)
    assert sweep.returncode == 0, sweep.stdout + sweep.stderr
    records = [read_result(run) for run in runs_in(tmp_path)]
    assert [record.epochs for record in records] == [2, 1, 1]
    for record in records:
        assert record.config is not None
        assert record.config.completed()["data"]["root"] == str(tmp_path / "pictures")  # type: ignore[index,call-overload]  # a section
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "pictures", "sweep"], "and nothing elsewhere"
