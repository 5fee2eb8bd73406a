"""`import digits` in a script, in a thread and in a process that uses signals, logging and Hydra itself."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir

import digits
from digits.hydra_app.paths import conf_directory
from digits.processes.signals import Signals
from digits.runs.layout import JobFailed

SMALL = ("data=optdigits", "data.limit=200", "model=mlp", "model.hidden=[32]", "trainer=cpu", "trainer.max_epochs=2",
         "callbacks=none", "logger=csv")  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> digits.Run:
    return digits.fit(*SMALL, directory=tmp_path_factory.mktemp("runs") / "run")


def test_a_run_is_what_the_command_would_have_left(run: digits.Run) -> None:
    record = run.record
    assert (record.status, record.overrides) == ("done", list(SMALL))
    assert run.metrics == record.metrics
    names = {path.name for path in run.directory.iterdir()}
    assert {"result.json", "model.safetensors", "model.json", "metrics.csv", "checkpoints", "train.log"} <= names
    assert "epoch 2/2" in (run.directory / "train.log").read_text()


def test_what_is_known_of_a_run_takes_the_run_itself(run: digits.Run, tmp_path: Path) -> None:
    scores = digits.score(run, out=tmp_path)
    assert scores["accuracy"] == pytest.approx(run.metrics["test/accuracy"])
    [row] = digits.rows(run.directory.parent)
    assert (row["status"], row["model"], row["seed"]) == ("done", "mlp", 0)
    assert row["test/accuracy"] == run.metrics["test/accuracy"]
    assert digits.load(run)(torch.zeros(2, 28, 28, dtype=torch.uint8)).shape == (2, 10)


def test_a_run_is_resumed(tmp_path: Path) -> None:
    first = digits.fit(*SMALL, "scheduler=constant", directory=tmp_path / "run")
    longer = digits.fit(f"resume={first.directory}", "trainer.max_epochs=3")
    assert (longer.directory, longer.record.epochs) == (first.directory, 3)


def test_threads_train_one_after_the_other_and_come_to_the_same(run: digits.Run, tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(lambda name: digits.fit(*SMALL, directory=tmp_path / name), "ab"))
    assert [each.metrics for each in runs] == [run.metrics, run.metrics]


def test_what_belongs_to_the_whole_process_is_given_back(tmp_path: Path) -> None:
    def state() -> list[object]:
        handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
        logs = [logging.getLogger().handlers[:], logging.getLogger("digits").level, logging.raiseExceptions]
        return [*handlers, *logs, threading.excepthook]

    before = state()
    with initialize_config_dir(conf_directory(), version_base="1.3"):  # an application of the user's own
        digits.fit(*SMALL, directory=tmp_path / "run")
        assert compose("train").seed == 0
    assert state() == before


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        (["optimizer.lr=fast", "seed=-1"], "optimizer.lr: is 'fast'"),
        (["modl=3"], "did you mean model?"),
        (["model=nope"], "there is no nope"),
        (["seed=0,1"], "seed=0,1"),
        (["hydra.run.dir=x"], "directory=…"),
        (["hydra.job.chdir=true"], "is for python -m digits.train"),
        (["hydra/launcher=side_by_side"], "is for python -m digits.train"),
        (["hydra.mode=MULTIRUN"], "is for python -m digits.train"),
        (["trainer=ddp"], "use the command"),
        (["trainer.devices=[0,1]", "trainer.accelerator=auto"], "use the command"),
        (["resume=nowhere"], "there is no directory nowhere"),
        (["+optimizer.amsgrd=true"], "did you mean amsgrad?"),
    ],
)
def test_what_can_not_be_is_one_error_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overrides: list[str], text: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r".") as caught:
        digits.fit(*overrides)
    assert text in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_training_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(JobFailed, match=r"trainer\.on_nonfinite=skip"):
        digits.fit(*SMALL, "optimizer=sgd", "optimizer.lr=1e30", "scheduler=constant", directory=tmp_path / "run")


def test_an_interrupt_saves_and_is_an_interrupt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(signals: Signals) -> None:
        hold(signals)
        signal.raise_signal(signal.SIGINT)

    hold = Signals.hold
    monkeypatch.setattr(Signals, "hold", interrupt)
    with pytest.raises(KeyboardInterrupt):
        digits.fit(*SMALL, directory=tmp_path / "run")
    monkeypatch.undo()
    resumed = digits.fit(f"resume={tmp_path / 'run'}")
    assert (resumed.record.status, resumed.record.epochs) == ("done", 2)


def test_yaml_of_ones_own_is_found(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "mine" / "model").mkdir(parents=True)
    own = (
        "_target_: digits.models.LogisticRegression\nnum_classes: ${data.num_classes}\nimage_size: ${data.image_size}\n"
    )
    (tmp_path / "mine" / "model" / "own.yaml").write_text(own)
    small = [text for text in SMALL if not text.startswith("model")]
    run = digits.fit(*small, "model=own", directory=tmp_path / "run", config_dir=tmp_path / "mine")
    assert run.record.parameters == 7850
    with pytest.raises(ValueError, match="there is no own"):
        digits.fit(*small, "model=own", directory=tmp_path / "other")
    with pytest.raises(ValueError, match=f"config_dir: there is no directory {tmp_path}/nowhere"):
        digits.fit(*SMALL, directory=tmp_path / "other", config_dir=tmp_path / "nowhere")
    (tmp_path / "mine" / "model" / "mlp.yaml").write_text(own)
    run = digits.fit(*small, "model=mlp", directory=tmp_path / "third", config_dir=tmp_path / "mine")
    assert run.record.parameters == 7850
    assert "mlp.yaml stands in for the shipped model/mlp.yaml" in caplog.text


def test_a_directory_that_holds_another_run_is_refused_by_the_name_of_the_argument(run: digits.Run) -> None:
    with pytest.raises(ValueError, match=r"^directory: .* holds a run already"):
        digits.fit(*SMALL, directory=run.directory)
    with pytest.raises(ValueError, match=r"^directory: "):
        digits.fit(f"resume={run.directory}", directory=run.directory.with_name("another"))


def test_sigterm_ends_a_script_as_it_ends_the_command(tmp_path: Path) -> None:
    script = (
        "import signal, digits\n"
        "from digits.processes.signals import Signals\n"
        "hold = Signals.hold\n"
        "Signals.hold = lambda signals: (hold(signals), signal.raise_signal(signal.SIGTERM))\n"
        f"digits.fit(*{SMALL!r}, directory='run')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=False, capture_output=True)
    assert done.returncode == 143, done.stderr
    assert digits.Run(tmp_path / "run", {}).record.status == "interrupted"


def test_reading_takes_no_torch_and_the_names_shadow_no_command() -> None:
    blank = "digits.read(Image.new('L', (40, 40), 255))"
    code = f"import digits, sys; from PIL import Image; {blank}; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=True, text=True, capture_output=True).stdout == "False\n"
    commands = {"train", "tune", "evaluate", "report", "export", "predict", "explore", "serve"}
    assert not commands & set(digits.__all__)
    assert set(digits.__all__) < set(dir(digits))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        digits.nothing  # noqa: B018 (looked up)
