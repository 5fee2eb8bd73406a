"""The number format and the allocator: chosen by what the machine can do, recorded, never worse."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
import torch
from torch import nn

import digits
from digits.config.schema import Experiment
from digits.config.types import Tree
from digits.data import MNISTDataModule
from digits.models import CNN, MLP, LogisticRegression
from digits.runs.read import read_result
from digits.runs.resume import once_more, taken_up
from digits.training import machine
from digits.training.job import run_job

MakeExperiment = Callable[..., Experiment]

CNN_OF_EIGHT = CNN(28, 10, [[8]], 0.0)
WIDE, NARROW, LINEAR = MLP(28, 10, [256], 0.0), MLP(28, 10, [64], 0.0), LogisticRegression(28, 10)
AMX = {"amx_bf16": True, "avx512_bf16": True, "cpu_name": "Intel Xeon"}
INTEL_WITHOUT_AMX = {"avx512_bf16": True, "cpu_name": "Intel Xeon"}
AMD = {"avx512_bf16": True, "cpu_name": "AMD EPYC 9575F"}
OLD = {"cpu_name": "Intel Core i7-6700"}


@pytest.mark.parametrize(
    ("net", "cpu", "chosen"),
    [
        (CNN_OF_EIGHT, AMX, "bf16-mixed"),
        (CNN_OF_EIGHT, AMD, "bf16-mixed"),
        (CNN_OF_EIGHT, INTEL_WITHOUT_AMX, "32-true"),
        (CNN_OF_EIGHT, OLD, "32-true"),
        (WIDE, AMX, "bf16-mixed"),
        (WIDE, AMD, "32-true"),
        (NARROW, AMX, "32-true"),
        (LINEAR, AMX, "32-true"),
    ],
)
def test_bf16_is_chosen_where_it_was_measured_to_pay(
    monkeypatch: pytest.MonkeyPatch, net: nn.Module, cpu: dict[str, object], chosen: str
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: cpu, raising=False)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    assert machine.choose_precision(net, "cpu") == chosen
    assert machine.choose_precision(net, "tpu") == "32-true"


def test_an_older_torch_is_helped_by_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """The flags that the kernel lists are those that torch finds."""
    if not hasattr(torch.cpu, "get_capabilities") or not Path("/proc/cpuinfo").exists():
        pytest.skip("needs a torch that tells what the CPU can do, and Linux")
    told = machine.native_bf16()
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert machine.native_bf16() == told


def test_what_was_chosen_is_recorded_and_repeated(
    experiment: MakeExperiment, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = experiment("model=cnn", "model.stages=[[4]]", "data.limit=64", "trainer.max_epochs=1", "test=false")
    assert config.trainer.precision == "auto"
    with caplog.at_level("INFO"):
        run_job(config, tmp_path, [])
    chosen = machine.choose_precision(CNN_OF_EIGHT, "cpu")
    recorded = read_result(tmp_path).config
    assert recorded is not None
    assert recorded.trainer.precision == chosen
    assert f"trainer.precision={chosen} is this machine's choice" in caplog.messages
    assert taken_up(config.tree(), [], tmp_path).remark == f"done already: {tmp_path}", "the same command, met again"
    tree = config.tree() | {"config_from": str(tmp_path), "trust": []}
    assert cast(Tree, once_more(tree, [])["trainer"])["precision"] == chosen, "on another machine too"


@pytest.mark.parametrize("average", ["null", "0.9"])
def test_figures_of_a_mixed_run_are_those_of_its_saved_weights(
    experiment: MakeExperiment, tmp_path: Path, average: str
) -> None:
    """Validation and test are in float32, as everything that loads the run computes them."""
    mixed = ("trainer.precision=bf16-mixed", "trainer.max_epochs=1", f"trainer.ema_decay={average}")
    run_job(experiment("model=cnn", "model.stages=[[8],[8]]", *mixed), tmp_path, [])
    metrics = read_result(tmp_path).metrics
    data = MNISTDataModule(
        "optdigits", "", None, 0.1307, 0.3081, 10, 28, val_size=180, split_seed=0, limit=None, batch_size=64,
        eval_batch_size=1000,
    )  # fmt: skip
    data.setup()
    net = digits.load(tmp_path)
    for name, split in {"val": data.split("val"), "test": data.test}.items():
        with torch.inference_mode():
            logits = net(split.pixels())
            with torch.autocast("cpu", torch.bfloat16):
                rounded = net(split.pixels())
        loss = float(nn.functional.cross_entropy(logits, split.truth()))
        assert metrics[f"{name}/loss"] == pytest.approx(loss, rel=1e-5)
        assert float(nn.functional.cross_entropy(rounded.float(), split.truth())) != pytest.approx(loss, rel=1e-5)
        assert metrics[f"{name}/accuracy"] == pytest.approx(
            float((logits.argmax(1) == split.truth()).float().mean()), abs=1e-6
        )


FAULTS = """
import resource, sys
import torch
from digits.training import machine
print(machine.keep_memory() if sys.argv[1] == "keep" else None)
def step():
    return [torch.ones(10_000_000) for _ in range(2)]  # 40 MB each, freed at the end: above glibc's own limit of 32
for _ in range(30):
    step()  # until the heap has its size
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(mode: str, **more: str) -> tuple[str, int]:
    """What keep_memory said, and the page faults of five steps in a new process."""
    own = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_") and k != "GLIBC_TUNABLES"}
    done = subprocess.run(
        [sys.executable, "-c", FAULTS, mode], env=own | more, check=True, capture_output=True, text=True
    )
    said, number = done.stdout.split()
    return said, int(number)


@pytest.fixture(scope="module")
def kept() -> tuple[str, int]:
    return faults("keep")


@pytest.mark.skipif(not hasattr(os, "confstr") or "CS_GNU_LIBC_VERSION" not in os.confstr_names, reason="needs glibc")
def test_memory_is_kept_from_step_to_step(kept: tuple[str, int]) -> None:
    assert kept[0] == "True"
    assert kept[1] * 10 < faults("leave")[1]


@pytest.mark.parametrize("own", [{"MALLOC_TOP_PAD_": "0"}, {"GLIBC_TUNABLES": "glibc.malloc.trim_threshold=131072"}])
def test_the_users_own_setting_stays(own: dict[str, str], kept: tuple[str, int]) -> None:
    said, number = faults("keep", **own)
    assert said == "False"
    assert kept[1] * 10 < number


def test_who_asks_for_a_profile_has_it_in_the_log(
    experiment: MakeExperiment, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    asked = experiment("data.limit=64", "trainer.max_epochs=1", "test=false", "+trainer.profiler=simple")
    with caplog.at_level("INFO"):
        run_job(asked, tmp_path, [])
    report = "\n".join(message for message in caplog.messages if "Profiler Report" in message)
    assert "run_training_batch" in report
