"""The command that describes a run's data set, with what its model doubts."""

from __future__ import annotations

import html
import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from digits.data.datasets import read_dataset
from digits.data.split import stratified_split
from digits.evaluating.load import load
from digits.exploring.page import RUN_FIGURES
from tests.support.commands import digits
from tests.support.folders import draw

RECORDED = Path(__file__).parents[1] / "recorded" / "done"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recorded run of optdigits that has been explored."""
    run = tmp_path_factory.mktemp("runs") / "all done"
    shutil.copytree(RECORDED, run)
    done = digits("explore", "--run", str(run), cwd=run.parent)
    assert (done.returncode, done.stderr) == (0, "")  # no bar where nobody looks
    (run / "printed").write_text(done.stdout, encoding="utf-8")
    return run


@pytest.fixture(scope="module")
def doubts(run: Path) -> dict[str, Any]:
    record = json.loads((run / "explore" / "optdigits-val" / "statistics.json").read_text(encoding="utf-8"))
    found: dict[str, Any] = record["doubts"]
    return found


def test_label_errors_are_those_of_the_validation_split(run: Path, doubts: dict[str, Any]) -> None:
    """By the model's own probabilities, the label's threshold class by class as the paper defines it."""
    arrays = read_dataset("optdigits", "", None)
    _, val = stratified_split(arrays.train_labels, 180, 0)
    labels = arrays.train_labels[val]
    with torch.no_grad():
        probabilities = load(run)(torch.from_numpy(arrays.train_images[val])).softmax(1).numpy()
    usual = [probabilities[labels == c, c].mean() for c in range(10)]
    expected = {}
    for row, label, shares in zip(val, labels, probabilities, strict=True):
        sure = [c for c in range(10) if shares[c] >= usual[c]]
        if sure and (best := max(sure, key=lambda c: shares[c])) != label:
            expected[f"val #{row}"] = (str(label), str(best), round(float(shares[label]), 4))
    assert expected, "the model doubts something"
    listed = {e["image"]: (e["label"], e["suggested"], e["probability_of_label"]) for e in doubts["label_errors"]}
    assert set(listed) == set(expected)
    for image, (label, suggested, share) in expected.items():
        assert listed[image] == (label, suggested, pytest.approx(share, abs=1e-4))
    margins = [e["probability_of_label"] - e["probability_of_suggested"] for e in doubts["label_errors"]]
    assert margins[0] == min(margins)


def test_the_largest_losses_are_those_of_the_model(run: Path, doubts: dict[str, Any]) -> None:
    arrays = read_dataset("optdigits", "", None)
    _, val = stratified_split(arrays.train_labels, 180, 0)
    labels = torch.from_numpy(arrays.train_labels[val])
    with torch.no_grad():
        logits = load(run)(torch.from_numpy(arrays.train_images[val]))
    losses = torch.nn.functional.cross_entropy(logits, labels, reduction="none").numpy()
    for c in range(10):
        largest = sorted(losses[labels == c].tolist(), reverse=True)[:7]
        listed = doubts["largest_losses"][str(c)]
        assert [image["loss"] for image in listed] == pytest.approx(largest, abs=1e-3)
        assert all(image["image"] in {f"val #{row}" for row in val[labels == c]} for image in listed)


def test_near_duplicates_are_pairs_of_the_whole_set(doubts: dict[str, Any]) -> None:
    arrays = read_dataset("optdigits", "", None)
    shares = [pair["share_of_usual"] for pair in doubts["near_duplicates"]]
    assert shares == sorted(shares)
    for pair in doubts["near_duplicates"]:
        images = []
        for name, label in zip(pair["images"], pair["labels"], strict=True):
            split, _, row = name.partition(" #")
            test = split == "test"
            assert str((arrays.test_labels if test else arrays.train_labels)[int(row)]) == label
            images.append((arrays.test_images if test else arrays.train_images)[int(row)].astype(float))
        assert np.sqrt(((images[0] - images[1]) ** 2).mean()) == pytest.approx(pair["difference"], abs=0.01)


def test_the_page_and_the_terminal_name_them(run: Path, doubts: dict[str, Any]) -> None:
    page = (run / "explore" / "optdigits-val" / "index.html").read_text(encoding="utf-8")
    first, printed = doubts["label_errors"][0], (run / "printed").read_text(encoding="utf-8")
    assert [name for name in ("labels", "near") if f'<section id="{name}">' in page] == ["labels", "near"]
    assert re.search(rf"<li>{first['image']}: label {first['label']} ", page)
    assert all(f'alt="{alt}"' in page for _, alt in RUN_FIGURES.values())
    assert re.search(rf"{first['image']}\s+{first['label']}\s+{first['suggested']}", printed)
    assert "$" not in re.sub(r'"data:[^"]*"', "", page)
    pair = doubts["near_duplicates"][0]
    assert re.search(r"{}\s+{}\s+{}\s+{}\s+0\.\d\d".format(*pair["images"], *pair["labels"]), printed)
    assert f"Written by <code>{html.escape(shlex.join(['python', '-m', 'digits.explore', '--run', str(run)]))}" in page
    assert f"tensorboard --logdir '{run / 'explore' / 'optdigits-val'}'\n" in printed


def test_a_folder_with_fewer_classes_than_the_model_and_no_validation_split(tmp_path: Path) -> None:
    run = shutil.copytree(RECORDED, tmp_path / "run")
    root = draw(tmp_path / "mine", _0=6, _1=6, _7=6)
    done = digits("explore", "--run", str(run), "--data", "image_folder", "--root", str(root), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "asked about the test split: the data have no validation split" in done.stdout
    assert "the model also knows 2, 3, 4, 5, 6, 8, 9" in done.stdout
    folder = run / "explore" / "image_folder-test"
    record = json.loads((folder / "statistics.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert record["classes"] == ["0", "1", "7"]
    assert record["splits"]["test"]["counts"] == [6, 6, 6]
    assert record["doubts"]["split"] == "test"
    assert [len(images) for images in record["doubts"]["largest_losses"].values()] == [6, 6, 6]
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"\bnan\b", re.sub(r'"data:[^"]*"', "", page))
    assert re.search(r"<li>1/00\d\.png: label 1 \(\d+\.\d%\), predicted \d \(", page)
    assert "train #" not in page + done.stdout  # pictures have names


def test_what_cannot_be_asked_is_a_sentence(tmp_path: Path) -> None:
    for arguments, words in (
        (["--run", "nowhere"], "there is no directory nowhere"),
        (["--split", "test"], "--run RUN"),
        (["--run", str(RECORDED), "--data", "pages"], "is not a data set for it"),
        (["--run", str(RECORDED), "--split", "train"], "invalid choice"),
    ):
        done = digits("explore", *arguments, cwd=tmp_path)
        assert (done.returncode, list(tmp_path.iterdir())) == (2, [])
        assert words in done.stderr
        assert "Traceback" not in done.stderr
