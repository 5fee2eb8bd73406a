"""Which faults a run is led through, drawn from a seed: each trial is the same whenever it is drawn again."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from benchmarks.reliability import storage
from benchmarks.reliability.matrix import CONFIGURATIONS, processes
from benchmarks.reliability.start import Fault
from benchmarks.reliability.trial import (
    Check,
    Reference,
    Step,
    failed,
    keep_best,
    killed,
    left_at_once,
    left_cleanly,
    told_clearly,
)
from digits.runs.layout import LAST

STARTING = ("import:torch", "import:lightning.pytorch", "import:digits.training.experiment", "setup", "on_fit_start",
            "rename:result.json")  # fmt: skip
MID_EPOCH = ("training_step", "optimizer_step", "on_train_batch_end")
LAST_BATCH = ("last_training_step", "last_on_train_batch_end", "on_train_epoch_end")
VALIDATION = ("validation_step", "on_validation_start", "on_validation_end", "on_validation_batch_end")
CHECKPOINT = ("rename:last.ckpt", "rename:best.ckpt", "rename:*.ckpt")
TEST = ("on_test_start", "test_step", "on_test_end")
RESULT = ("rename:model.safetensors", "rename:model.json", "rename:result.json", "rename:metrics.csv")

KILLS: dict[str, tuple[int, int, tuple[str, ...]]] = {
    "killed while it starts": (0, 1, STARTING),
    "killed at a random moment": (1, 4, ()),
    "killed in mid-epoch": (1, 4, MID_EPOCH),
    "killed at an epoch's last batch": (1, 3, LAST_BATCH),
    "killed in validation": (1, 3, VALIDATION),
    "killed while a checkpoint is written": (1, 4, CHECKPOINT),
    "killed in the final test": (2, 2, TEST),
    "killed while the result is written": (3, 2, RESULT),
}
"""Of each kind: when in a run's life it comes, how often it is drawn, and the plant's points."""

DISKS: dict[str, tuple[Callable[[Path], str], Callable[[Path], list[str]], str]] = {
    "disk full": (storage.fill, storage.free, r"No space left on device"),
    "folder read-only": (storage.protect, storage.unprotect, r"(?i)read-only"),
    "folder gone": (storage.take_away, storage.bring_back, r"(?i)no such file|gone|vanish|no longer"),
}
"""Of each kind: what is done, what undoes it, and what the command must say."""


@dataclass(frozen=True)
class Trial:
    """A configuration's run and its faults."""

    name: str
    configuration: str
    steps: list[Step]
    disk: bool = False  # on a small file system of its own
    end: Check | None = None


def trial(name: str, seed: int, run: Path, references: Callable[[str], Reference]) -> Trial:
    """The trial of a name, `kills-7` or such, for a run in a directory."""
    kind, _, number = name.partition("-")
    dice = random.Random(f"{seed} {name}")
    configuration = list(CONFIGURATIONS)[int(number) % len(CONFIGURATIONS)]
    if kind == "kills":
        steps = kills(dice, configuration, references(configuration))
    elif kind == "signals":
        steps = signals(dice, configuration, references(configuration), run)
    elif kind == "disks":
        steps = disks(dice, references(configuration), run)
        return Trial(name, configuration, steps, disk=True)
    else:
        assert kind == "damages", f"there are no trials named {kind}; take kills, signals, disks or damages"
        return damages(name, dice, configuration, references(configuration), int(number))
    return Trial(name, configuration, steps)


def drawn(dice: random.Random, reference: Reference, points: tuple[str, ...], share: int) -> str:
    """A point and a number within what a run passes, so early that `share` such faults fit into one run."""
    times = {
        pattern: sum(number for point, number in reference.passed.items() if fnmatchcase(point, pattern))
        for pattern in points
    }
    point = dice.choice([pattern for pattern, number in times.items() if number])
    return f"{point} {dice.randint(1, max(1, times[point] // share))}"


def kills(dice: random.Random, configuration: str, reference: Reference) -> list[Step]:
    """Up to four kills of one run, in the order in which they can come."""
    kinds = dice.choices(list(KILLS), [weight for _, weight, _ in KILLS.values()], k=dice.randint(1, 4))
    kinds.sort(key=lambda kind: KILLS[kind][0])
    share = 1 + sum(KILLS[kind][0] == 1 for kind in kinds)
    steps = []
    for kind in kinds:
        stage, _, points = KILLS[kind]
        if kind == "killed in validation" and not reference.passed.get("validation_step"):
            kind = "killed in mid-epoch"  # nothing is validated
            points = MID_EPOCH
        if not points:
            steps.append(Step(kind, Fault(kill_after=dice.uniform(0, reference.fitting / share)), killed))
            continue
        if stage == 1:
            at = drawn(dice, reference, points, share)
        else:
            at = f"{dice.choice(points)} 1"
        if stage == 3 and "result.json" in at:
            at = "rename:result.json 2"  # the first is the start's
        action = dice.choice(["kill", "half", "after"]) if at.startswith("rename") else "kill"
        steps.append(_kill(dice, kind, action, at, processes(configuration)))
    return steps


