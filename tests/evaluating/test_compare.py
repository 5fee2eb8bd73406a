"""`python -m digits.evaluate RUN RUN --compare`: the tests, by hand; the sides; what it says and leaves."""

from __future__ import annotations

import json
import math
from pathlib import Path
from statistics import fmean, variance

import pytest
import torch

from digits.config.types import Tree
from digits.evaluate import main
from digits.evaluating.comparison import Comparison, compare
from digits.evaluating.predictions import Predictions
from tests.support.evaluations import evaluated
from tests.support.runs import train

QUICK = ("data=optdigits", "augment=none", "trainer=cpu", "trainer.max_epochs=1", "callbacks=none", "test=false")


def predicted(right: list[bool]) -> Predictions:
    """Predictions of ones, of which some are right."""
    guesses = torch.tensor(right).long()
    labels = torch.ones(len(right), dtype=torch.long)
    rows = torch.arange(len(right))
    return Predictions(torch.eye(2)[guesses], guesses, labels, torch.zeros(len(right)), rows)


def against(first: list[list[bool]], second: list[list[bool]]) -> Comparison:
    sides = ([(f"{name}{seed}", predicted(right)) for seed, right in enumerate(side)] for name, side in
             (("a", first), ("b", second)))  # fmt: skip
    return compare(*sides)


def test_one_run_each_is_mcnemars_exact_test() -> None:
    """Of 100 images 12 are right only in the first, 3 only in the second: twice the binomial tail of 15 coins."""
    first = [True] * 80 + [True] * 12 + [False] * 3 + [False] * 5
    second = [True] * 80 + [False] * 12 + [True] * 3 + [False] * 5
    found = against([first], [second])
    assert (found.images, found.for_first, found.for_second, found.p_seeds) == (100, 12, 3, None)
    assert found.p_images == pytest.approx(2 * sum(math.comb(15, k) for k in range(4)) / 2**15)
    assert found.more_than_chance
    assert found.sentence == (
        "a0 (92.00%) is better than b0 (83.00%) by 9.00 points, which is more than chance: of the 15 images that one "
        "of them alone gets right, the former has 12 (p = 0.035 by McNemar's exact test)"
    )


def test_the_better_one_is_named_first() -> None:
    found = against([[True, False, False]], [[False, True, True]])
    assert found.sentence.startswith(
        "b0 (66.67%) and a0 (33.33%) differ by 33.33 points, which may be chance: of the 3 "
    )
    assert "the former has 2 (p = 1.000 by" in found.sentence


def test_the_same_images_right_is_no_difference() -> None:
    found = against([[True, False]], [[True, False]])
    assert found.p_images == 1
    assert (
        found.sentence
        == "a0 (50.00%) and b0 (50.00%) differ by 0.00 points, which may be chance: they get the same images right"
    )


def test_seeds_are_compared_by_welchs_test_and_images_by_how_often_they_are_right() -> None:
    """Accuracies 0.9, 0.8 and 0.85 against 0.6, 0.7 and 0.65; t = 0.2 / sqrt(2 * 0.0025 / 3), with 4 degrees."""
    first = [[True] * (20 - wrong) + [False] * wrong for wrong in (2, 4, 3)]
    second = [[True] * (20 - wrong) + [False] * wrong for wrong in (8, 6, 7)]
    found = against(first, second)
    accuracies = [[fmean(map(float, right)) for right in side] for side in (first, second)]
    t = 0.2 / (sum(map(variance, accuracies)) / 3) ** 0.5
    assert found.p_seeds == pytest.approx(welch_p_with_four_degrees(t))
    assert (found.for_first, found.for_second) == (6, 0)  # images 12 to 17
    assert found.p_images == pytest.approx(2 / 2**6)
    assert found.more_than_chance
    assert "a0 and its seeds (85.00% ± 5.00% over 3) is better than b0 and its seeds (65.00%" in found.sentence
    assert "by the exact sign test); between the seeds, p = 0.008 by Welch's t-test" in found.sentence


def welch_p_with_four_degrees(t: float) -> float:
    """Two-sided, in closed form: Student's distribution with 4 degrees of freedom."""
    x = t / math.sqrt(4 + t * t)
    return 1 - 1.5 * (x - x**3 / 3)


