"""Where Hydra's command line meets `digits`: names for directories, checks before the start, exit codes.

`conf/train.yaml` names `BeforeStart` as a Hydra callback, and the resolvers below in its directories. The checks
themselves are in `digits.settle`, imported only when something is to be started, so that --help stays quick.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import signal
import sys
from collections.abc import Callable
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import TypeVar

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, open_dict

import digits.momentum  # noqa: F401 (what the optimizers' YAML calls for)
from digits.launchers import check_processes, prepare_launcher

Checked = TypeVar("Checked")


def conf_directory() -> str:
    """The folder of YAML files: beside the package in a checkout, inside it in a wheel."""
    package = Path(__file__).resolve().parent
    inside = package / "conf"
    return str(inside if inside.is_dir() else package.parent / "conf")


SEARCHING = ("search_space", "sampler", "pruner")
"""Groups of `conf/tune.yaml` alone."""


def help_text(usage: str, arguments: list[str], without: tuple[str, ...] = SEARCHING) -> str:
    """What --help says: the usage, and the choices of every group, those of a --config-dir too.

    Hydra's own help composes a configuration and copies every file's several times, in 0.7 s; this reads file names.
    """
    folders = [Path(conf_directory())]
    for argument, following in pairwise([*arguments, ""]):
        flag, _, value = argument.partition("=")
        if flag in ("--config-dir", "-cd"):
            folders.append(Path(value or following).expanduser())
    groups: dict[str, set[str]] = {}
    for folder in folders:
        for path in folder.glob("*/*.yaml"):
            if path.parent.name not in without:
                groups.setdefault(path.parent.name, set()).add(path.stem)
    lines = [f"  {group}: {', '.join(sorted(choices))}" for group, choices in sorted(groups.items())]
    return f"{usage.strip()}\n\nGroups and their choices (group=choice):\n" + "\n".join(lines) + HELP_ON_THE_REST


HELP_ON_THE_REST = """

Keys with their values (group.key=value): --cfg job. Your own YAML files: --config-dir DIR. Many runs: -m.
Side by side: -m hydra/launcher=side_by_side. Hydra's own flags: --hydra-help."""


# ---- Names of directories -----------------------------------------------------------------------


def unique_name() -> str:
    """A name that sorts by time and that no other start can have."""
    return f"{datetime.now():%Y-%m-%d_%H-%M-%S}_{secrets.token_hex(2)}"


def run_directory(resume: str | None) -> str:
    """Where a run goes: its own directory again, or a new one."""
    return resume if resume is not None else f"outputs/runs/{unique_name()}"


def job_directory(override_dirname: str) -> str:
    """A sweep's job is known by its overrides, so that adding a value to the sweep renames none."""
    name = re.sub(r"[^\w.,=+~@-]", "_", override_dirname) or "default"
    if name != override_dirname or len(name) > 150:
        name = f"{name[:150]}-{hashlib.sha256(override_dirname.encode()).hexdigest()[:8]}"
    return name


def search_name(model: str, space: str) -> str:
    """What a search is called that was given no name: its model, and its space where that is another's."""
    return model if space == model else f"{model}-{space}"


PATHS = {"resume", "config_from", "init_from", "data.root", "hydra.run.dir", "hydra.sweep.dir"}
"""Keys whose values are paths."""

LISTS = {"teachers", "hydra.searchpath"}
"""Keys whose values are lists of paths."""


def as_path(argument: str) -> str:
    """An override that names a path which is there, quoted where Hydra's grammar would read more than a path in it.

    The name of a sweep's job has `=` and `,` in it. Likewise each path of a list.
    """
    key, _, value = argument.partition("=")
    if re.fullmatch(r"[\w./+@-]*", value, re.ASCII) or "${" in value:
        return argument
    if key in PATHS and os.path.exists(value):  # noqa: PTH110 (Path's raises for a name too long)
        return f"{key}={_quoted(value)}"
    if key in LISTS and (paths := _paths_in(value)):
        return f"{key}=[{','.join(map(_quoted, paths))}]"
    return argument


def _quoted(path: str) -> str:
    """In Hydra's quotes, where a backslash means something only before a quote."""
    return "'" + re.sub(r"(\\*)('|\Z)", lambda found: 2 * found[1] + (found[2] and "\\'"), path) + "'"


def _paths_in(value: str) -> list[str]:
    """The paths that `[A,B]` lists, cut at such commas that each is there; none where that can't be."""
    if not (value.startswith("[") and value.endswith("]")):
        return []
    pieces = value[1:-1].split(",")
    made: dict[int, list[str]] = {len(pieces): []}  # the paths that all pieces from one on make up, by its number
    for start in reversed(range(len(pieces))):
        for end in range(start + 1, len(pieces) + 1):
            path = ",".join(pieces[start:end]).strip()
            if end in made and path and os.path.exists(path):  # noqa: PTH110 (Path's raises for a name too long)
                made[start] = [path, *made[end]]
                break
    return made.get(0, [])


OmegaConf.register_new_resolver("unique_name", unique_name, use_cache=True, replace=True)
OmegaConf.register_new_resolver("run_directory", run_directory, use_cache=True, replace=True)
OmegaConf.register_new_resolver("search_name", search_name, replace=True)
OmegaConf.register_new_resolver("job_directory", job_directory, replace=True)


# ---- Checks before the start --------------------------------------------------------------------


