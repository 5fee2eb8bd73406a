"""`python -m digits.export`: a file that answers as the run did, and clear answers to wrong questions."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import cast

import numpy as np
import onnx
import pytest

import digits
from digits.config.types import Tree
from digits.data import MNISTDataModule
from digits.data.datasets import Arrays, read_dataset
from digits.export import main
from digits.reading.model.net import Classifier, ModelError
from digits.runs.read import read_result
from tests.support.runs import train, train_small


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small MLP after two epochs on optdigits: it makes mistakes."""
    return train_small(tmp_path_factory.mktemp("outputs"), epochs=2)


@pytest.fixture(scope="module")
def exported(run: Path) -> Path:
    """The same run after `digits.export RUN --int8`."""
    assert main([str(run), "--int8"]) == 0
    return run


def test_the_exported_net_reads_as_the_run_was_tested(exported: Path) -> None:
    net, images = Classifier(exported), read_dataset("optdigits", "data", None)
    guesses = net.probabilities(images.test_images).argmax(1)
    tested = read_result(exported).metrics["test/accuracy"]
    assert int((guesses == images.test_labels).sum()) == round(360 * tested)
    assert 0 < tested < 1
    small = Classifier(exported / "export" / "model.int8.onnx").probabilities(images.test_images).argmax(1)
    assert (small == guesses).mean() > 0.95


def test_its_probabilities_are_those_of_pytorch_at_the_temperature(exported: Path) -> None:
    import torch

    net, images = Classifier(exported), read_dataset("optdigits", "data", None).test_images
    with torch.no_grad():
        logits = digits.load(exported)(torch.from_numpy(images))
    assert net.temperature is not None
    np.testing.assert_allclose(net.probabilities(images), (logits / net.temperature).softmax(1), atol=1e-5)


def test_it_leaves_the_weights_and_says_where_they_come_from(exported: Path) -> None:
    names = {path.name for path in (exported / "export").iterdir()}
    assert names == {"model.onnx", "model.int8.onnx", "model.safetensors", "model.json"}
    for name in ("model.safetensors", "model.json"):
        assert (exported / "export" / name).read_bytes() == (exported / name).read_bytes()
    entries = {e.key: e.value for e in onnx.load(exported / "export" / "model.onnx").metadata_props}
    provenance, record = json.loads(entries["provenance"]), read_result(exported)
    assert provenance["weights_sha256"] == record.weights
    assert hashlib.sha256((exported / "model.safetensors").read_bytes()).hexdigest() == record.weights
    assert (provenance["seed"], provenance["overrides"], provenance["versions"], provenance["commit"]) == (
        record.seed, record.overrides, record.versions, record.commit.tree())  # fmt: skip


def test_it_prints_what_it_measured(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(run), "--out", str(tmp_path / "a")]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert f"{run}: on the test split of optdigits\n" in printed.out
    assert "0 of 360" in printed.out
    assert printed.out.endswith(f"\nexported  {tmp_path / 'a'}\n")
    assert main([str(run), "--out", str(tmp_path / "b"), "--json"]) == 0
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert captured.err == ""
    [file] = found["files"]
    tested = read_result(run).metrics["test/accuracy"]
    assert (file["name"], file["images"], file["different"]) == ("model.onnx", 360, 0)
    assert file["correct"] == round(360 * tested)
    assert file["largest_difference"] < 1e-4
    assert found["notes"] == []
    assert (tmp_path / "a" / "model.onnx").read_bytes() == (tmp_path / "b" / "model.onnx").read_bytes()


def test_without_validation_images_it_says_that_it_is_not_calibrated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = train(
        tmp_path / "run", "data=optdigits", "model=logistic", "augment=none", "trainer=cpu", "trainer.max_epochs=1",
        "callbacks=none", "data.val_size=0",
    )  # fmt: skip
    assert main([str(other)]) == 0
    assert "note: not calibrated, confidences are softmax probabilities: " in capsys.readouterr().out
    assert Classifier(other).temperature is None


class Letters(MNISTDataModule):
    """Optdigits under other names."""

    def read(self) -> Arrays:
        return super().read()._replace(classes=tuple("abcdefghij"))


