"""Everything a mirror can do wrong, done by a real server: named, bounded, nothing left behind, the next asked."""

from __future__ import annotations

import os
import re
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from email.message import Message
from io import BytesIO
from pathlib import Path
from urllib.request import FTPHandler, Request
from urllib.response import addinfourl

import pytest
from torchvision import datasets

from digits.data import fetch as module
from digits.data.datasets import DataError, mnist
from digits.data.fetch import LARGEST, FetchError, fetch
from tests.support.mirrors import BODY, MD5, NAME, PAGE, REDIRECTS, Server, md5

SIZE = len(BODY)
LOGIN = r"a web page \(does this network want a login\?\)"
HALF = f"sent 1000 bytes with MD5 {md5(BODY[:1000])} instead of {MD5}"

FAULTS = {
    "missing": "404: Not Found",
    "rude": r"500:  \[31mred !!!!!!!!",
    "wrong": rf"sent {SIZE} bytes with MD5 {md5(BODY[:-1] + b'!')} instead of {MD5}",
    "html": f"sent {len(PAGE)} bytes with MD5 {md5(PAGE)} instead of {MD5}, {LOGIN}",
    "nothing": rf"sent 0 bytes with MD5 {md5(b'')} instead of {MD5}",
    "ssh": r"SSH-2\.0-OpenSSH_9\.2",
    # too slow
    "hang": "timed out",
    "stall": "timed out",
    "drip": r"sent only \d+ bytes in ",
    # dead halfway
    "half": f"broke off after 1000 of {SIZE} bytes",
    "half_unannounced": HALF,
    "half_chunked": "IncompleteRead",
    "half_a_chunk": "IncompleteRead",
    "reset": "Connection reset by peer",
    "reset_chunked": "Connection reset by peer",
    "reset_at_once": "Connection reset by peer|closed connection without response",
    # without an end
    "flood": f"has more than {LARGEST} bytes",
    "flood_chunked": f"has more than {LARGEST} bytes",
    "announced_flood": f"has more than {LARGEST} bytes",
    # elsewhere
    "loop": "302: .* infinite loop",
    "ping": "302: .* infinite loop",
    "to_file": "302: .*file:///etc/hostname.* is not allowed",
    "to_ftp": "Connection refused",
    "to_data": "302: .*data:text/plain,pixels.gz.* is not allowed",
    "to_nonsense": "Invalid IPv6 URL",
}


@pytest.mark.parametrize(("kind", "answer"), FAULTS.items())
@pytest.mark.usefixtures("impatient")
def test_fault_is_named_and_nothing_is_left(server: Server, tmp_path: Path, kind: str, answer: str) -> None:
    with pytest.raises(FetchError) as caught:
        fetch(NAME, MD5, tmp_path, [server.mirror(kind)])
    line = str(caught.value)
    assert re.fullmatch(rf"  {re.escape(server.mirror(kind) + NAME)}: .*({answer}).*", line), line
    assert line.isprintable()
    assert len(line) < 400
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.usefixtures("impatient")
def test_next_mirror_is_used_and_no_other(server: Server, tmp_path: Path, kind: str) -> None:
    path = fetch(NAME, MD5, tmp_path, [server.mirror(kind), server.mirror("good"), server.mirror("never_asked")])
    assert path.read_bytes() == BODY
    assert server.asked[0] == f"/{kind}/{NAME}"
    assert server.asked[-1] == f"/good/{NAME}"
    assert kind in REDIRECTS or len(server.asked) == 2
    assert list(tmp_path.iterdir()) == [path]


