"""A user's own pictures, one folder per class: found and counted before any of them is opened. No torch.

    DIR/0/… DIR/1/…              the class is the folder's name; a part of each class becomes the test split
    DIR/train/0/… DIR/test/0/…   the test split is the one that its owner chose

Hidden files and those that file managers create are skipped; anything else that is not a picture in its class's folder
is a fault, so that no picture is skipped unnoticed. In a class's folder a picture may have any name.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from digits.config.data import NONDIGITS, NONE
from digits.config.files import PICTURES, UNPRINTABLE, few, shown
from digits.config.types import Tree, Value

IMAGE_FOLDER = "digits.data.ImageFolder"  # the `_target_` of `data=image_folder`
LEFT_BEHIND = {"thumbs.db", "desktop.ini", "__macosx"}  # by Windows and macOS; their other files are hidden
MOST_PICTURES = 200_000  # in a folder of classes: 157 MB of patches
LISTED = 20  # faults of one kind that are listed one by one


class FolderError(ValueError):
    """A folder that does not hold one folder per class; every fault is one line that names the fix."""

    def __init__(self, *faults: str) -> None:
        self.faults = faults
        super().__init__("\n".join(faults))


@dataclass(frozen=True)
class ClassFolders:
    """The files of each class, sorted by file name, by the names of the classes in sorted order."""

    train: dict[str, list[Path]]
    test: dict[str, list[Path]] | None  # None: there is no test/; a part of `train` becomes the test split

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; a picture's label is the index of its class."""
        return tuple(self.train)


def find_pictures(root: Path) -> ClassFolders:
    """Every picture in a folder of classes; raises FolderError with all faults.

    Classes and pictures are sorted by name, whatever order the file system gives.
    """
    layout = "it should hold one folder for each class, such as 0, 1, 2, with its pictures"
    if not root.is_dir():
        what = "is not a folder" if os.path.lexists(root) else "does not exist"
        raise FolderError(f"{shown(root)} {what}; {layout}")
    faults: list[str] = []
    names = {path.name: path for path in _entries(root, faults) if path.is_dir()}
    if set(names) >= {"train", "test"}:
        if others := sorted(set(names) - {"train", "test"}):
            why = "move what they hold into train/, from which data.val_size pictures are kept for validation, or away"
            faults.append(f"{shown(root)} holds {', '.join(map(shown, others))} beside train and test; {why}")
        faults += _loose(root)
        train, test = _classes(names["train"], faults), _classes(names["test"], faults, least=1)
        if strange := sorted(set(test) - set(train)):
            lack = f"{', '.join(map(shown, strange))}, which {shown(names['train'])} lacks"
            faults.append(f"{shown(names['test'])} holds {lack}; give each class pictures to train on, or delete it")
        found = ClassFolders(train, {name: test.get(name, []) for name in train})
    else:
        found = ClassFolders(_classes(root, faults), None)
    everything = [found.train, found.test or {}]
    if (number := sum(len(files) for part in everything for files in part.values())) > MOST_PICTURES:
        faults.append(f"{shown(root)} holds {number:,} pictures, more than the {MOST_PICTURES:,} that are read; "
                      "name a folder with fewer")  # fmt: skip
    if faults:
        raise FolderError(*faults)
    return found


def _classes(root: Path, faults: list[str], least: int = 2) -> dict[str, list[Path]]:
    """The pictures of each class in a folder; appends to `faults`."""
    faults += _loose(root)
    folders = [path for path in _entries(root, faults) if path.is_dir()]
    nested = [folder for folder in folders if any(path.is_dir() for path in _entries(folder, faults))]
    for folder in nested[:LISTED]:
        inner = sorted(path.name for path in _entries(folder, []) if path.is_dir())
        faults.append(f"{shown(folder)} holds folders ({few(inner)}), where a class's folder holds only pictures; "
                      "move the pictures up into it, or name the folder that holds the classes' folders")  # fmt: skip
    if len(folders) < least:
        has = f"one class only, {shown(folders[0].name)}" if folders else "no folders"
        faults.append(f"{shown(root)} holds {has}; there should be two or more folders, one for each class, "
                      "called by its name")  # fmt: skip
    found = {folder.name: [path for path in _entries(folder, []) if not path.is_dir()] for folder in folders}
    if wrong := [name for name in found if UNPRINTABLE.search(name)]:
        faults.append(f"{few(wrong)} can't be printed, so it can't be the name of a class; rename the folder")
    if empty := [name for name, files in found.items() if not files and root / name not in nested]:
        one = len(empty) == 1
        faults.append(f"{shown(root)} has no pictures of {few(empty)}; put some in, or delete the empty "
                      f"folder{'' if one else 's'}")  # fmt: skip
    for path in [path for files in found.values() for path in files if not path.is_file()][:LISTED]:
        what = "is a broken link" if path.is_symlink() else "is not a plain file"
        faults.append(f"{shown(path)} {what}; delete it, or move it away")
    return found