def test_a_net_for_other_things_is_exported_and_said_not_to_be_for_pictures_of_digits(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = copied(run, tmp_path)
    record = json.loads((copy / "result.json").read_text())
    record["config"]["data"]["_target_"] = f"{__name__}.Letters"
    (copy / "result.json").write_text(json.dumps(record))
    assert main([str(copy), "--trust", "tests", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["classes"] == list("abcdefghij")
    [note] = found["notes"]
    assert note.startswith("predict and serve can't use this model")
    with pytest.raises(ModelError, match="but the reader needs 0 to 9"):
        Classifier(copy)


def test_a_quantised_net_that_is_much_worse_is_not_kept(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same net to PyTorch, but one of its hidden values is so large that 8 bits leave nothing of the others."""
    import torch
    from safetensors.torch import load_file, save_file

    copy = copied(run, tmp_path)
    tensors = load_file(copy / "model.safetensors")
    normalisation, last = "features.1", "classify"
    assert tensors[f"{normalisation}.weight"].shape == (16,)
    for name in ("weight", "bias"):
        tensors[f"{normalisation}.{name}"][0] *= 1e6
    tensors[f"{last}.weight"][:, 0] /= 1e6
    save_file({name: torch.clone(tensor) for name, tensor in tensors.items()}, copy / "model.safetensors")
    assert main([str(copy), "--int8"]) == 1
    printed = capsys.readouterr()
    tested = read_result(run).metrics["test/accuracy"]
    assert re.fullmatch(
        r"model\.int8\.onnx was not kept: on the test split it has an accuracy of \d+\.\d\d%, more than 1 point below "
        rf"the {tested:.2%} of model\.onnx; use that one\n", printed.err)  # fmt: skip
    assert "model.int8.onnx" not in printed.out
    assert {path.name for path in (copy / "export").iterdir()} == {"model.onnx", "model.safetensors", "model.json"}
    assert Classifier(copy).classes == tuple("0123456789")


# ---- Wrong questions ------------------------------------------------------------------------------


def test_wrong_questions_are_answered_in_a_sentence_before_torch(tmp_path: Path, run: Path) -> None:
    code = (
        "import sys; from digits.export import main; code = main(sys.argv[1:]); "
        "sys.exit(code if 'torch' not in sys.modules else 99)"
    )

    def answer(*arguments: str) -> tuple[int, str]:
        command = [sys.executable, "-c", code, *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.stdout == ""
        return done.returncode, done.stderr.strip()

    assert answer() == (2, "no run in outputs/ is done yet; train one first, or name a run's directory")
    assert answer("nowhere") == (2, "there is no directory nowhere; name a run's directory, as printed when it starts")
    (tmp_path / "run").mkdir()
    shutil.copy(run / "result.json", tmp_path / "run")
    assert answer("run")[0] == 2
    assert "run has no model.json: it was not trained to its end" in answer("run")[1]
    returned, error = answer("run", "--int4")
    assert returned == 2
    assert "unrecognized arguments: --int4" in error


def test_help_names_every_file_before_torch() -> None:
    code = (
        "import sys; from digits.export import main\ntry: main(['--help'])\nfinally: assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for word in ("model.onnx", "model.safetensors", "model.json", "model.int8.onnx", "--int8", "--out", "--trust"):
        assert word in done.stdout


def copied(run: Path, tmp_path: Path) -> Path:
    shutil.copytree(run, tmp_path / "copy", ignore=shutil.ignore_patterns("export"))
    return tmp_path / "copy"


def test_code_of_strangers_is_not_called(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = copied(run, tmp_path)
    tree = cast(Tree, json.loads((copy / "model.json").read_text()))
    cast(Tree, tree["model"])["_target_"] = "shutil.rmtree"
    (copy / "model.json").write_text(json.dumps(tree))
    assert main([str(copy)]) == 2
    assert capsys.readouterr().err == (
        "model.json names a class outside the trusted packages: shutil.rmtree; to allow it: --trust shutil\n"
    )


def test_a_link_in_a_run_that_leads_elsewhere_is_not_written_through(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy, elsewhere = copied(run, tmp_path), tmp_path / "elsewhere"
    elsewhere.mkdir()
    (copy / "export").symlink_to(elsewhere)
    assert main([str(copy)]) == 2
    assert capsys.readouterr().err.endswith(f"outside of {copy}; nothing is written there\n")
    assert not list(elsewhere.iterdir())


def test_weights_that_are_no_numbers_are_not_exported(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    copy = copied(run, tmp_path)
    tensors = load_file(copy / "model.safetensors")
    save_file({name: torch.full_like(tensor, torch.nan) if tensor.is_floating_point() else tensor
               for name, tensor in tensors.items()}, copy / "model.safetensors")  # fmt: skip
    assert main([str(copy)]) == 1
    assert capsys.readouterr().err == "the model returned NaN or infinity; nothing was kept: train it again\n"
    assert not (copy / "export").exists()


def test_a_file_where_the_folder_should_be_is_a_failure(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert main([str(run), "--out", str(tmp_path / "file")]) == 1
    assert capsys.readouterr().err == (
        f"{tmp_path / 'file'} can't be written to (File exists); choose another folder with --out\n"
    )
