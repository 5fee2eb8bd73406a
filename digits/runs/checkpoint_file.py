"""Reading a Lightning checkpoint as plain data and tensors: no class that it names is called."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from pickle import UnpicklingError
from typing import BinaryIO, cast

import torch

from digits.config.files import FileError, open_regular
from digits.runs.layout import RunError

GREEDY = b"\nbytearray\n"
"""The one global on torch's safe list with which thirty bytes of a pickle can fill any amount of memory."""


def read_checkpoint(path: Path) -> dict[str, object]:
    """The content of a Lightning checkpoint, on the CPU: plain data and tensors; no class that it names is called.

    Raises RunError, which names the file, where it is missing, damaged, or holds anything else.
    """
    try:
        with open_regular(path) as file:
            _check_archive(path, file)
            file.seek(0)
            content = torch.load(file, map_location="cpu", weights_only=True)
    except (FileNotFoundError, NotADirectoryError):
        raise RunError(f"there is no checkpoint {path}") from None
    except FileError as error:
        raise RunError(str(error)) from None
    except (RunError, OSError):  # an error of the disk doesn't mean that the file is damaged
        raise
    except MemoryError:
        raise RunError(f"{path} needs more memory than there is") from None
    except UnpicklingError as error:  # its message recommends weights_only=False
        refused = re.search(r"(GLOBAL|operand) \S+", str(error))
        what = f"holds what is not plain data: {refused[0]}" if refused else "is damaged: its pickle can't be read"
        raise RunError(f"{path} {what}") from None
    except Exception as error:  # damaged or malicious bytes can raise anything
        reason = (str(error).splitlines() or [""])[0]
        raise RunError(f"{path} is damaged: {type(error).__name__}: {reason}") from None
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise RunError(f"{path} is not a checkpoint: it is not a dictionary with string keys")
    return cast(dict[str, object], content)


def _check_archive(path: Path, file: BinaryIO) -> None:
    """Refuse what torch.save never writes: a file that is not a zip archive, or unpacks to more than its size."""
    size = path.stat().st_size
    try:
        archive = zipfile.ZipFile(file)
    except zipfile.BadZipFile:
        raise RunError(f"{path} is damaged: it is not a complete zip archive, as torch.save writes it") from None
    unpacked = sum(entry.file_size for entry in archive.infolist())
    if unpacked > size:
        raise RunError(f"{path} is refused: its {size:,} bytes would unpack to {unpacked:,}")
    pickles = [entry for entry in archive.infolist() if entry.filename.lower().endswith(".pkl")]
    if any(GREEDY in archive.read(entry) for entry in pickles):
        raise RunError(f"{path} holds what is not plain data: {GREEDY.decode().strip()}")
    if damaged := archive.testzip():  # torch checks no checksum, and one wrong bit is a wrong weight
        raise RunError(f"{path} is damaged: the checksum of {damaged} in it is wrong")
