"""Train one digit classifier, or many with -m.

    python -m digits.train model=cnn optimizer.lr=1e-3
    python -m digits.train -m model=mlp,cnn optimizer.lr=1e-3,3e-4 seed=0,1,2
    python -m digits.train resume=RUN

Each run leaves its directory in `outputs/runs/`, a sweep's in `outputs/sweeps/`; what is in it stands in
`digits.training.run`. `--help` lists the choices, `--cfg job` the configuration.
"""

from __future__ import annotations

import sys
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from digits import launch


@hydra.main(version_base="1.3", config_path=launch.conf_directory(), config_name="train")
def _train(config: DictConfig) -> float | None:
    """One job; gives a sweeper what it maximises, the validation accuracy."""
    from digits.settle import settle
    from digits.training.run import JobFailed

    hydra_config = HydraConfig.get()
    overrides = list(hydra_config.overrides.task)
    settled = settle(config, overrides)
    # torch comes only now, when the configuration is known to be good
    from digits.training.job import run_job

    try:
        return run_job(settled, Path(hydra_config.runtime.output_dir), overrides)
    except JobFailed as failure:
        if hydra_config.mode == RunMode.MULTIRUN:
            raise  # so that the sweeper knows; the other jobs go on
        sys.exit(failure.code)


def _rank(sweep: Path) -> None:
    from digits.report import print_report

    print_report(sweep)


USAGE = """
Train one digit classifier, or many with -m.

  python -m digits.train                                       a CNN on MNIST
  python -m digits.train model=mlp optimizer.lr=3e-3 seed=1    another choice, another value
  python -m digits.train -m model=mlp,cnn seed=0,1,2           six runs, ranked at the end
  python -m digits.train resume=RUN                            go on with a run that was cut off
  python -m digits.train --cfg job                             show the configuration, start nothing
"""


def main() -> None:
    """The command."""
    if {"--help", "-h"} & set(sys.argv[1:]):
        print(launch.help_text(USAGE, sys.argv[1:]))
        return
    launch.run_command(_train, after_sweep=_rank)


if __name__ == "__main__":
    main()
