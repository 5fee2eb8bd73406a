"""The record of robustness: a table counted by hand, and which measurements go together."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.commands import named_runs
from benchmarks.records import Record, RecordError
from benchmarks.robustness.record import Measured, as_text, merged, read, table, write
from digits.config.types import Tree
from digits.data.corruptions import KINDS
from digits.runs.layout import RunError


def a_net(
    recipe: str, seed: int, accuracy: dict[str, float] | None = None, *, weights: str = "", machine: str = "A CPU."
) -> Tree:
    return {
        "recipe": recipe, "seed": seed, "weights": weights or f"{recipe}{seed}", "device": "cpu", "machine": machine,
        "commit": {"id": "c" * 40, "dirty": False}, "accuracy": {**(accuracy or {"clean": 0.9})},
    }  # fmt: skip


def measured(*nets: Tree, images: int = 100) -> Measured:
    return Measured("mnist", "test", images, 0, [*nets])


def test_a_column_is_a_recipe_with_mean_and_sample_sd() -> None:
    nets = [a_net("a", 0, {"clean": 0.90, "fog": 0.10}), a_net("a", 1, {"clean": 0.92, "fog": 0.14}),
            a_net("b", 0, {"clean": 0.5})]  # fmt: skip
    assert table(measured(*nets).recipes).splitlines() == [
        "|  | a | b |",
        "|---|---|---|",
        "| clean | 91.00 ± 1.41 | 50.00 |",
        "| fog | 12.00 ± 2.83 |  |",
    ]


def test_the_mean_corruption_error_is_of_all_fifteen_kinds() -> None:
    """Nine kinds all right, six all wrong: 40 % wrong in the mean; of fewer kinds there is none."""
    accuracy = {kind: float(number < 9) for number, kind in enumerate(KINDS)}
    assert len(KINDS) == 15
    assert table({"a": [a_net("a", 0, accuracy)]}).splitlines()[-1] == "| mean corruption error | **40.00** |"
    del accuracy["fog"]
    assert "mean corruption error" not in table({"a": [a_net("a", 0, accuracy)]})


def test_runs_of_a_name_add_up() -> None:
    assert named_runs(["a=x,y", "b=z", "a=w"]) == {"a": ["x", "y", "w"], "b": ["z"]}
    assert named_runs(["a=s/model=cnn,seed=0,s/model=cnn,seed=1"]) == {
        "a": ["s/model=cnn,seed=0", "s/model=cnn,seed=1"]
    }
    for wrong in ("a", "=x", "a=", "a=x,,y"):
        with pytest.raises(RunError, match=r"is no name with its runs; write NAME=RUN or NAME=RUN,RUN"):
            named_runs([wrong])


def test_recipes_are_merged_and_a_net_measured_again_replaces_its_line() -> None:
    former = measured(a_net("a", 1), a_net("b", 0))
    again = a_net("a", 1, {"clean": 0.8})
    assert merged(former, measured(again, a_net("a", 0)), anew=False).nets == [a_net("a", 0), again, a_net("b", 0)]
    assert merged(former, measured(a_net("c", 0)), anew=False).nets == [*former.nets, a_net("c", 0)]
    new = a_net("a", 1, weights="other")
    assert merged(former, measured(new), anew=True).nets == [new, a_net("b", 0)]
    assert merged(None, measured(new), anew=False).nets == [new]


def test_what_makes_no_table_is_refused() -> None:
    former = measured(a_net("a", 0))
    with pytest.raises(RecordError, match="a has two nets of one seed, with other weights; leave one out, or begin it"):
        merged(former, measured(a_net("a", 0, weights="other")), anew=False)
    with pytest.raises(RecordError, match="the nets of a were not measured on the same sets; give --pictures as bef"):
        merged(former, measured(a_net("a", 1, {"clean": 0.9, "semeion": 0.8})), anew=False)
    wider = measured(a_net("a", 0, {"clean": 0.9, "semeion": 0.8}))
    with pytest.raises(RecordError, match="a was also measured on semeion; give --pictures as before"):
        merged(wider, measured(a_net("a", 0)), anew=True)
    with pytest.raises(RecordError, match=r"the record is of 100 images of mnist's test split, seed 0, this is 99 im"):
        merged(former, measured(a_net("a", 1), images=99), anew=False)


def test_the_record_is_read_as_it_was_written_a_net_a_line(tmp_path: Path) -> None:
    written = measured(a_net("a", 0), a_net("b", 0))
    write(written, tmp_path / "robustness.json")
    assert read(tmp_path / "robustness.json") == written
    lines = (tmp_path / "robustness.json").read_text().splitlines()
    assert [line.startswith('  {"recipe": ') for line in lines].count(True) == 2
    (tmp_path / "other.json").write_text('{"runs": []}')
    with pytest.raises(RecordError, match=r"other\.json is no record of robustness: it lacks its nets"):
        read(tmp_path / "other.json")


def test_nets_left_out_of_a_recipe_are_told_and_machines_named(tmp_path: Path) -> None:
    """Of cnn_best's record of three nets one was measured; another is of no record."""
    runs: list[Tree] = [{"seed": seed, "weights": f"cnn_best{seed}"} for seed in range(3)]
    Record(tmp_path / "cnn_best.json", runs=runs).write()
    nets = [a_net("cnn_best", 0), a_net("cnn_best", 7, machine="Another."), a_net("own", 0)]
    text = as_text(measured(*nets), tmp_path)
    assert (
        "- cnn_best: seed 0 of ccccccc (cnn_best); seed 7 of ccccccc (cnn_best): 1 of the recipe's 3 recorded nets; "
        "1 in no record\n- own: seed 0 of ccccccc (own0)\n"
    ) in text
    assert text.endswith("Measured on:\n\n- cnn_best, own: A CPU.\n- cnn_best: Another.")
