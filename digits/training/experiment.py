"""The one path through training, top to bottom: configuration -> objects -> fit -> test -> run directory."""

from __future__ import annotations

import logging
from typing import Literal, cast

import lightning as L
import torch
from torch import nn

from digits.config.faults import ConfigError, Fault
from digits.config.instantiate import instantiate
from digits.config.schema import Experiment
from digits.data.base import AnyDataModule
from digits.evaluating.dataset import net_input
from digits.processes.signals import Signals
from digits.runs import weights
from digits.runs.checkpoint_file import read_checkpoint
from digits.runs.compare import check_unchanged
from digits.runs.init_from import source_of
from digits.runs.layout import BEST, LAST
from digits.runs.record import RunDirectory
from digits.runs.schema import DataRead, ModelRecord, Outcome, RecordedTarget
from digits.runs.teachers import find_teachers
from digits.training import checkpoints, machine
from digits.training.build import (
    check_batches,
    make_callbacks,
    make_loggers,
    make_module,
    make_trainer,
    makers,
    write_again,
)
from digits.training.callbacks import LastSteps, Progress, Pruned, Pruning, Pulse
from digits.training.dashboard import add_images, takers_of
from digits.training.distillation import read_teacher
from digits.training.finding_lr.find import find_lr
from digits.training.loggers.service import begin, close
from digits.training.nonfinite import NonfiniteGuard
from digits.training.transfer import read_origin, transfer

log = logging.getLogger(__name__)


