"""Whether a recorded accuracy holds: verdicts worked out by hand, and one recipe really run again."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.accuracy.recheck import in_format, judge, main, new_seeds, run_again
from benchmarks.recipes import Recipe, composed, without_places
from benchmarks.records import Record, RecordError, collect, read_record
from benchmarks.seeds import Sample

RECORDED = Sample((0.990, 0.992, 0.994))  # mean 0.992, sd 0.002; for 3 more seeds the bound is 0.490 points


@pytest.mark.parametrize(
    ("again", "verdict"),
    [
        ((0.990, 0.992, 0.993), ["-0.033", "0.490", "holds"]),
        ((0.9968, 0.9968, 0.9968), ["+0.480", "0.490", "holds"]),
        ((0.9970, 0.9970, 0.9970), ["+0.500", "0.490", "FAILS: beyond the bound"]),
        ((0.980, 0.990, 0.990), ["-0.533", "0.490", "FAILS: beyond the bound"]),
        ((0.9985,), ["+0.650", "0.693", "holds"]),  # one seed may be further off: 3 * 0.2 * sqrt(1/3 + 1)
    ],
)
def test_the_new_mean_must_be_within_the_bound(again: tuple[float, ...], verdict: list[str]) -> None:
    judged = judge("mlp", RECORDED, Sample(again))
    assert judged.row()[3:] == verdict
    assert judged.holds == (verdict[-1] == "holds")


def test_a_record_without_spread_does_not_hold() -> None:
    one = judge("mlp", Sample((0.992,)), RECORDED)
    same = judge("mlp", Sample((0.992, 0.992)), RECORDED)
    assert not one.holds
    assert "the record has 1 seed, which tells no spread" in one.row()[-1]
    assert not same.holds
    assert "sd of 0 is no bound" in same.row()[-1]


def test_the_seeds_are_none_of_the_record() -> None:
    record = Record(Path("mlp.json"), runs=[{"seed": 0}, {"seed": 1000}, {"seed": 1002}])
    assert new_seeds(record, 3) == [1001, 1003, 1004]


@pytest.mark.usefixtures("trained_here")
def test_a_recipe_is_trained_again_with_a_new_seed(tiny: Recipe, tiny_runs: Path, tmp_path: Path) -> None:
    collect(tiny, [tiny_runs], tmp_path)
    before = (tmp_path / "tiny.json").read_text()
    verdict = run_again(tiny, 1, 1, tmp_path)
    assert verdict.recorded == read_record("tiny", tmp_path).sample("metrics", "test/accuracy")
    assert verdict.again.n == 1
    assert verdict.again.mean > 0.5  # it has really learnt
    assert (tmp_path / "tiny.json").read_text() == before


def test_a_machine_is_compared_with_the_record_in_its_number_format(tiny: Recipe, tmp_path: Path) -> None:
    for name, precision, own in (("tiny", "bf16-mixed", ()), ("tiny_fp32", "32-true", ("trainer.precision=32-true",))):
        config = without_places(composed((*tiny.overrides, *own)))
        Record(tmp_path / f"{name}.json", config, [{"seed": 0, "precision": precision}]).write()
    assert in_format(tiny, "bf16-mixed", tmp_path).path.stem == "tiny"
    assert in_format(tiny, "32-true", tmp_path).path.stem == "tiny_fp32"
    with pytest.raises(RecordError, match="tiny has no record in 16-mixed, this machine's number format"):
        in_format(tiny, "16-mixed", tmp_path)
    other = Recipe("tiny", (*tiny.overrides, "optimizer.lr=0.5"))
    with pytest.raises(RecordError, match=r"tiny_fp32\.json was made with another optimizer\.lr"):
        in_format(other, "32-true", tmp_path)


def test_a_changed_recipe_is_refused(tiny: Recipe, tiny_runs: Path, tmp_path: Path) -> None:
    collect(tiny, [tiny_runs], tmp_path)
    other = Recipe("tiny", (*tiny.overrides, "optimizer.lr=0.5"))
    with pytest.raises(RecordError, match=r"tiny\.json was made with another optimizer\.lr"):
        run_again(other, 1, 1, tmp_path)


def test_without_a_record_there_is_nothing_to_hold(tiny: Recipe, tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"tiny has no record; make one: python -m benchmarks\.accuracy run tiny"):
        run_again(tiny, 1, 1, tmp_path)


def test_a_wrong_name_is_told_with_the_right_ones(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["mpl"])
    assert "there is no recipe mpl; there are logistic, mlp, " in capsys.readouterr().err
