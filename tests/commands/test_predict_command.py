"""`python -m digits.predict` as it is typed: quick, quiet, a line at a time, whatever the files are called or hold."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.support.bombs import BOMBS, saved
from tests.support.drawing import draw

COMMAND = [sys.executable, "-m", "digits.predict"]
SEVERAL = 3
PICTURE = saved(Image.fromarray(draw("2026", 40, 4).pixels), "PNG")


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "year.png"
    path.write_bytes(PICTURE)
    return path


def run(*arguments: str | Path, given: bytes = b"", code: int = 0) -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run([*COMMAND, *arguments], input=given, capture_output=True, check=False, timeout=120)
    assert done.returncode == code, done.stderr.decode()
    return done


# ---- Quick ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("arguments", "code"), [(["--help"], 0), ([], 2), (["a.png", "--nonsense"], 2), (["*.x"], 2)])
def test_help_and_wrong_arguments_are_answered_before_anything_large_is_imported(
    arguments: list[str], code: int, tmp_path: Path
) -> None:
    script = (
        "import sys\nfrom digits.predict import main\ntry: code = main(sys.argv[1:])\nexcept SystemExit as left: "
        "code = left.code\nlarge = {'cv2', 'numpy', 'onnx', 'onnxruntime', 'PIL', 'torch'} & set(sys.modules)\n"
        "print(large or '', file=sys.stderr)\nsys.exit(code)"
    )
    command = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == code
    assert done.stderr.splitlines()[-1] == ""
    assert ("--annotate DIR" in done.stdout) == (arguments == ["--help"])


def test_nothing_large_beside_the_nets_is_imported_to_read_a_picture(picture: Path) -> None:
    """So that a cold start takes less than a second."""
    script = (
        "import sys\nfrom digits.predict import main\nassert main(sys.argv[1:]) == 0\n"
        "sys.exit(bool({'torch', 'onnx', 'hydra', 'pydantic', 'starlette', 'matplotlib'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", script, picture], check=False, timeout=60).returncode == 0


# ---- Streams --------------------------------------------------------------------------------------


def test_a_picture_on_standard_input() -> None:
    (line,) = run("-", "--json", given=PICTURE).stdout.splitlines()
    assert json.loads(line)["text"] == "2026"
    (line,) = run("-", "--json", given=b"", code=1).stdout.splitlines()
    assert json.loads(line) == {"path": "-", "error": "the file is empty; copy or download it again"}


def started(picture: Path) -> subprocess.Popen[bytes]:
    """A command that has printed several answers, each of its lines read here, and now waits for its standard input."""
    command = [*COMMAND, *[str(picture)] * SEVERAL, "-", "--json"]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe)
    assert process.stdout is not None
    for _ in range(SEVERAL):
        assert json.loads(process.stdout.readline())["text"] == "2026"
    return process


@pytest.mark.timeout(120)
def test_answers_are_given_as_they_come(picture: Path) -> None:
    out, error = started(picture).communicate(PICTURE)
    assert json.loads(out)["path"] == "-"
    assert error == b""


@pytest.mark.timeout(120)
def test_a_reader_that_has_seen_enough_is_no_error(picture: Path) -> None:
    process = started(picture)
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stderr is not None
    process.stdout.close()
    process.stdin.write(PICTURE)
    process.stdin.close()
    assert process.wait() == 0
    assert process.stderr.read() == b""


@pytest.mark.timeout(120)
def test_control_c(picture: Path) -> None:
    process = started(picture)
    process.send_signal(signal.SIGINT)
    assert process.wait() == 130
    assert process.communicate() == (b"", b"")


# ---- Strangers' files -----------------------------------------------------------------------------


def test_names_of_any_kind(tmp_path: Path) -> None:
    names = [
        b"\xff\xfe.png",
        b"\x1b[31mred\x07.png",
        "größe 数字.png".encode(),
        b"a\nb.png",
        b"--json.png",
        b"=1+1.png",
    ]
    for name in names:
        Path(os.fsdecode(bytes(tmp_path) + b"/" + name)).write_bytes(PICTURE)
    plain = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
    for form in ([], ["--csv"], ["--json"]):
        command = [*COMMAND, *form, "--annotate", "read", "."]
        done = subprocess.run(command, cwd=tmp_path, env=plain, capture_output=True, check=False, timeout=60)
        assert (done.returncode, done.stderr) == (0, b"")
        lines = done.stdout.decode("ascii").splitlines()
        assert all(line.isprintable() for line in lines)
        assert sum("2026" in line for line in lines) == len(names)
        if form == ["--json"]:
            assert {os.fsencode(json.loads(line)["path"]) for line in lines} == set(names)
    assert len(list((tmp_path / "read").iterdir())) == len(names)


def test_a_folder_full_of_harm_costs_only_its_own_lines(tmp_path: Path) -> None:
    for number, (content, _) in enumerate(BOMBS.values()):
        (tmp_path / f"{number:02}-bomb.png").write_bytes(content)
        (tmp_path / f"{number:02}-good.png").write_bytes(PICTURE)
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "round.png").symlink_to("round.png")
    found = [json.loads(line) for line in run(tmp_path, "--json", code=1).stdout.splitlines()]
    assert len(found) == 2 * len(BOMBS) + 2
    for line in found:
        assert ("text" in line) == ("good" in line["path"])
        assert line.get("text", "2026") == "2026"
