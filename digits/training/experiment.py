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
from digits.training.run import BEST, LAST, RunDirectory

log = logging.getLogger(__name__)


def run_experiment(config: Experiment, run: RunDirectory) -> Tree:
    """Train, validate every epoch, test the best checkpoint once; returns what goes into `result.json`."""
    started = time.perf_counter()

    # ---- Objects: all of them, before any data is touched -----------------------------------------
    L.seed_everything(config.seed, verbose=False)
    augment = [instantiate(transform.tree()) for transform in config.augment.values()]
    data = cast(MNISTDataModule, instantiate(config.data.tree(), seed=config.seed, augment=augment))
    net = cast(nn.Module, instantiate(config.model.tree()))
    parameters = sum(p.numel() for p in net.parameters())
    module = make_module(config, net, data.num_classes)
    validates = data.val_size > 0
    resume_from = run.path / LAST if config.resume is not None and (run.path / LAST).exists() else None
    if config.init_from is not None and resume_from is None:
        saved.load_weights(net, Path(config.init_from))
    pulse = Pulse(run)
    best, last = checkpoints.Kept.best(run.path / BEST), checkpoints.Kept.last(run.path / LAST)
    chosen = best if validates else last
    loggers = make_loggers(config.logger, run.path, resume_from)
    callbacks = [pulse, Progress(pulse), *make_callbacks(config.callbacks, run.path, validates=validates)]
    keepers = [best, last] if validates else [last]  # in this order: the last checkpoint must know of the best
    trainer = make_trainer(config, run.path, loggers, [*callbacks, *keepers])

    # ---- Data -----------------------------------------------------------------------------------
    data.prepare_data()
    data.setup()
    if trainer.is_global_zero:
        name, images = config.model.target.rsplit(".", 1)[-1], f"{len(data.train):,} images of {data.name}"
        log.info("%s with %s parameters, %s: %s", name, f"{parameters:,}", images, run.path)

    # ---- Fit ------------------------------------------------------------------------------------
    trainer.fit(module, data, ckpt_path=resume_from, weights_only=True)
    epochs, steps = trainer.current_epoch, trainer.global_step

    # ---- Test, once, the epoch that validation chose ----------------------------------------------
    chosen_epoch = epochs - 1
    if chosen.best_model_path:
        checkpoint = torch.load(chosen.best_model_path, map_location="cpu", weights_only=True)
        module.load_state_dict(checkpoint["state_dict"])
        chosen_epoch = int(checkpoint["epoch"])
    metrics = next((dict(epoch) for epoch in pulse.history if epoch["epoch"] == chosen_epoch), {})
    for key in ("epoch", "train/images_per_second"):
        metrics.pop(key, None)
    if config.test:
        metrics |= trainer.test(module, data, verbose=False)[0]

    # ---- What the run leaves behind ---------------------------------------------------------------
    if trainer.is_global_zero and chosen.best_model_path:
        saved.save(run.path, module.evaluated_net, config.model.tree(), data)
        checkpoints.keep_only(run.path, config.checkpoints)
    return {
        "metrics": dict(metrics),
        "epoch": chosen_epoch,
        "epochs": epochs,
        "steps": steps,
        "parameters": parameters,
        "images_per_second": pulse.images_per_second,
        "seconds": {"fit": round(pulse.seconds, 2), "this_start": round(time.perf_counter() - started, 2)},
        "device": str(trainer.strategy.root_device),
        "data": {"name": data.name, "train": len(data.train), "val": len(data.val or ()), "test": len(data.test),
                 "checksums": dict(data.checksums)},
        "history": [dict(epoch) for epoch in pulse.history],
    }  # fmt: skip
