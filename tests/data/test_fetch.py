"""Fetching against a real server that does everything a mirror can do wrong."""

from __future__ import annotations

import hashlib
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from digits.data import fetch as module
from digits.data.datasets import DataError, mnist
from digits.data.fetch import FetchError, fetch

NAME = "pixels.gz"
BODY = bytes(range(256)) * 400  # 100 kB
PAGE = b"<html>Log in to the hotel's network</html>"


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


MD5 = md5(BODY)


class Server(ThreadingHTTPServer):
    """One server, a mirror for each first part of the path."""

    daemon_threads = True
    request_queue_size = 20

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []
        self.came, self.release = threading.Event(), threading.Event()

    def mirror(self, kind: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{kind}/"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hung up is what is being tested."""


class Handler(BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class names it so)
        pass

    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        server.asked.append(self.path)
        server.came.set()
        kind = self.path.removeprefix("http://mnist.invalid").split("/")[1]
        if kind == "missing":
            self.send_error(404)
        elif kind == "loop":
            self.send_response(302)
            self.send_header("Location", self.path)
            self.end_headers()
        elif kind == "hang":
            server.release.wait(30)
        elif kind == "headers":  # the connection lives, the answer never comes
            self.wfile.write(b"HTTP/1.0 200 OK\r\n")
            while not server.release.wait(0.2):
                self.wfile.write(b"X-Patience: yes\r\n")
        elif kind == "html":
            self.answer(PAGE)
        elif kind == "half":
            self.answer(BODY[:1000], len(BODY))
        elif kind == "stall":
            self.answer(BODY[:1000], len(BODY))
            server.release.wait(30)
        elif kind == "drip":
            self.answer(b"", len(BODY))
            while not server.release.wait(0.02):
                self.wfile.write(b"x")
        elif kind == "late":
            server.release.wait(30)
            self.answer(BODY)
        else:
            self.answer(BODY)

    def answer(self, body: bytes, promised: int | None = None) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body) if promised is None else promised))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(urllib.request, "_opener", None)  # it keeps the proxies of its first use
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.release.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 1.6)
    monkeypatch.setattr(module, "STALL", 0.5)


@pytest.fixture
def refusing() -> str:
    """A mirror that isn't there."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return f"http://127.0.0.1:{port}/"


def test_good_mirror(server: Server, tmp_path: Path) -> None:
    folder = tmp_path / "MNIST" / "raw"
    path = fetch(NAME, MD5, folder, [server.mirror("good")])
    assert path == folder / NAME
    assert path.read_bytes() == BODY
    assert list(folder.iterdir()) == [path]
    assert server.asked == [f"/good/{NAME}"]


def test_file_that_is_there_is_not_fetched(server: Server, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"whatever it is")
    assert fetch(NAME, MD5, tmp_path, [server.mirror("good")]).read_bytes() == b"whatever it is"
    assert server.asked == []


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("missing", "HTTP 404 Not Found"),
        ("html", f"sent {len(PAGE)} bytes with MD5 {md5(PAGE)} instead of {MD5}"),
        ("hang", "timed out"),
        ("headers", "no answer in 1 s"),
        ("half", f"broke off after 1000 of {len(BODY)} bytes"),
        ("stall", "timed out"),
        ("drip", "sent only "),
        ("loop", "HTTP 302"),
    ],
)
@pytest.mark.usefixtures("impatient")
def test_bad_mirror_is_named_with_its_answer_and_nothing_is_left(
    server: Server, tmp_path: Path, kind: str, answer: str
) -> None:
    begun = time.monotonic()
    with pytest.raises(FetchError) as caught:
        fetch(NAME, MD5, tmp_path, [server.mirror(kind)])
    assert time.monotonic() - begun < 5
    assert f"{server.mirror(kind)}{NAME}: " in str(caught.value)
    assert answer in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("impatient")
def test_every_mirror_is_asked_and_named(server: Server, refusing: str, tmp_path: Path) -> None:
    mirrors = [server.mirror("missing"), refusing, "ftp//nonsense/"]
    with pytest.raises(FetchError) as caught:
        fetch(NAME, MD5, tmp_path, mirrors)
    assert list(caught.value.answers) == [mirror + NAME for mirror in mirrors]
    lines = str(caught.value).splitlines()
    assert lines[0] == f"  {server.mirror('missing')}{NAME}: HTTP 404 Not Found"
    assert "Connection refused" in lines[1]
    assert "unknown url type" in lines[2]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("bad", ["missing", "html", "half", "drip", "hang"])
@pytest.mark.usefixtures("impatient")
def test_second_mirror_is_used_when_the_first_is_bad(server: Server, tmp_path: Path, bad: str) -> None:
    path = fetch(NAME, MD5, tmp_path, [server.mirror(bad), server.mirror("good"), server.mirror("never")])
    assert path.read_bytes() == BODY
    assert server.asked == [f"/{bad}/{NAME}", f"/good/{NAME}"]
    assert list(tmp_path.iterdir()) == [path]


def test_no_mirror_at_all(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="there is no mirror to ask"):
        fetch(NAME, MD5, tmp_path, [])


def test_two_hanging_mirrors_cost_less_than_15_seconds(server: Server, tmp_path: Path) -> None:
    begun = time.monotonic()
    with pytest.raises(FetchError):
        fetch(NAME, MD5, tmp_path, [server.mirror("hang"), server.mirror("headers")])
    assert 5 < time.monotonic() - begun < 15
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("impatient")
def test_name_server_that_never_answers(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")

    def resolve(*_: object, **__: object) -> list[object]:
        server.release.wait(30)
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    begun = time.monotonic()
    with pytest.raises(FetchError, match=r"http://mnist\.invalid/pixels\.gz: no answer in 1 s"):
        fetch(NAME, MD5, tmp_path, ["http://mnist.invalid/"])
    assert time.monotonic() - begun < 5
    assert list(tmp_path.iterdir()) == []


def test_address_that_refuses_gives_way_to_the_next(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a host has an IPv6 address that doesn't work here."""
    monkeypatch.setenv("no_proxy", "*")
    both = [
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", server.server_port, 0, 0)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.server_port)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
    assert fetch(NAME, MD5, tmp_path, ["http://mnist.invalid/good/"]).read_bytes() == BODY


def test_proxy_from_the_environment_is_used(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.server_port}/")
    fetch(NAME, MD5, tmp_path, ["http://mnist.invalid/good/"])
    assert server.asked == [f"http://mnist.invalid/good/{NAME}"]


def test_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "MNIST").write_text("a file in the folder's place")
    with pytest.raises(DataError) as caught:
        mnist(tmp_path, ["http://127.0.0.1:9/"])
    assert str(caught.value).startswith(f"MNIST can't be stored in {tmp_path / 'MNIST' / 'raw'}: ")
    assert str(caught.value).endswith("; choose another folder with data.root=DIR")
    assert "\n" not in str(caught.value)