def test_seeds_that_vary_as_much_as_the_sides_differ_may_be_chance() -> None:
    found = against([[True] * 20, [True] * 8 + [False] * 12], [[True] * 10 + [False] * 10, [True] * 9 + [False] * 11])
    assert found.p_images < 0.05
    assert found.p_seeds is not None
    assert found.p_seeds > 0.05
    assert not found.more_than_chance


def test_images_in_favour_of_the_other_side_prove_nothing() -> None:
    """Few images that the first side gets right always weigh more than many that the second does a little oftener."""
    first = [[True] * 10 + [False] * 25 + [True] * seed + [False] * (5 - seed) for seed in (0, 1)]
    second = [[False] * 10 + [seed == 0] * 25 + [False] * 5 for seed in range(5)]
    found = against([[*right, *[True] * 5] for right in first], [[*right, *[False] * 5] for right in second])
    assert found.first.mean > found.second.mean
    assert found.for_second > found.for_first
    assert not found.more_than_chance


def test_one_seed_against_several_says_what_was_not_compared() -> None:
    found = against([[True] * 20], [[False] * 20, [False] * 20])
    assert found.p_seeds is None
    assert found.sentence.endswith(
        "by the exact sign test); seeds were not compared, which needs several on both sides"
    )


@pytest.mark.parametrize(("second", "p"), [([[True, False]] * 2, 1.0), ([[False, False]] * 2, 0.0)])
def test_seeds_that_do_not_vary(second: list[list[bool]], p: float) -> None:
    """As with very few images, where the test would divide by 0."""
    assert against([[True, False]] * 2, second).p_seeds == p


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two seeds of a wide net, two of one with two neurons, and one of three."""
    folder = tmp_path_factory.mktemp("runs")
    wanted = [(32, 0), (32, 1), (2, 0), (2, 1), (3, 0)]
    return [
        str(train(folder / f"{width}-{seed}", *QUICK, "model=mlp", f"model.hidden=[{width}]", f"seed={seed}"))
        for width, seed in wanted
    ]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_two_runs_are_compared_on_the_same_images(runs: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    wide, narrow = runs[0], runs[2]
    found = evaluated(capsys, wide, narrow, "--compare")
    alone = [evaluated(capsys, run)["accuracy"] for run in (wide, narrow)]
    assert [side["accuracy"] for side in sides(found)] == pytest.approx(alone)
    assert found["more_than_chance"] is True
    assert str(found["sentence"]).startswith(f"{wide} (")
    folder = Path(str(found["folder"]))
    assert json.loads((folder / "comparison.json").read_text()) == found
    assert [path.name for path in folder.iterdir()] == ["comparison.json"]
    assert main([narrow, wide, "--compare"]) == 0
    assert f"weights on the test split of optdigits, 360 images\n\n{wide} (" in capsys.readouterr().out


def test_seeds_of_a_configuration_are_one_side(runs: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """In whatever order they are named."""
    found = evaluated(capsys, runs[0], runs[3], runs[1], runs[2], "--compare", "--split", "val")
    assert [side["runs"] for side in sides(found)] == [[runs[0], runs[1]], [runs[3], runs[2]]]
    assert isinstance(found["p_seeds"], float)


def test_two_seeds_of_one_configuration_are_two_sides(runs: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert [side["runs"] for side in sides(evaluated(capsys, *runs[:2], "--compare"))] == [[runs[0]], [runs[1]]]


def test_runs_without_a_whole_configuration_are_no_side(
    runs: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("digits.evaluating.sides.configuration_of", lambda _: ())
    assert main([*runs[:3], "--compare"]) == 2
    assert f"{runs[0]} has no whole configuration in its record" in capsys.readouterr().err


@pytest.mark.parametrize(("chosen", "told"), [([0], "has 1 configuration"), ([0, 2, 4], "have 3 configurations")])
def test_what_has_no_two_sides_is_refused(
    runs: list[str], chosen: list[int], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*(runs[i] for i in chosen), "--compare"]) == 2
    assert told.partition(" ")[2] in capsys.readouterr().err


def sides(found: dict[str, object]) -> list[Tree]:
    listed = found["sides"]
    assert isinstance(listed, list)
    return listed