def _loose(root: Path) -> list[str]:
    """A fault for pictures outside of any class's folder; an empty list where there are none."""
    loose = [path.name for path in _entries(root, []) if not path.is_dir() and path.name.lower().endswith(PICTURES)]
    if not loose:
        return []
    return [f"{shown(root)} holds {few(loose)} outside of any class's folder; move each picture into its class's"]


def _entries(folder: Path, faults: list[str]) -> Iterator[Path]:
    """The entries of a folder, sorted by name, without hidden files and those that file managers create."""
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208 (a Path for each of 200,000 names takes a second)
    except OSError as error:
        faults.append(f"{shown(folder)} can't be read: {error.strerror}; grant the permission to read it")
        return
    for name in names:
        if not name.startswith(".") and name.lower() not in LEFT_BEHIND:
            yield folder / name


# ---- Values counted in the folder -----------------------------------------------------------------


def counted(section: Tree, *, knows_none: bool = False) -> tuple[Tree, dict[str, str]]:
    """The section of an image folder with the values that are counted in the folder, and the faults by key.

    Any other data set's section is returned unchanged. `root` becomes absolute, `num_classes: null` is counted;
    `test_size` and `val_size` may be shares of the pictures, at least one of each class. With `test_size: null` every
    picture is evaluated on. `nondigits: null` becomes a number if the net of init_from knows the class "none"
    (`knows_none`) and the folder has no such class: the class is then kept. Wrong types are left to the schema.
    """
    root, known = section.get("root"), section.get("num_classes")
    if section.get("_target_") != IMAGE_FOLDER or not isinstance(root, str) or not root:
        return section, {}
    root = os.path.abspath(Path(root).expanduser())  # noqa: PTH100 (links in it stay as they are)
    try:
        found = find_pictures(Path(root))
    except (FolderError, ValueError, OSError) as error:  # OSError: a name too long for any file
        return section, {"root": str(error)}
    number, total = len(found.classes), sum(map(len, found.train.values()))
    made = section.get("nondigits")
    if made is None:
        made = NONDIGITS if knows_none and NONE not in found.classes else 0.0
    classes = [*found.classes, *[NONE] * (NONE not in found.classes and made != 0)]
    filled: Tree = section | {"root": root, "nondigits": made, "num_classes": len(classes) if known is None else known}
    if isinstance(known, int) and known != len(classes):
        kept = f' and "{NONE}" is kept' if len(classes) > number else ""
        return section, {"num_classes": f"is {known}, but {shown(root)} holds {number} classes "
                                        f"({few(list(found.classes))}){kept}; leave it out"}  # fmt: skip
    test, val = section.get("test_size"), section.get("val_size")
    if found.test is not None:
        filled["test_size"] = sum(map(len, found.test.values()))
    elif test is None:
        return filled | {"val_size": 0}, {}
    else:
        filled["test_size"] = test = _number(test, total, number)
        if isinstance(test, int) and test > total - number:
            why = f"is {test}, but {shown(root)} holds {total} pictures; leave some to train on"
            return filled, {"test_size": why}
        total -= test if isinstance(test, int) else 0
    filled["val_size"] = val = _number(val, total, number)
    parts = ["train on", *["validate on"] * (val != 0), *["test on"] * (found.test is None)]
    fix = "add some, or leave the class out"
    scarce = [f"{shown(name)} has {len(files)}" for name, files in found.train.items() if len(files) < len(parts)]
    if scarce:
        why = f"where each class needs {len(parts)}, one to {', one to '.join(parts)}; {fix}"
        return filled, {"root": f"of the pictures in {shown(root)}, {', '.join(scarce[:LISTED])}, {why}"}
    if isinstance(val, int) and total - val < number:
        return filled, {"val_size": f"is {val}, but {shown(root)} holds {total} pictures besides those kept "
                                    "for the test; leave some to train on"}  # fmt: skip
    return filled, {}


def _number(size: Value, total: int, classes: int) -> Value:
    """A share as a number of pictures, at least one of each class; a number unchanged."""
    return max(round(size * total), classes) if isinstance(size, float) and 0 < size < 1 else size
