"""A real server on this machine that does everything a mirror can do wrong."""

from __future__ import annotations

import hashlib
import os
import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NAME = "pixels.gz"
BODY = bytes(range(256)) * 400  # 102 kB
PAGE = b"<html>Log in to the hotel's network</html>"
BLOCK = bytes(1 << 16)


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
        self.sent = 0  # bytes of the answers that have no end
        self.came, self.release = threading.Event(), threading.Event()

    def mirror(self, kind: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{kind}/"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hung up is what is being tested."""


REDIRECTS = {
    "loop": "/loop/",
    "ping": "/pong/",
    "pong": "/ping/",
    "to_file": "file:///etc/hostname?",
    "to_ftp": "ftp://127.0.0.1:9/",
    "to_data": "data:text/plain,",
    "to_nonsense": "http://[1/",
    "moved": "/good/",
}


class Handler(BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class names it so)
        pass

    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        server.asked.append(self.path)
        server.came.set()
        kind = self.path.removeprefix("http://mnist.invalid").split("/")[1]
        if kind in REDIRECTS:
            self.send_response(302)
            self.send_header("Location", REDIRECTS[kind] + NAME)
            self.end_headers()
        else:
            getattr(self, f"give_{kind}")(server)

    def answer(self, body: bytes, promised: int | None = None) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body) if promised is None else promised))
        self.end_headers()
        self.wfile.write(body)

    def answer_in_chunks(self, *chunks: bytes) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for chunk in chunks:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))

    def reset(self) -> None:
        """Break the connection so that the client gets an error, not an end."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())

    def drip(self, server: Server, what: bytes, seconds: float) -> None:
        while not server.release.wait(seconds):
            self.wfile.write(what)

    def pour(self, server: Server) -> None:
        while not server.release.is_set():
            self.wfile.write(BLOCK)
            server.sent += len(BLOCK)

    # ---- As they should be ----------------------------------------------------------------------

    def give_good(self, server: Server) -> None:
        self.answer(BODY)

    def give_chunks(self, server: Server) -> None:
        self.answer_in_chunks(BODY[:1000], BODY[1000:], b"")

    def give_late(self, server: Server) -> None:
        server.release.wait(30)
        self.answer(BODY)

    # ---- Something else ---------------------------------------------------------------------------

    def give_missing(self, server: Server) -> None:
        self.send_error(404)

    def give_rude(self, server: Server) -> None:
        self.send_error(500, "\x1b[31mred\x07" + "!" * 5000)

    def give_wrong(self, server: Server) -> None:
        self.answer(BODY[:-1] + b"!")

    def give_html(self, server: Server) -> None:
        self.answer(PAGE)

    def give_nothing(self, server: Server) -> None:
        self.answer(b"")

    def give_ssh(self, server: Server) -> None:
        self.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n")

    # ---- Too slow ---------------------------------------------------------------------------------

    def give_hang(self, server: Server) -> None:
        server.release.wait(30)

    def give_stall(self, server: Server) -> None:
        self.answer(BODY[:1000], len(BODY))
        server.release.wait(30)

    def give_drip(self, server: Server) -> None:
        self.answer(b"", len(BODY))
        self.drip(server, b"x", 0.02)

    def give_drop(self, server: Server) -> None:
        self.answer(b"", len(BODY))
        self.drip(server, b"x", 1)

    # ---- Dead halfway -----------------------------------------------------------------------------

    def give_half(self, server: Server) -> None:
        self.answer(BODY[:1000], len(BODY))

    def give_half_unannounced(self, server: Server) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(BODY[:1000])

    def give_half_chunked(self, server: Server) -> None:
        self.answer_in_chunks(BODY[:1000])

    def give_half_a_chunk(self, server: Server) -> None:
        self.answer_in_chunks(BODY[:1000])
        self.wfile.write(b"%x\r\n%s" % (len(BODY), BODY[:500]))

    def give_reset(self, server: Server) -> None:
        self.answer(BODY[:1000], len(BODY))
        self.reset()

    def give_reset_chunked(self, server: Server) -> None:
        self.answer_in_chunks(BODY[:1000])
        self.reset()

    def give_reset_at_once(self, server: Server) -> None:
        self.reset()

    # ---- Without an end ---------------------------------------------------------------------------

    def give_flood(self, server: Server) -> None:
        self.send_response(200)
        self.end_headers()
        self.pour(server)

    def give_flood_chunked(self, server: Server) -> None:
        self.answer_in_chunks()
        while not server.release.is_set():
            self.wfile.write(b"10000\r\n" + BLOCK + b"\r\n")
            server.sent += len(BLOCK)

    def give_announced_flood(self, server: Server) -> None:
        self.answer(b"", 10**13)
        self.pour(server)
