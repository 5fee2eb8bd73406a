"""`python -m digits.tune` as a person runs it: what is refused, what is left, and what a kill takes."""

from __future__ import annotations

import json
import os
import random
import re
import shlex
import signal
import subprocess
import time
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from digits.tuning.storage import superseded
from tests.support.commands import digits
from tests.support.searches import SMALL, begin, check_whole, end, study_in, wait_for

ROUNDS = 8
SEARCH = Path("outputs", "tune", "logistic")


# ---- Refused before the first trial ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("overrides", "faults"),
    [
        (
            ["search_space.dropout.high=1.5", "+search_space.x={key: optimizer.lrr, type: float, low: 1, high: 2}",
             "+search_space.m={key: model, type: categorical, choices: [cnn, vit]}"],
            ["search_space.dropout: with model.dropout=1.5: model.dropout: is 1.5; input should be less than 1",
             "search_space.x: with optimizer.lrr=1.0: optimizer.lrr: no such key; did you mean lr?",
             "search_space.m: with model=vit: model: there is no vit; there is cnn"],
        ),
        (
            ["search_space.lr.low=0", "search_space.dropout.low=0.9", "tune.objective=[test/accuracy]"],
            ["search_space.lr: log: true needs low > 0, got 0.0",
             "search_space.dropout: low is 0.9 and high 0.6; give a high above low",
             "tune.objective: can't be test/accuracy; the test set is for the winner alone"],
        ),
        (
            ["optimizer.lr=0.1", "data.val_size=0", "test=true", "trainer.devices=2"],
            ["optimizer.lr: is searched by search_space.lr; leave it out, or the parameter with ~search_space.lr",
             "data.val_size: is 0; a search is judged by validation images, so keep some",
             "trainer.devices: a trial is one process",
             "test: is true; trials never see the test set"],
        ),
        (["trainer.find_lr=use"], ["trainer.find_lr: is for one run; a search of trials takes optimizer.lr"]),
        (["optimizer.lr=fast", "~search_space.lr"], ["optimizer.lr: is 'fast'; input should be a valid number"]),
        (["sampler=grid"], ["search_space.lr: is continuous; sampler=grid needs a step"]),
        (["sampler=cmaes", "tune.objective=[val/loss,parameters]"], ["sampler: cmaes searches for one objective"]),
        (["search_space=none"], ["search_space: there is no none; there is cnn, detector, logistic, mlp"]),
        (["sampler.popsize=3", "+pruner.x=1"], ["sampler.popsize: no such key", ]),
        (["+pruner.x=1"], ["pruner.x: optuna.pruners.HyperbandPruner has no such argument"]),
        (["tune.name=../up"], ["tune.name: is '../up'; string should match"]),
        (["pruner=median", "pruner.n_startup_trials=-1"],
         ["pruner: optuna.pruners.MedianPruner can't work with n_startup_trials=-1, n_warmup_steps=2: "]),
        (["pruner.reduction_factor=1"], ["pruner: optuna.pruners.HyperbandPruner can't work with min_resource=1, "]),
        (["sampler.n_startup_trials=five"], ["sampler: optuna.samplers.TPESampler can't work with n_startup_trials="]),
        (["sampler._target_=optuna.samplers.Nope"], ["sampler._target_: optuna.samplers.Nope: "]),
        (["-m", "seed=0,1"], ["-m: a search makes its trials itself; leave out -m"]),
        (["resume=outputs"], ["resume: outputs is not a run directory"]),
    ],
)  # fmt: skip
def test_what_can_not_be_searched_is_refused_at_once(tmp_path: Path, overrides: list[str], faults: list[str]) -> None:
    (tmp_path / "outputs").mkdir()
    done = digits("tune", *overrides, cwd=tmp_path)
    assert done.returncode == 2, done.stdout + done.stderr
    for fault in faults:
        assert fault in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / "outputs").iterdir()), "no directory is made for it"


def test_another_search_under_the_same_name_is_refused(tmp_path: Path) -> None:
    end(begin(tmp_path, "tune.trials=1"))
    done = digits("tune", *SMALL, "tune.trials=2", "search_space.momentum.high=0.9", "seed=7", cwd=tmp_path)
    assert done.returncode == 2
    assert "tune.name: logistic was begun with another search_space, seed; its trials can't be compared" in done.stderr
    assert len(study_in(tmp_path / SEARCH).trials) == 1


