"""Printing to terminals and pipes whose encoding lacks some characters."""

from __future__ import annotations

import io
import sys


def print_all() -> None:
    """Print characters that an output's encoding lacks as escapes from now on, instead of raising an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
