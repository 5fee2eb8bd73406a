"""Fetching: what comes where, in which order, and with several processes at once."""

from __future__ import annotations

import errno
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from torchvision import datasets

from digits.data import fetch as module
from digits.data.datasets import DataError, mnist
from digits.data.fetch import FetchError, fetch
from tests.support.mirrors import BODY, MD5, NAME, Server


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


@pytest.mark.usefixtures("impatient")
def test_every_mirror_is_asked_and_named(server: Server, refusing: str, tmp_path: Path) -> None:
    mirrors = [server.mirror("missing"), refusing, "ftp//nonsense/"]
    with pytest.raises(FetchError) as caught:
        fetch(NAME, MD5, tmp_path, mirrors)
    lines = str(caught.value).splitlines()
    assert [line.split(": ")[0] for line in lines] == [f"  {mirror}{NAME}" for mirror in mirrors]
    assert "404: Not Found" in lines[0]
    assert "Connection refused" in lines[1]
    assert "unknown url type" in lines[2]
    assert list(tmp_path.iterdir()) == []


def test_no_mirror_at_all(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="no mirror is configured"):
        fetch(NAME, MD5, tmp_path, [])


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
    assert f"could not download MNIST: {names[0]} is not in {folder}" in text
    assert f"{refusing}{names[0]}: " in text
    assert all(name in text.splitlines()[-1] for name in names)
    assert f"into {folder}" in text
    assert "data.mirrors=[URL/]" in text
    assert "data=optdigits, which needs no network" in text


# ---- Several processes --------------------------------------------------------------------------

# Without what is in `digits/data/__init__.py`, which would import torch first
CHILD = """
import sys, types
from pathlib import Path
sys.modules["digits.data"] = package = types.ModuleType("digits.data")
package.__path__ = [{package!r}]
from digits.data.fetch import fetch
print("begins", flush=True)
print(fetch({name!r}, {md5!r}, Path({folder!r}), [{mirror!r}]), flush=True)
"""


def start_child(folder: Path, mirror: str, *, before: str = "") -> subprocess.Popen[str]:
    assert module.__file__ is not None
    package = str(Path(module.__file__).parent)
    code = CHILD.format(package=package, name=NAME, md5=MD5, folder=str(folder), mirror=mirror)
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


# ---- The disk -----------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="limits on the size of files are POSIX's")
def test_limit_on_the_size_of_files_is_not_blamed_on_the_mirror(server: Server, tmp_path: Path) -> None:
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n"
    child = start_child(tmp_path, server.mirror("good"), before=limit)
    _, err = child.communicate(timeout=20)
    assert child.returncode == 1
    assert "OSError: [Errno 27] File too large" in err
    assert "FetchError" not in err
    assert list(tmp_path.iterdir()) == []


def test_disk_that_fills_is_not_blamed_on_the_mirror(server: Server, small_disk: Path) -> None:
    with pytest.raises(OSError, match="No space left on device") as caught:
        fetch(NAME, MD5, small_disk, [server.mirror("good"), server.mirror("never_asked")])
    assert caught.value.errno == errno.ENOSPC
    assert list(small_disk.iterdir()) == []
    assert server.asked == [f"/good/{NAME}"], "the next mirror would fare no better"


def test_disk_that_fills_is_one_sentence(server: Server, small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.MNIST, "resources", [(NAME, MD5)])
    with pytest.raises(DataError) as caught:
        mnist(small_disk, [server.mirror("good")])
    folder = small_disk / "MNIST" / "raw"
    assert str(caught.value) == (
        f"MNIST can't be stored in {folder}: [Errno 28] No space left on device; "
        "choose another folder with data.root=DIR"
    )


# ---- A mirror that was slow to fail -------------------------------------------------------------


def test_a_slow_failure_is_remembered_for_a_while(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a sweep without a network, each of whose jobs would wait for every mirror."""
    monkeypatch.setattr(module, "TIMEOUT", 1.5)
    mirrors = [server.mirror("hang"), server.mirror("missing")]
    for asked in (["hang", "missing"], ["missing"]):
        server.asked.clear()
        with pytest.raises(FetchError) as caught:
            fetch(NAME, MD5, tmp_path, mirrors)
        assert server.asked == [f"/{kind}/{NAME}" for kind in asked], "what failed at once may be asked again at once"
    first, second = str(caught.value).splitlines()
    assert "timed out" in first
    assert "asked again 120 s" in first
    assert "404" in second

    monkeypatch.setattr(module, "ASK_AGAIN", 0.1)
    time.sleep(0.2)
    with pytest.raises(FetchError):
        fetch(NAME, MD5, tmp_path, mirrors)
    assert server.asked[-2:] == [f"/hang/{NAME}", f"/missing/{NAME}"]
