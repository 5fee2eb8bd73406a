"""The command that describes a data set, run as a person runs it."""

from __future__ import annotations

import base64
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from digits import explore
from digits.data import MNISTDataModule, RandomAffine
from digits.data.datasets import Arrays
from digits.explore import summary
from digits.exploring.findings import PARTS, examine, statistics
from digits.exploring.notes import NOTES, UNKNOWN
from digits.exploring.page import FIGURES, make_page, render_all
from digits.plots.theme import PAPER, rgb
from tests.support.commands import digits

SECTIONS = ["counts", "samples", "pixels", "moments", "frames", "duplicates", "map", "steps"]
STEPS = ["uint8", "normalise", "split", "frame", "flips", "augment"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the command leaves when it is run twice over a folder that holds somebody else's events."""
    out = tmp_path_factory.mktemp("explore") / "optdigits"
    out.mkdir()
    (out / "events.out.tfevents.1.host.1.0").write_bytes(b"")
    (out / "events.out.tfevents.1.host.1.0.explore").write_bytes(b"of an earlier call")
    done = digits("explore", "--data", "optdigits", "--out", str(out), cwd=out)
    assert done.returncode == 0, done.stderr
    (out / "printed").write_text(done.stdout, encoding="utf-8")
    return out


@pytest.fixture(scope="module")
def page(folder: Path) -> str:
    return (folder / "index.html").read_text(encoding="utf-8")


def test_every_section_and_step_is_there_and_linked(page: str) -> None:
    assert re.findall(r'<section id="([^"]+)"', page) == SECTIONS
    assert re.findall(r'<h3 id="step-([^"]+)"', page) == STEPS
    assert re.findall(r'href="#([^"]+)"', page) == SECTIONS
    assert "$" not in re.sub(r'"data:[^"]*"', "", page)  # no place of the template is left open


def test_the_page_loads_nothing(page: str) -> None:
    targets = re.findall(r'(?:src|srcset|href)="([^"]*)"', page)
    assert len(targets) > 20
    assert [target[:40] for target in targets if not target.startswith(("data:image/png;base64,", "#"))] == []
    assert not re.search(r"url\(|@import|<script\s+[^>]|<link", page)


def test_every_picture_decodes_and_is_described(page: str) -> None:
    pictures = re.findall('<img class="plot" src="data:image/png;base64,([^"]+)" alt="([^"]+)"', page)
    assert [alt for _, alt in pictures] == [
        words.replace("'", "&#x27;") for name, (_, words) in FIGURES.items() if name != "duplicates"
    ]
    for data, alt in pictures:
        picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))
        assert picture.shape[1] >= 1000, alt
        assert tuple(picture[0, 0]) == rgb(PAPER), alt  # which the style's filter makes that of the dark page
        assert picture.std() > 3, alt  # not an empty sheet


def test_numbers_on_the_page_and_in_the_record_are_the_data_sets(folder: Path, page: str) -> None:
    from digits.data.datasets import read_dataset

    arrays = read_dataset("optdigits", "", None)
    record = json.loads((folder / "statistics.json").read_text(encoding="utf-8"))
    splits = record["splits"]
    assert {name: split["images"] for name, split in splits.items()} == {"train": 1257, "val": 180, "test": 360}
    together = np.add(splits["train"]["counts"], splits["val"]["counts"])
    assert together.tolist() == np.bincount(arrays.train_labels).tolist()
    assert splits["test"]["counts"] == np.bincount(arrays.test_labels).tolist()
    mean, std = arrays.train_images.mean() / 255, arrays.train_images.std() / 255
    assert record["normalisation"]["recomputed"] == pytest.approx([mean, std], abs=1e-6)
    assert record["normalisation"]["agrees"] is True
    assert "agree with the data" in page
    assert f"<td>{mean:.4f}</td><td>{std:.4f}</td>" in page
    threes = splits["train"]["counts"][3]
    assert f"<li>3, train: {threes} images, {100 * threes / 1257:.1f} %</li>" in page
    printed = (folder / "printed").read_text(encoding="utf-8")
    assert re.search(r"all\s+1,257\s+180\s+360", printed)
    assert str(folder / "index.html") in printed


def test_the_page_says_nothing_of_other_data_sets(page: str) -> None:
    assert NOTES["optdigits"].about in page
    assert "MNIST" not in page
    assert "$DIGITS" not in page