class BeforeStart(Callback):
    """Checks every configuration before a directory is made and before torch is imported."""

    reached = False
    sweep: Path | None = None

    def on_run_start(self, config: DictConfig, **_: object) -> None:
        """One run: all its faults at once, or go on."""
        from digits.runs.layout import RESULT
        from digits.settle import claim_place, settle_run

        BeforeStart.reached = True
        stop_on_fault(lambda: check_processes(config, sweeps=False))
        overrides, directory = list(config.hydra.overrides.task), Path(config.hydra.run.dir)
        taken = stop_on_fault(lambda: settle_run(config, overrides, directory))
        if taken.tree is None:
            print(taken.remark)
            sys.exit(0)
        stop_on_fault(lambda: claim_place(directory, taken))
        if (directory / RESULT).exists():  # what Hydra was asked for at first stays
            with open_dict(config):
                config.hydra.output_subdir = None

    def on_multirun_start(self, config: DictConfig, config_name: str | None = None, **_: object) -> None:
        """A sweep: the faults of all its jobs, each told once."""
        from digits.config.search_path import composes_jobs
        from digits.processes.claim import claim
        from digits.processes.signals import SIGNALS, leave_sweep
        from digits.settle import check_jobs, patience

        BeforeStart.reached = True
        composes_jobs()
        stop_on_fault(lambda: check_processes(config, sweeps=True))
        BeforeStart.sweep = Path(config.hydra.sweep.dir)
        for number in SIGNALS:
            signal.signal(number, leave_sweep)
        if "BasicSweeper" in config.hydra.sweeper._target_:
            stop_on_fault(lambda: check_jobs(config, config_name))
        stop_on_fault(lambda: claim(BeforeStart.sweep or Path(), wait=patience()))
        stop_on_fault(lambda: prepare_launcher(config))


class BeforeSearch(Callback):
    """Checks a search before a directory is made and before torch is imported."""

    def on_run_start(self, config: DictConfig, **_: object) -> None:
        """All that is wrong with the space and with the configuration at its edges."""
        from hydra.core.hydra_config import HydraConfig

        from digits.settle_search import plan
        from digits.tuning.samplers import check_engines

        BeforeStart.reached = True
        HydraConfig.instance().set_config(config)  # which Hydra does only after this
        asked = stop_on_fault(lambda: plan(config, list(config.hydra.overrides.task)))
        stop_on_fault(lambda: check_engines(asked))

    def on_multirun_start(self, config: DictConfig, **_: object) -> None:
        """Not many searches at once."""
        print("-m: a search makes its trials itself; leave out -m, and take tune.workers=N to train N side by side",
              file=sys.stderr)  # fmt: skip
        sys.exit(2)


def stop_on_fault(check: Callable[[], Checked]) -> Checked:
    """Run a check inside Hydra, which swallows a callback's exceptions but lets SystemExit through."""
    try:
        return check()
    except Exception as error:  # Hydra would swallow whatever it is; here it ends the start
        from digits.settle import sentence

        if isinstance(error, OSError) and error.filename is not None:
            print(cant_be_written(error), file=sys.stderr)
            sys.exit(1)
        if not (text := sentence(error)):
            raise SystemExit(f"{type(error).__name__}: {error}") from error
        print(text, file=sys.stderr)
        sys.exit(2)


def cant_be_written(error: OSError) -> str:
    """What to say where a directory can't be made or written to."""
    fix = "make it writable, or choose another folder with hydra.run.dir=DIR, for a sweep hydra.sweep.dir=DIR"
    return f"{error.filename} can't be written: {error.strerror}; {fix}"


# ---- The command --------------------------------------------------------------------------------


def _leave(number: int, _: FrameType | None) -> None:
    """Leave at once: outside a run nothing is lost, and an exception amid imports may be swallowed there."""
    if claims := sys.modules.get("digits.processes.claim"):
        claims.release_all()
    os._exit(128 + number)


def _remark(text: str) -> None:
    """Say something once, past what is printed for other programs, also where this run has several processes."""
    from digits.runs.read import first_process

    if first_process():
        print(text, file=sys.stderr)


def run_command(hydra_main: Callable[[], None], after_sweep: Callable[[Path], None]) -> None:
    """Run a Hydra application with our exit codes: 0 done, 1 it failed, 2 asked for what can't be, 130/143 cut off."""
    from digits.config.hydra_files import guard_hydra

    signal.signal(signal.SIGINT, _leave)
    sys.argv[1:] = guard_hydra(sys.argv[1:], conf_directory(), _remark)
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # so that errors reach us, not Hydra's own printer
    code = 0
    try:
        hydra_main()
    except SystemExit as stop:
        if BeforeStart.sweep is not None:
            from digits.processes.signals import Told

            if Told.number is not None:  # Ray makes a 1 of the code with which its waiting is broken off
                stop.code = 128 + Told.number
        if BeforeStart.sweep is not None and stop.code in (130, 138, 143):
            print(f"interrupted; the same command with hydra.sweep.dir={BeforeStart.sweep} goes on")
        raise
    except BrokenPipeError:  # whoever read what is said has closed
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python says so once more when it ends
        sys.exit(1)
    except Exception as error:  # what isn't ours or Hydra's to tell is raised again
        from digits.runs.layout import JobFailed
        from digits.settle import sentence

        disk = error if isinstance(error, OSError) else error.__cause__  # Hydra makes the directory and its log
        if isinstance(error, JobFailed):  # a job of a sweep; it has said why
            code = 1
        elif isinstance(disk, OSError) and disk.filename is not None:
            print(cant_be_written(disk), file=sys.stderr)
            sys.exit(1)
        elif text := sentence(error):
            print(text, file=sys.stderr)
            sys.exit(1 if BeforeStart.reached else 2)
        elif not BeforeStart.reached:  # an override that Hydra dies of, such as trust.x=0
            print(f"{' '.join(sys.argv[1:])}: Hydra can't read this: {error}", file=sys.stderr)
            sys.exit(2)
        else:
            raise
    if BeforeStart.sweep is not None and BeforeStart.sweep.is_dir():
        after_sweep(BeforeStart.sweep)
    sys.exit(code)
