"""MLflow as one of a run's loggers."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch.loggers import MLFlowLogger
from lightning.pytorch.utilities import rank_zero_only
from typing_extensions import override

from digits.config.types import Value
from digits.runs.layout import RunError
from digits.runs.read import sweep_of
from digits.runs.schema import RunRecord
from digits.training.loggers.logged import Logged
from digits.training.loggers.mlflow_address import ADDRESS, place_for
from digits.training.loggers.service import MODEL_FILES, Picture, Service, final_metrics

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

STATUSES = {"done": "FINISHED", "pruned": "FINISHED", "interrupted": "KILLED"}  # any other: FAILED


class MLflow(MLFlowLogger, Service):
    """Lightning's logger, with a run's configuration, images, final metrics and model.

    It takes no address: the server is that of MLFLOW_TRACKING_URI, so that a record that names this class needs no
    trust; without one it is an SQLite file beside the runs. It is resumed as the same MLflow run, whose id is in
    `mlflow.json`.
    """

    def __init__(self, run_directory: Path, experiment_name: str, run_name: str | None, log_model: bool) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read when it is imported
        self.run_directory, self.log_model = run_directory, log_model
        self.logged = Logged(run_directory / "mlflow.json")
        self.place = place_for(run_directory)
        self.experiment_name, self.run_name = experiment_name, run_name or run_directory.name
        self._client: MlflowClient | None = None
        with self.place.one_sentence():
            super().__init__(experiment_name, tracking_uri=self.place.uri)

    @property
    @override
    @rank_zero_experiment
    def experiment(self) -> MlflowClient:
        """MLflow's client, once `begin` has been called.

        Lightning's would write the address to this process's environment, where later runs would find it.
        """
        assert self._client is not None, "begin comes first"
        return self._client

    @property
    @override
    def run_id(self) -> str | None:
        return self.logged.id

    @property
    @override
    def name(self) -> str:
        return self.experiment_name

    @property
    @override
    def version(self) -> str | None:
        return self.logged.id

    @rank_zero_only
    def begin(self, record: RunRecord) -> None:
        """Start the MLflow run, or resume it, with the configuration; raises ConfigError where MLflow can't."""
        with self.place.one_sentence():
            self._begin(record)

    def _begin(self, record: RunRecord) -> None:
        from mlflow.tracking import MlflowClient

        client, former = MlflowClient(self.place.uri), self.logged.id
        run = self._new_run(client) if former is None else self._former_run(client, former)
        self._client, self.logged.id = client, run
        self.logged.write()
        config = {} if record.config is None else record.config.tree()
        if former is None:  # a parameter can't be changed later, as a resumed run may do with trainer.max_epochs
            self.log_hyperparams(dict(leaves(config)))
        else:
            client.update_run(run, status="RUNNING")
            curves = {name: client.get_metric_history(run, name) for name in client.get_run(run).data.metrics}
            self.logged.before |= {name: max(point.step for point in curve) for name, curve in curves.items()}
        client.log_dict(run, config, "config.yaml")

    def _former_run(self, client: MlflowClient, former: str) -> str:
        """The id of the run of an earlier start; raises RunError where MLflow hasn't got it."""
        from mlflow.exceptions import MlflowException

        try:
            return str(client.get_run(former).info.run_id)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            fix = f"set {ADDRESS} as at the start, or move {self.logged.path} away to log to a new run"
            raise RunError(f"MLflow has no run {former}; {fix}") from None

    def _new_run(self, client: MlflowClient) -> str:
        """The id of a new run, in its sweep; makes the experiment where there is none."""
        from mlflow.tracking.context.registry import resolve_tags

        sweep = sweep_of(self.run_directory)
        tags = resolve_tags(None if sweep is None else {"sweep": sweep})  # with the user, the program, the commit
        experiment = experiment_id(client, self.experiment_name, self.place.artifacts)
        return str(client.create_run(experiment, tags=tags, run_name=self.run_name).info.run_id)

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
        """Remember which steps have been logged. Lightning calls it whenever metrics have been logged."""
        self.logged.write()

    @override
    @rank_zero_only
    def finalize(self, status: str = "success") -> None:
        """Nothing: after the training comes the test, and then `close`."""

    @rank_zero_only
    def close(self, status: str, record: RunRecord) -> None:
        """Write the final metrics, and the model of a run that is done, then end the MLflow run."""
        if self._client is not None:
            with self.place.one_sentence():
                self._close(self._client, status, record)

    def _close(self, client: MlflowClient, status: str, record: RunRecord) -> None:
        run = self.run_id
        self.log_metrics(final_metrics(record), record.steps)
        self.logged.write()
        client.set_tag(run, "status", status)
        if self.log_model and status == "done" and record.weights is not None:
            for name in MODEL_FILES:
                client.log_artifact(run, str(self.run_directory / name), "model")
        client.set_terminated(run, STATUSES.get(status, "FAILED"))


def experiment_id(client: MlflowClient, name: str, artifacts: str | None) -> str:
    """The id of MLflow's experiment of a name; makes it where there is none, which jobs of a sweep may do at once."""
    from mlflow.exceptions import MlflowException

    if (found := client.get_experiment_by_name(name)) is None:
        try:
            return str(client.create_experiment(name, artifact_location=artifacts))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            found = client.get_experiment_by_name(name)
    return str(found.experiment_id)


def leaves(value: Value, key: str = "") -> Iterator[tuple[str, Value]]:
    """Every value of a configuration with its dotted key, as it is typed in a command."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, f"{key}.{name}" if key else name)
    else:
        yield key, value
