"""How the runs beside this file were made: in an empty checkout of the commit, `python make.py FOLDER`.

    git worktree add --detach /srv/digits 5fcbf55
    cd /srv/digits && python …/tests/recorded/make.py …/tests/recorded

The checkout's place is recorded, hence one that could be anybody's. Needs Linux.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

QUICK = ("data=optdigits", "data.root=data", "trainer=cpu")
CUT = (*QUICK, "model=cnn", "model.stages=[[2],[3]]", "data.batch_size=8", "trainer.max_epochs=4", "optimizer=sgd",
       "optimizer.lr=0.02", "trainer.precision=32-true", "hydra.run.dir=cut")  # fmt: skip
DONE = (*QUICK, "model=tiny", "model.stages=[[6,6],[8]]", "data.batch_size=32", "trainer.max_epochs=3",
        "augment=[warp,stroke,erase]", "trainer.ema_decay=0.95", "optimizer.lr=0.02",
        "callbacks.dashboard.every_n_epochs=null", "hydra.run.dir=done")  # fmt: skip
SWEEP = ("-m", *QUICK, "model=mlp", "model.hidden=[4]", "augment=photo,none", "scheduler=cosine,step",
         "trainer.max_epochs=6", "checkpoints=last", "logger=csv", "hydra.sweep.dir=sweep")  # fmt: skip
SEARCH = (*QUICK, "model=logistic", "data.limit=300", "trainer.max_epochs=3", "augment=none", "pruner=median",
          "pruner.n_startup_trials=1", "pruner.n_warmup_steps=0", "sampler.n_startup_trials=2", "logger=csv",
          "callbacks=none", "tune.name=small", "tune.trials=5", "tune.keep=1")  # fmt: skip
FOLDER = ("data=image_folder", "data.root=pictures", "trainer=cpu", "model=resnet", "model.channels=[4]",
          "data.batch_size=4", "trainer.max_epochs=6", "scheduler=constant", "optimizer=adam", "optimizer.lr=0.02",
          "trainer.precision=32-true", "logger=csv", "hydra.run.dir=folder")  # fmt: skip
STEPS = 157
"""Of an epoch of `cut`: 1,257 images in batches of 8, the one left over left out."""


NEUTRAL = """import platform, socket
platform.platform = lambda *_, **__: "Linux"
socket.gethostname = lambda: "host"
"""
"""What every command imports first (as sitecustomize), so that records don't name the machine."""


def start(*words: str) -> subprocess.Popen[str]:
    """Start a command, and don't wait for it."""
    own = os.environ | {"PYTHONPATH": "neutral", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-m", *words], text=True, stdout=subprocess.PIPE, bufsize=1, env=own)


def until(process: subprocess.Popen[str], *lines: str) -> None:
    """Read what a command says until each of the lines has begun, one after the other."""
    assert process.stdout is not None
    waiting = list(lines)
    for line in process.stdout:
        print(line, end="")
        if line.startswith(waiting[0]):
            waiting.pop(0)
            if not waiting:
                return


def end(process: subprocess.Popen[str], code: int) -> None:
    """Wait for a command's end."""
    rest, _ = process.communicate()
    print(rest)
    assert process.returncode == code, process.returncode


def interrupted() -> None:
    """A run that is asked to leave in mid-epoch."""
    run = start("digits.train", *CUT)
    until(run, "epoch 2/4")
    time.sleep(0.5)
    run.send_signal(signal.SIGTERM)
    end(run, 143)
    import torch  # only now, so that the moment above is met

    step = torch.load("cut/checkpoints/last.ckpt", weights_only=True)["global_step"]
    assert 10 < step - 2 * STEPS < STEPS, f"step {step} is not in the middle of the third epoch; make it once more"


def sweep_with_a_death() -> None:
    """A sweep whose second job is killed after its second epoch, when it has saved its first."""
    sweep = start("digits.train", *SWEEP)
    until(sweep, "\t#1", "epoch 2/6")
    for path in Path(f"/proc/{sweep.pid}/task").glob("*/children"):
        for child in path.read_text().split():
            if Path(f"/proc/{child}/comm").read_text().strip() == "digits-job":
                os.kill(int(child), signal.SIGKILL)
    end(sweep, 1)


def draw_pictures() -> None:
    """Eight pictures of each of three classes."""
    chance = random.Random(0)
    for name in ("0", "1", "7"):
        Path("pictures", name).mkdir(parents=True)
        for number in range(8):
            picture = Image.new("L", (40, 40), 255)
            place = (10 + chance.randrange(6), 1 + chance.randrange(6))
            ImageDraw.Draw(picture).text(place, name, 0, ImageFont.load_default(28))
            picture.rotate(chance.randrange(-12, 12), fillcolor=255).save(f"pictures/{name}/{number}.png")


def main(into: Path) -> None:
    """Make them all."""
    Path("neutral").mkdir()
    Path("neutral", "sitecustomize.py").write_text(NEUTRAL, encoding="utf-8")
    interrupted()
    end(start("digits.train", *DONE), 0)
    sweep_with_a_death()
    end(start("digits.tune", *SEARCH), 0)
    draw_pictures()
    end(start("digits.train", *FOLDER), 0)
    for name in ("cut", "done", "sweep", "outputs/tune/small", "folder", "pictures"):
        unread = shutil.ignore_patterns("search.html", "figures", "test", ".claim", "*.lock")
        shutil.copytree(name, into / name, ignore=unread)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