def run_experiment(config: Experiment, run: RunDirectory, signals: Signals, pruning: Pruning | None = None) -> Outcome:
    """Train, validate every epoch, test the best checkpoint once; returns the outcome for `result.json`.

    With `resume` it resumes from the run's last checkpoint, or starts from scratch if there is none yet. A search's
    `pruning` may end a trial: then nothing is tested, no model is saved, and the status is "pruned".
    """
    machine.keep_memory()

    # ---- Objects: all of them, before any data is touched -----------------------------------------
    L.seed_everything(config.seed, verbose=False)
    augment = [instantiate(transform) for transform in config.augment.values()]
    data = cast(AnyDataModule, instantiate(config.data, seed=config.seed, augment=augment))
    checkpoint, step = checkpoints.latest(run.path) if config.resume is not None else (None, 0)
    if checkpoint is not None:
        weights.check_size(config.model.tree(), checkpoint)
    net = cast(nn.Module, instantiate(config.model))
    parameters = sum(p.numel() for p in net.parameters())
    asked, config = config, machine.settle(config, net)
    teachers = find_teachers(config)
    module = make_module(config, net, data.num_classes, read_teacher(config), data.normalise.background)
    validates = data.val_size > 0
    begins = config.init_from if checkpoint is None else None
    origin = None if begins is None else read_origin(source_of(begins))
    loggers = make_loggers(config.logger, run.path, None if config.resume is None else step)
    run.once_begun(lambda: checkpoints.put_aside(run.path, checkpoint))
    run.once_begun(lambda: write_again(loggers))
    run.at_close(lambda status: close(loggers, run, status))
    pulse = Pulse(run)
    guard = NonfiniteGuard(config.trainer.on_nonfinite, run)
    callbacks = [
        pulse,
        Progress(pulse),
        guard,
        LastSteps(),
        *make_callbacks(config.callbacks, run.path, validates=validates),
    ]
    if pruning is not None:
        callbacks.append(pruning)
    files = checkpoints.CheckpointFiles(run.path)
    best, last = checkpoints.Best(run.path, module.task), checkpoints.Last(files, config.checkpoint_minutes, signals)
    keepers = [best, last] if validates else [last]  # in this order: the last checkpoint must know of the best
    trainer = make_trainer(config, run.path, loggers, [*callbacks, *keepers], files)

    # ---- Data -----------------------------------------------------------------------------------
    data.prepare_data()
    data.setup("fit")
    check_batches(config.trainer, data)
    takes = net_input(data)
    if checkpoint is not None:
        check_unchanged(run.record.data, data.checksums, run.path)
    begun = None if origin is None else transfer(net, origin, data.classes)
    search = None
    if config.trainer.find_lr and checkpoint is None:
        if trainer.fast_dev_run:  # type: ignore[attr-defined]  # set by Lightning's debugging hook
            log.info("no search for a learning rate in a fast_dev_run")
        else:
            config, search = find_lr(config, module, data, trainer.strategy.root_device, run)
            module.make_optimizer, module.make_scheduler = makers(config)
    if trainer.is_global_zero:
        sizes = {"train": len(data.train), "val": len(data.val or ()), "test": len(data.test)}
        read = DataRead(name=data.name, **sizes, checksums=dict(data.checksums))
        device = str(trainer.strategy.root_device)
        run.add(config=config.tree(), threads=torch.get_num_threads(), device=device)
        run.add(task=module.task, parameters=parameters, data=read, teachers=teachers)
        name, images = config.model.target.rsplit(".", 1)[-1], f"{len(data.train):,} images of {data.name}"
        log.info("%s with %s parameters, %s: %s", name, f"{parameters:,}", images, run.path)
        begin(trainer.loggers, run)  # none in a fast_dev_run
        if search is not None:
            add_images(takers_of(trainer), {"train/lr_find": search}, 0)
        if asked.trainer.precision == "auto":
            log.info("trainer.precision=%s is this machine's choice", config.trainer.precision)
        if begins is not None and origin is not None and begun is not None:
            run.add(init_from=begun.recorded(begins, origin.sha256))
            log.info("begins with %s; classes %s", begins, begun)
        if config.resume is not None:
            log.info("%s", f"resuming from step {step:,}" if checkpoint else "no checkpoint yet: starting from scratch")

    # ---- Fit ------------------------------------------------------------------------------------
    status: Literal["done", "pruned"] = "done"
    try:
        trainer.fit(module, data, ckpt_path=checkpoint, weights_only=True)
    except Pruned:
        status = "pruned"
    epochs, steps = len(pulse.history), trainer.global_step
    if not steps:
        raise ConfigError(Fault("trainer", "ended before the first step; give it a longer trainer.max_time"))
    if trainer.is_global_zero:  # several processes on the CPU divide its cores only once fit has started them
        run.add(threads=torch.get_num_threads())

    # ---- Test, once, the epoch that validation chose ----------------------------------------------
    chosen = run.path / (BEST if validates else LAST)
    chosen_epoch = epochs - 1
    if status == "pruned":
        best_epoch = module.task.best_epoch(pulse.history)
        chosen_epoch = chosen_epoch if best_epoch is None else int(best_epoch["epoch"])
    elif chosen.exists():
        kept = read_checkpoint(chosen)
        module.load_state_dict(cast(dict[str, torch.Tensor], kept["state_dict"]))
        chosen_epoch = cast(int, kept["epoch"])
    metrics = next((dict(epoch) for epoch in pulse.history if epoch["epoch"] == chosen_epoch), {})
    for key in ("epoch", "train/images_per_second"):
        metrics.pop(key, None)
    if config.test and status == "done":
        metrics |= trainer.test(module, data, verbose=False)[0]

    # ---- Save and report --------------------------------------------------------------------------
    if trainer.is_global_zero and chosen.exists() and status == "done":
        described = ModelRecord(format=1, model=RecordedTarget.model_validate(config.model.tree()), input=takes)
        run.add(weights=weights.save(run.path, module.evaluated_net, described))
    return Outcome(
        status=status,
        metrics=dict(metrics),
        epoch=chosen_epoch,
        epochs=epochs,
        steps=steps,
        images_per_second=pulse.images_per_second,
        seconds={"fit": round(pulse.seconds, 2)},
        history=[dict(epoch) for epoch in pulse.history],
    )
