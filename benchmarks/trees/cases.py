"""The commands that both trees run, in their order, and what each needs of those before it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

QUICK = (
    *("data.limit=1200", "data.batch_size=128", "trainer=cpu", "trainer.precision=32-true", "trainer.max_epochs=2"),
    *("callbacks=none", "logger=none"),
)
SMALL = (*QUICK, "model=tiny")
DIGITS = (*QUICK, "data=optdigits", "data.limit=400", "data.batch_size=64", "model=logistic")
PICTURES = (*QUICK, "data=image_folder", "data.root=pictures", "data.batch_size=8")
STRUCK = (*SMALL, "data.batch_size=64", "trainer.ema_decay=0.9", "callbacks.strike._target_=striking.Strike",
          "callbacks.strike.step=27")  # fmt: skip
"""19 steps an epoch: struck in the middle of the second."""

JOBS: dict[str, tuple[str, ...]] = {
    **{name: (*QUICK, f"model={name}") for name in ("logistic", "mlp", "cnn", "resnet", "tiny")},
    "auto": (*QUICK, "model=mlp", "trainer.precision=auto"),
    "bf16": (*QUICK, "model=cnn", "trainer.precision=bf16-mixed"),
    "seed": (*SMALL, "seed=7", "data.split_seed=3"),
    "ema": (*SMALL, "trainer.ema_decay=0.9"),
    "plain": (*SMALL, "augment=none"),
    "warp": (*SMALL, "augment=warp"),
    "stroke-erase": (*SMALL, "augment=[stroke,erase]"),
    "photo": (*SMALL, "augment=photo"),
    "constant": (*SMALL, "scheduler=constant"),
    "cosine": (*SMALL, "scheduler=cosine"),
    "step": (*SMALL, "scheduler=step", "scheduler.step_size=1"),
    "adam": (*SMALL, "optimizer=adam"),
    "sgd": (*SMALL, "optimizer=sgd"),
    "momentum": (*SMALL, "optimizer=sgd", "optimizer.momentum=0.5"),
    "accumulate": (*SMALL, "trainer.accumulate_grad_batches=3"),
    "clip": (*SMALL, "trainer.gradient_clip_val=0.1"),
    "smoothing": (*SMALL, "loss.label_smoothing=0.1"),
    "no-validation": (*SMALL, "data.val_size=0", "checkpoints=last"),
    "untested": (*SMALL, "test=false", "checkpoints=best"),
    "twice-an-epoch": (*SMALL, "trainer.val_check_interval=0.5"),
    "views": (*SMALL, "test_views=5"),
    "stopped": (*SMALL, "callbacks=early_stopping", "callbacks.early_stopping.patience=1", "trainer.max_epochs=6",
                "optimizer.lr=0.3"),
    "logged": (*SMALL, "callbacks=default", "logger=default", "callbacks.dashboard.every_n_epochs=1"),
    "not-finite": (*SMALL, "optimizer=sgd", "optimizer.lr=1.0e+30", "scheduler=constant"),
    "skip": (*SMALL, "optimizer=sgd", "optimizer.lr=1.0e+30", "scheduler=constant", "trainer.on_nonfinite=skip"),
    "optdigits": DIGITS,
    "reader": (*SMALL, "data=reader", "data.limit=200", "augment=photo"),
    "folder": (*PICTURES, "model=tiny"),
    "finetune": (*PICTURES, "init_from=pretrained", "scheduler=cosine"),
    "whole": STRUCK,
}  # fmt: skip
"""Runs by name, jobs of one sweep: what they are asked for."""

FAILING = {"not-finite"}
"""The runs that fail; if another does, both trees are wrong."""

LATER: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "from-run": ((*QUICK, "init_from=jobs/experiment=tiny"), ("tiny",)),
    "from-file": ((*SMALL, "init_from=jobs/experiment=tiny/model.safetensors"), ("tiny",)),
    "from-digits": ((*PICTURES, "init_from=jobs/experiment=tiny"), ("tiny",)),
    "taught": ((*QUICK, "model=logistic", "teachers=[jobs/experiment=mlp,jobs/experiment=tiny]"), ("mlp", "tiny")),
}
"""Runs that need others: what they are asked for, and which."""


@dataclass(frozen=True)
class Case:
    """One command, `python -m digits.WORDS`, in the folder of its tree."""

    name: str
    words: tuple[str, ...]
    needs: tuple[str, ...] = ()  # runs of the sweeps, or other cases
    leaves: str = ""  # the folder or file to be compared, beside what is printed
    prepare: Callable[[Path], object] = lambda _: None
    same: tuple[str, str] | None = None  # two runs whose weights must be the same
    code: int | None = 0  # the exit code that it must have; None: any
    serves: bool = False  # it is asked for its page and about a picture, and then told to stop


def job(name: str) -> str:
    """The directory of a run of the sweeps."""
    return f"jobs/experiment={name}"


def sweep(names: Sequence[str], title: str) -> Case:
    """Runs as jobs of one sweep: they are forked from one process that has imported torch."""
    words = ("train", "-m", "--config-dir", "mine", f"experiment={','.join(names)}", "hydra.sweep.dir=jobs")
    return Case(title, words, code=int(not FAILING.isdisjoint(names)))


def strike(folder: Path) -> None:
    """Have the next run that has the callback struck."""
    (folder / "strike").touch()


def foreign(folder: Path) -> None:
    """A run whose record and net name a class of another package."""
    shutil.rmtree(folder / "foreign", ignore_errors=True)
    shutil.copytree(folder / job("logistic"), folder / "foreign")
    for name, keys in (("result.json", ("config", "model")), ("model.json", ("model",))):
        path = folder / "foreign" / name
        tree = section = json.loads(path.read_text(encoding="utf-8"))
        for key in keys:
            section = section[key]
        section["_target_"] = "os.system"
        path.write_text(json.dumps(tree), encoding="utf-8")


TYPED = ("data=optdigits", "data.limit=300", "trainer=cpu", "trainer.precision=32-true", "trainer.max_epochs=1",
         "callbacks=none", "logger=none")  # fmt: skip
SEARCH = ("tune", *TYPED, "model=logistic", "trainer.max_epochs=3", "augment=none")
TPE = (*SEARCH, "tune.name=tpe", "sampler.n_startup_trials=2", "pruner=median", "pruner.n_startup_trials=1",
       "pruner.n_warmup_steps=0", "hydra.run.dir=tpe")  # fmt: skip

WORK: tuple[Case, ...] = (
    Case("interrupted", ("train", "--config-dir", "mine", "experiment=whole", "hydra.run.dir=cut"), (), "cut", strike,
         code=143),
    Case("resume", ("train", "resume=cut", "trust=[striking]"), ("interrupted", "whole"), "cut",
         same=("cut", job("whole"))),
    Case("lengthen", ("train", "resume=cut", "trust=[striking]", "trainer.max_epochs=3"), ("resume",), "cut"),
    Case("config_from", ("train", "-m", f"config_from={job('ema')}", "seed=0,1", "hydra.sweep.dir=again"), ("ema",),
         "again"),
    Case("sweep", ("train", "-m", *TYPED, "model=logistic,mlp", "seed=0,1", "optimizer=sgd", "optimizer.lr=0.1,1e30",
                   "hydra.sweep.dir=sweep"), (), "sweep", code=1),
    Case("sweep again", ("train", "-m", *TYPED, "model=logistic,mlp", "seed=0,1", "optimizer=sgd",
                         "optimizer.lr=0.1,1e30", "hydra.sweep.dir=sweep"), ("sweep",), "sweep", code=1),
    Case("report", ("report", "sweep"), ("sweep",)),
    Case("report --csv", ("report", "sweep", "--csv"), ("sweep",)),
    Case("report --markdown", ("report", "sweep", "--markdown", "--sort", "test/loss"), ("sweep",)),
    Case("report jobs", ("report", "jobs"), ("tiny", "taught")),
    Case("search random", (*SEARCH, "sampler=random", "pruner=none", "tune.trials=4", "tune.name=random",
                           "hydra.run.dir=random"), (), "random"),
    Case("search tpe", (*TPE, "tune.trials=4"), (), "tpe"),
    Case("search tpe longer", (*TPE, "tune.trials=6"), ("search tpe",), "tpe"),
    Case("report search", ("report", "tpe"), ("search tpe longer",)),
    Case("report search --csv", ("report", "tpe", "--csv"), ("search tpe longer",)),
    Case("evaluate", ("evaluate", job("cnn"), "--out", "evaluated"), ("cnn",), "evaluated"),
    Case("evaluate --json", ("evaluate", job("ema"), "--json", "--split", "val", "--checkpoint", "last"), ("ema",)),
    Case("evaluate ensemble", ("evaluate", *map(job, ("cnn", "mlp", "views")), "--json", "--out", "ensemble"),
         ("cnn", "mlp", "views"), "ensemble"),
    Case("evaluate folder", ("evaluate", job("tiny"), "--data", "image_folder", "--root", "pictures", "--json",
                             "--views", "5"), ("tiny",)),
    Case("export", ("export", job("cnn"), "--int8", "--json", "--out", "exported"), ("cnn",), "exported"),
    Case("predict --json", ("predict", "pages", "--json"), code=1),
    Case("predict", ("predict", "pages/dark.png", "pages/broken.png", "pages/lines.png", "--annotate", "annotated"),
         (), "annotated", code=1),
    Case("predict --csv", ("predict", "pages/*.png", "--csv", "--model", "exported/model.onnx"), ("export",), code=1),
    Case("serve", ("serve", "--port", "0"), code=143, serves=True),
    Case("explore", ("explore", "--data", "optdigits", "--out", "explored"), (), "explored"),
)  # fmt: skip

HELP = tuple(
    Case(f"{name} --help", (name, "--help"))
    for name in ("train", "tune", "evaluate", "report", "explore", "export", "predict", "serve")
)

CONFIGURATIONS = {
    "defaults": "train",
    "groups 1": "train data=kmnist augment=[warp,stroke] model=mlp optimizer=sgd scheduler=step trainer=ddp logger=csv "
    "callbacks=dashboard seed=3",
    "groups 2": "train data=fashion_mnist augment=none model=resnet optimizer=adam scheduler=constant trainer=gpu "
    "logger=none callbacks=none",
    "groups 3": "train data=reader augment=photo model=tiny optimizer=sgd optimizer.momentum=0.5 scheduler=cosine "
    "trainer=cpu logger=tensorboard callbacks=early_stopping",
    "groups 4": "train data=optdigits augment=[affine,erase] model=logistic optimizer.lr=1e-3 callbacks=trial",
    "groups 5": "train data=image_folder data.root=pictures model=cnn model.stages=[[8],[8]] +optimizer.amsgrad=true",
    "fast_dev_run": "train debug=fast_dev_run",
    "overfit": "train debug=overfit",
    "profile": "train debug=profile",
    "hydra": "train model=mlp --cfg hydra",
    "tune": "tune",
    "tune cnn": "tune model=cnn sampler=cmaes pruner=none tune.objective=[val/accuracy,parameters]",
    "tune mlp": "tune model=mlp sampler=grid pruner=median search_space.lr.high=0.02 ~search_space.dropout",
    "tune logistic": "tune model=logistic sampler=random pruner=hyperband",
}
"""What is shown with --cfg job."""

WRONG: dict[str, tuple[str, str]] = {
    "key": ("train optimizer.lrr=1", ""),
    "choice": ("train model=cnnn", ""),
    "no choice": ("train model=", ""),
    "types": ("train optimizer.lr=fast trainer.max_epochs=1.5 +optimizer.amsgrd=true", ""),
    "ranges": ("train model.dropout=1.5 seed=-1 data.batch_size=0 loss.label_smoothing=2", ""),
    "target": ("train model._target_=digits.models.Nothing", ""),
    "target's module": ("train +callbacks.mine._target_=nowhere.Thing", ""),
    "target's argument": ("train +model.depth=3 +callbacks.early_stopping.wait=2", ""),
    "missing argument": ("train ~model.dropout", ""),
    "trainer's argument": ("train +trainer.max_stps=3", ""),
    "reserved argument": ("train +trainer.logger=false", ""),
    "nesterov": ("train optimizer=sgd optimizer.momentum=0 optimizer.nesterov=true", ""),
    "void momentum": ("train optimizer=sgd optimizer.momentum=0.5 scheduler.cycle_momentum=true", ""),
    "val_size": ("train data.val_size=60000", ""),
    "grammar": ("train optimizer.lr==[", ""),
    "trust": ("train trust.x=0", ""),
    "rerun": ("train --experimental-rerun=config.pickle", ""),
    "resume nothing": ("train resume=nowhere", ""),
    "resume no run": ("train resume=pictures", ""),
    "resume foreign": ("train resume=foreign", "foreign"),
    "resume with more": (f"train resume={job('logistic')} optimizer.lr=1", "logistic"),
    "resume and config_from": (f"train resume={job('logistic')} config_from={job('logistic')}", "logistic"),
    "config_from foreign": ("train config_from=foreign", "foreign"),
    "config_from with more": (f"train config_from={job('logistic')} model=mlp", "logistic"),
    "taken directory": (f"train hydra.run.dir={job('logistic')}", "logistic"),
    "init_from nothing": ("train init_from=nowhere", ""),
    "init_from with model": (f"train init_from={job('logistic')} model=mlp", "logistic"),
    "teachers": ("train teachers=[nowhere,pictures]", ""),
    "no folder": ("train data=image_folder data.root=nowhere", ""),
    "no classes": ("train data=image_folder data.root=pages", ""),
    "no picture": ("train data=image_folder data.root=mixed", ""),
    "sweep twice": ("train -m seed=0,0", ""),
    "sweep faults": ("train -m optimizer.lr=0.1,fast model=mlp,cnnn", ""),
    "tune -m": ("tune -m tune.trials=3", ""),
    "tune space": ("tune search_space.dropout.high=1.5 search_space.lr.low=0", ""),
    "tune grid": ("tune model=logistic sampler=grid", ""),
    "tune key": ("tune tune.trial=3 tune.objective=[train/loss]", ""),
    "tune other space": (" ".join((*TPE, "search_space.momentum.low=0.6", "tune.trials=7")), "search tpe longer"),
    "evaluate nothing": ("evaluate nowhere", ""),
    "evaluate foreign": ("evaluate foreign", "foreign"),
    "evaluate data": (f"evaluate {job('logistic')} --data nothing", "logistic"),
    "evaluate no validation": (f"evaluate {job('no-validation')} --split val", "no-validation"),
    "evaluate option": ("evaluate --views 3", ""),
    "report nothing": ("report nowhere", ""),
    "report sort": ("report jobs --sort val/speed", "logistic"),
    "export nothing": ("export nowhere", ""),
    "export foreign": ("export foreign", "foreign"),
    "predict nothing": ("predict nowhere.png", ""),
    "predict empty": ("predict empty", ""),
    "predict model": ("predict pages --model nowhere", ""),
    "predict forms": ("predict pages --json --csv", ""),
    "serve port": ("serve --port 70000", ""),
    "explore data": ("explore --data nothing", ""),
}
"""Wrong commands, and what they need: each is told in its own words, with its exit code."""


def cases(experiments: Iterable[str]) -> list[Case]:
    """Every case but the sweeps of runs; `experiments` are the names in conf/experiment."""
    shown = CONFIGURATIONS | {f"experiment {name}": f"train experiment={name}" for name in experiments}
    shown["experiment finetune"] = "train experiment=finetune data.root=pictures"
    configurations = [
        Case(f"configuration {name}", (*text.split(), *([] if "--cfg" in text else ["--cfg", "job"])))
        for name, text in shown.items()
    ]
    wrong = [
        Case(f"wrong: {name}", tuple(text.split()), ("logistic",) if need == "foreign" else (need,) * bool(need),
             prepare=foreign if need == "foreign" else lambda _: None, code=None)
        for name, (text, need) in WRONG.items()
    ]  # fmt: skip
    return [*WORK, *HELP, *configurations, *wrong]


def chosen(names: Sequence[str], known: Sequence[Case]) -> tuple[list[str], list[Case]]:
    """The runs and the cases that were named, with all that they need, in their order; all where none was named.

    Raises ValueError for a name that is neither.
    """
    needs: Mapping[str, tuple[str, ...]] = {
        **dict.fromkeys(JOBS, ()),
        **{name: needed for name, (_, needed) in LATER.items()},
        **{case.name: case.needs for case in known},
    }
    if unknown := [name for name in names if name not in needs]:
        raise ValueError(f"there is no {', '.join(unknown)}; there are {', '.join(needs)}")
    waiting, wanted = list(names or needs), set[str]()
    while waiting:
        if (name := waiting.pop()) not in wanted:
            wanted.add(name)
            waiting += needs[name]
    return [name for name in (*JOBS, *LATER) if name in wanted], [case for case in known if case.name in wanted]