def test_what_to_do_when_nothing_can_be_fetched(refusing: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        mnist(tmp_path, [refusing])
    folder, names = tmp_path / "MNIST" / "raw", ("train-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz")
    text = str(caught.value)
    assert f"MNIST can't be had: {names[0]} isn't in {folder}" in text
    assert f"{refusing}{names[0]}: " in text
    assert all(name in text.splitlines()[-1] for name in names)
    assert f"into {folder}" in text
    assert "data.mirrors=[URL/]" in text
    assert "data=optdigits, which needs no network" in text


# ---- Several processes --------------------------------------------------------------------------

# The file alone, for `digits.data` would import torch first
CHILD = """
import importlib.util, sys
from pathlib import Path
spec = importlib.util.spec_from_file_location("fetch", {file!r})
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
print("begins", flush=True)
print(module.fetch({name!r}, {md5!r}, Path({folder!r}), [{mirror!r}]), flush=True)
"""


def start_child(folder: Path, mirror: str, *, before: str = "") -> subprocess.Popen[str]:
    assert module.__file__ is not None
    code = CHILD.format(file=module.__file__, name=NAME, md5=MD5, folder=str(folder), mirror=mirror)
    child = subprocess.Popen(
        [sys.executable, "-c", before + code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "begins\n"
    return child


def test_two_processes_download_once(server: Server, tmp_path: Path) -> None:
    first = start_child(tmp_path, server.mirror("late"))
    assert server.came.wait(20)
    second = start_child(tmp_path, server.mirror("late"))
    with suppress(subprocess.TimeoutExpired):
        second.wait(0.3)
    assert second.poll() is None, "it waits for the first"
    server.release.set()
    for child in (first, second):
        out, err = child.communicate(timeout=20)
        assert out == f"{tmp_path / NAME}\n", err
    assert server.asked == [f"/late/{NAME}"]
    assert (tmp_path / NAME).read_bytes() == BODY
    assert list(tmp_path.iterdir()) == [tmp_path / NAME]


def test_killed_process_leaves_nothing_in_the_way(server: Server, tmp_path: Path) -> None:
    child = start_child(tmp_path, server.mirror("stall"))
    deadline = time.monotonic() + 20
    while not list(tmp_path.glob(".*.part")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert not (tmp_path / NAME).exists()
    path = fetch(NAME, MD5, tmp_path, [server.mirror("good")])
    assert path.read_bytes() == BODY
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(sys.platform == "win32", reason="limits on the size of files are POSIX's")
def test_full_disk_is_not_blamed_on_the_mirror(server: Server, tmp_path: Path) -> None:
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n"
    child = start_child(tmp_path, server.mirror("good"), before=limit)
    _, err = child.communicate(timeout=20)
    assert child.returncode == 1
    assert "OSError: [Errno 27] File too large" in err
    assert "FetchError" not in err
    assert list(tmp_path.iterdir()) == []
