"""What becomes of a run's files from outside: full disks, read-only ones, folders that vanish, damaged checkpoints."""

from __future__ import annotations

import os
import random
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from digits.runs.layout import LAST

PREVIOUS = "checkpoints/previous.ckpt"
MEGABYTES = 24
"""Size of the small disk; the largest run of the matrix leaves 3."""


def mounting_fails() -> str:
    """Why file systems can't be mounted here; empty where they can."""
    if missing := [tool for tool in ("unshare", "mount", "umount") if shutil.which(tool) is None]:
        return f"there is no {', '.join(missing)}"
    trial = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]  # seen by this process alone
    done = subprocess.run(trial, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stderr.strip() or f"mount exited with {done.returncode}"


@contextmanager
def small_disk(place: Path) -> Iterator[Path]:
    """A file system of its own for a few files, taken away at the end with all that was mounted in it."""
    place.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "tmpfs", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--recursive", str(place)], check=True)


# ---- The disk: what the plant's command does, and how it is undone ---------------------------------


def fill(run: Path) -> str:
    """Use every byte of the disk that the run is on."""
    return f"cat /dev/zero >{shlex.quote(str(run.parent / 'filler'))} 2>/dev/null || true"


def free(run: Path) -> list[str]:
    """Free them again."""
    (run.parent / "filler").unlink()
    return []


def protect(run: Path) -> str:
    """Make the run's folder read-only: mounted upon itself, since a file open for writing keeps a disk writable."""
    place = shlex.quote(str(run))
    return f"mount --bind {place} {place} && mount -o remount,bind,ro {place}"


def unprotect(run: Path) -> list[str]:
    """Make it writable again."""
    subprocess.run(["umount", str(run)], check=True)
    return []


def take_away(run: Path) -> str:
    """Move the run's folder to another name."""
    return f"mv {shlex.quote(str(run))} {shlex.quote(str(run) + '.away')}"


def bring_back(run: Path) -> list[str]:
    """Move it back; what stands in its place was made by the run that had lost it."""
    away = run.with_name(f"{run.name}.away")
    if run.exists():
        made = [str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()]
        run.rename(run.with_name(f"{run.name}.instead"))
        away.rename(run)
        return [f"in place of the folder that vanished the run made another, with {made}"]
    away.rename(run)
    return []


# ---- Checkpoints ----------------------------------------------------------------------------------


def truncate(path: Path, _: random.Random) -> None:
    """Lose the second half."""
    os.truncate(path, path.stat().st_size // 2)


def zero(path: Path, _: random.Random) -> None:
    """The right size, and nothing in it: what a crash of the machine leaves on some file systems."""
    path.write_bytes(bytes(path.stat().st_size))


def scramble(path: Path, dice: random.Random) -> None:
    """Random bytes."""
    path.write_bytes(dice.randbytes(path.stat().st_size))


def change_a_byte(path: Path, dice: random.Random) -> None:
    """One byte in the middle half, where the weights are, as a bad disk or copy changes it."""
    content = bytearray(path.read_bytes())
    content[dice.randrange(len(content) // 4, 3 * len(content) // 4)] ^= 0x40
    path.write_bytes(bytes(content))


def delete(path: Path, _: random.Random) -> None:
    """No file."""
    path.unlink()


DAMAGES: dict[str, Callable[[Path, random.Random], None]] = {
    "truncated": truncate, "zeroed": zero, "random bytes": scramble, "one byte changed": change_a_byte,
    "deleted": delete,
}  # fmt: skip


def damage(how: str, seed: int, *names: str) -> Callable[[Path], list[str]]:
    """Damage checkpoints of a run: its last one, or those that are named."""

    def damaging(run: Path) -> list[str]:
        absent = [name for name in (LAST, PREVIOUS) if not (run / name).exists()]
        if not absent:
            for name in names or (LAST,):
                DAMAGES[how](run / name, random.Random(seed))
        return [f"there is no {name}" for name in absent]

    return damaging