def _kill(dice: random.Random, kind: str, action: str, at: str, number: int) -> Step:
    """A planted kill; of a run of two processes now all, now the first or the second alone."""
    if number == 1 or at.startswith("import"):
        return Step(kind, Fault(f"{action} {at}"), killed)
    if action != "kill":
        return Step(f"{kind}, one process of two", Fault(f"{action} {at}"), killed)
    whom = dice.choice(["all", "first", "second"]) if not at.startswith("rename") else "all"
    if whom == "all":
        return Step(kind, Fault(f"killgroup {at}"), killed)
    return Step(
        f"{kind}, one process of two",
        Fault(f"kill {at}", rank=int(whom == "second")),
        failed if whom == "second" else killed,
    )


def signals(dice: random.Random, configuration: str, reference: Reference, run: Path) -> list[Step]:
    """SIGTERM, SIGINT and a signal followed by another, in any order."""
    best = run.parent.parent / "best.before"
    steps = []
    for number in dice.sample([signal.SIGTERM, signal.SIGINT, None], k=3):
        at = drawn(dice, reference, (*MID_EPOCH, *LAST_BATCH, "validation_step", "rename:last.ckpt"), 5)
        whom = dice.choice(["", "group"]) if processes(configuration) > 1 else ""
        if number is None:
            number, names = dice.choice([(signal.SIGTERM, ("int", "term")), (signal.SIGINT, ("term", "int"))])
            first, second = (name + whom for name in names)  # the same one at once counts as the first once more
            twice = Fault(f"{first} {drawn(dice, reference, MID_EPOCH, 5)};{second} rename:last.ckpt 1")
            steps.append(Step("a second signal", twice, left_at_once(number)))
        else:
            name = {signal.SIGTERM: "term", signal.SIGINT: "int"}[number] + whom
            fault = Fault(f"{name} {at}", command=keep_best(run, best))
            steps.append(Step(number.name, fault, left_cleanly(number, best)))
    return steps


def disks(dice: random.Random, reference: Reference, run: Path) -> list[Step]:
    """A full disk, a read-only folder and one that vanishes, in any order."""
    steps = []
    for kind in dice.sample(list(DISKS), k=len(DISKS)):
        harm, undo, says = DISKS[kind]
        at = drawn(dice, reference, ("training_step", "validation_step", "on_train_epoch_end", "rename:last.ckpt"), 4)
        steps.append(Step(kind, Fault(f"run {at}", command=harm(run)), told_clearly(says, 1), afterwards=undo))
    return steps


def damages(name: str, dice: random.Random, configuration: str, reference: Reference, number: int) -> Trial:
    """A checkpoint that is damaged after a kill; then, perhaps, a kill while the next one is written."""
    steps_an_epoch = reference.passed["training_step"] / max(1, reference.passed["last_training_step"])
    step = dice.randint(int(2.1 * steps_an_epoch), int(2.9 * steps_an_epoch))  # two checkpoints are there for certain
    how = list(storage.DAMAGES)[(number + number // len(CONFIGURATIONS)) % len(storage.DAMAGES)]
    action = "kill" if processes(configuration) == 1 else "killgroup"
    seed = dice.randrange(1000)
    if number % 7 == 6:
        if how == "deleted":  # with none left it starts anew, as after a kill before the first
            how = "zeroed"
        both = storage.damage(how, seed, LAST, storage.PREVIOUS)
        kind = f"last.ckpt and the one before: {how}"
        fault = Step(kind, Fault(f"{action} training_step {step}"), killed, afterwards=both, next_says="last.ckpt")
        return Trial(name, configuration, [fault], end=told_clearly(r"last\.ckpt", 1, 2))
    kind, damage = f"last.ckpt: {how}", storage.damage(how, seed)
    fault = Step(kind, Fault(f"{action} training_step {step}"), killed, afterwards=damage, next_says="last.ckpt")
    steps = [fault]
    if dice.random() < 0.6:
        again = "killed while a checkpoint is written"
        steps.append(Step(again, Fault(f"{action} rename:*.ckpt {dice.randint(1, 3)}"), killed))
    return Trial(name, configuration, steps)
