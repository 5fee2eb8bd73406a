"""A Hydra application with this project's exit codes. Imported only to start something, so that --help is quick."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from hydra._internal.utils import get_args_parser

from digits.hydra_app.compose import chosen
from digits.hydra_app.hints import check_nothing, check_spaces
from digits.hydra_app.hooks import BEGUN, exit_on_fault
from digits.hydra_app.messages import cant_be_written, sentence
from digits.hydra_app.paths import conf_directory
from digits.hydra_app.yaml_files import guard_hydra
from digits.processes.signals import RECEIVED, exit_on_ctrl_c
from digits.runs.layout import JobFailed
from digits.runs.read import first_process


def _remark(text: str) -> None:
    """Print a remark to stderr, once even where the run has several processes."""
    if first_process():
        print(text, file=sys.stderr)


def run_command(command: str, hydra_main: Callable[[], None], after_sweep: Callable[[Path], None]) -> None:
    """Run a Hydra application with these exit codes: 0 done, 1 failed, 2 invalid request, 130/143 interrupted."""
    exit_on_ctrl_c()
    BEGUN.command = command
    given = get_args_parser().parse_intermixed_args(sys.argv[1:])
    with exit_on_fault():
        check_spaces(given.overrides, [a for a in sys.argv[1:] if a not in given.overrides], command)
        check_nothing(given.overrides)
    sys.argv[1:] = guard_hydra(sys.argv[1:], conf_directory(), _remark)
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # so that errors reach us, not Hydra's own printer
    code = 0
    try:
        hydra_main()
    except SystemExit as stop:
        if BEGUN.sweep is not None and RECEIVED.number is not None:
            stop.code = 128 + RECEIVED.number  # Ray turns the exit code of an interrupted wait into 1
        if BEGUN.sweep is not None and stop.code in (130, 138, 143):
            print(f"interrupted; run the same command again with hydra.sweep.dir={BEGUN.sweep} to resume")
        raise
    except BrokenPipeError:  # the reader of the output has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python reports it again at exit
        sys.exit(1)
    except Exception as error:  # errors other than this project's and Hydra's are raised again
        disk = error if isinstance(error, OSError) else error.__cause__  # Hydra makes the directory and its log
        if isinstance(error, JobFailed):  # a job of a sweep, which has reported the reason
            code = 1
        elif isinstance(disk, OSError) and disk.filename is not None:
            print(cant_be_written(disk), file=sys.stderr)
            sys.exit(1)
        elif text := sentence(error, lambda: chosen(given.config_name or command, given.overrides)):
            print(text, file=sys.stderr)
            sys.exit(1 if BEGUN.reached else 2)
        elif not BEGUN.reached:  # an override that crashes Hydra, such as trust.x=0
            print(f"{' '.join(sys.argv[1:])}: Hydra can't read this: {error}", file=sys.stderr)
            sys.exit(2)
        else:
            raise
    if BEGUN.sweep is not None and BEGUN.sweep.is_dir():
        after_sweep(BEGUN.sweep)
    sys.exit(code)
