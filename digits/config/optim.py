"""The keys of `loss`, `optimizer` and `scheduler`: type, range and meaning."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from digits.config.types import Count, Fraction, Ours, Target


class CrossEntropy(Target):
    """`loss=cross_entropy`."""

    label_smoothing: Fraction = Field(description="share of the target that is spread evenly over all classes")


class Detection(Ours):
    """`loss=detection`."""

    made_for = "detection"

    label_smoothing: Fraction = Field(description="share of the target that is spread evenly over all classes")
    box_weight: float = Field(ge=0, description="weight of the loss of boxes; those of objectness and class have 1")
    gate_weight: float = Field(ge=0, description="weight of the loss of predicting whether smaller digits are here")


class Optimizer(Target):
    """Any optimizer."""

    lr: float = Field(gt=0, description="learning rate; the peak, with scheduler=onecycle")
    weight_decay: float = Field(ge=0, description="coefficient of the weight decay; 0: none")


class Adam(Optimizer):
    """`optimizer=adam` and `optimizer=adamw`."""

    betas: Annotated[list[Fraction], Field(min_length=2, max_length=2)] = Field(
        description="decay rates of the running means of the gradient and of its square"
    )


class SGD(Optimizer):
    """`optimizer=sgd`."""

    momentum: Fraction = Field(description="coefficient of the momentum; 0: none")
    nesterov: bool = Field(description="use Nesterov's momentum")

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> SGD:
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov needs momentum above 0; set optimizer.nesterov=false")
        return self


class Scheduler(Target):
    """Any learning-rate schedule."""

    interval: Literal["step", "epoch"] = Field(description="unit of the schedule: optimizer steps or epochs")


class ConstantLR(Scheduler):
    """`scheduler=constant`."""

    factor: float = Field(gt=0, le=1, description="multiplies the learning rate during total_iters")
    total_iters: Count | None = Field(description="duration, in units of interval; null: the whole training")


class OneCycleLR(Scheduler):
    """`scheduler=onecycle`."""

    max_lr: float = Field(gt=0, description="learning rate at the peak of the cycle")
    total_steps: Count | None = Field(description="length of the cycle, in units of interval; null: the whole training")
    pct_start: float = Field(gt=0, lt=1, description="share of the cycle in which the learning rate rises")
    cycle_momentum: bool = Field(description="cycle the momentum (or beta1) too, whatever the optimizer has")

    @model_validator(mode="after")
    def _no_bounds_without_a_cycle(self) -> OneCycleLR:
        void = sorted({"base_momentum", "max_momentum"} & set(self.model_extra or ()))
        if void and not self.cycle_momentum:
            raise ValueError(f"{void[0]} has no effect without scheduler.cycle_momentum=true; add it, or leave it out")
        return self


class CosineAnnealingLR(Scheduler):
    """`scheduler=cosine`."""

    T_max: Count | None = Field(description="length of the descent, in units of interval; null: the whole training")
    eta_min: float = Field(ge=0, description="learning rate at the end of the descent")


class StepLR(Scheduler):
    """`scheduler=step`."""

    step_size: Count = Field(description="steps or epochs, by interval, between reductions of the learning rate")
    gamma: float = Field(gt=0, le=1, description="factor of each reduction of the learning rate")


class ReduceLROnPlateau(Scheduler):
    """`scheduler=plateau`."""

    interval: Literal["epoch"] = Field(description="unit of the schedule: only epochs")
    monitor: str = Field(description="the metric to monitor; null in conf/: the task's monitored metric")
    mode: Literal["max", "min"] | None = Field(
        description="which is better, a higher or a lower value; null: as the task says for the monitored metric"
    )
    factor: float = Field(gt=0, lt=1, description="factor of each reduction of the learning rate")
    patience: int = Field(ge=0, description="epochs without improvement to wait; the next one lowers the learning rate")
