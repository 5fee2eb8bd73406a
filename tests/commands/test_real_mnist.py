"""A short training on real MNIST, as a person would start it; never left out in CI."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path


def test_one_epoch_of_the_cnn_reads_98_of_100_digits(mnist_root: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "DIGITS_DATA": str(mnist_root.resolve())}
    command = [sys.executable, "-m", "digits.train", "model=cnn", "trainer.max_epochs=1", "trainer=cpu"]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True)
    (path,) = tmp_path.rglob("result.json")
    result = json.loads(path.read_text())
    assert result["data"]["train"] == 55_000
    assert result["data"]["test"] == 10_000
    assert result["metrics"]["test/accuracy"] > 0.98

    evaluated = subprocess.run(
        [sys.executable, "-m", "digits.evaluate", "--json"],
        cwd=tmp_path,
        env=environment,
        check=True,
        capture_output=True,
    )
    assert round(10_000 * json.loads(evaluated.stdout)["accuracy"]) == round(
        10_000 * result["metrics"]["test/accuracy"]
    )
