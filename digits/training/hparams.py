"""A run's row in the HPARAMS tab of TensorBoard: hyperparameters and metrics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from digits.config.task import Task
from digits.config.types import Value
from digits.runs.schema import RecordedConfig, TrialOf

Row: TypeAlias = Mapping[str, Value]  # hyperparameters by column

HPARAMS = {
    "data": "data.name",
    "model": "model._target_",
    "optimizer": "optimizer._target_",
    "scheduler": "scheduler._target_",
    "lr": "optimizer.lr",
    "batch_size": "data.batch_size",
    "epochs": "trainer.max_epochs",
    "seed": "seed",
}
"""Columns that every run has, with their keys in the configuration.

TensorBoard takes the columns of one run and drops those that only other runs have.
"""


def results(task: Task) -> tuple[str, ...]:
    """Tags of a row's metrics, other than the curves' tags: a row's NaN must not become a curve's first point."""
    return tuple(f"hp/{split}_{metric.name}" for split in ("val", "test") for metric in task.headline)


def hyperparameters(config: RecordedConfig, overrides: Iterable[str]) -> tuple[Row, set[str]]:
    """A run's row in HPARAMS, and which of its columns the run or its sweep overrides.

    The row has the columns that all runs have and one per override: for a config group its choice, for a key its
    value. Class names are without their package.
    """
    row = {column: config.at(key) for column, key in HPARAMS.items()}
    row |= {column: str(row[column]).rsplit(".", 1)[-1] for column in ("model", "optimizer", "scheduler")}
    columns = {key: column for column, key in HPARAMS.items()}
    asked = set()
    for override in overrides:
        key, _, value = override.lstrip("+~").partition("=")
        column = columns.get(key.partition("@")[0], key.partition("@")[0])
        asked.add(column)
        if column not in HPARAMS:
            found = config.at(column)
            row[column] = value if found is None or isinstance(found, dict) else found
    return row, asked


def of_trial(trial: TrialOf | None, row: Row, asked: set[str]) -> tuple[Row, set[str]]:
    """The row of a search's trial: the columns of HPARAMS, and one for each parameter of the search space.

    Any other run keeps its row. A parameter that the trial does not have is NaN if it is a number, else a dash: all
    trials have the same columns.
    """
    parameters = trial.parameters if trial is not None else None
    if trial is None or parameters is None:
        return row, asked
    unknown = {name: float("nan") if name in trial.numbers else "–" for name in parameters}
    values = {name: unknown[name] if value is None else value for name, value in parameters.items()}
    return {name: row[name] for name in HPARAMS} | values, set(parameters)


def add_row(writer: SummaryWriter, row: Row, asked: set[str], metrics: Iterable[str], *, fresh: bool) -> None:
    """Add a row to HPARAMS with its metrics still NaN, so that it is there even if the run fails.

    The NaN are logged only for a run that starts (`fresh`): one that is resumed has logged them before.

    TensorBoard puts the columns that differ between runs first, and draws only the first few; one run can't know which
    differ, so those that it overrides (`asked`) are marked.
    """
    values = {name: value if isinstance(value, int | float | str) else str(value) for name, value in row.items()}
    unknown = dict.fromkeys(metrics, float("nan"))
    experiment, *session = hparams(values, unknown)
    plugin = experiment.value[0].metadata.plugin_data
    content = HParamsPluginData.FromString(plugin.content)
    for column in content.experiment.hparam_infos:
        column.differs = column.name in asked
    plugin.content = content.SerializeToString()
    for summary in (experiment, *session):
        writer._get_file_writer().add_summary(summary)
    for name, value in unknown.items() if fresh else ():
        writer.add_scalar(name, value, 0)
