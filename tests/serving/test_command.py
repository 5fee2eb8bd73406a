"""`python -m digits.serve` as a person runs it, with the net that comes with the package."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from digits.reading.reader import Reader
from tests.support.client import seven
from tests.support.server import IMAGE, Running, running


def serve(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "digits.serve", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running("digits.serve", "--port", "0") as server:
        yield server


def test_help_answers_without_what_is_heavy() -> None:
    code = (
        "import sys; from digits import serve\n"
        "try: serve.main(['--help'])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "heavy = {'torch', 'numpy', 'onnxruntime', 'cv2', 'starlette', 'uvicorn'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "python -m digits.serve --model RUN" in done.stdout


@pytest.mark.parametrize("wrong", ["eight", "-1", "65536", "99999", "80.5"])
def test_a_port_that_is_none(wrong: str) -> None:
    done = serve(f"--port={wrong}")
    assert done.returncode == 2
    assert f"argument --port: '{wrong}' is not a port" in done.stderr


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid", "x" * 70])
def test_a_host_that_is_not_this_machine(host: str) -> None:
    done = serve("--port", "0", "--host", host)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"{host!r} is not an address of this machine; choose another with --host\n"


def test_a_port_in_use_is_told_in_one_sentence(server: Running) -> None:
    done = serve("--port", str(server.port))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"port {server.port} is in use; choose another with --port, or --port 0 for any\n"


def test_a_folder_for_corrections_that_can_not_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = serve("--port", "0", "--collect", str(tmp_path / "file" / "under"))
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"corrections can't be kept in .*under: .*; choose another .* with --collect\n", done.stderr)
    assert serve("--port", "0", "--collect", "").returncode == 2  # of a variable that isn't set


def test_corrections_are_kept_where_it_says(tmp_path: Path) -> None:
    folder = tmp_path / "corrected"
    with running("digits.serve", "--port", "0", "--collect", str(folder)) as server:
        assert server.process.stdout is not None
        said = server.process.stdout.readline()
        assert said == f"corrections are kept in {folder}, which holds 0 digits of at most 20,000\n"
        correct = f"{server.address}/api/correct"
        answer = httpx.post(correct, params={"text": "7"}, content=seven(), headers=IMAGE, timeout=30)
        assert (answer.status_code, answer.json()["kept"]) == (200, {"7": 1})
        assert str(tmp_path) not in f"{answer.headers} {answer.text} {httpx.get(f'{server.address}/health').text}"
    (kept,) = (folder / "7").iterdir()
    assert Reader().read(kept).text == "7"


def test_nothing_is_kept_unless_that_was_asked_for(server: Running) -> None:
    answer = httpx.post(f"{server.address}/api/correct", params={"text": "7"}, content=seven(), headers=IMAGE)
    assert answer.status_code == 404


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    for missing in (tmp_path / "none.onnx", tmp_path):  # a file, and a folder that is no run
        done = serve("--port", "0", "--model", str(missing))
        assert (done.returncode, done.stdout) == (2, "")
        assert re.fullmatch(rf".*{re.escape(str(missing))}.*; name a run.*\n", done.stderr), done.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_it_leaves_at_once_when_told_to(number: signal.Signals, code: int) -> None:
    with running("digits.serve", "--port", "0") as server, httpx.Client(base_url=server.address) as client:
        assert client.get("/health").json()["status"] == "ready"  # the connection is kept open
        server.process.send_signal(number)
        assert server.process.wait(timeout=60) == code


@pytest.mark.parametrize(("numbers", "code", "asks"), [
    ([signal.SIGINT], 130, "still"), ([signal.SIGTERM], 143, "no more"),
    ([signal.SIGINT, signal.SIGTERM], 143, "still"), ([signal.SIGINT] * 2, 130, "no more"),
])  # fmt: skip
def test_a_reading_that_never_ends_does_not_keep_it(numbers: list[signal.Signals], code: int, asks: str) -> None:
    """Whether somebody still waits for the answer or was told that there is none; and it complains of nothing."""
    with running("tests.support.server") as server, ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(read_for_ever, server) for _ in range(2)]
        if asks == "no more":
            assert [one.result() for one in waiting] == [503, 503]
        else:
            time.sleep(0.5)
        for number in numbers:
            server.process.send_signal(number)
            time.sleep(0.1)
        assert server.process.wait(timeout=60) == code


def read_for_ever(server: Running) -> int | None:
    """Ask for what the stand-in never stops reading; gives the status of the answer, where there is one."""
    try:
        return httpx.post(f"{server.address}/api/read", content=b"e", headers=IMAGE, timeout=20).status_code
    except httpx.TransportError:
        return None


def test_it_listens_to_this_machine_only(server: Running) -> None:
    answer = httpx.get(f"{server.address}/", headers={"host": "evil.example"})
    assert answer.status_code == 421
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://[::1]:{server.port}/")


def test_no_request_is_lost_under_load(server: Running) -> None:
    """More at once than are read at once, one reader for all: the same answer to each."""
    picture = seven()
    with httpx.Client(base_url=server.address, timeout=30) as client:

        def ask(_: int) -> tuple[int, str, list[float]]:
            answer = client.post("/api/read", content=picture, headers=IMAGE)
            (digit,) = answer.json()["digits"]
            return answer.status_code, answer.json()["text"], digit["probabilities"]

        first = ask(0)
        with ThreadPoolExecutor(32) as pool:
            answers = list(pool.map(ask, range(150)))
    assert first[:2] == (200, "7")
    assert answers == [first] * 150


def test_nothing_it_says_names_a_place_on_the_machine(server: Running) -> None:
    for answer in (
        httpx.get(f"{server.address}/health"),
        httpx.get(f"{server.address}/digits/serve.py"),
        httpx.post(f"{server.address}/api/read", content=b"x", headers=IMAGE),
        httpx.post(f"{server.address}/api/read", content=seven(), headers=IMAGE),
    ):
        said = f"{answer.headers} {answer.text}".replace("application/json", "").replace("image/png", "")
        for place in (str(Path.cwd()), str(Path.home()), sys.prefix, "site-packages", ".onnx", ".py", "uvicorn"):
            assert place not in said
