"""`python -m digits.train` as a person runs it, on the digits that come with scikit-learn."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.commands import QUICK, digits, only_run, result_of, start

# ---- Answers that come before torch ---------------------------------------------------------------


@pytest.fixture
def no_torch(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever imports torch dies: what is answered all the same is answered within a second."""
    folder = tmp_path_factory.mktemp("no_torch")
    (folder / "torch.py").write_text("raise ImportError('torch was imported')\n")
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)


@pytest.mark.usefixtures("no_torch")
def test_help_lists_the_groups(tmp_path: Path) -> None:
    done = digits("train", "--help", cwd=tmp_path)
    assert done.returncode == 0
    for line in (
        "model: cnn, detector, logistic, mlp, resnet",
        "optimizer: adam, adamw, sgd",
        "scheduler: constant, cosine, onecycle, plateau, step",
        "trainer: auto, cpu, ddp, gpu",
        "data: fashion_mnist, image_folder, kmnist, mnist, optdigits",
        "debug: fast_dev_run, overfit, profile",
    ):
        assert line in done.stdout


@pytest.mark.usefixtures("no_torch")
def test_the_configuration_is_shown(tmp_path: Path) -> None:
    done = digits("train", "--cfg", "job", "model=mlp", "optimizer.lr=0.5", cwd=tmp_path)
    assert "lr: 0.5" in done.stdout


