"""The application on a port, slow clients disconnected; uvicorn itself only closes idle keep-alive connections."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
import socket
import sys
from typing import NoReturn

from starlette.types import ASGIApp
from uvicorn import Config, Server
from uvicorn.protocols.http.h11_impl import H11Protocol

from digits.serving.limits import Limits

HEADER_BYTES = 16 * 1024  # of a request's line and headers: browsers send about 1 KB
KEEP_ALIVE_SECONDS = 5  # for an idle connection
GOODBYE_SECONDS = 3  # for requests that are being answered when the server is stopped


class PortError(OSError):
    """A port that can't be bound; the message names the fix."""


class HostError(ValueError):
    """An address that this machine does not have; the message names the fix."""


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes any that is free. Raises PortError or HostError."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listening = socket.create_server(address[:2], family=family, backlog=256)
    except (OSError, UnicodeError) as error:
        reason = error.errno if isinstance(error, OSError) else None
        if reason == errno.EADDRINUSE:
            raise PortError(f"port {port} is in use; choose another with --port, or --port 0 for any") from error
        if reason == errno.EACCES:
            raise PortError(f"port {port} is not open to you; choose one from 1024 with --port") from error
        raise HostError(f"{host!r:.80} is not an address of this machine; choose another with --host") from error
    # inherited by every connection; asyncio sets it only where the protocol was named, and else answers wait 40 ms
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def address_of(listening: socket.socket) -> str:
    """The URL of the server for a browser on this machine."""
    host, port = listening.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def run_server(app: ASGIApp, listening: socket.socket, limits: Limits) -> NoReturn:
    """Serve until SIGINT or SIGTERM, when open requests get GOODBYE_SECONDS. Ends the process with 130 or 143.

    It ends even while a thread still reads: threads can't be stopped, and Python's own exit waits for all of them.
    """
    config = Config(
        app,
        http=impatient(limits),
        ws="none",
        lifespan="off",
        log_level="error",  # malformed requests are not worth a line
        access_log=False,
        proxy_headers=False,
        server_header=False,
        h11_max_incomplete_event_size=HEADER_BYTES,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GOODBYE_SECONDS,
    )
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    # uvicorn forwards a signal to its previous handler; a shell makes background jobs ignore SIGINT
    signal.signal(signal.SIGINT, signal.default_int_handler)
    code: object = 0
    try:
        Server(config).run(sockets=[listening])
    except KeyboardInterrupt:
        code = 130
    except SystemExit as end:
        code = end.code
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 1)


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a message matters to the operator; that requests were cancelled at shutdown does not."""
    return not record.getMessage().startswith("Cancel ")


def impatient(limits: Limits) -> type[asyncio.Protocol]:
    """uvicorn's protocol with a time limit for every request and a limit of connections."""

    class Impatient(H11Protocol):
        """A connection that is closed when a request is not over in time, or when it idles and its place is needed.

        One clock covers slow headers, slow bodies and clients that don't receive their answer: it starts when a request
        could begin, and again when the answer has been handed over. A client that has sent half a request holds no
        thread, so many of them cost memory only, which `connections` bounds.
        """

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn narrows the transport's type as well
            super().connection_made(transport)
            self.start_clock()
            if len(self.connections) > limits.connections:
                idle = [c for c in self.connections if isinstance(c, Impatient) and c.is_idle()]
                longest = min(idle, key=lambda connection: connection.since, default=self)
                self.connections.discard(longest)  # now, since connection_lost follows only later
                longest.transport.abort()

        def start_clock(self) -> None:
            """Start the time limit of a request and its answer."""
            self.since = self.loop.time()
            self.clock = self.loop.call_later(limits.request_seconds, self.transport.abort)

        def is_idle(self) -> bool:
            """Whether no request is being answered; one that has arrived in part doesn't count."""
            return self.cycle is None or self.cycle.response_complete

        def on_response_complete(self) -> None:
            self.clock.cancel()
            self.start_clock()
            super().on_response_complete()

        def connection_lost(self, exc: Exception | None) -> None:
            self.clock.cancel()
            super().connection_lost(exc)

    return Impatient
