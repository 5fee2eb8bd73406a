"""The base of every task's LightningModule: a net and its average, a loss, an optimizer, means that can be resumed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import ClassVar, Generic, Literal, NamedTuple, Protocol, TypeAlias, TypeVar

import lightning as L
import torch
from lightning.pytorch.utilities.types import LRSchedulerConfigType, LRSchedulerTypeUnion, OptimizerLRScheduler
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from torch.optim.optimizer import Optimizer
from torch.optim.swa_utils import AveragedModel
from torch.utils.tensorboard import SummaryWriter
from torchmetrics import MeanMetric, Metric
from typing_extensions import override

from digits.config.task import Task
from digits.training.averaging import ema
from digits.training.loggers.service import Picture

Phase: TypeAlias = Literal["train", "val", "test"]
MakeOptimizer: TypeAlias = Callable[[Iterable[nn.Parameter]], Optimizer]


class Schedule(NamedTuple):
    """A learning-rate schedule with the settings that Lightning needs."""

    scheduler: LRScheduler
    interval: str  # "step" or "epoch"
    monitor: str | None = None  # the metric that a ReduceLROnPlateau follows


MakeScheduler: TypeAlias = Callable[[Optimizer, int, int], Schedule]  # (optimizer, total steps, total epochs)

MakeMetrics: TypeAlias = Callable[[], Mapping[str, Metric]]
"""A running metric for each of the task's except `loss`, by name; called once per split."""

LENGTHS = ("total_steps", "T_max", "total_iters", "_schedule_phases")  # state of a schedule: the training's length
SUMS = "train_sums"  # checkpoint key: the sums behind the running means of a training epoch


class AnyBatch(Protocol):
    """The part of a batch that every task needs; `digits.data.Batch` has it."""

    @property
    def images(self) -> Tensor:
        """The net's input, (B, …)."""

    @property
    def indices(self) -> Tensor:
        """int64 (B,): rows of the split, to find an image again."""

    @property
    def seed(self) -> int:
        """Seed of the step's randomness."""


B = TypeVar("B", bound=AnyBatch)
Answers = TypeVar("Answers")  # the net's output for a batch: a tensor, or several


