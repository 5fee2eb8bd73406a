"""A Lightning checkpoint read as plain data and tensors: nothing that it names is called."""

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
"""The one name on torch's list of harmless ones with which thirty bytes ask for, and fill, any amount of memory."""


def read_checkpoint(path: Path) -> dict[str, object]:
    """What a Lightning checkpoint holds, on the CPU: plain data and tensors; nothing that it names is called.

    Raises RunError, naming the file, where there is none, where it is damaged, and where it holds anything else.
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
    except (RunError, OSError):  # a disk that can't be read says nothing of the file
        raise
    except MemoryError:
        raise RunError(f"{path} asks for more memory than there is") from None
    except UnpicklingError as error:  # its message recommends weights_only=False
        refused = re.search(r"(GLOBAL|operand) \S+", str(error))
        what = f"holds what is not plain data: {refused[0]}" if refused else "is damaged: its pickle can't be read"
        raise RunError(f"{path} {what}") from None
    except Exception as error:  # bytes that were damaged, or made to do damage, can raise anything
        reason = (str(error).splitlines() or [""])[0]
        raise RunError(f"{path} is damaged: {type(error).__name__}: {reason}") from None
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise RunError(f"{path} is no checkpoint: it holds no names")
    return cast(dict[str, object], content)


def _check_archive(path: Path, file: BinaryIO) -> None:
    """Refuse what torch.save never writes: what is not a zip archive, entries that unpack to more than it has."""
    size = path.stat().st_size
    try:
        archive = zipfile.ZipFile(file)
    except zipfile.BadZipFile:
        raise RunError(f"{path} is damaged: it is no whole zip archive, which torch.save writes") from None
    unpacked = sum(entry.file_size for entry in archive.infolist())
    if unpacked > size:
        raise RunError(f"{path} is not read: its {size:,} bytes would unpack to {unpacked:,}")
    pickles = [entry for entry in archive.infolist() if entry.filename.lower().endswith(".pkl")]
    if any(GREEDY in archive.read(entry) for entry in pickles):
        raise RunError(f"{path} holds what is not plain data: {GREEDY.decode().strip()}")
    if damaged := archive.testzip():  # torch looks at no checksum, and one wrong bit is a wrong weight
        raise RunError(f"{path} is damaged: the checksum of {damaged} in it is wrong")