def test_a_byte_a_second_is_too_slow(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TIMEOUT", 1.5)  # longer than it is silent, so that no socket times out
    with pytest.raises(FetchError, match=r"sent only \d bytes in "):
        fetch(NAME, MD5, tmp_path, [server.mirror("drop")])
    assert list(tmp_path.iterdir()) == []


def test_flood_stops_at_the_limit(server: Server, tmp_path: Path) -> None:
    for kind in ("flood", "announced_flood"):
        server.sent = 0
        mirrors = [server.mirror(kind), server.mirror("good")]
        assert fetch(NAME, MD5, tmp_path / kind, mirrors).read_bytes() == BODY
        # what was under way in the sockets' buffers is less than 32 MB
        assert server.sent < (LARGEST if kind == "flood" else 0) + (1 << 25), kind


@pytest.mark.parametrize("kind", ["chunks", "moved"])
def test_other_ways_to_send_the_right_file_are_fine(server: Server, tmp_path: Path, kind: str) -> None:
    assert fetch(NAME, MD5, tmp_path, [server.mirror(kind)]).read_bytes() == BODY


def test_local_file_is_no_mirror(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(BODY)
    with pytest.raises(FetchError, match="unknown url type 'file'"):
        fetch(NAME, MD5, tmp_path / "data", [f"file://{tmp_path}/"])


def test_nothing_is_taken_from_an_ftp_server_that_a_mirror_leads_to(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(_: FTPHandler, request: Request) -> addinfourl:
        return addinfourl(BytesIO(BODY), Message(), request.full_url)

    monkeypatch.setattr(FTPHandler, "ftp_open", answer)
    with pytest.raises(FetchError, match=r"redirects to ftp://.*; only http"):
        fetch(NAME, MD5, tmp_path, [server.mirror("to_ftp")])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("impatient")
def test_sentence_names_every_mirror_with_its_answer(
    server: Server, refusing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets.MNIST, "resources", [(NAME, MD5)])
    kinds = ["missing", "html", "half", "reset", "loop", "to_file", "announced_flood"]
    with pytest.raises(DataError) as caught:
        mnist(tmp_path, [*map(server.mirror, kinds), refusing])
    first, *answers, last = str(caught.value).splitlines()
    folder = tmp_path / "MNIST" / "raw"
    assert first == f"could not download MNIST: {NAME} is not in {folder} and every mirror failed:"
    for kind, line in zip(kinds, answers[:-1], strict=True):
        assert re.fullmatch(rf"  {re.escape(server.mirror(kind) + NAME)}: .*({FAULTS[kind]}).*", line), line
    assert answers[-1].startswith(f"  {refusing}{NAME}: ")
    assert "Connection refused" in answers[-1]
    assert last.endswith("or use data=optdigits, which needs no network.")
    assert list(folder.iterdir()) == []


# ---- Encryption ---------------------------------------------------------------------------------


@pytest.fixture
def encrypted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A second server, on HTTPS, with a certificate that is trusted here."""
    openssl = shutil.which("openssl")
    if openssl is None:
        message = "there is no openssl to make a certificate with: what needs HTTPS was left out"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key),
         "-out", str(certificate)], check=True, capture_output=True,
    )  # fmt: skip
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    encrypted = Server()
    encrypted.socket = context.wrap_socket(encrypted.socket, server_side=True)
    thread = threading.Thread(target=encrypted.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield encrypted
    encrypted.release.set()
    encrypted.shutdown()
    encrypted.server_close()
    thread.join()


def test_encryption_is_not_given_up_by_a_redirect(
    server: Server, encrypted: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, secure = tmp_path / "data", f"https://127.0.0.1:{encrypted.server_port}/"
    monkeypatch.setitem(REDIRECTS, "moved", server.mirror("good"))
    with pytest.raises(FetchError, match=rf"redirects to {server.mirror('good')}{NAME}; only"):
        fetch(NAME, MD5, folder, [f"{secure}moved/"])
    assert list(folder.iterdir()) == []
    monkeypatch.setitem(REDIRECTS, "moved", f"{secure}good/")
    assert fetch(NAME, MD5, folder, [f"{secure}moved/"]).read_bytes() == BODY


def test_redirect_to_encryption_is_followed(
    server: Server, encrypted: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(REDIRECTS, "moved", f"https://127.0.0.1:{encrypted.server_port}/good/")
    assert fetch(NAME, MD5, tmp_path / "data", [server.mirror("moved")]).read_bytes() == BODY


def test_certificate_of_nobody_is_refused(encrypted: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(FetchError, match="certificate verify failed"):
        fetch(NAME, MD5, tmp_path / "data", [f"https://127.0.0.1:{encrypted.server_port}/good/"])