class TaskModule(L.LightningModule, Generic[B, Answers]):
    """Trains a net by minimising a loss; validates and tests its moving average if there is one.

    A task is a subclass: its class attribute `task` names the metrics, `loss_of` and `count` measure them, and its
    constructor makes a running metric for each name, and accepts those arguments of
    `digits.training.build.make_module` that it needs.

    Logs the task's metrics as means over the epoch, `train/loss` and so on; every `log_every_n_steps` steps
    `train/loss_step`, `train/gradient_norm` and `lr`. With mixed precision only the forward pass of training is mixed;
    validation and test are in float32.
    """

    task: ClassVar[Task]

    def __init__(
        self,
        net: nn.Module,
        loss: nn.Module,
        make_optimizer: MakeOptimizer,
        make_scheduler: MakeScheduler,
        make_metrics: MakeMetrics,
        channels_last: bool = False,
        ema_decay: float | None = None,
    ) -> None:
        super().__init__()
        layout = torch.channels_last if channels_last else torch.contiguous_format
        self.net = net.to(memory_format=layout)
        self.averaged = None if ema_decay is None else AveragedModel(net, multi_avg_fn=ema(ema_decay), use_buffers=True)
        if self.averaged is not None:
            self.averaged.requires_grad_(False)  # else DDP waits for gradients that never come
        self.loss = loss
        self.step_loss = torch.zeros(())  # of the last training batch
        self.make_optimizer, self.make_scheduler = make_optimizer, make_scheduler
        self._mean_losses: dict[Phase, MeanMetric] = {}
        self._running: dict[Phase, dict[str, Metric]] = {}  # in the order of the task's metrics
        for split in ("train", "val", "test"):
            # Without the NaN check, which synchronises with the GPU; that also ignores weights, which are not used
            self._mean_losses[split] = MeanMetric(nan_strategy="disable")
            made = {"loss": self._mean_losses[split], **make_metrics()}
            names = [metric.name for metric in self.task.metrics]
            assert made.keys() == set(names), f"{type(self).__name__} counts {', '.join(made)}, not {', '.join(names)}"
            self._running[split] = {name: made[name] for name in names}
            for name, metric in self._running[split].items():
                self.add_module(f"{split}_{name}", metric)

    # ---- Overridden by tasks --------------------------------------------------------------------

    def loss_of(self, answers: Answers, batch: B, split: Phase) -> Tensor:
        """The loss of the net's outputs for a batch, a mean over its images; minimised in training."""
        raise NotImplementedError

    def count(self, metrics: Mapping[str, Metric], answers: Answers, batch: B) -> None:
        """Update the running metrics, given by name, with the net's outputs for a batch; `loss` is already updated."""
        raise NotImplementedError

    def answers_to(self, batch: B, split: Phase) -> Answers:
        """The outputs of the evaluated net for a batch of the validation or test split."""
        answers: Answers = self(batch.images)
        return answers

    def show_input(self, writers: Sequence[SummaryWriter], data: L.LightningDataModule) -> Mapping[str, Picture] | None:
        """Images of the net's input by tag, uint8 (H, W, 3), at the start of training; none by default.

        Every logger that takes images gets them. What only TensorBoard has is added to `writers`.
        """
        return None

    def show(
        self, writers: Sequence[SummaryWriter], stage: str, net: nn.Module, data: L.LightningDataModule, step: int
    ) -> Mapping[str, Picture] | None:
        """Images of a net's predictions for the validation or the test split by tag, uint8 (H, W, 3); none by default.

        `stage` starts the tags: `val` during training; `best` at its end, for the weights that are kept; `test` for
        their predictions for the test split, where all others are for the validation split. Every logger that takes
        images gets them. What only TensorBoard has is added to `writers`.
        """
        return None

    # ---- The net --------------------------------------------------------------------------------

    @override
    def forward(self, images: Tensor) -> Answers:
        """Normalised images (B, 1, H, W) to outputs, say logits (B, num_classes), of the evaluated net."""
        answers: Answers = self.evaluated_net(images)
        return answers

    @property
    def evaluated_net(self) -> nn.Module:
        """The net that is validated, tested and saved: the moving average if there is one."""
        if self.averaged is None:
            return self.net
        return self.averaged.module

    # ---- Steps ----------------------------------------------------------------------------------

    @override
    def training_step(self, batch: B, batch_idx: int) -> Tensor:
        answers: Answers = self.net(batch.images)
        loss = self.loss_of(answers, batch, "train")
        self.step_loss = loss.detach()
        self._count("train", loss, answers, batch)
        if self._logs_this_step():
            self.log("train/loss_step", loss)
            self.log("lr", self.optimizers().param_groups[0]["lr"])  # type: ignore[union-attr]  # one optimizer, no list
        return loss

    @override
    def validation_step(self, batch: B, batch_idx: int) -> None:
        self._evaluate("val", batch)

    @override
    def test_step(self, batch: B, batch_idx: int) -> None:
        self._evaluate("test", batch)

    def _evaluate(self, split: Phase, batch: B) -> None:
        # Without autocast: the recorded metrics are those of the saved weights, wherever they are loaded
        with torch.autocast(self.device.type, enabled=False):
            answers = self.answers_to(batch, split)
            if len(batch.images):  # a process that runs out of images takes part with an empty batch
                self._count(split, self.loss_of(answers, batch, split), answers, batch)
        self.log_means(split)

    def _count(self, split: Phase, loss: Tensor, answers: Answers, batch: B) -> None:
        self._mean_losses[split].update(loss.detach().expand(len(batch.images)))
        self.count(self._running[split], answers, batch)

    def log_means(self, split: Phase) -> None:
        """Log the means over the epoch so far; `Pulse` calls it for the training split, at the epoch's end."""
        means = {f"{split}/{name}": metric for name, metric in self._running[split].items()}
        self.log_dict(means, on_step=False, on_epoch=True)

    @override
    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Log the gradient norm, before clipping."""
        if self._logs_this_step():
            gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
            self.log("train/gradient_norm", torch.nn.utils.get_total_norm(gradients))

    def _logs_this_step(self) -> bool:
        return self._log_every() > 0 and (self.global_step + 1) % self._log_every() == 0

    def _log_every(self) -> int:
        every: int = self.trainer.log_every_n_steps  # type: ignore[attr-defined]  # set by Lightning's logger connector
        return every

    @override
    def optimizer_step(self, *args: object, **kwargs: object) -> None:
        """Step the optimizer, and the moving average unless the step was skipped."""
        super().optimizer_step(*args, **kwargs)  # type: ignore[arg-type]  # passed on as Lightning gave them
        if self.averaged is not None and any(p.grad is not None for p in self.net.parameters()):
            self.averaged.update_parameters(self.net)

    # ---- From the start of training to its end --------------------------------------------------

    @override
    def on_train_epoch_start(self) -> None:
        """Reset the epoch's means; an epoch that is resumed in its middle keeps those of its checkpoint."""
        for metric in self._running["train"].values():
            metric.reset()

    @override
    def on_train_start(self) -> None:
        """Lower `log_every_n_steps` so that a short epoch has at least one point in the per-step curves."""
        batches = int(self.trainer.num_training_batches)
        every = max(1, min(self._log_every(), batches))
        self.trainer.log_every_n_steps = every  # type: ignore[attr-defined]  # set by Lightning's logger connector

    @override
    def configure_optimizers(self) -> OptimizerLRScheduler:
        optimizer = self.make_optimizer(self.net.parameters())
        epochs = self.trainer.max_epochs
        assert epochs is not None
        schedule = self.make_scheduler(optimizer, int(self.trainer.estimated_stepping_batches), epochs)
        config: LRSchedulerConfigType = {
            "scheduler": schedule.scheduler,
            "interval": schedule.interval,
            "monitor": schedule.monitor,
        }
        return {"optimizer": optimizer, "lr_scheduler": config}

    @override
    def on_train_epoch_end(self) -> None:
        """Step a ReduceLROnPlateau with the epoch's metric.

        Lightning does so after it takes the epoch's checkpoint, so a run resumed from there would miss the step.
        """
        for config in self.trainer.lr_scheduler_configs:
            if isinstance(config.scheduler, ReduceLROnPlateau):
                config.scheduler.step(float(self.trainer.callback_metrics[str(config.monitor)]))

    @override
    def lr_scheduler_step(self, scheduler: LRSchedulerTypeUnion, metric: object) -> None:
        """Step a schedule, except a ReduceLROnPlateau: `on_train_epoch_end` has stepped it."""
        if metric is None:
            super().lr_scheduler_step(scheduler, metric)

    @property
    def sums(self) -> dict[str, Tensor]:
        """The sums behind the training epoch's running means, this process's share."""
        metrics = enumerate(self._running["train"].values())
        states = {f"{i}.{name}": value for i, metric in metrics for name, value in metric.metric_state.items()}
        return {name: value.clone() for name, value in states.items() if isinstance(value, Tensor)}

    @sums.setter
    def sums(self, sums: dict[str, Tensor]) -> None:
        for i, metric in enumerate(self._running["train"].values()):
            for name in metric.metric_state:
                setattr(metric, name, sums[f"{i}.{name}"])

    @override
    def on_save_checkpoint(self, checkpoint: dict[str, object]) -> None:
        """Add the sums behind the epoch's means, from every process."""
        gathered = self.all_gather(self.sums)
        assert isinstance(gathered, dict)
        checkpoint[SUMS] = {name: value.reshape(self.trainer.world_size).cpu() for name, value in gathered.items()}

    @override
    def on_load_checkpoint(self, checkpoint: dict[str, dict[str, Tensor]]) -> None:
        """Restore the sums. Drop a schedule's lengths: a run resumed for more epochs needs the new ones."""
        self.sums = {
            name: checkpoint[SUMS][name][self.global_rank].reshape(value.shape) for name, value in self.sums.items()
        }
        for saved in checkpoint.get("lr_schedulers", []):
            assert isinstance(saved, dict)
            for length in LENGTHS:
                saved.pop(length, None)


AnyTask: TypeAlias = TaskModule[AnyBatch, object]  # the module of any task


def as_task(module: L.LightningModule) -> AnyTask:
    """A LightningModule as the task's module that it is."""
    assert isinstance(module, TaskModule)
    return module