@pytest.mark.usefixtures("no_torch")
@pytest.mark.parametrize(
    ("arguments", "sentences"),
    [
        (["optimizer.lr=fast", "seed=-1"], ["optimizer.lr: is 'fast'", "seed: is -1"]),
        (["optimizer.lrr=1"], ["optimizer.lrr: no such key; did you mean lr?"]),
        (["+bogus=1"], ["bogus: no such key"]),
        (["model=cmn"], ["model: there is no cmn; did you mean cnn?"]),
        (["data.val_size=60000"], ["data.val_size: is 60000, but mnist has 60000 training images"]),
        (["resume=nowhere"], ["resume: there is no directory nowhere"]),
        (["init_from=nowhere"], ["init_from: nowhere does not exist"]),
        (["config_from=nowhere"], ["config_from: there is no directory nowhere"]),
        (["-m", "config_from=nowhere", "seed=0,1"], ["config_from: there is no directory nowhere"]),
        (["trainer=gpu", "trainer.devices=99"], ["but this machine has"]),
        (["-m", "model=mlp,cnn", "optimizer.lr=1e-3,fast", "seed=0,-1"], ["optimizer.lr: is 'fast'", "seed: is -1"]),
        (["-m", "trainer=ddp", "seed=0,1"], ["trainer.strategy: several processes a job would each start"]),
        (["-m", "seed=1,1"], ["two jobs of this sweep have the same overrides"]),
    ],
)  # fmt: skip
def test_mistakes_are_told_at_once(tmp_path: Path, arguments: list[str], sentences: list[str]) -> None:
    done = digits("train", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    for line, sentence in zip(sorted(done.stderr.splitlines()), sorted(sentences), strict=True):
        assert sentence in line
    assert not list(tmp_path.iterdir()), "nothing is made for a run that can't be"


def test_an_argument_that_torch_does_not_know(tmp_path: Path) -> None:
    done = digits("train", "+optimizer.bogus=1", cwd=tmp_path)
    assert done.returncode == 2
    assert "optimizer.bogus" in done.stderr
    assert not list(tmp_path.iterdir())


# ---- Runs -----------------------------------------------------------------------------------------


def test_a_run_a_resume_and_an_interrupted_one(tmp_path: Path) -> None:
    done = digits("train", *QUICK, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    run = only_run(tmp_path)
    assert str(run) in done.stdout
    assert "test" in done.stdout
    assert "epoch 2/2" in done.stdout
    assert (run / "train.log").read_text().count("epoch") >= 2

    refused = digits("train", f"resume={run}", "optimizer.lr=1", cwd=tmp_path)
    assert refused.returncode == 2
    assert "optimizer.lr: can't be changed on resume" in refused.stderr

    resumed = digits("train", f"resume={run}", "trainer.max_epochs=3", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert only_run(tmp_path) == run
    assert result_of(run)["epochs"] == 3
    longer = [override.replace("max_epochs=2", "max_epochs=3") for override in QUICK]
    assert result_of(run)["overrides"] == longer, "the record tells what the run came to be"


@pytest.mark.parametrize(("signal_name", "code"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_a_signal_ends_a_run_as_interrupted(tmp_path: Path, signal_name: str, code: int) -> None:
    long = [option for option in QUICK if not option.startswith(("trainer.max_epochs", "data.limit"))]
    lasting = ("trainer.max_epochs=100000", "scheduler=constant")
    process = start("train", *long, *lasting, cwd=tmp_path, join_stderr=True)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("epoch"):
            break
    process.send_signal(getattr(signal, signal_name))
    process.communicate(timeout=60)
    assert process.returncode == code
    assert result_of(only_run(tmp_path))["status"] == "interrupted"


def test_on_a_terminal_every_epoch_has_a_line_of_its_own(tmp_path: Path) -> None:
    """The bar is cleared before the line is written, else the two share one; in a fresh process, as it is typed."""
    main, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "digits.train", *QUICK], cwd=tmp_path, stdout=terminal, stderr=terminal
    )
    os.close(terminal)
    screen = b""
    with suppress(OSError):  # Linux's way to say that the other end is closed
        while chunk := os.read(main, 65536):
            screen += chunk
    os.close(main)
    assert process.wait() == 0
    assert b"images/s" in screen
    lines = [line for line in screen.replace(b"\r", b"\n").split(b"\n") if b"train loss" in line]
    assert [line.replace(b"\x1b[A", b"").strip().startswith(b"epoch") for line in lines] == [True, True]


@pytest.mark.parametrize("preset", ["fast_dev_run", "overfit", "profile"])
def test_the_debugging_presets_run(tmp_path: Path, preset: str) -> None:
    done = digits("train", "data=optdigits", "model=mlp", "trainer=cpu", f"debug={preset}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert result_of(only_run(tmp_path))["status"] == "done"


def test_the_shell_completes_groups_and_choices(tmp_path: Path) -> None:
    command = 'COMP_LINE="digits-train model=" digits-train -sc query=bash'
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command, shell=True, cwd=tmp_path, env={**os.environ, "PATH": path}, text=True, capture_output=True, check=False
    )
    assert {"model=cnn", "model=mlp", "model=resnet", "model=logistic"} <= set(done.stdout.split())


@pytest.mark.parametrize("command", [
    ("data=optdigits", "--cfg", "job", "model=mlp"), ("--cfg", "job", "data=optdigits", "model=mlp"),
    ("data=optdigits", "model=mlp", "--cfg=job"),
    ("model=mlp", "--config-dir", "model=mlp", "data=optdigits", "-c", "job"),
])  # fmt: skip
def test_overrides_may_stand_on_both_sides_of_an_option(command: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "model=mlp").mkdir()
    done = digits("train", *command, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "MLP" in done.stdout
    assert "name: optdigits" in done.stdout


def test_yaml_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "mine" / "experiment").mkdir(parents=True)
    (tmp_path / "mine" / "experiment" / "tiny.yaml").write_text(
        "# @package _global_\ndefaults: [override /model: mlp, override /data: optdigits]\nmodel: {hidden: [7]}\n"
    )
    done = digits("train", "--config-dir", "mine", "experiment=tiny", "--cfg", "job", cwd=tmp_path)
    assert "hidden:\n  - 7" in done.stdout


def test_a_place_that_can_not_be_written_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "outputs").write_text("a file where a folder should be")
    done = digits("train", *QUICK, cwd=tmp_path)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert (
        "can't be written: Not a directory; make it writable, or choose another folder with hydra.run.dir=DIR" in line
    )


def test_an_interrupt_before_the_run_has_begun_leaves_no_traceback(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "digits.train", *QUICK, "hydra.run.dir=run"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (tmp_path / "run").exists():  # made just before torch is imported
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in said
