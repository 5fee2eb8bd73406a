"""What a command prints, on terminals and into pipes whose encoding lacks some of it."""

from __future__ import annotations

import io
import sys


def print_all() -> None:
    """From now on print letters that an output's encoding lacks as their escapes, instead of ending in an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