# ---- What a search leaves -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A search with two workers, pruning and a winner that is tested; its folder and what it said.

    In a fresh process, as it is typed.
    """
    cwd = tmp_path_factory.mktemp("search")
    overrides = ("tune.trials=8", "tune.workers=2", "tune.keep=2", "trainer.max_epochs=6", "tune.test=true")
    pruner = ("pruner=median", "pruner.n_startup_trials=3", "pruner.n_warmup_steps=1")
    return cwd, end(begin(cwd, *overrides, *pruner, fresh=True))


def test_a_search_says_how_it_goes_and_what_came_of_it(searched: tuple[Path, str]) -> None:
    cwd, said = searched
    rows = [line.split() for line in said.splitlines() if line[:5].strip().isdigit()]
    assert sorted(int(row[0]) for row in rows if row[1] in ("complete", "pruned")) == list(range(8))
    best = study_in(cwd / SEARCH).best_trial
    assert f"best trial by val/accuracy, {100 * best.values[0]:.2f} %: {best.number}" in said
    assert "the only trial that the test set was used for" in said
    again = next(line for line in said.splitlines() if line.startswith("trained again by "))
    assert "tune." not in again
    report = digits("report", str(SEARCH), cwd=cwd)
    assert report.returncode == 0
    assert again in report.stdout.splitlines()


def test_trials_never_see_the_test_set_and_the_winner_once(searched: tuple[Path, str]) -> None:
    cwd, _ = searched
    study = study_in(cwd / SEARCH)
    records = [json.loads(path.read_text()) for path in (cwd / SEARCH).glob("trials/*/result.json")]
    assert len(records) == 8
    assert not [name for record in records for name in record["metrics"] if name.startswith("test/")]
    tested = [path.parent.parent.name for path in (cwd / SEARCH).glob("trials/*/test/evaluation.json")]
    assert tested == [f"{study.best_trial.number:04d}"]
    told = study.user_attrs["test"]
    assert (told["trial"], told["looks"]) == (study.best_trial.number, 1)
    evaluated = digits("evaluate", str(SEARCH / "trials" / tested[0]), "--json", cwd=cwd)
    assert json.loads(evaluated.stdout)["accuracy"] == told["accuracy"]


def test_the_best_keep_their_weights_and_the_rest_their_records(searched: tuple[Path, str]) -> None:
    cwd, _ = searched
    study = study_in(cwd / SEARCH)
    done = sorted((t for t in study.trials if t.state.name == "COMPLETE"), key=lambda t: (-t.values[0], t.number))
    kept = {path.parent.name for path in (cwd / SEARCH).glob("trials/*/model.safetensors")}
    assert kept == {f"{trial.number:04d}" for trial in done[:2]}
    assert {path.parents[1].name for path in (cwd / SEARCH).glob("trials/*/checkpoints/*.ckpt")} == kept


def test_every_trial_is_a_row_in_hparams_with_the_same_columns(searched: tuple[Path, str]) -> None:
    cwd, _ = searched
    columns = set()
    for run in (cwd / SEARCH / "trials").iterdir():
        events = EventAccumulator(str(run))
        events.Reload()
        content = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
        columns.add(frozenset(HParamsPluginData.FromString(content).session_start_info.hparams))
        value = events.Scalars("hp/val_accuracy")[-1].value
        assert value == pytest.approx(json.loads((run / "result.json").read_text())["metrics"]["val/accuracy"])
    (only,) = columns
    assert {"optimizer", "lr_adamw", "lr_sgd", "momentum", "batch_size", "epochs", "parameters"} <= only


def test_two_workers_share_the_cores(searched: tuple[Path, str]) -> None:
    cwd, _ = searched
    threads = {
        json.loads(path.read_text())["hardware"]["threads"] for path in (cwd / SEARCH).glob("trials/*/result.json")
    }
    assert threads == {max(1, len(os.sched_getaffinity(0)) // 2)}


def test_the_page_and_the_pictures_are_there(searched: tuple[Path, str]) -> None:
    cwd, said = searched
    assert f"pictures  {cwd / SEARCH / 'search.html'}" in said
    page = (cwd / SEARCH / "search.html").read_text(encoding="utf-8")
    sections = re.findall(r'<section id="(\w+)"', page)
    assert sections == ["history", "curves", "parallel", "importances_0", "slices_0", "trials"]
    assert page.count("Plotly.newPlot(") > 4


def test_more_trials_go_on_where_it_was(searched: tuple[Path, str]) -> None:
    cwd, _ = searched
    before = {trial.number: trial.params for trial in study_in(cwd / SEARCH).trials}
    pruner = ("pruner=median", "pruner.n_startup_trials=3", "pruner.n_warmup_steps=1")
    said = end(begin(cwd, "tune.trials=9", "trainer.max_epochs=6", *pruner))
    assert "8 of 9 trials are done" in said
    trials = study_in(cwd / SEARCH).trials
    assert len(trials) == 9
    assert {trial.number: trial.params for trial in trials[:8]} == before
    assert trials[8].params not in before.values()


# ---- Cut off --------------------------------------------------------------------------------------


@pytest.mark.reliability
def test_a_search_that_is_killed_again_and_again_loses_nothing(tmp_path: Path) -> None:
    """SIGKILL at random moments of the search's process, a worker's or a trial's, then the same command."""
    draw = random.Random(0)
    for _ in range(ROUNDS):
        search = begin(tmp_path, "tune.trials=10", "tune.workers=2", "tune.retries=20")
        until = time.monotonic() + draw.uniform(2.5, 9.0)
        while time.monotonic() < until and search.poll() is None:
            time.sleep(0.05)
        family = _family(search.pid)
        victim = draw.choice([search.pid, *family[:4]])
        if search.poll() is None:
            os.kill(victim, signal.SIGKILL)
            time.sleep(draw.uniform(0, 2) if victim != search.pid else 0)
        search.kill()
        search.communicate()
        assert _gone(family), "processes of a search that was killed live on"
    said = end(begin(tmp_path, "tune.trials=10", "tune.workers=2", "tune.retries=20"))
    check_whole(study_in(tmp_path / SEARCH), [tmp_path / SEARCH], 10)
    assert superseded(study_in(tmp_path / SEARCH).trials), "no kill met a trial"
    assert "10 complete" in said


