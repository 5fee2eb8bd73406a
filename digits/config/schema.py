"""Every key of an experiment: its type, its range and its meaning. The values are in `conf/`.

The models have no defaults, so each default is in exactly one place, the YAML. A section whose `_target_` is described
here is checked against that schema; any other target, and the arguments of other packages' classes that a schema leaves
out, are checked against the target's signature (`digits.config.arguments`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, ConfigDict, Field, SerializeAsAny, model_validator

from digits.config import data as of_data
from digits.config.data import Data, DataSet, ImageFolder, Pages, Reader
from digits.config.models import CNN, MLP, Detector, LogisticRegression, ResNet, TinyCNN
from digits.config.optim import (
    SGD,
    Adam,
    ConstantLR,
    CosineAnnealingLR,
    CrossEntropy,
    Detection,
    OneCycleLR,
    ReduceLROnPlateau,
    StepLR,
)
from digits.config.types import Count, Fraction, Name, Ours, Section, Target, Tree, Value

Views: TypeAlias = Literal[1, 5, 9]  # an image alone, with its shifts by a pixel in 4 directions, or in 8


class Trainer(Section):
    """`trainer`: where and how long. Further keys must be arguments of Lightning's Trainer."""

    model_config = ConfigDict(extra="allow")

    max_epochs: Count = Field(description="passes over the training images")
    accelerator: Literal["auto", "cpu", "gpu", "cuda", "mps", "tpu"] = Field(description="what to train on")
    devices: Count | Literal["auto"] | Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)] = Field(
        description="how many devices, or which"
    )
    strategy: str = Field(min_length=1, description="auto, ddp, or any other of Lightning's")
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed", "64-true", "bf16-true"] = Field(
        description="number format of the computation; auto: bf16-mixed where it is faster, else 32-true"
    )
    gradient_clip_val: Annotated[float, Field(gt=0)] | None = Field(description="largest gradient norm; null: any")
    accumulate_grad_batches: Count = Field(description="batches for each optimizer step")
    deterministic: bool | Literal["warn"] = Field(description="same command, same bits; warn: as far as possible")
    log_every_n_steps: Count = Field(description="steps between two points of the per-step curves")
    channels_last: bool = Field(description="memory layout of images: channels innermost")
    ema_decay: Fraction | None = Field(description="keep an exponential moving average of the weights; null: don't")
    on_nonfinite: Literal["stop", "skip", "ignore"] = Field(description="reaction to a loss or gradient not finite")
    find_lr: bool | Literal["use"] = Field(
        description="suggest a learning rate before training, and plot the search; use: train with it, too"
    )

    @model_validator(mode="after")
    def _search_is_on_one_device(self) -> Trainer:
        several = len(self.devices) > 1 if isinstance(self.devices, list) else self.devices != 1
        if self.find_lr and (several or (self.model_extra or {}).get("num_nodes", 1) != 1):
            raise ValueError("find_lr is for one device; set trainer.devices=1, then train on more with optimizer.lr")
        return self

    def lightning_arguments(self) -> Tree:
        """The arguments of Lightning's Trainer: all keys but those that digits itself reads."""
        return self.model_dump(exclude={"channels_last", "ema_decay", "on_nonfinite", "find_lr"})


def _as_described(section: object) -> object:
    """A section validated by the schema of its target, so that it keeps that type."""
    return described(section.get("_target_")).model_validate(section) if isinstance(section, dict) else section


def described(target: object) -> type[Target]:
    """The schema of a target; `Target`, which takes any arguments, where it has none of its own."""
    return DESCRIBED.get(target, Target) if isinstance(target, str) else Target


def data_set(section: Mapping[str, Value]) -> type[DataSet]:
    """The schema class of the data set that a section names, with the properties of its kind."""
    schema = described(section.get("_target_"))
    return schema if issubclass(schema, DataSet) else DataSet


Described: TypeAlias = Annotated[SerializeAsAny[Target], BeforeValidator(_as_described)]
"""A section, typed by the schema of its `_target_`."""


class Experiment(Section):
    """The whole configuration of one training run."""

    data: Described = Field(description="group data")
    augment: dict[str, Described] = Field(description="group augment: transforms by the batch, in order")
    model: Described = Field(description="group model")
    task: Described = Field(description="group task: the LightningModule that trains the model")
    loss: Described = Field(description="group loss")
    optimizer: Described = Field(description="group optimizer")
    scheduler: Described = Field(description="group scheduler")
    trainer: Trainer = Field(description="group trainer")
    callbacks: dict[str, Described] = Field(description="group callbacks")
    logger: dict[str, Described] = Field(description="group logger")
    seed: int = Field(ge=0, lt=2**32, description="weights, order, dropout, augmentation")
    test: bool = Field(description="test the best checkpoint at the end")
    test_views: Views = Field(description="views of an image, shifted by a pixel, whose mean prediction is tested")
    checkpoints: Literal["both", "best", "last"] = Field(description="which checkpoints to keep when done")
    checkpoint_minutes: Annotated[float, Field(gt=0)] | None = Field(
        description="minutes between checkpoints within an epoch; null: only after each"
    )
    resume: str | None = Field(description="run directory to resume")
    config_from: str | None = Field(description="run directory whose configuration is repeated in a new run")
    trust: list[str] = Field(description="packages that the record of a resumed or repeated run may name")
    init_from: str | None = Field(description="weights to start from: a run directory, a weights file or pretrained")
    teachers: list[Name] = Field(
        max_length=100, description="runs whose mean predictions are learnt in place of labels"
    )

    def tree(self) -> Tree:
        """The configuration as plain data, as written to `result.json`."""
        return self.model_dump(by_alias=True)


