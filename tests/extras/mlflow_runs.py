"""The runs in MLflow's SQLite file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient


class Kept(NamedTuple):
    """What MLflow has of a run."""

    client: MlflowClient
    id: str
    experiment: str
    name: str
    status: str
    parameters: dict[str, str]
    tags: dict[str, str]
    artifacts: Path

    def curve(self, name: str) -> list[tuple[int, float]]:
        return sorted((point.step, point.value) for point in self.client.get_metric_history(self.id, name))


def kept_runs(file: Path) -> list[Kept]:
    """Every run, in the order of their names."""
    from mlflow.artifacts import download_artifacts
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{file}")
    names = {found.experiment_id: found.name for found in client.search_experiments()}
    return [
        Kept(
            client,
            run.info.run_id,
            names[run.info.experiment_id],
            run.info.run_name,
            run.info.status,
            run.data.params,
            run.data.tags,
            Path(download_artifacts(run.info.artifact_uri, tracking_uri=f"sqlite:///{file}")),
        )
        for run in sorted(client.search_runs(list(names)), key=lambda run: str(run.info.run_name))
    ]
