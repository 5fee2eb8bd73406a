"""The one path through training, top to bottom: configuration -> objects -> fit -> test -> run directory."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import cast

import lightning as L
import torch
from torch import nn

from digits.config.schema import Experiment
from digits.config.targets import instantiate
from digits.config.tree import Tree
from digits.data import MNISTDataModule
from digits.training import checkpoints, saved
from digits.training.build import make_callbacks, make_loggers, make_module, make_trainer
from digits.training.callbacks import Progress, Pulse
from digits.training.leaving import Signals
from digits.training.nonfinite import NonfiniteGuard
from digits.training.run import BEST, LAST, RunDirectory

log = logging.getLogger(__name__)


def run_experiment(config: Experiment, run: RunDirectory, signals: Signals) -> Tree:
    """Train, validate every epoch, test the best checkpoint once; returns what goes into `result.json`.

    With `resume` it goes on from the run's last checkpoint, or starts anew where there is none yet.
    """
    started = time.perf_counter()

    # ---- Objects: all of them, before any data is touched -----------------------------------------
    L.seed_everything(config.seed, verbose=False)
    augment = [instantiate(transform.tree()) for transform in config.augment.values()]
    data = cast(MNISTDataModule, instantiate(config.data.tree(), seed=config.seed, augment=augment))
    checkpoint, step = checkpoints.latest(run.path) if config.resume is not None else (None, 0)
    if checkpoint is not None:
        saved.check_size(config.model.tree(), checkpoint)
    net = cast(nn.Module, instantiate(config.model.tree()))
    parameters = sum(p.numel() for p in net.parameters())
    module = make_module(config, net, data.num_classes)
    validates = data.val_size > 0
    if config.init_from is not None and checkpoint is None:
        saved.load_weights(net, Path(config.init_from))
    loggers = make_loggers(config.logger, run.path, None if config.resume is None else step)
    pulse = Pulse(run)
    guard = NonfiniteGuard(config.trainer.on_nonfinite, run.path)
    callbacks = [pulse, Progress(pulse), guard, *make_callbacks(config.callbacks, run.path, validates=validates)]
    files = checkpoints.CheckpointFiles(run.path)
    best, last = checkpoints.Best(run.path), checkpoints.Last(files, config.checkpoint_minutes, signals)
    keepers = [best, last] if validates else [last]  # in this order: the last checkpoint must know of the best
    trainer = make_trainer(config, run.path, loggers, [*callbacks, *keepers], files)

    # ---- Data -----------------------------------------------------------------------------------
    data.prepare_data()
    data.setup()
    if trainer.is_global_zero:
        sizes = {"train": len(data.train), "val": len(data.val or ()), "test": len(data.test)}
        hardware = cast(Tree, run.record["hardware"]) | {"threads": torch.get_num_threads()}
        origin: Tree = {"name": data.name, **sizes, "checksums": dict(data.checksums)}
        run.add(hardware=hardware, device=str(trainer.strategy.root_device), parameters=parameters, data=origin)
        name, images = config.model.target.rsplit(".", 1)[-1], f"{len(data.train):,} images of {data.name}"
        log.info("%s with %s parameters, %s: %s", name, f"{parameters:,}", images, run.path)
        if config.resume is not None:
            log.info("%s", f"going on from step {step:,}" if checkpoint else "there is no checkpoint: starting anew")

    # ---- Fit ------------------------------------------------------------------------------------
    trainer.fit(module, data, ckpt_path=checkpoint, weights_only=True)
    epochs, steps = len(pulse.history), trainer.global_step

    # ---- Test, once, the epoch that validation chose ----------------------------------------------
    chosen = run.path / (BEST if validates else LAST)
    chosen_epoch = epochs - 1
    if chosen.exists():
        kept = saved.read_checkpoint(chosen)
        module.load_state_dict(cast(dict[str, torch.Tensor], kept["state_dict"]))
        chosen_epoch = cast(int, kept["epoch"])
    metrics = next((dict(epoch) for epoch in pulse.history if epoch["epoch"] == chosen_epoch), {})
    for key in ("epoch", "train/images_per_second"):
        metrics.pop(key, None)
    if config.test:
        metrics |= trainer.test(module, data, verbose=False)[0]

    # ---- What the run leaves behind ---------------------------------------------------------------
    if trainer.is_global_zero and chosen.exists():
        run.add(weights=saved.save(run.path, module.evaluated_net, config.model.tree(), data))
    return {
        "metrics": dict(metrics),
        "epoch": chosen_epoch,
        "epochs": epochs,
        "steps": steps,
        "images_per_second": pulse.images_per_second,
        "seconds": {"fit": round(pulse.seconds, 2), "this_start": round(time.perf_counter() - started, 2)},
        "history": [dict(epoch) for epoch in pulse.history],
    }
