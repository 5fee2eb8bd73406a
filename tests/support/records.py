"""What a benchmark records of a run."""

from __future__ import annotations

from digits.config.types import Tree


def a_run(seed: int, test: float, val: int = 5000, device: str = "cpu") -> Tree:
    metrics: Tree = {"test/accuracy": test}
    return {
        "seed": seed,
        "finished": f"2026-11-2{seed}T02:27:06+00:00",
        "commit": {"id": "c" * 40, "dirty": False},
        "versions": {"python": "3.11", "torch": "2.15", "lightning": "2.6"},
        "hardware": {"cpu": "A CPU", "cores": 2, "threads": 1},
        "device": device,
        "data": {"train": 60000 - val, "val": val},
        "parameters": 9876,
        "epochs": 30,
        "seconds": {"fit": 100.4 + seed},
        "metrics": metrics | ({"val/accuracy": test - 0.001} if val else {}),
    }
