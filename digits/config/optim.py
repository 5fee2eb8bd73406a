"""The keys of `loss`, `optimizer` and `scheduler`: type, range and meaning."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from digits.config.types import Count, Fraction, Ours, Target


class CrossEntropy(Target):
    """`loss=cross_entropy`."""

    label_smoothing: Fraction = Field(description="share of the target spread over all classes")


class Detection(Ours):
    """`loss=detection`."""

    made_for = "detection"

    label_smoothing: Fraction = Field(description="share of the target spread over all classes")
    box_weight: float = Field(ge=0, description="weight of the boxes' loss beside that of objectness and class")
    gate_weight: float = Field(ge=0, description="weight of the gate's loss: whether the page has smaller digits")


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
    total_iters: Count | None = Field(description="length; null: the whole training")


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


class ReduceLROnPlateau(Scheduler):
    """`scheduler=plateau`."""

    interval: Literal["epoch"] = Field(description="what the schedule counts")
    monitor: str = Field(description="the metric to monitor; null in conf/: the task's monitored metric")
    mode: Literal["max", "min"] | None = Field(description="which way is better; null: the monitored metric's")
    factor: float = Field(gt=0, lt=1, description="multiplies the learning rate")
    patience: int = Field(ge=0, description="epochs without a better value before the rate is lowered")
