"""Weights & Biases (W&B) as one of a run's loggers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.utilities import rank_zero_only
from typing_extensions import override

from digits.config.faults import ConfigError, Fault
from digits.runs.layout import RunError
from digits.runs.read import sweep_of
from digits.runs.schema import RunRecord
from digits.training.loggers.logged import Logged
from digits.training.loggers.service import MODEL_FILES, Picture, Service, final_metrics

if TYPE_CHECKING:
    from wandb import Run

STEP = "trainer/global_step"  # Lightning's name for the horizontal axis of all curves


class WandB(WandbLogger, Service):
    """Lightning's logger, with a run's configuration, images, final metrics and model.

    It takes no address: server, account and team come from the environment, so that a record that names this class
    needs no trust. It is resumed as the same W&B run, whose id is in `wandb.json`.
    """

    def __init__(
        self,
        run_directory: Path,
        project: str,
        name: str | None,
        group: str | None,
        tags: list[str],
        mode: Literal["offline"] | None,
        log_model: bool,
    ) -> None:
        refuse_settings(run_directory)
        super().__init__(name=name or run_directory.name, save_dir=run_directory, project=project)
        self.run_directory, self.project, self.run_name = run_directory, project, name or run_directory.name
        self.group, self.tags, self.mode, self.log_model = group or sweep_of(run_directory), tags, mode, log_model
        self.logged = Logged(run_directory / "wandb.json")
        self._run: Run | None = None
        self._step = 0  # W&B's, which must not decrease; it shows the curves over STEP

    @property
    @override
    @rank_zero_experiment
    def experiment(self) -> Run:
        """W&B's run, once `begin` has been called."""
        assert self._run is not None, "begin comes first"
        return self._run

    @property
    @override
    def version(self) -> str | None:
        return self.logged.id

    @rank_zero_only
    def begin(self, record: RunRecord) -> None:
        """Start the W&B run, or resume it, with the configuration; raises ConfigError where W&B can't."""
        import wandb
        from wandb.errors import Error

        try:
            self._run = wandb.init(
                project=self.project,
                name=self.run_name,
                group=self.group,
                tags=self.tags,
                mode=self.mode,
                dir=self.run_directory,
                id=self.logged.id,
                resume="allow",
                reinit="create_new",  # a run of the program that this one is part of is left alone
            )
        except Error as error:
            why = str(error).partition("\n")[0].rstrip(".")
            fix = "to log without a network: WANDB_MODE=offline, or at the start logger.wandb.mode=offline"
            raise ConfigError(Fault("logger", f"W&B can't be used: {why}; {fix}")) from None
        self.logged.id = None if self._run.disabled else self._run.id
        self.logged.write()
        self._step = max([self._run.starting_step, *(step + 1 for step in self.logged.before.values())])
        self._run.define_metric(STEP)
        self._run.define_metric("*", step_metric=STEP, step_sync=True)
        if record.config is not None:
            self.log_hyperparams(record.config.tree())

    @override
    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self._log(self.logged.fresh(metrics, int(step or 0)), int(step or 0))

    @rank_zero_only
    def add_image(self, tag: str, image: Picture, step: int) -> None:
        """Show an image, uint8 (H, W, 3)."""
        import wandb

        self._log({name: wandb.Image(new) for name, new in self.logged.fresh({tag: image}, step).items()}, step)

    def _log(self, values: Mapping[str, object], step: int) -> None:
        if values:
            self._step = max(self._step, step)
            self.experiment.log({**values, STEP: step}, step=self._step)

    @override
    @rank_zero_only
    def save(self) -> None:
        """Remember which steps have been logged. Lightning calls it whenever metrics have been logged."""
        self.logged.write()

    @rank_zero_only
    def close(self, status: str, record: RunRecord) -> None:
        """Write the final metrics, and the model of a run that is done, then end the W&B run."""
        import wandb

        if self._run is None:
            return
        self.logged.write()
        self._run.summary.update({**final_metrics(record), "status": status})
        if self.log_model and status == "done" and record.weights is not None:
            artifact = wandb.Artifact(f"model-{self._run.id}", type="model", metadata=dict(record.metrics))
            for name in MODEL_FILES:
                artifact.add_file(str(self.run_directory / name))
            self._run.log_artifact(artifact, aliases=["latest", "best"])
        self._run.finish(exit_code=0 if status in ("done", "pruned") else 1)
        self._run = None


def refuse_settings(run: Path) -> None:
    """Raise RunError where a run's directory holds settings of W&B, such as a server's address.

    W&B reads them where a command is started in that directory, and a run's files must not choose where it is sent.
    """
    for folder in ("wandb", ".wandb"):
        if os.path.lexists(path := run / folder / "settings"):
            raise RunError(f"{path} could choose where W&B sends this run; delete it, or move it to ~/.config/wandb")
