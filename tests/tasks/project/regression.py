"""A task of one's own, as its owner writes it: say what number a digit is, without knowing of classes."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torchmetrics import MeanMetric, Metric

from digits.config.task import Metric as Measured
from digits.config.task import Task
from digits.data import Batch
from digits.training.task_module import MakeOptimizer, MakeScheduler, Phase, TaskModule


class Line(nn.Sequential):
    """From an image to one number."""

    def __init__(self, image_size: int) -> None:
        super().__init__(nn.Flatten(), nn.Linear(image_size**2, 1), nn.Flatten(0))


class Regressor(TaskModule[Batch, Tensor]):
    """Minimises the loss of the number; `error` is how far off it is in the mean."""

    task = Task("regression", (Measured("error", "min"), Measured("loss", "min")), monitor="error")

    def __init__(
        self,
        net: nn.Module,
        loss: nn.Module,
        make_optimizer: MakeOptimizer,
        make_scheduler: MakeScheduler,
        channels_last: bool = False,
        scale: float = 1.0,
    ) -> None:
        super().__init__(net, loss, make_optimizer, make_scheduler, lambda: {"error": MeanMetric()}, channels_last)
        self.scale = scale

    def loss_of(self, answers: Tensor, batch: Batch, split: Phase) -> Tensor:
        loss: Tensor = self.loss(self.scale * answers, batch.labels.float())
        return loss

    def count(self, metrics: Mapping[str, Metric], answers: Tensor, batch: Batch) -> None:
        metrics["error"].update((self.scale * answers.detach() - batch.labels).abs())
