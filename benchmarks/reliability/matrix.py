"""The configurations whose runs are harmed: small nets, every feature that an interruption could spoil."""

from __future__ import annotations

QUICK = ("data=optdigits", "trainer=cpu", "data.eval_batch_size=50", "trainer.log_every_n_steps=7")
OFTEN = "checkpoint_minutes=0.005"
"""Checkpoints in mid-epoch, several an epoch; a run that is left alone goes without, and must come to the same."""

MLP = ("model=mlp", "model.hidden=[32]")

CONFIGURATIONS: dict[str, tuple[str, ...]] = {
    "mlp": (*MLP, "augment=none", "callbacks=none", "scheduler=constant", "data.batch_size=16", "trainer.max_epochs=4"),
    "mlp-ema-affine": (
        *MLP, "model.dropout=0.3", "augment=affine", "scheduler=onecycle", "trainer.ema_decay=0.99",
        "callbacks=default", "callbacks.dashboard.every_n_epochs=2", "data.batch_size=32", "trainer.max_epochs=4",
    ),
    # 1,257 images make 21 batches of 60: the last of an epoch is accumulated alone
    "cnn-bf16-accumulate": (
        "model=cnn", "model.stages=[[4],[8]]", "augment=none", "scheduler=cosine", "trainer.precision=bf16-mixed",
        "trainer.accumulate_grad_batches=2", "callbacks=none", "data.batch_size=60", "trainer.max_epochs=4",
    ),
    "logistic-step-clip": (
        "model=logistic", "augment=affine", "optimizer=sgd", "scheduler=step", "scheduler.step_size=2",
        "trainer.gradient_clip_val=0.5", "callbacks=default", "data.batch_size=32", "trainer.max_epochs=5",
    ),
    "no-validation": (
        *MLP, "augment=none", "scheduler=cosine", "data.val_size=0", "callbacks=default", "data.batch_size=32",
        "trainer.max_epochs=4",
    ),
    "early-stopping": (
        *MLP, "augment=none", "scheduler=constant", "optimizer.lr=0.02", "callbacks=early_stopping",
        "callbacks.early_stopping.patience=2", "data.batch_size=32", "trainer.max_epochs=40",
    ),
    "validation-twice-an-epoch": (
        *MLP, "augment=affine", "scheduler=onecycle", "+trainer.val_check_interval=0.5", "callbacks=none",
        "data.batch_size=32", "trainer.max_epochs=3",
    ),
    "two-processes": (
        *MLP, "augment=affine", "scheduler=cosine", "trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2",
        "trainer.ema_decay=0.9", "trainer.accumulate_grad_batches=2", "callbacks=default", "data.batch_size=16",
        "trainer.max_epochs=4",
    ),
}  # fmt: skip


def overrides(name: str, *, often: bool = True) -> list[str]:
    """What a configuration is asked for on the command line."""
    return [*QUICK, *([OFTEN] if often else []), *CONFIGURATIONS[name]]


def processes(name: str) -> int:
    """How many processes its runs have."""
    return 2 if "trainer=ddp" in CONFIGURATIONS[name] else 1
