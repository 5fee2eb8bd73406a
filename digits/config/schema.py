"""Every key of an experiment: its type, its range and its meaning. The values are in `conf/`.

The models have no defaults, so each default stands in exactly one place, the YAML. A section with a
`_target_` that is described here is checked against its description; any other target only against
the signature of what it names (`digits.config.targets`).
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import ConfigDict, Field, model_validator

from digits.config import augmentations
from digits.config.image_folder import ImageFolder
from digits.config.sections import Count, Fraction, Name, Section, Target
from digits.config.tree import Tree

Views: TypeAlias = Literal[1, 5, 9]
"""A picture alone, with its shifts by a pixel to 4 sides, or to 8."""

Stages = Annotated[list[Annotated[list[Count], Field(min_length=1)]], Field(min_length=1)]


class Data(Target):
    """`data`: the pictures, their split and their batches."""

    name: Literal["mnist", "fashion_mnist", "kmnist", "optdigits", "reader"] = Field(description="the data set")
    root: str = Field(min_length=1, description="folder that holds the data sets")
    mirrors: list[Annotated[str, Field(pattern=r"^https?://.+/$")]] | None = Field(
        description="URLs to fetch from, each ending in /; null: torchvision's"
    )
    mean: float = Field(ge=0, le=1, description="mean of the training pixels, 0..1")
    std: float = Field(gt=0, le=1, description="standard deviation of the training pixels, 0..1")
    num_classes: Count = Field(description="number of classes")
    image_size: Count = Field(description="side of the square pictures in pixels")
    val_size: int = Field(ge=0, description="training images kept for validation; 0: train on all")
    split_seed: int = Field(ge=0, description="which stratified split")
    limit: Count | None = Field(description="at most this many images of each split")
    batch_size: Count = Field(description="images a training step")
    eval_batch_size: Count = Field(description="images a validation or test step")


class Reader(Data):
    """`data=reader`: MNIST, and what is made from each split of it, as shares of its number."""

    drawn: float = Field(ge=0, le=10, description="drawn digits, for each of MNIST's")
    altered: float = Field(ge=0, le=10, description="altered digits, for each of MNIST's")
    nondigits: float = Field(ge=0, le=10, description="pictures of no digit, for each of MNIST's")


class LogisticRegression(Target):
    """`model=logistic`."""

    image_size: Count = Field(description="side of the pictures in pixels")
    num_classes: Count = Field(description="number of classes")


class MLP(LogisticRegression):
    """`model=mlp`."""

    hidden: list[Count] = Field(description="width of each hidden layer, any number of them")
    dropout: Fraction = Field(description="share of hidden units dropped in training")


class CNN(LogisticRegression):
    """`model=cnn`."""

    stages: Stages = Field(description="channels of every convolution, stage by stage")
    dropout: Fraction = Field(description="share of the features dropped before the last layer")


class ResNet(Target):
    """`model=resnet`."""

    num_classes: Count = Field(description="number of classes")
    channels: list[Count] = Field(min_length=1, max_length=4, description="channels of each stage")
    dropout: Fraction = Field(description="share of the features dropped before the last layer")
    blocks: Count = Field(description="residual blocks a stage")


class TinyCNN(Target):
    """`model=tiny`."""

    num_classes: Count = Field(description="number of classes")
    stages: Stages = Field(description="channels of every convolution, stage by stage")


class CrossEntropy(Target):
    """`loss=cross_entropy`."""

    label_smoothing: Fraction = Field(description="share of the target spread over all classes")


class Optimizer(Target):
    """Any optimizer."""

    lr: float = Field(gt=0, description="learning rate; the peak, with scheduler=onecycle")
    weight_decay: float = Field(ge=0, description="decay of the weights")


class Adam(Optimizer):
    """`optimizer=adam` and `optimizer=adamw`."""

    betas: Annotated[list[Fraction], Field(min_length=2, max_length=2)] = Field(
        description="decay of the running mean of gradients and of their squares"
    )


class SGD(Optimizer):
    """`optimizer=sgd`."""

    momentum: Fraction = Field(description="momentum")
    nesterov: bool = Field(description="Nesterov's momentum")

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> SGD:
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov needs momentum above 0; set optimizer.nesterov=false")
        return self


class Scheduler(Target):
    """Any learning-rate schedule."""

    interval: Literal["step", "epoch"] = Field(description="what the schedule counts")


class ConstantLR(Scheduler):
    """`scheduler=constant`."""

    factor: float = Field(gt=0, le=1, description="multiplies the learning rate")
    total_iters: Count | None = Field(description="how long it does; null: for ever")


class OneCycleLR(Scheduler):
    """`scheduler=onecycle`."""

    max_lr: float = Field(gt=0, description="the peak")
    total_steps: Count | None = Field(description="length; null: the whole training")
    pct_start: float = Field(gt=0, lt=1, description="share of the training spent going up")
    cycle_momentum: bool = Field(description="move the momentum (or beta1) too, in place of the optimizer's own")

    @model_validator(mode="after")
    def _no_bounds_without_a_cycle(self) -> OneCycleLR:
        void = sorted({"base_momentum", "max_momentum"} & set(self.model_extra or ()))
        if void and not self.cycle_momentum:
            raise ValueError(f"{void[0]} has no effect without scheduler.cycle_momentum=true; add it, or leave it out")
        return self


class CosineAnnealingLR(Scheduler):
    """`scheduler=cosine`."""

    T_max: Count | None = Field(description="length; null: the whole training")
    eta_min: float = Field(ge=0, description="learning rate at the end")


class StepLR(Scheduler):
    """`scheduler=step`."""

    step_size: Count = Field(description="length of a stair")
    gamma: float = Field(gt=0, le=1, description="factor from one stair to the next")


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
    accumulate_grad_batches: Count = Field(description="batches an optimizer step")
    deterministic: bool | Literal["warn"] = Field(description="same command, same bits")
    log_every_n_steps: Count = Field(description="steps between two points of the per-step curves")
    channels_last: bool = Field(description="memory layout of pictures: channels innermost")
    ema_decay: Fraction | None = Field(description="keep an exponential moving average of the weights; null: don't")
    on_nonfinite: Literal["stop", "skip", "ignore"] = Field(description="at a loss or gradient that is not finite")

    def lightning_arguments(self) -> Tree:
        """What goes to Lightning's Trainer: all but the keys that are ours."""
        return self.model_dump(exclude={"channels_last", "ema_decay", "on_nonfinite"})


