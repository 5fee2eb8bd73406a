"""The evaluation of nets on a data set: what `digits.evaluate` prints and writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from matplotlib.figure import Figure
from torch import nn

from digits.config.types import Tree
from digits.data import MNISTDataModule, Split
from digits.evaluating import figures
from digits.evaluating.members import Member
from digits.evaluating.predictions import Predictions, average, predict
from digits.evaluating.scores import Scores, score
from digits.runs.atomic import write_json


@dataclass(frozen=True)
class MemberScore:
    """One evaluated net, and its metrics alone."""

    run: str
    net: str
    parameters: int
    accuracy: float
    loss: float  # mean cross-entropy in nats
    mean: float  # of the pixels, as the net was trained
    std: float
    weights_sha256: str | None
    views: int  # of each image, whose probabilities it averages

    def tree(self) -> Tree:
        """Ready for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Evaluation:
    """The scores of all nets together and of each, with plots."""

    scores: Scores
    members: tuple[MemberScore, ...]
    pictures: dict[str, Figure]


def predictions(
    members: Sequence[Member], nets: Sequence[nn.Module], modules: Sequence[MNISTDataModule], images: Split
) -> list[Predictions]:
    """Each net's predictions; the other arguments as for `evaluate`."""
    return [
        predict(net, images, module.normalise, module.eval_batch_size, views=member.views)
        for member, net, module in zip(members, nets, modules, strict=True)
    ]


def evaluate(
    members: Sequence[Member], nets: Sequence[nn.Module], modules: Sequence[MNISTDataModule], split: str
) -> Evaluation:
    """Metrics and plots for a split.

    The images are those of the first DataModule, which has been set up; each net gets them in its own DataModule's
    normalisation and batch size. A net's probabilities are the mean over its member's views, an ensemble's the mean
    over its nets.
    """
    data = modules[0]
    images, scores = data.split(split), []
    answers = predictions(members, nets, modules, images)
    for member, net, module, answer in zip(members, nets, modules, answers, strict=True):
        alone = score(answer, data.classes)
        parameters = sum(p.numel() for p in net.parameters())
        scores.append(
            MemberScore(str(member.run), type(net).__name__, parameters, alone.accuracy, alone.loss, module.mean,
                        module.std, member.sha256, member.views)
        )  # fmt: skip
    together = average(answers)
    found = score(together, data.classes)
    return Evaluation(found, tuple(scores), figures.pictures(together, found, images, data.classes))


def leave(folder: Path, tree: Tree, pictures: Mapping[str, bytes]) -> None:
    """Write `evaluation.json` and the plots, PNGs by name, each to a temporary file that is then renamed."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in pictures.items():
        part = folder / f".{name}.part"
        part.write_bytes(content)
        part.replace(folder / f"{name}.png")
    write_json(folder / "evaluation.json", tree)
