"""A real server under nonsense: raw sockets that dawdle, lie and babble, and afterwards it answers as before."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import httpx
import pytest

from digits.serving.server import HostError, PortError, address_of, bind
from tests.support.server import IMAGE, SHORT, Running, running

POST = b"POST /api/read HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    """With a stand-in for the reader and short clocks; it must end without having complained."""
    with running("tests.support.server") as server:
        yield server


@pytest.fixture(autouse=True)
def still_well(server: Running) -> Iterator[None]:
    """After every test the server answers, and at once."""
    yield
    assert server.process.poll() is None
    answer = httpx.post(f"{server.address}/api/read", content=b"3", headers=IMAGE, timeout=3)
    assert answer.json()["text"] == "777"


def connect(server: Running) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=10)


def told(connection: socket.socket) -> bytes:
    """All that comes until the server closes."""
    parts = []
    with suppress(ConnectionResetError):
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def is_cut(connection: socket.socket) -> bool:
    """Whether the server has ended it, without waiting for that."""
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


def exchange(server: Running, sent: bytes) -> bytes:
    with connect(server) as connection:
        connection.sendall(sent)
        return told(connection)


@pytest.mark.parametrize("beginning", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: "])
def test_headers_that_never_end_are_cut_off(server: Running, beginning: bytes) -> None:
    waited = 0
    with connect(server) as connection, suppress(ConnectionError):
        connection.settimeout(0.2)
        connection.sendall(beginning)
        while True:
            if beginning:
                connection.sendall(b"x")  # a byte now and then: the clock is not wound up by it
            try:
                assert connection.recv(100) == b""
                break
            except TimeoutError:
                waited += 1
    assert waited > 0


@pytest.mark.parametrize("how", [b"Content-Length: 1000\r\n\r\n123", b"Transfer-Encoding: chunked\r\n\r\n1\r\n1\r\n"])
def test_a_body_that_never_ends_is_told_so(server: Running, how: bytes) -> None:
    answer = exchange(server, POST + how)  # which ends when the server closes the connection
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"The picture came too slowly" in answer


def test_a_body_that_is_too_large_is_refused_before_it_is_sent(server: Running) -> None:
    with connect(server) as connection:
        connection.sendall(POST + b"Content-Length: 999999999\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_one_of_unannounced_size_is_refused_while_it_is_sent(server: Running) -> None:
    chunk = b"2710\r\n" + b"1" * 10_000 + b"\r\n"
    with connect(server) as connection:
        connection.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 11)
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")
        with suppress(ConnectionError):
            while True:
                connection.sendall(chunk)
                time.sleep(0.01)


@pytest.mark.parametrize(("sent", "status"), [
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)), b"400"),  # TLS
    (b"hello\r\n\r\n", b"400"),
    (b"GET / HTTP/9.9\r\n\r\n", b"421"),
    (b"GET / HTTP/1.1\r\n\r\n", b"400"),  # no Host
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", b"400"),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 100_000, b"400"),
    (b"GET /" + b"x" * 100_000, b"400"),
    (POST + b"Content-Length: -5\r\n\r\n", b"400"),
    (POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n", b"400"),
    (POST + b"Content-Length: 9" + b"9" * 4000 + b"\r\n\r\n", b"400"),
    (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n", b"400"),
    (POST + b"Transfer-Encoding: chunked\r\n\r\nhello\r\n", b"400"),
    (b"GET / HTTP/1.0\r\n\r\n", b"421"),
    (b"GET / HTTP/1.0\r\nHost: evil.example\r\n\r\n", b"421"),
    (b"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", b"404"),
    (b"CONNECT localhost:22 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", b"404"),
    (b"GET /%00%ff HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", b"404"),
    (b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", b"200"),
])  # fmt: skip
def test_nonsense_gets_its_answer(server: Running, sent: bytes, status: bytes) -> None:
    answer = exchange(server, sent)
    assert answer.startswith(b"HTTP/1.1 " + status), answer[:200]
    assert b"/digits/" not in answer
    assert b"Traceback" not in answer


def test_random_bytes_do_no_harm(server: Running) -> None:
    noise = random.Random(0)
    for _ in range(50):
        with connect(server) as connection, suppress(ConnectionError):
            connection.sendall(noise.choice([b"", b"GET / HTTP/1.1\r\n", POST]) + noise.randbytes(2000) + b"\r\n\r\n")
            connection.shutdown(socket.SHUT_WR)
            told(connection)


def test_who_hangs_up_costs_nothing(server: Running) -> None:
    """In the header, in the body, while the picture is read; on both sides, on one side only, and with a reset."""
    whole = POST + b"Content-Length: 1\r\n\r\nz"
    for end in (10, len(POST), len(whole) - 1, len(whole)):
        for way in ("close", "half", "reset"):
            with connect(server) as connection:
                if way == "reset":
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                connection.sendall(whole[:end])
                if way == "half":
                    connection.shutdown(socket.SHUT_WR)
                    assert told(connection) == b""


def test_a_client_that_does_not_take_its_answers_is_cut_off(server: Running) -> None:
    request = b"GET /paper.js HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with connect(server) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(0.5)
        with suppress(ConnectionError):
            while True:
                with suppress(TimeoutError):
                    connection.sendall(request * 100)  # and it never reads


def test_those_who_idle_make_room_for_those_who_ask(server: Running) -> None:
    with ExitStack() as held:
        connections = [held.enter_context(connect(server)) for _ in range(3 * SHORT.connections)]
        for connection in connections[-SHORT.connections :]:
            connection.sendall(b"GET / HTTP/1.1\r\nX-Slow: ")
        answer = httpx.post(f"{server.address}/api/read", content=b"2", headers=IMAGE, timeout=5)
        assert answer.json()["text"] == "77"
        assert [is_cut(connection) for connection in connections] == [
            index <= 2 * SHORT.connections for index in range(3 * SHORT.connections)
        ]  # those that have idled for longest, one of them for the one that asked; for the others time was not up


def test_a_port_that_cannot_be_had_is_told_with_the_fix(server: Running) -> None:
    with pytest.raises(PortError, match=rf"^port {server.port} is in use; choose another with --port, or --port 0"):
        bind("127.0.0.1", server.port)
    with pytest.raises(
        HostError, match=r"^'192\.0\.2\.1' is not an address of this machine; choose another with --host$"
    ):
        bind("192.0.2.1", 0)


def test_the_address_that_is_printed_can_be_opened() -> None:
    with bind("0.0.0.0", 0) as listening:
        assert address_of(listening) == f"http://127.0.0.1:{listening.getsockname()[1]}/"
