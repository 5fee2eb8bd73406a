"""`python -m digits.report`: hand-written records, figures checked by hand."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from digits.report import main
from digits.runs.report import latest_sweep, print_report
from digits.runs.table import Mean, grouped, lead, ranked, read_rows
from tests.support.reports import METRICS, output, write_run, write_unfinished
from tests.support.studies import write_search

GONE = 2**22 + 1  # above the highest process number that Linux gives out


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """Two seeds of an MLP, three of a CNN, one run of a logistic regression."""
    for seed, accuracy in ((0, 0.97), (1, 0.98)):
        metrics = METRICS | {"val/accuracy": accuracy, "test/accuracy": accuracy + 0.005}
        write_run(tmp_path / f"mlp{seed}", ["model=mlp", "data=mnist", f"seed={seed}"], seed, metrics=metrics)
    for seed, accuracy in ((0, 0.98), (1, 0.99), (2, 1.0)):
        write_run(
            tmp_path / f"cnn{seed}",
            [f"seed={seed}", "data=mnist", "model=cnn"],  # another order, the same overrides
            seed,
            metrics=METRICS | {"val/accuracy": accuracy, "test/accuracy": 0.5},
            seconds={"fit": 10.0 + seed, "total": 20.0},
            parameters=65_000,
        )
    write_run(tmp_path / "logistic", ["model=logistic", "data=mnist"], metrics=METRICS | {"test/accuracy": 0.999})
    return tmp_path


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    assert stop.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err


def test_table_has_means_and_deviations_by_hand(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = output(capsys, sweep).splitlines()
    assert lines[:2] == [f"6 runs in {sweep}: 6 done", "all with data=mnist"]
    table = [line.split("  ") for line in lines[3:8]]
    cells = [[cell.strip() for cell in row if cell.strip()] for row in table]
    assert cells[0] == ["overrides", "n", "val/accuracy", "test/accuracy", "parameters", "seconds"]
    # (98+99+100)/3 = 99, sd sqrt((1+0+1)/2) = 1; (97+98)/2 = 97.5, sd sqrt(0.25+0.25) = 0.707
    assert cells[2] == ["model=cnn", "3", "99.00 ± 1.00 %", "50.00 ± 0.00 %", "65,000", "11.0"]
    assert cells[3] == ["model=mlp", "2", "97.50 ± 0.71 %", "98.00 ± 0.71 %", "7,850", "12.5"]
    assert cells[4] == ["model=logistic", "1", "90.00 %", "99.90 %", "7,850", "12.5"]


def test_best_run_is_chosen_by_validation_and_not_by_test(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    by_test = output(capsys, sweep, "--sort", "test/accuracy")
    assert by_test.index("model=logistic") < by_test.index("model=mlp") < by_test.index("model=cnn")
    assert f"best run by val/accuracy, 100.00%: {sweep / 'cnn2'}" in by_test
    assert f"best run by val/accuracy, 100.00%: {sweep / 'cnn2'}" in output(capsys, sweep)


def test_lead_below_its_standard_error_is_called_seed_noise(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, accuracies in {"a": (0.90, 0.94), "b": (0.91, 0.91)}.items():
        for seed, accuracy in enumerate(accuracies):
            write_run(tmp_path / f"{name}{seed}", [f"model={name}"], seed, metrics={"val/accuracy": accuracy})
    # a: 0.92, sd 0.02828; b: 0.91, sd 0; error sqrt(0.0008/2 + 0) = 0.02
    ahead, error = lead(ranked(grouped(read_rows(tmp_path)), "val/accuracy"), "val/accuracy") or (0.0, 0.0)
    assert ahead == pytest.approx(0.01)
    assert error == pytest.approx(0.02)
    assert (
        "within seed noise: the first is 1.00 points ahead of the second, the standard error of that is 2.00 points"
        in output(capsys, tmp_path)
    )


def test_lead_above_its_standard_error_goes_without_saying(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # 1.5 points ahead; sqrt(1/3 + 0.5/2) = 0.76
    assert "seed noise" not in output(capsys, sweep)


def test_one_seed_has_no_deviation(tmp_path: Path) -> None:
    write_run(tmp_path / "one", ["model=mlp"], metrics={"val/accuracy": 0.5})
    write_run(tmp_path / "two", ["model=cnn"], metrics={"val/accuracy": 0.5})
    groups = grouped(read_rows(tmp_path))
    assert groups[0].mean("val/accuracy") == Mean(0.5, None, 1)
    assert groups[0].mean("val/loss") is None
    assert lead(groups, "val/accuracy") is None


def test_overrides_typed_differently_are_one_group(tmp_path: Path) -> None:
    for seed, overrides in enumerate(
        (["model=mlp", "optimizer.lr=1e-3"], ["++optimizer.lr=0.001", "seed=1", "model=mlp"], ["+seed=2"])
    ):
        write_run(tmp_path / str(seed), overrides, seed)
    groups = grouped(read_rows(tmp_path))
    assert {group.overrides: len(group.rows) for group in groups} == {
        (("model", "mlp"), ("optimizer.lr", "0.001")): 2,
        (): 1,
    }


def test_whole_numbers_and_fractions_stay_apart(tmp_path: Path) -> None:
    # to Lightning, 1 is one batch and 1.0 all of them
    write_run(tmp_path / "a", ["+trainer.limit_val_batches=1"])
    write_run(tmp_path / "b", ["+trainer.limit_val_batches=1.0"])
    assert len(grouped(read_rows(tmp_path))) == 2


def test_repeated_seed_counts_once_and_the_latest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, finished, accuracy in (("z", "2026-01-01", 0.1), ("a", "2026-01-02", 0.9)):
        write_run(tmp_path / name, ["model=mlp"], 0, finished=finished, metrics={"val/accuracy": accuracy})
    (group,) = grouped(read_rows(tmp_path))
    assert group.mean("val/accuracy") == Mean(0.9, None, 1)
    assert "1 run left out of the means: the same overrides and seed ran again later" in output(capsys, tmp_path)


def test_runs_without_validation_come_last_by_their_training_loss(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path / "a", ["model=a"], metrics={"train/loss": 0.5})
    write_run(tmp_path / "b", ["model=b"], metrics={"train/loss": 0.25})
    write_run(tmp_path / "c", ["model=c"], metrics={"train/loss": 9.0, "val/accuracy": 0.1})
    text = output(capsys, tmp_path)
    assert text.index("model=c") < text.index("model=b") < text.index("model=a")
    assert "0.2500" in text


def test_without_any_validation_no_run_is_called_best(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(tmp_path / "a", [], metrics={"train/loss": 0.5, "test/accuracy": 0.99})
    assert "no best run: none has val/accuracy" in output(capsys, tmp_path)


def test_losses_rank_upwards_and_a_diverged_run_last(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, loss in (("high", 2.0), ("nan", float("nan")), ("low", 0.5)):
        write_run(tmp_path / name, [f"model={name}"], metrics={"val/loss": loss})
    text = output(capsys, tmp_path, "--sort", "val/loss")
    assert text.index("model=low") < text.index("model=high") < text.index("model=nan")


def test_jobs_that_did_not_end_are_listed_with_their_reason(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here = {"host": socket.gethostname(), "status": "running", "started": "2026-11-22T10:00:00+00:00"}
    write_unfinished(sweep / "lr=1e9", status="failed", error="loss became NaN in epoch 3\nat step 1200")
    write_unfinished(sweep / "killed", **here, pid=GONE, alive=1_800_000_000.0)
    write_unfinished(sweep / "elsewhere", **(here | {"host": "node17"}), pid=1, alive=0)
    write_unfinished(sweep / "lives", **here, pid=os.getpid(), alive=time.time())
    write_unfinished(sweep / "cut", status="interrupted", finished="2026-11-22T11:30:00+00:00")
    (sweep / "torn").mkdir()
    (sweep / "torn" / "result.json").write_text('{"status": "do')
    (sweep / "deep" / "early" / ".hydra").mkdir(parents=True)
    (sweep / "logged").mkdir()
    (sweep / "logged" / "train.log").touch()
    (sweep / "mlp0" / ".hydra").mkdir()  # a run that has its record is not listed again

    text = output(capsys, sweep)
    assert text.splitlines()[0] == (
        f"14 runs in {sweep}: 6 done, 1 damaged, 1 failed, 1 interrupted, 2 lost, 2 never started, 1 running"
    )
    for block in (
        "failed:\n  lr=1e9: loss became NaN in epoch 3\n",
        "lost:\n  elsewhere: no heartbeat since 1970-01-01 00:00:00 UTC\n"
        "  killed: no heartbeat since 2027-01-15 08:00:00 UTC\n",
        "running:\n  lives: since 2026-11-22T10:00:00+00:00\n",
        "interrupted:\n  cut: at 2026-11-22T11:30:00+00:00\n",
        f"damaged:\n  torn: {sweep / 'torn' / 'result.json'} is damaged: Unterminated string",
        "never started:\n  deep/early: it has no result.json; its log may say why\n  logged: it has no result.json",
    ):
        assert block in text
    assert "resume=RUN resumes one that was interrupted or lost" in text
    (sweep / "multirun.yaml").touch()  # Hydra's, in a sweep's folder
    told = f"run the sweep's command again with hydra.sweep.dir={sweep} to resume what isn't done"
    assert told in output(capsys, sweep)


ORIGIN: dict[str, object] = {
    "hardware": {"cpu": "A CPU", "cores": 2, "threads": 1},
    "device": "cpu",
    "config": {"trainer": {"precision": "bf16-mixed"}},
    "versions": {"python": "3.11.7", "torch": "2.15.0", "lightning": "2.6.6", "numpy": "2.4.6"},
    "commit": {"id": "1033c6de246b2e668def416cb9ccc00e945f45e3", "dirty": False},
}
ON = "on A CPU, 2 cores, 1 thread, bf16-mixed; Python 3.11.7, torch 2.15.0, lightning 2.6.6; commit 1033c6d (clean)"


def measured_run(path: Path, overrides: list[str], seed: int = 0, **other: object) -> None:
    """A run of that origin, but for what is other."""
    record = write_run(path, overrides, seed) / "result.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | ORIGIN | other))


def test_below_the_table_is_what_its_runs_were_measured_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in (0, 1):
        measured_run(tmp_path / f"mlp{seed}", ["model=mlp"], seed)
    measured_run(tmp_path / "cnn", ["model=cnn"])
    measured_run(tmp_path / "failed", ["model=cnn"], 1, status="failed", error="no", device="cuda:0")
    measured_run(tmp_path / "former", ["model=cnn"], device="cuda:0", finished="2026-01-01")
    lines = output(capsys, tmp_path).splitlines()
    assert lines[lines.index("") + 1].startswith("overrides")
    assert f"3 runs {ON}" in lines
    assert "differ" not in "".join(lines)


def test_runs_that_were_measured_elsewhere_are_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    others: list[dict[str, object]] = [
        {},
        {},
        {"hardware": {"cpu": "A CPU", "cores": 2, "threads": 2}},
        {"commit": {"id": "a" * 40, "dirty": True}, "device": "cuda:0"},
    ]
    for seed, other in enumerate(others):
        measured_run(tmp_path / str(seed), ["model=mlp"], seed, **other)
    text = output(capsys, tmp_path)
    assert (
        "the runs of the table differ in hardware, threads, commit:\n"
        f"  2 runs {ON}\n"
        f"  1 run {ON.replace('1 thread', '2 threads')}\n"
        f"  1 run {ON.replace('CPU,', 'CPU and cuda:0,').replace('1033c6d (clean)', 'aaaaaaa (with changes)')}\n"
    ) in text
    assert f"\n\n- 2 runs {ON}\n" in output(capsys, tmp_path, "--markdown")
    for seed in range(4, 12):
        measured_run(tmp_path / str(seed), ["model=mlp"], seed, device=f"cuda:{seed}")
    lines = output(capsys, tmp_path).splitlines()
    (rest,) = [line for line in lines if "more ways" in line]
    assert rest == "  6 runs in 6 more ways"  # 12 runs in 11 ways, of which 5 have a line, the first of them two runs


def test_what_a_record_does_not_say_is_unknown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    unknown: dict[str, object] = {"id": None, "dirty": None}
    measured_run(tmp_path / "a", [], hardware=3, versions=[], commit=unknown, config={"trainer": None})
    told = "1 run on unknown hardware, unknown threads, unknown precision; unknown versions; unknown commit"
    assert told in output(capsys, tmp_path).splitlines()


def test_csv_has_a_line_for_every_run_in_full_precision(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    third = 1 / 3
    write_run(sweep / "third", ["model=mlp", "optimizer.lr=1e-4"], 7, metrics={"val/accuracy": third})
    write_unfinished(sweep / "model=odd", status="failed", error='said "no", and stopped')
    rows = list(csv.DictReader(io.StringIO(output(capsys, sweep, "--csv"))))
    assert len(rows) == 8
    assert [row["path"] for row in rows[:2]] == [str(sweep / "cnn2"), str(sweep / "cnn1")]
    row = rows[6]
    assert float(row["val/accuracy"]) == third
    assert row == {
        "status": "done", "path": str(sweep / "third"), "seed": "7", "data": "", "model": "mlp",
        "optimizer.lr": "0.0001", "val/accuracy": repr(third), "test/accuracy": "", "val/loss": "",
        "train/loss": "", "parameters": "7850", "seconds": "12.5", "images_per_second": "1000.5", "reason": "",
    }  # fmt: skip
    assert rows[7]["status"] == "failed"
    assert rows[7]["reason"] == 'said "no", and stopped'


def test_markdown_is_the_same_table(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(sweep / "piped", ["model=a|b"], metrics={"val/accuracy": 0.1})
    lines = output(capsys, sweep, "--markdown").splitlines()
    table = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if line.startswith("| ")]
    assert table[0] == ["overrides", "n", "val/accuracy", "test/accuracy", "parameters", "seconds"]
    assert table[1][:3] == ["data=mnist model=cnn", "3", "99.00 ± 1.00 %"]
    assert table[-1][0] == r"model=a\|b"
    assert {line.count("|") - line.count(r"\|") for line in lines if line.startswith("|")} == {7}


def test_any_folder_at_any_depth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(tmp_path / "sweeps" / "first" / "a", ["model=a"])
    run = write_run(tmp_path / "runs" / "b", ["model=b"])
    assert f"2 runs in {tmp_path}: 2 done" in output(capsys, tmp_path)
    assert f"1 run in {run}: 1 done" in output(capsys, run)


def test_latest_sweep_by_its_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    sweeps = Path("outputs/sweeps")
    for name in ("2026-11-22_10-00-00_ab12", "2026-11-21_23-00-00_ffff"):
        (sweeps / name).mkdir(parents=True)
    assert latest_sweep() == sweeps / "2026-11-22_10-00-00_ab12"
    for name in ("lr", "2026-02-30_10-00-00"):  # which is no date either
        (sweeps / name).mkdir()
        os.utime(sweeps / name, (946_684_800, 946_684_800))  # the year 2000
    assert latest_sweep() == sweeps / "2026-11-22_10-00-00_ab12"
    os.utime(sweeps / "lr", (4_102_444_800, 4_102_444_800))  # the year 2100
    assert latest_sweep() == sweeps / "lr"


def test_the_latest_sweep_is_right_across_time_zones(tmp_path: Path) -> None:
    """In Auckland it is tomorrow already; clocks that are put back pass an hour twice."""
    for name, started in {
        "2026-10-25_21-00-00_auck": "2026-10-25T08:00:00+00:00",
        "2026-10-25_02-30-00_berl": "2026-10-25T00:30:00+00:00",
        "2026-10-25_02-10-00_berl": "2026-10-25T01:10:00+00:00",
        "2026-10-25_05-00-00_newy": "2026-10-25T09:00:00+00:00",
    }.items():
        write_run(tmp_path / name / "a", ["seed=0"], started=started)
        write_run(tmp_path / name / "b", ["seed=1"], started=f"{started[:17]}59+00:00")
    order = ["newy", "auck", "02-10-00_berl", "02-30-00_berl"]
    for end in order:
        assert latest_sweep(tmp_path).name.endswith(end)
        shutil.rmtree(latest_sweep(tmp_path))


def test_refusals_are_one_sentence(
    sweep: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    empty = tmp_path_factory.mktemp("empty")
    monkeypatch.chdir(empty)
    assert refusal(capsys, "nowhere") == (
        "there is no directory nowhere; name a sweep's directory, or any that holds runs\n"
    )
    assert refusal(capsys, empty) == f"{empty} holds no run: there is no result.json in it, at any depth\n"
    assert "there is no sweep in outputs/sweeps yet" in refusal(capsys)
    assert refusal(capsys, sweep, "--sort", "val/f1") == (
        "no run that is done has val/f1; there are: val/accuracy, test/accuracy, val/loss, train/loss, "
        "parameters, seconds, images_per_second\n"
    )
    assert "not allowed with argument" in refusal(capsys, sweep, "--csv", "--markdown")


def test_after_a_sweep_nothing_can_go_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    print_report(tmp_path)
    assert capsys.readouterr().out == f"{tmp_path} holds no run: there is no result.json in it, at any depth\n"
    write_unfinished(tmp_path / "odd", status="done", overrides=None, metrics=[], seconds=3, finished=None)
    write_unfinished(tmp_path / "timeless", status="running", alive=1e300, pid=None)
    (tmp_path / "list").mkdir()
    (tmp_path / "list" / "result.json").write_text("[]")
    (tmp_path / "folder" / "result.json").mkdir(parents=True)
    print_report(tmp_path)
    text = capsys.readouterr().out
    assert "1 done" in text
    assert "damaged:" in text


def test_the_command_imports_no_torch(sweep: Path) -> None:
    code = (
        "import sys; from digits.report import main; main(); "
        "assert not {'torch', 'lightning', 'numpy', 'hydra'} & set(sys.modules), sys.modules.keys()"
    )
    done = subprocess.run([sys.executable, "-c", code, sweep], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "model=cnn" in done.stdout


def test_reader_that_goes_away_is_no_error(sweep: Path) -> None:
    command = f"{sys.executable} -m digits.report '{sweep}' --csv | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_search_is_reported_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    search = write_search(tmp_path / "tune" / "cnn_cnn", 9)
    text = output(capsys, search)
    assert text.startswith(f"cnn_cnn, a search for most val/accuracy, in {search}\n9 trials: ")
    assert "pruning saved" in text
    assert output(capsys, search, "--sort", "val/accuracy") == text
    assert output(capsys, search, "--markdown").count("\n|") == 2 + 9
    rows = list(csv.DictReader(io.StringIO(output(capsys, search, "--csv"))))
    assert sorted(int(row["trial"]) for row in rows) == list(range(9))
    assert refusal(capsys, search, "--sort", "test/accuracy") == (
        "cnn_cnn has no objective test/accuracy; there are: val/accuracy\n"
    )
    write_run(search / "trials" / "0000", ["optimizer.lr=0.1"])
    assert output(capsys, search) == text
    assert "1 run in" in output(capsys, search / "trials")
    (search / "search.json").write_text("{")
    assert "search.json is damaged" in refusal(capsys, search)


def test_the_latest_sweep_is_taken_before_any_search(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_search(tmp_path / "outputs" / "tune" / "cnn_cnn", 9)
    write_run(tmp_path / "outputs" / "sweeps" / "lr" / "a", ["model=a"])
    monkeypatch.chdir(tmp_path)
    assert output(capsys).startswith("1 run in outputs/sweeps/lr: 1 done")


def test_a_search_is_reported_without_torch(tmp_path: Path) -> None:
    search = write_search(tmp_path / "cnn_cnn", 9)
    code = (
        "import sys; from digits.report import main; main(); "
        "assert not {'torch', 'lightning', 'hydra', 'matplotlib', 'sklearn'} & set(sys.modules), sys.modules.keys()"
    )
    done = subprocess.run([sys.executable, "-c", code, search], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
