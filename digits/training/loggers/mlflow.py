"""MLflow as one of a run's loggers."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lightning.pytorch.loggers import MLFlowLogger
from lightning.pytorch.utilities import rank_zero_only
from typing_extensions import override

from digits.config.faults import ConfigError, Fault
from digits.config.types import Value
from digits.runs.layout import RunError
from digits.runs.read import sweep_of
from digits.runs.schema import RunRecord
from digits.training.loggers.logged import Logged
from digits.training.loggers.service import MODEL_FILES, Picture, final_metrics

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

ADDRESS = "MLFLOW_TRACKING_URI"

STATUSES = {"done": "FINISHED", "pruned": "FINISHED", "interrupted": "KILLED"}  # any other: FAILED


class MLflow(MLFlowLogger):
    """Lightning's logger, with a run's configuration, pictures, final metrics and model.

    It takes no address: the server is that of MLFLOW_TRACKING_URI, so that a record that names this class needs no
    trust; without one it is an SQLite file beside the runs. It is resumed as the same MLflow run, whose id is in
    `mlflow.json`.
    """

    def __init__(self, run_directory: Path, experiment_name: str, run_name: str | None, log_model: bool) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read when it is imported
        from mlflow.exceptions import MlflowException

        self.run_directory, self.log_model = run_directory, log_model
        self.logged = Logged(run_directory / "mlflow.json")
        self.resumes, self.begun = self.logged.id is not None, False
        home, asked, sweep = home_of(run_directory), os.environ.get(ADDRESS), sweep_of(run_directory)
        self.address = asked or f"sqlite:///{home / 'mlflow.db'}"
        self.artifacts = None if asked else (home / "mlartifacts").as_uri()  # None: the server's choice
        try:
            super().__init__(
                experiment_name=experiment_name,
                run_name=run_name or run_directory.name,
                tracking_uri=self.address,
                tags=None if sweep is None else {"sweep": sweep},
                artifact_location=self.artifacts,
                run_id=self.logged.id,
            )
        except MlflowException as error:
            raise ConfigError(Fault("logger", f"{ADDRESS} can't be used: {error.message}")) from None
        self.title = experiment_name

    @rank_zero_only
    def begin(self, record: RunRecord) -> None:
        """Start the MLflow run, or resume it, with the configuration; raises ConfigError where MLflow can't."""
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient

        try:
            if not self.resumes:
                make_experiment(MlflowClient(self.address), self.title, self.artifacts)
            client, run = self.experiment, str(self.run_id)
        except MlflowException as error:
            if self.resumes and error.error_code == "RESOURCE_DOES_NOT_EXIST":
                fix = f"set {ADDRESS} as at the start, or move {self.logged.path} away to log to a new run"
                raise RunError(f"MLflow has no run {self.logged.id}; {fix}") from None
            fix = f"start the server, or change {ADDRESS}"
            raise ConfigError(Fault("logger", f"MLflow can't be used: {error.message}; {fix}")) from None
        self.begun, self.logged.id = True, run
        self.logged.write()
        config = {} if record.config is None else record.config.tree()
        if self.resumes:
            client.update_run(run, status="RUNNING")
            curves = {name: client.get_metric_history(run, name) for name in client.get_run(run).data.metrics}
            self.logged.before |= {name: max(point.step for point in curve) for name, curve in curves.items()}
        else:  # a parameter can't be changed, as a resumed run may do with trainer.max_epochs
            self.log_hyperparams(dict(leaves(config)))
        client.log_dict(run, config, "config.yaml")

    @override
    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        if fresh := self.logged.fresh(metrics, int(step or 0)):
            super().log_metrics(fresh, step)

    @rank_zero_only
    def add_image(self, tag: str, image: Picture, step: int) -> None:
        """Show an image, uint8 (H, W, 3)."""
        if self.logged.fresh({tag: image}, step):
            key = re.sub(r"[^\w/. -]", "_", tag, flags=re.ASCII)  # all that MLflow takes
            self.experiment.log_image(self.run_id, image, key=key, step=step)

    @override
    @rank_zero_only
    def save(self) -> None:
        """Remember, with every checkpoint, which steps have been logged."""
        self.logged.write()

    @override
    @rank_zero_only
    def finalize(self, status: str = "success") -> None:
        """Nothing: after the training comes the test, and then `close`."""

    @rank_zero_only
    def close(self, status: str, record: RunRecord) -> None:
        """Write the final metrics, and the model of a run that is done, then end the MLflow run."""
        if not self.begun:
            return
        client, run = self.experiment, self.run_id
        self.log_metrics(final_metrics(record), record.steps)
        self.logged.write()
        client.set_tag(run, "status", status)
        if self.log_model and status == "done" and record.weights is not None:
            for name in MODEL_FILES:
                client.log_artifact(run, str(self.run_directory / name), "model")
        client.set_terminated(run, STATUSES.get(status, "FAILED"))


def home_of(run: Path) -> Path:
    """The folder of a run's SQLite file: the `outputs` that the run is in, else the folder that its directory is in."""
    parents = run.absolute().parents
    return next((folder for folder in parents if folder.name == "outputs"), parents[0])


def make_experiment(client: MlflowClient, name: str, artifacts: str | None) -> None:
    """Make MLflow's experiment where there is none; jobs of a sweep may do so at the same time."""
    from mlflow.exceptions import MlflowException

    try:
        if client.get_experiment_by_name(name) is None:
            client.create_experiment(name, artifact_location=artifacts)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def leaves(value: Value, key: str = "") -> Iterator[tuple[str, Value]]:
    """Every value of a configuration with its dotted key, as it is typed in a command."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, f"{key}.{name}" if key else name)
    else:
        yield key, value
