"""Where Hydra's command line meets `digits`: names for directories, checks before the start, exit codes.

`conf/train.yaml` names `BeforeStart` as a Hydra callback, and the resolvers below in its directories. The checks
themselves are in `digits.hydra_app.resolve`, imported only when something is to be started, so that --help stays quick.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from digits.hydra_app.hooks import BeforeStart
from digits.hydra_app.messages import cant_be_written
from digits.hydra_app.paths import conf_directory


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
    from digits.hydra_app.yaml_files import guard_hydra

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
        from digits.hydra_app.messages import sentence
        from digits.runs.layout import JobFailed

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
