"""Host check (DNS rebinding), same-origin check, security headers."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""Everything from this origin, no inline script, no framing; blob: is the chosen photo, data: the patches."""

HEADERS = {
    "content-security-policy": POLICY,
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


def is_loopback(host: str) -> bool:
    """Whether a server bound to this name or address is reached from its own machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def refused(method: str, headers: Headers, loopback: bool) -> tuple[int, str] | None:
    """The status and the sentence for a request that is refused; None for one that is answered.

    A foreign page can reach a server on localhost in two ways. It can post to it: browsers then send its origin
    (`Origin`, `Sec-Fetch-Site`), and may not send a picture's content type to another origin without a preflight
    request, which is never allowed here. Or its own name can resolve to 127.0.0.1 (DNS rebinding): then `Host` is it.
    """
    host = headers.get("host", "")
    if loopback and not is_loopback(_hostname(host)):
        return 421, "This server answers to localhost only; start it with --host to let others in."
    if method != "POST":
        return None
    origin = headers.get("origin")
    foreign = origin is not None and urlsplit(origin).netloc.lower() != host.lower()
    if foreign or headers.get("sec-fetch-site", "none") not in {"same-origin", "none"}:
        return 403, "Pictures are taken from this server's own page only."
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if not (kind.startswith("image/") or kind == "application/octet-stream"):
        return 415, "Send the picture itself as the body, with its Content-Type (image/png, …)."
    return None


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


class Guard:
    """ASGI middleware that rejects the requests of `refused` and puts HEADERS on every response."""

    def __init__(self, app: ASGIApp, loopback: bool) -> None:
        self.app, self.loopback = app, loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            await send(message)

        if reason := refused(scope["method"], Headers(scope=scope), self.loopback):
            status, sentence = reason
            await JSONResponse({"error": sentence}, status)(scope, receive, send_guarded)
        else:
            await self.app(scope, receive, send_guarded)
