"""`python -m benchmarks.robustness`: pictures as MNIST was made, what it measures, and what it refuses."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from benchmarks.robustness.__main__ import main
from benchmarks.robustness.as_mnist import as_mnist
from benchmarks.robustness.record import as_text, read
from digits.config.check import check
from digits.data.corruptions import KINDS
from digits.data.datasets import read_dataset
from digits.hydra_app.compose import plain
from digits.hydra_app.paths import conf_directory
from digits.runs.read import read_result
from digits.training.job import run_job

# ---- Brought to MNIST's form ----------------------------------------------------------------------


def test_a_picture_of_mnist_stays_as_it_is(mnist_root: Path) -> None:
    images = torch.from_numpy(read_dataset("mnist", str(mnist_root), None).test_images[:500])
    boxed = (images.any(1).sum(1) == 20) | (images.any(2).sum(1) == 20)  # the others lost faint rows on their way
    same = (as_mnist(images[boxed]) == images[boxed]).flatten(1).all(1)
    assert boxed.sum() > 300
    assert same.double().mean() > 0.95  # a centre of mass half way between two pixels was rounded differently


def test_the_longer_side_fills_twenty_pixels_and_areas_are_averaged() -> None:
    picture = torch.zeros(1, 64, 50, dtype=torch.uint8)
    picture[0, 10:50, 5:15] = 255  # 40 high, 10 wide: half of that
    picture[0, 10:50, 14] = 0
    (made,) = as_mnist(picture)
    rows, columns = torch.nonzero(made.any(1)).flatten(), torch.nonzero(made.any(0)).flatten()
    assert (len(rows), len(columns)) == (20, 4)  # 9 wide: 4.5, which is even with 4
    # 9 old columns become 4 new ones, each the mean over 2.25 of them
    assert made[rows][:, columns].unique().tolist() == [255]
    picture[0, 10:50, 10] = 0
    (made,) = as_mnist(picture)
    # old column 10 is the sixth of nine; new column 2 is the mean over 4.5 to 6.75
    assert made[(made > 0).any(1)][0][(made > 0).any(0)].tolist() == [255, 255, round(255 * (2.25 - 1) / 2.25), 255]


def test_the_centre_of_mass_is_the_centre() -> None:
    picture = torch.zeros(1, 30, 30, dtype=torch.uint8)
    picture[0, 3:23, 2:6] = picture[0, 3:7, 2:22] = 255  # an upside-down L: its weight is at the top and left
    made = as_mnist(picture)[0].double()
    for profile in (made.sum(0), made.sum(1)):
        assert (profile * torch.arange(28)).sum() / profile.sum() == pytest.approx(14, abs=0.5)


def test_a_small_picture_is_enlarged_and_a_black_one_refused() -> None:
    small = torch.zeros(1, 8, 8, dtype=torch.uint8)
    small[0, 2:7, 3:5] = 100
    (made,) = as_mnist(small)
    expected = torch.zeros(28, 28, dtype=torch.uint8)
    expected[4:24, 10:18] = 100  # four times as large; the centre, 13.5, is nearer to no pixel: 10 is even
    assert torch.equal(made, expected)
    with pytest.raises(ValueError, match="picture 1 is black; leave out those without a digit"):
        as_mnist(torch.cat([small, torch.zeros_like(small)]))


# ---- The command ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, mnist_root: Path) -> list[str]:
    """Two nets on 300 digits, one tested by five views, one of its own normalisation; and one without validation."""
    folder = tmp_path_factory.mktemp("runs")
    own = (["seed=0", "test_views=5"], ["seed=1", "data.mean=0.2", "data.std=0.4"], ["data.val_size=0"])
    for number, more in enumerate(own):
        overrides = ["model=logistic", "augment=none", "trainer=cpu", "trainer.max_epochs=3", "callbacks=none",
                     "data.limit=300", "data.batch_size=32", f"data.root={mnist_root}", *more]  # fmt: skip
        GlobalHydra.instance().clear()
        with initialize_config_dir(conf_directory(), version_base="1.3"):
            tree = plain(compose("train", overrides=overrides))
        run_job(check(tree), folder / str(number), overrides)
    return [str(folder / str(number)) for number in range(len(own))]


def cells(text: str) -> dict[str, list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("|  |")]
    return {line.split(" | ")[0].strip("| "): line.strip("| ").split(" | ")[1:] for line in lines}


def test_the_test_split_is_recorded(runs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("semeion", "optdigits32"):
        images = np.zeros((20, 16, 16), dtype=np.uint8)
        images[:, 2:14, 7:9] = 255
        np.savez(tmp_path / name, images=images, labels=np.ones(20, dtype=np.uint8))
    record = tmp_path / "records" / "robustness.json"
    main([f"both={runs[0]},{runs[1]}", f"one={runs[0]}", "--pictures", str(tmp_path)], record)
    written = capsys.readouterr().out
    assert written == f"{as_text(read(record))}\n"
    assert "300 images of mnist's test split" in written
    assert str(tmp_path) not in written
    found = cells(written)
    assert list(found) == ["clean", *KINDS, "mean corruption error", "semeion", "optdigits32"]
    assert all("±" in both and "±" not in one for both, one in found.values())
    errors = [100 - float(found[kind][1]) for kind in KINDS]
    assert float(found["mean corruption error"][1].strip("*")) == pytest.approx(sum(errors) / 15, abs=0.01)
    means = {name: float(both.strip("*").split(" ")[0]) for name, (both, _) in found.items()}
    assert means["clean"] > 60  # both normalisations were those of training
    assert means["fog"] < means["rotate"] < means["clean"]
    assert means["semeion"] == means["optdigits32"] == 100  # upright bars are ones

    kept = read(record)
    results_ = [read_result(Path(run)) for run in (runs[0], runs[1], runs[0])]
    assert [net["recipe"] for net in kept.nets] == ["both", "both", "one"]
    assert [(net["seed"], net["weights"], net["commit"]) for net in kept.nets] == [
        (result.seed, result.weights, result.commit.tree()) for result in results_
    ]
    metrics = results_[0].metrics
    accuracy = kept.nets[0]["accuracy"]
    assert isinstance(accuracy, dict)
    assert accuracy["clean"] == pytest.approx(metrics["test/accuracy"], abs=1e-5)  # as its run was tested
    assert str(tmp_path) not in record.read_text()


def test_a_measurement_joins_those_recorded(
    runs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = tmp_path / "robustness.json"
    for chosen in (f"a={runs[0]}", f"b={runs[0]}", f"a={runs[1]}"):
        capsys.readouterr()
        main([chosen], record)
    assert [(net["recipe"], net["seed"]) for net in read(record).nets] == [("a", 0), ("a", 1), ("b", 0)]
    found = cells(capsys.readouterr().out)
    assert all("±" in a and "±" not in b for a, b in found.values())
    before = record.read_text()
    with pytest.raises(SystemExit, match="2"):
        main([f"a={runs[2]}"], record)  # of seed 0 too
    assert capsys.readouterr().err.startswith("a has two nets of one seed")  # and nothing was measured
    assert record.read_text() == before


def test_the_validation_split_is_printed_only(
    runs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main([f"net={runs[0]}", "--split", "val"], tmp_path / "robustness.json")
    assert list(cells(capsys.readouterr().out)) == ["clean", *KINDS, "mean corruption error"]
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_compared_is_said(runs: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([f"all={runs[2]}", "--split", "val"])
    assert "data.val_size is 0, so the nets have seen every image" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main([f"net={runs[0]}", f"all={runs[2]}", "--split", "val"])
    assert "the runs differ in data.name, data.limit, data.val_size, data.split_seed" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["net=nowhere"])
    assert "nowhere" in capsys.readouterr().err


def test_weights_that_are_not_those_recorded_are_refused(
    runs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoilt = Path(shutil.copytree(runs[0], tmp_path / "spoilt"))
    shutil.copy(Path(runs[1], "model.safetensors"), spoilt)
    with pytest.raises(SystemExit, match="2"):
        main([f"net={spoilt}"], tmp_path / "robustness.json")
    told = f"{spoilt / 'model.safetensors'} is not what {spoilt} recorded when it was done; take the run as it was left"
    assert capsys.readouterr().err.strip() == told


def test_pictures_that_are_not_there_are_told_before_anything_is_measured(
    runs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "semeion.npz").touch()
    with pytest.raises(SystemExit, match="2"):
        main([f"net={runs[0]}", "--pictures", str(tmp_path)])
    told = f"optdigits32.npz not found in {tmp_path}; --pictures takes a folder that holds both sets\n"
    assert capsys.readouterr().err == told
