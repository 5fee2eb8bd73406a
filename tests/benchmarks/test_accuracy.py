"""The table of the recipes and the heads of the experiments, from records written by hand; and those committed."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.accuracy import ensemble
from benchmarks.accuracy.__main__ import main
from benchmarks.accuracy.table import (
    former,
    neighbours,
    other_rows,
    reached,
    row,
    section,
    write_head,
    write_heads,
)
from benchmarks.recipes import BY_NAME, RECIPES, Recipe, changed, composed
from benchmarks.records import Record, RecordError, read_record, write_lines
from benchmarks.results import EXPERIMENTS, RESULTS
from benchmarks.speed import speedrun
from digits.config.types import Tree
from tests.support.records import a_run

NET = Recipe("net", ("experiment=net",), seeds=3, wanted=0.9977, wanted_on_cpu=0.9965)
HEAD = "# @package _global_\n# A net.\n# Measured: not yet\n# on a machine to be named\ndefaults: []\n"


def a_record(*accuracies: float, val: int = 5000, device: str = "cpu", path: Path = Path("net.json")) -> Record:
    return Record(path, runs=[a_run(seed, test, val, device) for seed, test in enumerate(accuracies)])


def test_a_row_has_all_that_the_runs_came_to() -> None:
    assert row(NET, a_record(0.996, 0.997, 0.998)) == [
        "`experiment=net`", "9,876", "3", "**99.70 ± 0.10**", "99.60–99.80", "99.60 ± 0.10", "30", "100–102 (1 thread)",
        "≥ 99.77 (CPUs: 99.65)", "**on CPUs**, +0.05 ± 0.06",
    ]  # fmt: skip
    two = row(NET, a_record(0.996, 0.997, val=0))
    assert two[2:7] == ["2 of 3", "**99.65 ± 0.07**", "99.60–99.70", "trained on all", "30"]


def test_a_row_tells_by_how_many_views_was_tested() -> None:
    nine = Record(Path("net.json"), {"test_views": 9}, a_record(0.996, 0.997, 0.998).runs)
    assert row(NET, nine)[0] == "`experiment=net`, mean of 9 views"


@pytest.mark.parametrize(
    ("accuracies", "device", "verdict"),
    [
        ((0.9977, 0.9978, 0.9979), "cpu", "**yes**, +0.01 ± 0.01"),
        ((0.9966, 0.9967, 0.9968), "cpu", "**on CPUs**, +0.02 ± 0.01"),
        ((0.9966, 0.9967, 0.9968), "cuda:0", "no, -0.10 ± 0.01"),
        ((0.9963, 0.9964, 0.9966), "cpu", "no, -0.13 ± 0.01"),
        ((0.9977, 0.9979), "cpu", "too few seeds"),
    ],
)
def test_what_is_wanted_is_wanted_of_the_mean(accuracies: tuple[float, ...], device: str, verdict: str) -> None:
    assert reached(NET, a_record(*accuracies, device=device)) == verdict
    assert reached(Recipe("net", ()), a_record(*accuracies)) == ""
    assert row(Recipe("net", ()), a_record(*accuracies))[-2:] == ["–", ""]


def test_the_wanted_figures_are_those_that_were_set() -> None:
    """Of each the mean over seeds, in %; on CPUs alone 99.65 will do for cnn_best."""
    wanted = {name: BY_NAME[name].wanted for name in ("logistic", "mlp_best", "cnn_tiny", "cnn_best")}
    assert wanted == {"logistic": None, "mlp_best": 0.995, "cnn_tiny": 0.995, "cnn_best": 0.9977}
    assert BY_NAME["cnn_best"].wanted_on_cpu == 0.9965
    assert (ensemble.WANTED, speedrun.WANTED_ACCURACY) == (0.9983, 0.99)


def test_the_speedrun_and_every_ensemble_have_a_line_of_the_same_table(tmp_path: Path) -> None:
    runs = [speedrun.Run(seed, accuracy, 7.5, {"fit": 1.5 + seed / 10}) for seed, accuracy in enumerate((0.99, 0.992))]
    speedrun.write(speedrun.Series("a machine", 20_202, "bf16-mixed", runs, []), tmp_path / "speedrun.json")
    nets: Tree = {"members": [{}, {}]}
    write_lines(tmp_path / "ensembles.json", {"two": nets | {"accuracy": 0.9983}, "worse": nets | {"accuracy": 0.9982}})
    lines = section([], tmp_path).splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert table[2:] == [
        "| `experiment=speedrun` | 20,202 | 2 | **99.10 ± 0.14** | 99.00–99.20 | trained on all | 1 | 1.5–1.6 "
        "| ≥ 99.00 | **yes**, +0.10 ± 0.10; see Speedrun |",
        "| ensemble `two`, 2 nets |  |  | **99.83** |  |  |  |  | ≥ 99.83 | **yes** |",
        "| ensemble `worse`, 2 nets |  |  | **99.82** |  |  |  |  | ≥ 99.83 | no |",
    ]
    assert {line.count("|") for line in table} == {11}
    assert "- The speedrun and the ensembles have sections of their own below, with their machines." in lines


def test_neighbours_are_compared_in_order_of_their_means() -> None:
    records = [("low", a_record(0.98, 0.982)), ("top", a_record(0.992, 0.994)), ("next", a_record(0.990, 0.993))]
    assert neighbours(records)[-2:] == [
        "- `top` against `next`: +0.15 ± 0.18 points, difference below the seed noise",
        "- `next` against `low`: +1.05 ± 0.18 points, above the seed noise",
    ]


def test_the_number_formats_of_a_recipe_are_compared() -> None:
    records = [("net", a_record(0.990, 0.992)), ("other", a_record(0.98)), ("net_fp32", a_record(0.991, 0.993))]
    assert neighbours(records)[-1] == (
        "- `net` against `net_fp32`: -0.10 ± 0.14 points, difference below the seed noise"
    )


def test_the_speedrun_has_a_line_for_each_number_format(tmp_path: Path) -> None:
    runs = [speedrun.Run(seed, accuracy, 7.5, {"fit": 1.5}) for seed, accuracy in enumerate((0.99, 0.992))]
    for precision in speedrun.FORMATS:
        series = speedrun.Series("a machine", 20_202, precision, runs, [(4.0, 0.99)])
        speedrun.write(series, speedrun.record_of(precision, tmp_path / "speedrun.json"))
    names = [line[0] for line in other_rows(tmp_path)]
    assert names == ["`experiment=speedrun`", "`experiment=speedrun trainer.precision=32-true`"]


def test_that_former_settings_were_tested_is_told(tmp_path: Path) -> None:
    assert former(tmp_path) == []
    a_record(0.990, 0.992, path=tmp_path / "mlp_best-dropout.json").write()
    (line,) = former(tmp_path)
    assert "`mlp_best` was tested before, with dropout of 0.2, batches of 512, one view: 99.10 ± 0.14 % over 2" in line


def test_the_section_names_machines_and_what_is_not_recorded(tmp_path: Path) -> None:
    a_record(0.997, 0.998, path=tmp_path / "net.json").write()
    text = section([NET, Recipe("later", ())], tmp_path)
    assert "- net: A CPU, 2 cores; Python 3.11, torch 2.15, lightning 2.6; 2026-11-21, commit ccccccc.\n" in text
    assert "- Not recorded yet: later.\n" in text
    assert "speedrun" not in text


def test_the_head_of_an_experiment_is_written_in_place_of_the_former(tmp_path: Path) -> None:
    path, record = tmp_path / "net.yaml", a_record(0.997, 0.998)
    path.write_text(HEAD)
    for _ in range(2):
        write_head(path, record)
        assert path.read_text() == (
            "# @package _global_\n# A net.\n"
            "# Measured: test 99.75 ± 0.07 % over 2 seeds, 100–101 s of training (1 thread)\n"
            "# on A CPU, 2 cores; Python 3.11, torch 2.15, lightning 2.6; 2026-11-21, commit ccccccc.\n"
            "defaults: []\n"
        )


def test_an_experiment_without_a_line_for_its_figures_is_named(tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text("defaults: []\n")
    with pytest.raises(RecordError, match=r"net\.yaml has no line '# Measured:' to put its figures in"):
        write_head(tmp_path / "net.yaml", a_record(0.997))


def test_a_wrong_name_is_told_with_the_right_ones(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["run", "mpl"])
    assert "invalid choice: 'mpl'" in capsys.readouterr().err


def test_figures_of_another_recipe_are_not_quoted(tmp_path: Path) -> None:
    recipe, now = BY_NAME["cnn_ema"], composed(BY_NAME["cnn_ema"].overrides)
    optimizer = now["optimizer"]
    assert isinstance(optimizer, dict)
    record = Record(tmp_path / "cnn_ema.json", now | {"optimizer": optimizer | {"lr": 0.5}}, a_record(0.99).runs)
    record.write()
    head = (EXPERIMENTS / "cnn_ema.yaml").read_text(encoding="utf-8")
    with pytest.raises(RecordError, match=r"cnn_ema\.json was made with another optimizer\.lr; begin it anew"):
        write_heads([recipe], tmp_path)
    assert (EXPERIMENTS / "cnn_ema.yaml").read_text(encoding="utf-8") == head


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_a_committed_record_is_of_the_recipe_as_it_is(recipe: Recipe) -> None:
    if (record := read_record(recipe.name)).runs:
        assert changed(record.config, composed(recipe.overrides)) == []


@pytest.mark.parametrize("page", ["README.md", "docs/numbers.md"])
def test_a_page_quotes_the_records(page: str) -> None:
    """Its first table is set by hand, since it tells seconds and cores in words."""
    text = (RESULTS.parents[1] / page).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    rows = {line.split("`")[1]: line.split(" | ") for line in reversed(lines)}  # the first of a name
    quoted = [recipe for recipe in RECIPES if recipe.typed in rows and len(rows[recipe.typed]) == 4]
    assert len(quoted) == 6
    samples = {recipe.typed: read_record(recipe.name) for recipe in quoted}
    found = {typed: record.sample("metrics", "test/accuracy") for typed, record in samples.items()}
    found["experiment=speedrun"] = speedrun.read(speedrun.RECORD).accuracies
    for typed, sample in found.items():
        assert rows[typed][2] == f"{sample.percent()} % ({sample.n})"
