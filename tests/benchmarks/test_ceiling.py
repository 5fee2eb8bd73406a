"""The honest ceiling: which images are counted, what is told of them, and which runs are refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from benchmarks.accuracy.ceiling import IMAGES, as_text, chosen, images_of, main, section
from benchmarks.accuracy.label_errors import AGREED, SEEN
from benchmarks.recipes import composed
from digits.config.check import check
from digits.config.types import Tree
from digits.training.job import run_job

LISTED = sorted(AGREED)


def a_record(nets: int, said: dict[int, dict[str, int]]) -> Tree:
    """Nets that are wrong on 40, 41, … images; what isn't given of the list is read as labelled."""
    every = {index: {"0": nets} for index in LISTED} | said
    return {
        "machine": "A CPU.",
        "nets": [
            {"recipe": "ab"[i % 2], "seed": i, "weights": str(i), "views": 1, "wrong": 40 + i} for i in range(nets)
        ],
        "images": [{"image": index, "label": "0", "said": {**every[index]}} for index in sorted(every)],
    }


def test_the_list_is_as_published() -> None:
    """Fifteen images, of which nobody agreed with five; the eye has an opinion of each."""
    assert (len(AGREED), list(AGREED.values()).count(0), sum(AGREED.values())) == (15, 5, 18)
    assert AGREED[947] == AGREED[6651] == 0
    assert AGREED[9729] == 2
    assert set(AGREED) <= set(SEEN)


def test_images_that_half_of_the_nets_get_wrong_are_chosen_and_those_of_the_list() -> None:
    labels = torch.zeros(IMAGES, dtype=torch.int64)
    labels[5] = 7
    guesses = labels.repeat(4, 1)
    guesses[0, 3] = 1  # one of four
    guesses[:2, 5] = 1  # half
    guesses[:3, 6] = torch.tensor([2, 2, 9])
    guesses[:, 947] = 8
    found = {image.index: image for image in chosen(guesses, labels)}
    assert list(found) == [5, 6, *LISTED]
    assert (found[5].label, found[5].right, found[5].said) == ("7", 2, {"1": 2, "7": 2})
    assert (found[6].answers(), found[6].answers(1)) == ("2 ×2, 9 ×1, 0 ×1", "2 ×2")
    assert (found[947].right, found[2462].right) == (0, 4)


def test_the_section_counts_what_is_wrong_for_all_and_what_people_doubt() -> None:
    text = as_text(a_record(4, {7: {"1": 4}, 8: {"1": 3, "0": 1}, 947: {"9": 4}, 1621: {"6": 2, "0": 2}}))
    assert text.startswith(
        "4 nets (2 `a`, 2 `b`), each wrong on 40 to 43 of 10,000 test images. **2** images are wrong for all of them, "
        "4 for at least half.\n"
    )
    assert "Of the 2 images that are wrong for all nets here, 1 are among the 15" in text
    assert "of whose labels a net gives 13.5 in the mean" in text  # all four 13 of them, and half of them 1621
    assert "The honest ceiling is **99.85%**" in text
    assert "the best net here is 25 images short of it. More than 99.95% can't be" in text
    assert "| 7 | 0 |  | 0 of 4 | 1 ×4 | not looked at |" in text
    assert f"| 947 | 0 | 0 of 5 | 0 of 4 | 9 ×4 | {SEEN[947]} |" in text
    assert "| 8 | 0 |" not in text
    assert "\n\nBesides, wrong for at least half of the nets: 8.\n\n" in text
    assert len([line for line in text.splitlines() if line.startswith("| ")]) == 1 + 16


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, mnist_root: Path) -> dict[str, str]:
    """A net of one step on all of MNIST, and one on 300 of its images."""
    folder = tmp_path_factory.mktemp("runs")
    shared = (
        "model=logistic",
        "augment=none",
        "trainer=cpu",
        "callbacks=none",
        "logger=none",
        f"data.root={mnist_root}",
    )
    own = {"whole": ("data.batch_size=60000", "data.val_size=0"), "limited": ("data.limit=300",)}
    for name, more in own.items():
        overrides = [*shared, *more, "trainer.max_epochs=1"]
        run_job(check(composed(tuple(overrides))), folder / name, overrides)
    return {name: str(folder / name) for name in own}


def test_the_command_records_draws_and_asks_for_a_look(
    runs: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record, drawn = tmp_path / "ceiling.json", tmp_path / "sheet.png"
    main([f"net={runs['whole']}", "--sheet", str(drawn)], record)
    out, err = capsys.readouterr()
    assert out == f"{section(record)}\n"
    tree = json.loads(record.read_text())
    result = json.loads(Path(runs["whole"], "result.json").read_text())
    assert tree["nets"][0]["wrong"] == round(IMAGES * (1 - result["metrics"]["test/accuracy"]))
    labels = {image.index: image.label for image in images_of(tree)}
    assert [labels[i] for i in LISTED] == [*"809425665501465"]  # as they are in MNIST
    assert runs["whole"] not in record.read_text()
    assert drawn.read_bytes().startswith(b"\x89PNG")
    assert "into SEEN of benchmarks/accuracy/label_errors.py" in err


def test_what_can_not_be_counted_is_refused_and_nothing_written(
    runs: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, told in (
        ([f"net={runs['limited']}"], "the runs have 300 test images of mnist; take runs on all of MNIST"),
        ([f"net={runs['whole']},{runs['whole']}"], "two of the runs have the same weights; name each net once"),
        ([f"net={runs['whole']}", "--sheet", str(tmp_path / "no" / "a.png")], f"there is no folder {tmp_path / 'no'}"),
    ):
        with pytest.raises(SystemExit, match="2"):
            main(arguments, tmp_path / "ceiling.json")
        assert told in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
