"""The ASGI application: the page, `POST /api/read` and `GET /health`."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import time
from collections.abc import Awaitable, Callable
from importlib.resources import files

import cv2
import numpy as np
import numpy.typing as npt
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from digits.reading.pictures import PictureError
from digits.reading.result import Digit, Reading
from digits.serving.limits import Limits
from digits.serving.read_queue import Desk, RefusedError
from digits.serving.security import Guard

PAGE = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/style.css": ("style.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/paper.js": ("paper.js", "text/javascript; charset=utf-8"),
    "/answer.js": ("answer.js", "text/javascript; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
"""The files of the page by the address they are served at, with their types."""


def make_app(
    read: Callable[[bytes], Reading],
    classes: tuple[str, ...],
    sha256: str,
    limits: Limits | None = None,
    loopback: bool = True,
) -> ASGIApp:
    """The application around a reader.

    `read` is called by several threads at once, with the bytes of a picture. `classes` and `sha256` are the net's, for
    `/health`. With `loopback` only requests for localhost are answered.
    """
    limits = limits or Limits()
    desk = Desk(read, limits)

    async def answer(request: Request) -> Response:
        announced = request.headers.get("content-length")
        try:
            async with desk.received(request.stream(), int(announced) if announced else None) as body:
                begun = time.perf_counter()
                reading = await desk.read(body)
        except RefusedError as error:
            headers = {"retry-after": str(error.again)} if error.again else {}
            if error.status == 408:  # its body is still to come
                headers["connection"] = "close"
            return JSONResponse({"error": error.sentence}, error.status, headers)
        except PictureError as error:
            said = str(error)
            return JSONResponse({"error": f"{said[:1].upper()}{said[1:].rstrip('.')}."}, 422)
        except ClientDisconnect:
            return Response(status_code=400)  # to nobody
        except asyncio.CancelledError:  # only when the server is told to stop, and has waited
            return JSONResponse({"error": "The server has been stopped."}, 503, {"connection": "close"})
        return JSONResponse(as_plain(reading) | {"milliseconds": round(1000 * (time.perf_counter() - begun), 2)})

    async def health(_: Request) -> Response:
        model = {"classes": classes, "sha256": sha256}
        return JSONResponse({"status": "ready", "model": model, "limits": {"body_bytes": limits.body_bytes}})

    pages = [Route(address, _page(*file)) for address, file in PAGE.items()]
    app = Starlette(
        routes=[*pages, Route("/health", health), Route("/api/read", answer, methods=["POST"])],
        exception_handlers={HTTPException: _not_here, Exception: _failed},
    )
    app.router.redirect_slashes = False  # a redirect would repeat whatever Host was sent
    return Guard(app, loopback)  # outermost, so that its headers are on every answer, failures included


def as_plain(reading: Reading) -> dict[str, object]:
    """A reading as JSON has it."""
    return {
        "text": reading.text,
        "width": reading.width,
        "height": reading.height,
        "digits": [_digit(digit) for digit in reading.digits],
        "left_out": reading.left_out,
    }


def _digit(digit: Digit) -> dict[str, object]:
    return {
        "label": digit.label,
        "confidence": round(digit.confidence, 5),
        "doubtful": digit.doubtful,
        "probabilities": [round(probability, 5) for probability in digit.probabilities],
        "box": digit.box,
        "line": digit.line,
        "patch": _png(digit.patch),
    }


def _png(patch: npt.NDArray[np.uint8]) -> str:
    done, png = cv2.imencode(".png", patch)
    assert done
    return base64.b64encode(png.tobytes()).decode()


def _page(name: str, kind: str) -> Callable[[Request], Awaitable[Response]]:
    content = files("digits.serving").joinpath("page", name).read_bytes()
    headers = {"etag": f'"{hashlib.sha256(content).hexdigest()[:16]}"', "cache-control": "no-cache"}

    async def page(request: Request) -> Response:
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=kind, headers=headers)

    return page


async def _not_here(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    sentence = {404: "There is nothing at this address.", 405: "This address does not take this method."}
    return JSONResponse(
        {"error": sentence.get(error.status_code, error.detail)}, error.status_code, dict(error.headers or {})
    )


async def _failed(_: Request, __: Exception) -> Response:
    return JSONResponse({"error": "The picture could not be read."}, 500)
