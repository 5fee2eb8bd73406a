"""Faults that a process does to itself at a chosen moment. Python imports a module of this name at every start.

    PYTHONPATH=benchmarks/reliability/plant FAULT="kill training_step 7" python -m digits.train …

FAULT is `ACTION POINT N`, or several of them with `;` between: at the N-th time that the process comes to POINT, ACTION
is done; the next fault counts from there. Points:

    training_step, optimizer_step, validation_step, test_step, on_train_batch_end, on_validation_end, …
                      Lightning is about to call this hook (a callbacks' hook may come twice where it calls them twice)
    last_…            the same in the last batch of an epoch: last_training_step, last_on_train_batch_end
    rename:NAME       a file is about to be put in place under a name that fits the pattern
    import:MODULE     a module is about to be imported

Actions:

    kill, killgroup   SIGKILL, to this process or to all of its group
    half, after       SIGKILL with half of the file written, and with the file just renamed; for rename:NAME only
    run               the shell command in FAULT_COMMAND, and go on
    term, int, termgroup, intgroup      the same if there is one, then SIGTERM or SIGINT, and go on

FAULT_LOG is a file: each fault adds a line `ACTION POINT N SECONDS` (since 1970) as it strikes. With FAULT=count
nothing happens, and at the end the file holds how often each point was passed, as JSON. Of the processes of trainer=ddp
only the one of FAULT_RANK (0) does all this.

Nothing is imported before the command imports it, so that it starts as it does without.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from fnmatch import fnmatchcase

SIGNALS = {"kill": signal.SIGKILL, "half": signal.SIGKILL, "after": signal.SIGKILL,
           "term": signal.SIGTERM, "int": signal.SIGINT}  # fmt: skip
LIGHTNING = "lightning.pytorch.trainer.call"
Hook = Callable[..., object]


class Plant:
    """The faults still to come, and how often each point was passed."""

    def __init__(self, faults: str, command: str, log: str) -> None:
        self.counting = faults == "count"
        self.faults = [] if self.counting else [fault.split() for fault in faults.split(";")]
        self.command, self.log = command, log
        self.passed: Counter[str] = Counter()
        self.times = 0
        self.busy = self.hooked = False
        if self.counting:
            atexit.register(self.write, lambda: json.dumps(self.passed))

    def audit(self, event: str, arguments: tuple[object, ...]) -> None:
        """What Python tells of itself: imports and renames."""
        if event not in ("import", "os.rename", "os.link") or self.busy:
            return
        if event == "import":
            self.pass_by(f"import:{arguments[0]}")
            self.hook_lightning()
        else:
            source, target = (
                os.fsdecode(path) for path in arguments[:2] if isinstance(path, str | bytes | os.PathLike)
            )
            self.pass_by(f"rename:{os.path.basename(target)}", (source, target))  # noqa: PTH119 (pathlib is not imported yet)

    def hook_lightning(self) -> None:
        """Be told of every hook, once Lightning's module that calls them is there."""
        module = sys.modules.get(LIGHTNING)
        if self.hooked or not hasattr(module, "_call_strategy_hook"):
            return
        self.hooked = True
        for name, ours in (
            ("_call_callback_hooks", lambda hook: hook.startswith(("on_", "setup"))),
            ("_call_strategy_hook", lambda hook: hook.endswith("_step")),
            ("_call_lightning_module_hook", lambda hook: hook == "optimizer_step"),
        ):
            setattr(module, name, self.told(getattr(module, name), ours))

    def told(self, call: Hook, ours: Callable[[str], bool]) -> Hook:
        """A function of Lightning's that calls hooks, with word to us before."""

        def telling(trainer: object, hook_name: str, *args: object, **kwargs: object) -> object:
            if ours(hook_name):
                if getattr(trainer, "training", False) and getattr(trainer, "is_last_batch", False):
                    self.pass_by(f"last_{hook_name}")
                self.pass_by(hook_name)
            return call(trainer, hook_name, *args, **kwargs)

        return telling

    def pass_by(self, point: str, paths: tuple[str, str] | None = None) -> None:
        """Count a point, and strike if it is the next fault's."""
        if self.counting:
            if not point.startswith("import:"):
                self.passed[point] += 1
        elif self.faults and fnmatchcase(point, self.faults[0][1]):
            self.times += 1
            if self.times == int(self.faults[0][2]):
                self.busy, self.times = True, 0
                action, *_ = fault = self.faults.pop(0)
                self.write(lambda: f"{' '.join(fault)} {time.time():.3f}\n")
                self.strike(action, paths)
                self.busy = False

    def strike(self, action: str, paths: tuple[str, str] | None) -> None:
        """Do the harm."""
        if self.command and action.startswith(("run", "term", "int")):
            import subprocess

            subprocess.run(self.command, shell=True, check=True)
        if action == "run":
            return
        if action.endswith("group"):
            os.killpg(0, SIGNALS[action.removesuffix("group")])
        else:
            if action in ("half", "after"):
                assert paths is not None, f"{action} is for rename:NAME"
                if action == "after":
                    os.replace(*paths)  # noqa: PTH105 (the names as they were given)
                # a file that had its own name before was whole, and no kill while writing could halve it
                elif os.path.splitext(paths[0])[1] != os.path.splitext(paths[1])[1]:  # noqa: PTH122 (the same)
                    os.truncate(paths[0], os.path.getsize(paths[0]) // 2)  # noqa: PTH202 (the same)
            os.kill(os.getpid(), SIGNALS[action])

    def write(self, text: Callable[[], str]) -> None:
        """Add to the log, past every buffer."""
        file = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(file, text().encode())
        os.close(file)


if os.environ.get("FAULT") and os.environ.get("LOCAL_RANK", "0") == os.environ.get("FAULT_RANK", "0"):
    sys.addaudithook(Plant(os.environ["FAULT"], os.environ.get("FAULT_COMMAND", ""), os.environ["FAULT_LOG"]).audit)