class EarlyStopping(Target):
    """`callbacks.early_stopping`."""

    monitor: str = Field(description="the metric to monitor; null in conf/: the task's monitored metric")
    mode: Literal["max", "min"] | None = Field(
        description="which is better, a higher or a lower value; null: as the task says for the monitored metric"
    )
    patience: Count = Field(description="epochs without improvement after which training stops")


class Dashboard(Ours):
    """`callbacks.dashboard`."""

    every_n_epochs: Annotated[int, Field(ge=0)] | None = Field(
        description="epochs between plots; 0: only at the end; null: no plots, only the row in HPARAMS"
    )


class TensorBoard(Target):
    """`logger.tensorboard`."""

    name: str | None = Field(description="subfolder of the run for the events; empty: the run's own folder")
    version: Annotated[int, Field(ge=0)] | str | None = Field(description="subfolder of that one; empty: none")
    default_hp_metric: bool = Field(description="log hp_metric to HPARAMS; the dashboard writes a row of its own")


class WandB(Ours):
    """`logger.wandb`."""

    extra = "wandb"

    project: Name = Field(description="W&B's project")
    name: Name | None = Field(description="W&B's name of the run")
    group: Name | None = Field(description="W&B's group of runs")
    tags: list[Name] = Field(description="W&B's tags of the run")
    mode: Literal["offline"] | None = Field(description="whether W&B may use the network")
    log_model: bool = Field(description="keep the best epoch's model as an artifact")


class MLflow(Ours):
    """`logger.mlflow`."""

    extra = "mlflow"

    experiment_name: Name = Field(description="MLflow's experiment, a folder of runs")
    run_name: Name | None = Field(description="MLflow's name of the run")
    log_model: bool = Field(description="keep the best epoch's model as an artifact")


DESCRIBED: dict[str, type[Target]] = {
    "digits.data.MNISTDataModule": Data,
    "digits.data.ImageFolder": ImageFolder,
    "digits.data.PagesDataModule": Pages,
    "digits.data.ReaderDataModule": Reader,
    "digits.data.RandomAffine": of_data.RandomAffine,
    "digits.data.RandomWarp": of_data.RandomWarp,
    "digits.data.RandomStroke": of_data.RandomStroke,
    "digits.data.RandomErase": of_data.RandomErase,
    "digits.data.RandomStretch": of_data.RandomStretch,
    "digits.data.RandomBlur": of_data.RandomBlur,
    "digits.data.RandomResolution": of_data.RandomResolution,
    "digits.data.RandomTone": of_data.RandomTone,
    "digits.data.RandomNoise": of_data.RandomNoise,
    "digits.models.LogisticRegression": LogisticRegression,
    "digits.models.MLP": MLP,
    "digits.models.CNN": CNN,
    "digits.models.ResNet": ResNet,
    "digits.models.TinyCNN": TinyCNN,
    "digits.models.Detector": Detector,
    "torch.nn.CrossEntropyLoss": CrossEntropy,
    "digits.training.detection.loss.DetectionLoss": Detection,
    "torch.optim.Adam": Adam,
    "torch.optim.AdamW": Adam,
    "torch.optim.SGD": SGD,
    "torch.optim.lr_scheduler.ConstantLR": ConstantLR,
    "torch.optim.lr_scheduler.OneCycleLR": OneCycleLR,
    "torch.optim.lr_scheduler.CosineAnnealingLR": CosineAnnealingLR,
    "torch.optim.lr_scheduler.StepLR": StepLR,
    "torch.optim.lr_scheduler.ReduceLROnPlateau": ReduceLROnPlateau,
    "lightning.pytorch.callbacks.EarlyStopping": EarlyStopping,
    "digits.training.dashboard.Dashboard": Dashboard,
    "lightning.pytorch.loggers.TensorBoardLogger": TensorBoard,
    "digits.training.metrics_csv.MetricsCSV": Ours,
    "digits.training.loggers.wandb.WandB": WandB,
    "digits.training.loggers.mlflow.MLflow": MLflow,
    "digits.training.module.Classifier": Ours,
    "digits.training.detection.module.PageDetector": Ours,
}
"""The targets whose arguments have a schema of their own."""