def test_workers_that_srun_starts_are_each_on_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("JOB_ID", 7), ("NTASKS", 2), ("STEP_NUM_TASKS", 2), ("PROCID", 1), ("LOCALID", 1)):
        monkeypatch.setenv(f"SLURM_{name}", str(value))
    end(begin(tmp_path, "tune.trials=2", "tune.test=true"))
    check_whole(study_in(tmp_path / SEARCH), [tmp_path / SEARCH], 2)


def test_what_is_printed_trains_the_best_trial_again(tmp_path: Path) -> None:
    said = end(begin(tmp_path, "tune.trials=2", "trainer.max_epochs=12"))
    again = shlex.split(said.partition("trained again by python -m digits.")[2].splitlines()[0])
    done = digits(*again, "test=false", "hydra.run.dir=again", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    best = study_in(tmp_path / SEARCH).best_trial
    record = json.loads((tmp_path / "again" / "result.json").read_text())
    assert record["epochs"] == best.user_attrs["epochs"] == 12
    assert record["metrics"]["val/accuracy"] == best.values[0]


def test_a_trial_that_was_cut_off_goes_on_in_its_own_directory(tmp_path: Path) -> None:
    search = begin(tmp_path, "tune.trials=2")
    wait_for(lambda: any((tmp_path / SEARCH).glob("trials/*/result.json")), search)
    search.kill()
    search.communicate()
    end(begin(tmp_path, "tune.trials=2"))
    found = check_whole(study_in(tmp_path / SEARCH), [tmp_path / SEARCH], 2)
    assert {str(trial.user_attrs["directory"]) for trial in found} <= {"trials/0000", "trials/0001", "trials/0002"}
    assert "trials/0000" in {str(trial.user_attrs["directory"]) for trial in found}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_lets_trials_save_and_leave(tmp_path: Path, number: int, code: int) -> None:
    slow = ("trainer.max_epochs=400", "tune.trials=3", "tune.workers=2", "tune.retries=0")
    search = begin(tmp_path, *slow)
    wait_for(lambda: len(list((tmp_path / SEARCH).glob("trials/*/checkpoints/last.ckpt"))) == 2, search)
    os.kill(search.pid, number)
    said, _ = search.communicate(timeout=60)
    assert search.returncode == code, said
    assert "interrupted; run the same command again" in said
    records = [json.loads(path.read_text()) for path in (tmp_path / SEARCH).glob("trials/*/result.json")]
    assert [record["status"] for record in records] == ["interrupted"] * 2
    assert all((path / "checkpoints" / "last.ckpt").exists() for path in (tmp_path / SEARCH / "trials").iterdir())


SLOW = (
    "import time\n"
    "from pathlib import Path\n"
    "from torch import Tensor\n"
    "from digits.models import LogisticRegression\n"
    "class Net(LogisticRegression):\n"
    "    def forward(self, images: Tensor) -> Tensor:\n"
    "        if Path('slow').exists(): time.sleep(0.2)\n"
    "        return super().forward(images)\n"
)
"""A net whose trials last while the folder holds a file named slow, so that they need not be long afterwards."""


def test_a_second_signal_ends_a_search_at_once_and_the_same_command_goes_on(tmp_path: Path) -> None:
    (tmp_path / "slow").touch()
    (tmp_path / "slow.py").write_text(SLOW)
    asked = ("model._target_=slow.Net", "tune.trials=2", "tune.workers=2", "trainer.max_epochs=20")
    search = begin(tmp_path, *asked)
    wait_for(lambda: len(list((tmp_path / SEARCH).glob("trials/*/checkpoints/last.ckpt"))) == 2, search)
    family = _family(search.pid)
    for _ in range(2):
        os.kill(search.pid, signal.SIGINT)
        time.sleep(0.5)  # two within less are taken for one
    search.communicate(timeout=20)
    assert search.returncode == 130
    assert _gone(family)
    (tmp_path / "slow").unlink()
    end(begin(tmp_path, *asked))
    check_whole(study_in(tmp_path / SEARCH), [tmp_path / SEARCH], 2)


@pytest.mark.parametrize("seconds", [0.0, 0.5, 1.5, 3.0])
def test_a_signal_in_the_first_seconds_ends_a_search_without_a_traceback(tmp_path: Path, seconds: float) -> None:
    search = begin(tmp_path, "tune.trials=2", "trainer.max_epochs=300")
    wait_for((tmp_path / SEARCH).exists, search)
    time.sleep(seconds)
    os.kill(search.pid, signal.SIGINT)
    said, _ = search.communicate(timeout=60)
    assert search.returncode == 130, said
    assert "Traceback" not in said


def _family(pid: int) -> list[int]:
    """A process's descendants, the nearest first."""
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children") if Path(f"/proc/{pid}").exists() else ():
        try:
            children = [int(child) for child in path.read_text().split()]
        except OSError:
            continue
        found += children
    return found + [further for child in found for further in _family(child)]


def _gone(pids: list[int], timeout: float = 20) -> bool:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        alive = subprocess.run(
            ["ps", "-o", "stat=", "-p", ",".join(map(str, pids or [0]))], capture_output=True, text=True, check=False
        ).stdout.split()
        if all(state.startswith("Z") for state in alive):
            return True
        time.sleep(0.1)
    return False


# ---- With a model of one's own ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "asked",
    [
        ("--config-dir=mine", "model=net"),
        ("hydra.searchpath=[mine]", "model=net"),
        ("--config-dir=mine", "search_space=both"),  # which alone names it
    ],
)
def test_the_winner_of_a_net_of_ones_own_is_tested_and_its_command_works(
    tmp_path: Path, asked: tuple[str, ...]
) -> None:
    (tmp_path / "mynets.py").write_text(
        "from torch import Tensor, nn\n"
        "class Net(nn.Module):\n"
        "    def __init__(self, image_size: int, num_classes: int, width: int) -> None:\n"
        "        super().__init__()\n"
        "        layers = nn.Flatten(), nn.Linear(image_size**2, width), nn.ReLU(), nn.Linear(width, num_classes)\n"
        "        self.layers = nn.Sequential(*layers)\n"
        "    def forward(self, pixels: Tensor) -> Tensor:\n"
        "        return self.layers(pixels)\n"
    )
    for group, text in {
        "model": "_target_: mynets.Net\nimage_size: ${data.image_size}\nnum_classes: ${data.num_classes}\nwidth: 16\n",
        "search_space": "lr: {key: optimizer.lr, type: float, low: 1e-3, high: 1e-2}\n",
    }.items():
        (tmp_path / "mine" / group).mkdir(parents=True)
        (tmp_path / "mine" / group / "net.yaml").write_text(text)
    space = "model: {key: model, type: categorical, choices: [net]}\n"
    (tmp_path / "mine" / "search_space" / "both.yaml").write_text(space)
    small = [override for override in SMALL if override not in ("model=logistic", "tune.test=false")]
    done = digits("tune", *asked, "tune.trials=1", *small, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.search(r"test accuracy \d+", done.stdout + done.stderr), done.stdout
    (printed,) = re.findall(r"trained again by python -m digits\.train (.+)", done.stdout + done.stderr)
    again = digits("train", *shlex.split(printed), "hydra.run.dir=again", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "again" / "model.safetensors").is_file()
