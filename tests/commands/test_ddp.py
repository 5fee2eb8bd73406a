"""Several processes train one net: `trainer=ddp`, torchrun, and two nodes, all on this machine (gloo)."""

from __future__ import annotations

import csv
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import Started, digits, only_run, result_of, start_module

EXACT = ("data=optdigits", "model=logistic", "augment=none", "callbacks=none", "trainer=cpu", "trainer.max_epochs=2",
         "trainer.precision=32-true")  # fmt: skip
"""Nothing that depends on who computes: no dropout, no augmentation, no statistics of a batch."""

DDP = ("trainer=ddp", "trainer.accelerator=cpu")
NAMELESS = "hydra.run.dir: several processes can't agree on a new name; give hydra.run.dir=DIR\n"
FILES = {"result.json", "model.json", "model.safetensors", "metrics.csv", "hparams.yaml", "train.log",
         "best.ckpt", "last.ckpt", "config.yaml", "hydra.yaml", "overrides.yaml"}  # fmt: skip


def curves(run: Path) -> list[dict[str, float]]:
    """Every point of every curve, but for the speed."""
    with (run / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    return [{k: float(v) for k, v in row.items() if v and "images_per_second" not in k} for row in rows]


def check_files(run: Path) -> None:
    """Each file once, and TensorBoard's of the first process alone: one of fit, one of the test."""
    found = [path.name for path in run.rglob("*") if path.is_file()]
    events = [name for name in found if name.startswith("events.out")]
    assert sorted(set(found) - set(events)) == sorted(FILES)
    assert len(found) == len(FILES) + len(events)
    assert len(events) == 2
    assert len({name.rsplit(".", 2)[1] for name in events}) == 1, "by one process"


def test_two_processes_take_the_steps_of_one_with_their_images_together(tmp_path: Path) -> None:
    one = digits("train", *EXACT, "data.limit=300", "data.batch_size=50", "hydra.run.dir=one", cwd=tmp_path)
    two = digits("train", *EXACT, *DDP, "trainer.devices=2", "data.limit=300", "data.batch_size=25",
                 "hydra.run.dir=two", cwd=tmp_path)  # fmt: skip
    assert (one.returncode, two.returncode) == (0, 0), one.stderr + two.stderr
    assert two.stderr == ""
    alone, together = curves(tmp_path / "one"), curves(tmp_path / "two")
    assert len(alone) == 3, "two epochs and the test"
    for expected, point in zip(alone, together, strict=True):
        expected.pop("train/loss_step", None)
        point.pop("train/loss_step", None)  # of the first process's half of the batch
        assert point == pytest.approx(expected, rel=1e-4)
        for name in ("train/accuracy", "val/accuracy", "test/accuracy"):
            assert point.get(name) == expected.get(name), "counted over both processes"
    check_files(tmp_path / "two")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]
    hardware = result_of(tmp_path / "two")["hardware"]
    assert isinstance(hardware, dict)
    assert int(hardware["threads"]) * 2 <= max(2, len(os.sched_getaffinity(0))), "they share the cores"