class Squares(MNISTDataModule):
    """A data set of somebody's own: a square at one of three places, copies among them, a name that is HTML."""

    def read(self) -> Arrays:
        random = np.random.RandomState(0)
        labels = random.permutation(np.arange(90) % 3)
        images = random.randint(40, size=(90, 12, 12)).astype(np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[4 * label : 4 * label + 4, 3:7] += 200
        images[80], labels[80] = images[5], labels[5]  # a test picture that is trained on
        images[7], labels[6], labels[7] = images[6], 0, 1  # one picture, two labels
        return Arrays(images[:70], labels[:70], images[70:], labels[70:], ("<top>", "middle", "bottom"), {})


def test_a_set_of_ones_own_with_copies_and_without_validation() -> None:
    data = Squares("squares", "", None, 0.5, 0.5, 3, 12, 0, 0, None, 10, 10)
    data.setup()
    augment = RandomAffine(1.0, 1.0, 0.0, 0.0)
    found = examine(data, augment)
    images = render_all(found)
    assert set(images) == set(FIGURES)  # the duplicates are shown, too
    page = make_page(found, images, augment, Path("a <b>"), "explore 'a <b>'")
    assert "Written by <code>explore &#x27;a &lt;b&gt;&#x27;</code>" in page
    assert "<code>tensorboard --logdir &#x27;a &lt;b&gt;&#x27;</code>" in page
    assert UNKNOWN.about in page
    assert "differ from the data" in page
    assert f"data.mean={found.official[0]:.4f}" in page
    assert "2 images occur more than once, and 1 of the test split" in page
    assert '<th scope="row">the same image with two labels</th><td>1</td>' in page
    assert "&lt;top&gt;" in page
    assert "<top>" not in page


class Gap(Squares):
    """The same, with a class that no image has, between the others."""

    def read(self) -> Arrays:
        arrays = super().read()
        train, test = (np.array([0, 2, 3])[labels] for labels in (arrays.train_labels, arrays.test_labels))
        return arrays._replace(train_labels=train, test_labels=test, classes=("a", "gap", "b", "c"))


def test_a_class_without_images_has_none_shown_and_no_numbers() -> None:
    data = Gap("squares", "", None, 0.5, 0.5, 4, 12, 10, 0, None, 10, 10)
    data.setup()
    augment, told = RandomAffine(1.0, 1.0, 0.0, 0.0), list[str]()
    found = examine(data, augment, None, told.append)
    assert len(told) == PARTS
    assert not found.samples[1].any()
    assert found.samples[[0, 2, 3]].any(axis=(2, 3)).all()
    assert found.augmented[:, 0].any(axis=(1, 2)).all()
    numbers = json.loads(json.dumps(statistics(found), allow_nan=False))
    assert (numbers["ink"][1], numbers["demonstrations"]["accuracy_by_turn"]["mirrored"][1]) == (None, None)
    assert None not in (*numbers["ink"][2:], *numbers["demonstrations"]["accuracy_by_turn"]["mirrored"][2:])
    page = make_page(found, render_all(found, told.append), augment, Path("here"), "explore")
    assert told[PARTS:] == [f"plot of {name}" for name in FIGURES]
    assert not re.search(r"\bnan\b", re.sub(r'"data:[^"]*"', "", page))
    assert "gap: median" not in page
    assert "b: median" in page


def test_an_interrupted_call_says_so_by_its_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(explore, "explore_set", stop)
    assert explore.main(["--data", "optdigits"]) == 130


class Whole(Squares):
    """The same, where every image is there to be evaluated on."""

    def read(self) -> Arrays:
        arrays = super().read()
        images, labels = arrays.train_images[8:], arrays.train_labels[8:]  # without the copies among them
        return arrays._replace(
            train_images=images, train_labels=labels, test_images=images[::-1].copy(), test_labels=labels[::-1].copy()
        )


def test_a_set_that_is_only_evaluated_on_has_no_copies_to_warn_of() -> None:
    data = Whole("squares", "", None, 0.5, 0.5, 3, 12, 0, 0, None, 10, 10)
    data.setup()
    found = examine(data, RandomAffine(1.0, 1.0, 0.0, 0.0))
    assert found.one_split
    assert "duplicates" not in render_all(found)
    assert "the same images" in summary(found)
    assert "exact copies" not in summary(found)


def test_tensorboard_has_the_same_pictures_once(folder: Path) -> None:
    names = sorted(path.name for path in folder.glob("events*"))
    ours = [name for name in names if name.endswith(".explore")]
    assert len(ours) == 1  # the earlier call's is gone
    assert "events.out.tfevents.1.host.1.0" in names  # somebody else's is not
    events = EventAccumulator(str(folder / ours[0]), size_guidance={"images": 0})
    events.Reload()
    assert sorted(events.Tags()["images"]) == sorted(f"explore/{name}" for name in FIGURES if name != "duplicates")
    event = events.Images("explore/map")[0]
    assert Image.open(io.BytesIO(event.encoded_image_string)).size == (event.width, event.height)


def test_help_and_a_wrong_set_answer_without_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from digits import explore\n"
        "try: explore.main()\n"
        "finally: sys.exit(9) if {'torch', 'numpy', 'matplotlib'} & set(sys.modules) else None"
    )
    for arguments, expected in ((["--help"], 0), (["--data", "cats"], 2)):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False, cwd=tmp_path
        )
        assert done.returncode == expected, done.stderr
    assert "invalid choice: 'cats'" in done.stderr
    for name in ("mnist", "fashion_mnist", "kmnist", "optdigits"):
        assert name in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_data_that_cannot_be_had_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    done = digits("explore", "--root", str(tmp_path / "file"), cwd=tmp_path)
    assert done.returncode == 1
    assert "can't be" in done.stderr
    assert "Traceback" not in done.stderr
