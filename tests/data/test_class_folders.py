"""Folders of classes: what is counted, and one clear sentence for whatever is laid out otherwise."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from digits.config.types import Tree
from digits.data import class_folders
from digits.data.class_folders import IMAGE_FOLDER, FolderError, counted, find_pictures


def lay(root: Path, *names: str) -> Path:
    """Empty files; nothing here opens one. A name that ends in / is a folder."""
    for name in names:
        path = root / name
        (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            path.touch()
    return root


def faults(root: Path) -> list[str]:
    with pytest.raises(FolderError) as caught:
        find_pictures(root)
    return [fault.replace(str(root), "DIR") for fault in caught.value.faults]


# ---- What is found --------------------------------------------------------------------------------


def test_the_classes_are_the_folders_in_the_order_of_their_names(tmp_path: Path) -> None:
    found = find_pictures(lay(tmp_path, "b/2.jpg", "a/1", "b/1.png", "b/10.PNG"))
    assert found.classes == ("a", "b")
    assert [path.name for path in found.train["b"]] == ["1.png", "10.PNG", "2.jpg"]
    assert found.test is None


def test_a_test_part_of_its_own_is_respected(tmp_path: Path) -> None:
    found = find_pictures(lay(tmp_path, "train/a/1.png", "train/b/1.png", "test/b/9.png"))
    assert found.test is not None
    assert {name: len(files) for name, files in found.train.items()} == {"a": 1, "b": 1}
    assert {name: [path.name for path in files] for name, files in found.test.items()} == {"a": [], "b": ["9.png"]}
    assert found.classes == ("a", "b")


def test_hidden_files_and_what_file_managers_leave_are_passed_over(tmp_path: Path) -> None:
    lay(tmp_path, "a/1.png", "b/1.png", ".git/x.png", "a/.DS_Store", "a/Thumbs.db", "b/desktop.ini", "notes.txt",
        "__MACOSX/a/1.png")  # fmt: skip
    found = find_pictures(tmp_path)
    assert {name: [path.name for path in files] for name, files in found.train.items()} == {
        "a": ["1.png"],
        "b": ["1.png"],
    }


def test_links_are_followed(tmp_path: Path) -> None:
    lay(tmp_path, "store/x.png", "DIR/a/1.png")
    (tmp_path / "DIR" / "b").symlink_to(tmp_path / "store")
    (tmp_path / "DIR" / "a" / "2.png").symlink_to(tmp_path / "store" / "x.png")
    found = find_pictures(tmp_path / "DIR")
    assert {name: len(files) for name, files in found.train.items()} == {"a": 2, "b": 1}


# ---- What is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "fault"),
    [
        ([], "DIR holds no folders; there should be two or more folders, one for each class, called by its name"),
        (["a/1.png"], "DIR holds one class only, a; there should be two or more folders, one for each class, "
                      "called by its name"),
        (["a/1.png", "b/"], "DIR has no pictures of b; put some in, or delete the empty folder"),
        (["a/1.png", "b/", "c/"], "DIR has no pictures of b, c; put some in, or delete the empty folders"),
        (["a/1.png", "b/1.png", "x.jpg", "y.PNG"],
         "DIR holds x.jpg, y.PNG outside of any class's folder; move each picture into its class's"),
        (["a/1.png", "b/ann/1.png", "b/bob/1.png"],
         "DIR/b holds folders (ann, bob), where a class's folder holds only pictures; move the pictures up into it, or "
         "name the folder that holds the classes' folders"),
        (["train/a/1.png", "train/b/1.png", "test/a/1.png", "test/b/1.png", "val/a/1.png"],
         "DIR holds val beside train and test; move what they hold into train/, from which data.val_size pictures are "
         "kept for validation, or away"),
        (["train/a/1.png", "train/b/1.png", "test/a/1.png", "test/b/1.png", "test/c/1.png"],
         "DIR/test holds c, which DIR/train lacks; give each class pictures to train on, or delete it"),
        (["a\x1b[2J/1.png", "b/1.png"],
         "a\ufffd[2J can't be printed, so it can't be the name of a class; rename the folder"),
    ],
)  # fmt: skip
def test_one_fault_one_sentence(tmp_path: Path, names: list[str], fault: str) -> None:
    assert faults(lay(tmp_path, *names)) == [fault]


def test_all_faults_come_at_once(tmp_path: Path) -> None:
    lay(tmp_path, "a/1.png", "b/", "c/d/", "loose.gif")
    os.mkfifo(tmp_path / "a" / "pipe")
    (tmp_path / "a" / "gone.png").symlink_to("nowhere")
    assert faults(tmp_path) == [
        "DIR holds loose.gif outside of any class's folder; move each picture into its class's",
        "DIR/c holds folders (d), where a class's folder holds only pictures; move the pictures up into it, or name "
        "the folder that holds the classes' folders",
        "DIR has no pictures of b; put some in, or delete the empty folder",
        "DIR/a/gone.png is a broken link; delete it, or move it away",
        "DIR/a/pipe is not a plain file; delete it, or move it away",
    ]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    lay(tmp_path, "file")
    layout = "it should hold one folder for each class, such as 0, 1, 2, with its pictures"
    assert faults(tmp_path / "nowhere") == [f"DIR does not exist; {layout}"]
    assert faults(tmp_path / "file") == [f"DIR is not a folder; {layout}"]


def test_more_pictures_than_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(class_folders, "MOST_PICTURES", 2)
    lay(tmp_path, "a/1.png", "a/2.png", "b/1.png")
    assert faults(tmp_path) == ["DIR holds 3 pictures, more than the 2 that are read; name a folder with fewer"]


# ---- What only the folder can tell ----------------------------------------------------------------


def section(root: Path, **changes: int | float | None) -> Tree:
    left = {"num_classes": None, "test_size": 0.2, "val_size": 0.2}
    return {"_target_": IMAGE_FOLDER, "root": str(root), **left, **changes}


def settled(root: Path, **changes: int | float | None) -> tuple[object, ...]:
    found, problems = counted(section(root, **changes))
    assert problems == {}
    return found["num_classes"], found["test_size"], found["val_size"]


@pytest.fixture
def fifty(tmp_path: Path) -> Path:
    """50 pictures: 30 of a, 20 of b."""
    return lay(tmp_path, *(f"a/{i}" for i in range(30)), *(f"b/{i}" for i in range(20)))


def test_shares_become_numbers(fifty: Path) -> None:
    assert settled(fifty) == (2, 10, 8)
    assert settled(fifty, test_size=5, val_size=7) == (2, 5, 7)
    assert settled(fifty, test_size=0.01, val_size=0.01) == (2, 2, 2)  # one of each class
    assert settled(fifty, val_size=0) == (2, 10, 0)
    assert settled(fifty, test_size=None) == (2, None, 0)  # all are tested on


def test_a_test_part_of_its_own_is_counted(tmp_path: Path) -> None:
    lay(tmp_path, *(f"train/{c}/{i}" for c in "ab" for i in range(10)), *(f"test/{c}/{i}" for c in "ab" for i in "12"))
    assert settled(tmp_path) == (2, 4, 4)
    assert settled(tmp_path, test_size=None) == (2, 4, 4)


def test_the_folder_is_known_from_anywhere(fifty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(fifty.parent)
    assert counted(section(Path(fifty.name)))[0]["root"] == str(fifty)


@pytest.mark.parametrize(
    ("changes", "key", "fault"),
    [
        ({"num_classes": 10}, "num_classes", "is 10, but DIR holds 2 classes (a, b); leave it out"),
        ({"test_size": 49}, "test_size", "is 49, but DIR holds 50 pictures; leave some to train on"),
        ({"val_size": 39}, "val_size", "is 39, but DIR holds 40 pictures besides those kept for the test; leave some "
                                       "to train on"),
    ],
)  # fmt: skip
def test_numbers_that_the_folder_has_not(fifty: Path, changes: dict[str, int], key: str, fault: str) -> None:
    _, problems = counted(section(fifty, **changes))
    assert {name: text.replace(str(fifty), "DIR") for name, text in problems.items()} == {key: fault}


def test_a_class_with_too_few_pictures_to_part(tmp_path: Path) -> None:
    lay(tmp_path, *(f"a/{i}" for i in range(30)), "b/1", "b/2")
    _, problems = counted(section(tmp_path))
    assert problems["root"].replace(str(tmp_path), "DIR") == (
        "of the pictures in DIR, b has 2, where each class needs 3, one to train on, one to validate on, one to test "
        "on; add some, or leave the class out"
    )
    assert settled(tmp_path, val_size=0) == (2, 6, 0)
