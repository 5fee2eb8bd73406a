"""Nothing that the commands are given can run code or do harm: run directories, checkpoints, YAML, pickles."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import digits
from digits.config.types import Tree
from digits.evaluate import main
from digits.evaluating.plan import Question, plan
from digits.hydra_app.data_sets import named_data_set
from digits.runs.schema import RecordedData
from tests.support.commands import digits as command

QUICK = ("data=optdigits", "data.limit=100", "trainer.max_epochs=1", "logger=csv", "model=mlp", "model.hidden=[4]",
         "augment=none", "callbacks=none", "trainer=cpu")  # fmt: skip


class Harm:
    """What it does when it is unpickled: a file appears."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, str]]:
        return open, (str(self.path), "w")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small run that is done, with its checkpoints."""
    folder = tmp_path_factory.mktemp("trained")
    done = command("train", *QUICK, "hydra.run.dir=run", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "run"


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A copy of it, for a stranger to change."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


def change(file: Path, key: str, value: object) -> None:
    """Set one value, at any depth, of a JSON file."""
    tree = json.loads(file.read_text())
    *sections, leaf = key.split(".")
    found = tree
    for section in sections:
        found = found[section]
    found[leaf] = value
    file.write_text(json.dumps(tree))


# ---- Hydra's flags --------------------------------------------------------------------------------


@pytest.mark.parametrize("flag", ["--experimental-rerun {}", "--experimental-rerun={}", "--exp {}", "-m --e={} seed=1"])
def test_no_pickle_is_run_again(tmp_path: Path, flag: str) -> None:
    harm, file = tmp_path / "harm", tmp_path / "config.pickle"
    file.write_bytes(pickle.dumps(Harm(harm)))
    pickle.loads(file.read_bytes())
    assert harm.exists(), "else this test would prove nothing"
    harm.unlink()
    done = command("train", *flag.format(file).split(), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "--experimental-rerun would run any code in the file; to repeat a run: config_from=RUN, to resume it: "
        "resume=RUN\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["config.pickle"]


def test_yaml_that_is_not_chosen_does_no_harm(tmp_path: Path) -> None:
    """Here a billion values."""
    file = tmp_path / "theirs" / "experiment" / "bomb.yaml"
    file.parent.mkdir(parents=True)
    laughs = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    file.write_text("\n".join(["# @package _global_", "a0: &a0 [x, x, x, x, x, x, x, x, x]", *laughs]))
    done = command("train", "--config-dir=theirs", "model=mlp", "--cfg", "job", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "flags", ["--config-path={}/.hydra -cn config", "--config-dir={}/.hydra -cn config", "-cd {} -cn .hydra/config"]
)
def test_what_hydra_noted_of_a_run_is_no_configuration(run: Path, tmp_path: Path, flags: str) -> None:
    """It can name any class of any package, and nobody has looked at it, unlike at the record."""
    harm = tmp_path / "harm"
    (run / ".hydra" / "config.yaml").write_text(f"model: {{_target_: pathlib.Path.touch, self: {harm}}}\n")
    done = command("train", *flags.format(run).split(), cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"{run}/.hydra/config.yaml is Hydra's copy, not the run's record; ")
    assert done.stderr.endswith(f"config_from={run}\n")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


# ---- A record that goes on ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("config.logger.csv", {"_target_": "lightning.pytorch.loggers.CSVLogger", "name": "../../harm"},
         "logger.csv.name: is '../../harm', which leads out of the run's directory"),
        ("config.callbacks", {"a": {"_target_": "lightning.pytorch.callbacks.ModelCheckpoint", "dirpath": "harm"}},
         "callbacks.a.dirpath: is 'harm'; a record doesn't choose where files go"),
        ("config.logger", {"a": {"_target_": "lightning.pytorch.loggers.WandbLogger", "project": "x"}},
         "outside the trusted packages: lightning.pytorch.loggers.WandbLogger; "),
        ("config.loss", {"_target_": "torch.nn.CrossEntropyLoss", "label_smoothing": 0.0,
                         "reduction": "${oc.create:'{_target_: pathlib.Path.touch, self: harm}'}"}, "an interpolation"),
    ],
)  # fmt: skip
def test_a_record_can_not_do_harm_when_it_goes_on(
    run: Path, tmp_path: Path, key: str, value: Tree, sentence: str
) -> None:
    change(run / "result.json", key, value)
    done = command("train", f"resume={run}", "trainer.max_epochs=2", cwd=tmp_path)
    assert done.returncode == 2
    assert sentence in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert not list(tmp_path.rglob("harm*"))


def test_weights_to_start_from_run_no_code(tmp_path: Path) -> None:
    torch.save({"state_dict": {}, "spy": Harm(tmp_path / "harm")}, tmp_path / "evil.ckpt")
    done = command("train", *QUICK, "init_from=evil.ckpt", cwd=tmp_path)
    assert done.returncode == 2
    assert "evil.ckpt holds what is not plain data: " in done.stdout + done.stderr
    assert not (tmp_path / "harm").exists()


# ---- A run that is evaluated ----------------------------------------------------------------------


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    return err.removesuffix("\n")


def data_of(run: Path) -> RecordedData:
    """What a run would be evaluated on."""
    return plan(str(run), Question(), named_data_set).data


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("name", "../../x", "result.json: data.name is '../../x'; input should be 'mnist', 'fashion_mnist'"),
        ("root", 7, "result.json: data.root is 7; input should be a valid string"),
        ("mirrors", ["file:///etc/"], "result.json: data.mirrors.0 is 'file:///etc/'; string should match"),
        ("batch_size", 0, "result.json: data.batch_size is 0; input should be greater than or equal to 1"),
        ("val_size", 10**9, "result.json: can't keep 1000000000 of 1437 images for validation"),
        ("split_seed", 2**40, "result.json: Seed must be between 0 and 2**32 - 1"),
        ("mean", float("nan"), "result.json: data.mean is nan; input should be"),
        ("limit", "${oc.env:HOME}", "result.json: data.limit is '${oc.env:HOME}'; input should be a valid integer"),
        ("root", "${oc.env:HOME}", "result.json: data.root is '${oc.env:HOME}', an interpolation; a record"),
        ("_target_", "mine.Data", "result.json names a class outside the trusted packages: mine.Data; "),
    ],
)  # fmt: skip
def test_what_a_record_says_of_its_data_is_checked(
    run: Path, capsys: pytest.CaptureFixture[str], key: str, value: object, sentence: str
) -> None:
    change(run / "result.json", f"config.data.{key}", value)
    assert refusal(capsys, str(run)).startswith(sentence)
    assert not (run / "evaluation").exists()


def test_a_set_of_ones_own_gives_its_folder_a_plain_name(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(run / "result.json", "config.data._target_", "mine.Data")
    change(run / "result.json", "config.data.name", "../../x")
    assert refusal(capsys, str(run), "--trust", "mine").startswith(
        "result.json: data.name is '../../x'; it names a folder"
    )


def test_nothing_is_fetched_from_or_into_what_a_record_names(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIGITS_DATA", str(tmp_path / "mine"))
    change(run / "result.json", "config.data.name", "mnist")
    change(run / "result.json", "config.data.mirrors", ["http://127.0.0.1:9/"])
    change(run / "result.json", "config.data.root", str(tmp_path))
    chosen = data_of(run)
    assert (chosen.root, chosen.at("mirrors")) == (str(tmp_path / "mine"), None)
    change(run / "result.json", "config.data.root", "x" * 5000)
    assert data_of(run).root == str(tmp_path / "mine")
    (tmp_path / "theirs" / "MNIST").mkdir(parents=True)
    change(run / "result.json", "config.data.root", str(tmp_path / "theirs"))
    assert data_of(run).root == str(tmp_path / "theirs"), "where the set lies it is read"


@pytest.mark.parametrize(
    "place", ["evaluation", "evaluation/optdigits-test", "evaluation/optdigits-test/.reliability.png.part"]
)
def test_pictures_are_not_written_through_a_link(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    precious = tmp_path / "precious"
    if place.endswith(".part"):
        precious.write_text("mine")
    else:
        precious.mkdir()
    (run / place).parent.mkdir(parents=True, exist_ok=True)
    (run / place).symlink_to(precious)
    assert refusal(capsys, str(run)).endswith(f"leads to {precious}{'/optdigits-test' * (place == 'evaluation')}, "
                                              f"outside of {run}; nothing is written there")  # fmt: skip
    assert precious.read_text() == "mine" if precious.is_file() else not list(precious.iterdir())
    assert main([str(run), "--out", str(tmp_path / "out")]) == 0, "where the user says, it is written"


def test_a_checkpoint_that_is_evaluated_runs_no_code(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
    torch.save(state | {"spy": Harm(tmp_path / "harm")}, run / "checkpoints" / "best.ckpt")
    assert "best.ckpt holds what is not plain data: " in refusal(capsys, str(run), "--checkpoint", "best")
    (run / "checkpoints" / "best.ckpt").unlink()
    os.mkfifo(run / "checkpoints" / "best.ckpt")
    assert refusal(capsys, str(run), "--checkpoint", "best").endswith("best.ckpt is not a plain file")
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize(("file", "arguments"), [("model.json", []), ("result.json", ["--checkpoint", "best"])])
def test_a_net_that_its_weights_can_not_fill_is_not_made(
    run: Path, capsys: pytest.CaptureFixture[str], file: str, arguments: list[str]
) -> None:
    change(run / file, "model.hidden" if file == "model.json" else "config.model.hidden", [10**9])
    assert "the described net has 784,000,000,000 parameters or more" in refusal(capsys, str(run), *arguments)


def test_class_names_are_names(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(run / "model.json", "input.classes", [["\x1b[2J"]])
    assert refusal(capsys, str(run)).endswith(
        "model.json is damaged: input.classes must be names; use --checkpoint best"
    )


def test_an_interpolation_in_a_net_is_not_filled_in(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gadget = f"${{oc.create:'{{_target_: pathlib.Path.touch, self: {tmp_path / 'harm'}}}'}}"
    change(run / "model.json", "model.hidden", gadget)
    assert "model.hidden is " in refusal(capsys, str(run))
    with pytest.raises(ValueError, match="an interpolation; a record holds values"):
        digits.load(run)
    assert not (tmp_path / "harm").exists()