def test_a_net_with_dropout_and_batch_statistics_becomes_as_good(tmp_path: Path) -> None:
    usual = ("data=optdigits", "model=mlp", "model.hidden=[64]", "callbacks=none", "trainer=cpu")
    together = (*DDP, "trainer.devices=2")
    found = []
    for size, more in ((64, ()), (32, together)):
        done = digits("train", *usual, *more, f"data.batch_size={size}", f"hydra.run.dir={size}", cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        metrics = result_of(tmp_path / str(size))["metrics"]
        assert isinstance(metrics, dict)
        found.append((metrics["val/accuracy"], metrics["test/accuracy"]))
    (val, test), (val_together, test_together) = found
    assert val > 0.9
    assert abs(val - val_together) < 0.05, "180 images: three standard deviations of one net's count"
    assert abs(test - test_together) < 0.05


def test_each_image_is_counted_once_where_their_number_is_odd(tmp_path: Path) -> None:
    """A net with the statistics of batches, too, is the same in both processes when it is validated."""
    model = ("model=mlp", "model.hidden=[32]", "trainer.ema_decay=0.9")
    done = digits("train", *EXACT, *model, *DDP, "trainer.devices=2", "data.limit=301", "data.val_size=179",
                  cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    run = only_run(tmp_path)
    metrics = result_of(run)["metrics"]
    assert isinstance(metrics, dict)
    for split, images in (("val", 179), ("test", 301)):
        evaluated = digits("evaluate", str(run), "--split", split, "--json", cwd=tmp_path)
        assert evaluated.returncode == 0, evaluated.stderr
        alone = json.loads(evaluated.stdout)
        assert alone["images"] == images
        right = round(alone["accuracy"] * images)
        assert metrics[f"{split}/accuracy"] == pytest.approx(right / images, abs=1e-6)
        assert metrics[f"{split}/loss"] == pytest.approx(alone["loss"], rel=1e-4)


def torchrun(*arguments: str, cwd: Path, nodes: tuple[str, ...] = ("--standalone",)) -> Started:
    """torchrun itself, which starts the commands in fresh processes."""
    return start_module("torch.distributed.run", *nodes, *arguments, cwd=cwd, join_stderr=True)


def test_torchrun_on_one_node_and_on_two(tmp_path: Path) -> None:
    train = ("-m", "digits.train", *EXACT, *DDP, "data.limit=100", "data.batch_size=25")
    nameless = torchrun("--nproc-per-node=2", *train, "trainer.devices=2", cwd=tmp_path)
    said, _ = nameless.communicate(timeout=120)
    assert nameless.returncode != 0
    assert NAMELESS in said
    assert not list(tmp_path.iterdir()), "each would have made one up"

    one = torchrun("--nproc-per-node=2", *train, "trainer.devices=2", "hydra.run.dir=one", cwd=tmp_path)
    said, _ = one.communicate(timeout=120)
    assert one.returncode == 0, said
    check_files(tmp_path / "one")

    at = ("--nnodes=2", "--nproc-per-node=1", "--master-addr=127.0.0.1", f"--master-port={free_port()}")
    ask = (*train, "trainer.devices=1", "+trainer.num_nodes=2", "hydra.run.dir=two")
    processes = [torchrun(*ask, cwd=tmp_path, nodes=(*at, f"--node-rank={rank}")) for rank in (0, 1)]
    texts = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], "\n".join(texts)
    check_files(tmp_path / "two")
    for here, there in zip(curves(tmp_path / "one"), curves(tmp_path / "two"), strict=True):
        assert there == pytest.approx(here, rel=1e-4)


def test_two_tasks_of_a_slurm_job(tmp_path: Path) -> None:
    """As `srun` starts them; what SLURM tells its tasks is set by hand."""
    told = {"SLURM_JOB_ID": "7", "SLURM_JOB_NAME": "digits", "SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "1",
            "SLURM_STEP_NUM_TASKS": "2", "SLURM_LOCALID": "0", "SLURM_NODELIST": "127.0.0.1",
            "MASTER_PORT": str(free_port())}  # fmt: skip
    train = [sys.executable, "-m", "digits.train", *EXACT, *DDP, "data.limit=100", "trainer.devices=1",
             "+trainer.num_nodes=2"]  # fmt: skip

    def tasks(*more: str) -> list[tuple[int, str]]:
        processes = [
            subprocess.Popen(
                [*train, *more], cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                env=os.environ | told | {"SLURM_PROCID": rank, "SLURM_NODEID": rank},
            )
            for rank in ("0", "1")
        ]  # fmt: skip
        texts = [process.communicate(timeout=120)[0] for process in processes]
        return [(process.returncode, text) for process, text in zip(processes, texts, strict=True)]

    assert tasks() == [(2, NAMELESS)] * 2
    sweep = "a sweep is started once; leave out torchrun, or srun's further tasks\n"
    assert tasks("seed=0,1", "hydra.mode=MULTIRUN") == [(2, sweep)] * 2
    assert not list(tmp_path.iterdir())

    outcomes = tasks("hydra.run.dir=run")
    assert [code for code, _ in outcomes] == [0, 0], outcomes
    check_files(tmp_path / "run")
    assert result_of(tmp_path / "run")["status"] == "done"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