class Experiment(Section):
    """The whole configuration of one training run."""

    data: Target = Field(description="group data")
    augment: dict[str, Target] = Field(description="group augment: transforms by the batch, in order")
    model: Target = Field(description="group model")
    loss: Target = Field(description="group loss")
    optimizer: Target = Field(description="group optimizer")
    scheduler: Target = Field(description="group scheduler")
    trainer: Trainer = Field(description="group trainer")
    callbacks: dict[str, Target] = Field(description="group callbacks")
    logger: dict[str, Target] = Field(description="group logger")
    seed: int = Field(ge=0, lt=2**32, description="weights, order, dropout, augmentation")
    test: bool = Field(description="test the best checkpoint at the end")
    test_views: Views = Field(description="views of a picture, by shifts of a pixel, whose mean is tested")
    checkpoints: Literal["both", "best", "last"] = Field(description="which checkpoints to keep when done")
    checkpoint_minutes: Annotated[float, Field(gt=0)] | None = Field(
        description="minutes between checkpoints within an epoch; null: only after each"
    )
    resume: str | None = Field(description="run directory to go on with")
    config_from: str | None = Field(description="run directory whose configuration is run once more")
    trust: list[str] = Field(description="packages that a run to be resumed or done again may name")
    init_from: str | None = Field(description="run directory, weights file or pretrained: what to start from")
    teachers: list[Name] = Field(
        max_length=100, description="runs whose nets' mean answers are learnt in place of labels"
    )

    def tree(self) -> Tree:
        """The configuration as plain data, as it goes into `result.json`."""
        return self.model_dump(by_alias=True)


class EarlyStopping(Target):
    """`callbacks.early_stopping`."""

    monitor: Literal["val/accuracy", "val/loss", "train/accuracy", "train/loss"] = Field(description="what is watched")
    mode: Literal["max", "min"] | None = Field(description="which way is better; null: the monitor's")
    patience: Count = Field(description="epochs without a better value")


class Dashboard(Target):
    """`callbacks.dashboard`."""

    every_n_epochs: Annotated[int, Field(ge=0)] | None = Field(
        description="epochs between pictures; 0: only at the end; null: none, but the row in HPARAMS"
    )


DESCRIBED: dict[str, type[Target]] = {
    "digits.data.MNISTDataModule": Data,
    "digits.data.ImageFolder": ImageFolder,
    "digits.data.ReaderDataModule": Reader,
    "digits.data.RandomAffine": augmentations.RandomAffine,
    "digits.data.RandomWarp": augmentations.RandomWarp,
    "digits.data.RandomStroke": augmentations.RandomStroke,
    "digits.data.RandomErase": augmentations.RandomErase,
    "digits.data.RandomStretch": augmentations.RandomStretch,
    "digits.data.RandomBlur": augmentations.RandomBlur,
    "digits.data.RandomResolution": augmentations.RandomResolution,
    "digits.data.RandomTone": augmentations.RandomTone,
    "digits.data.RandomNoise": augmentations.RandomNoise,
    "digits.models.LogisticRegression": LogisticRegression,
    "digits.models.MLP": MLP,
    "digits.models.CNN": CNN,
    "digits.models.ResNet": ResNet,
    "digits.models.TinyCNN": TinyCNN,
    "torch.nn.CrossEntropyLoss": CrossEntropy,
    "torch.optim.Adam": Adam,
    "torch.optim.AdamW": Adam,
    "torch.optim.SGD": SGD,
    "torch.optim.lr_scheduler.ConstantLR": ConstantLR,
    "torch.optim.lr_scheduler.OneCycleLR": OneCycleLR,
    "torch.optim.lr_scheduler.CosineAnnealingLR": CosineAnnealingLR,
    "torch.optim.lr_scheduler.StepLR": StepLR,
    "lightning.pytorch.callbacks.EarlyStopping": EarlyStopping,
    "digits.training.dashboard.Dashboard": Dashboard,
}
"""The targets whose arguments have a schema of their own."""

TRAINING_IMAGES = {"mnist": 60_000, "fashion_mnist": 60_000, "kmnist": 60_000, "optdigits": 1_437}
"""Size of each data set's official training split (of ours, for optdigits)."""

CLASSES, IMAGE_SIZE = 10, 28
"""What all of them have: ten classes, 28x28 pixels."""
