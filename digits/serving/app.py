"""The ASGI application: the page, `POST /api/read`, `GET /health`, and `POST /api/correct` where that was asked for."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from functools import partial
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
from digits.serving.alignment import right_text
from digits.serving.corrections import Collection
from digits.serving.limits import Limits
from digits.serving.read_queue import Desk, RefusedError
from digits.serving.security import Guard

PAGE = {  # the files of the page by the address that they are served at, with their types
    "/": ("index.html", "text/html; charset=utf-8"),
    "/style.css": ("style.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/paper.js": ("paper.js", "text/javascript; charset=utf-8"),
    "/answer.js": ("answer.js", "text/javascript; charset=utf-8"),
    "/correct.js": ("correct.js", "text/javascript; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}


def make_app(
    read: Callable[[bytes], Reading],
    nets: Mapping[str, str],
    limits: Limits | None = None,
    loopback: bool = True,
    collect: Collection | None = None,
) -> ASGIApp:
    """The application around a reader.

    `read` is called by several threads at once, with the bytes of a picture. `nets` are the SHA-256 of its nets, for
    `/health`. With `loopback` only requests for localhost are answered. Corrections are accepted only with a
    collection to save them in.
    """
    limits = limits or Limits()
    desk = Desk(limits)

    async def answered(request: Request, work: Callable[[bytes], dict[str, object]]) -> Response:
        """The response to a request with a picture: the result of `work`, or an error."""
        announced = request.headers.get("content-length")
        try:
            async with desk.received(request.stream(), int(announced) if announced else None) as body:
                begun = time.perf_counter()
                made = await desk.run(partial(work, body))
        except RefusedError as error:
            headers = {"retry-after": str(error.again)} if error.again else {}
            if error.status == 408:  # its body has not arrived completely
                headers["connection"] = "close"
            return JSONResponse({"error": error.sentence}, error.status, headers)
        except PictureError as error:
            message = str(error)
            return JSONResponse({"error": f"{message[:1].upper()}{message[1:].rstrip('.')}."}, 422)
        except ClientDisconnect:
            return Response(status_code=400)  # which nobody receives
        except asyncio.CancelledError:  # only at shutdown, after the grace period
            return JSONResponse({"error": "The server has been stopped."}, 503, {"connection": "close"})
        return JSONResponse(made | {"milliseconds": round(1000 * (time.perf_counter() - begun), 2)})

    async def answer(request: Request) -> Response:
        return await answered(request, lambda body: as_plain(read(body)))

    async def correct(request: Request) -> Response:
        assert collect is not None  # the route exists only with a collection
        return await answered(request, partial(_corrected, read, collect, request.query_params.getlist("text")))

    async def health(_: Request) -> Response:
        bounds = {"body_bytes": limits.body_bytes}
        corrections = collect is not None
        return JSONResponse({"status": "ready", "nets": dict(nets), "limits": bounds, "corrections": corrections})

    pages = [Route(address, _page(*file)) for address, file in PAGE.items()]
    taken = [Route("/api/correct", correct, methods=["POST"])] if collect else []
    app = Starlette(
        routes=[*pages, Route("/health", health), Route("/api/read", answer, methods=["POST"]), *taken],
        exception_handlers={HTTPException: _not_here, Exception: _failed},
    )
    app.router.redirect_slashes = False  # a redirect would repeat whatever Host was sent
    return Guard(app, loopback)  # outermost, so that its headers are on every answer, failures included


def as_plain(reading: Reading) -> dict[str, object]:
    """A reading as a JSON object."""
    return {
        "text": reading.text,
        "confidence": round(reading.confidence, 5),
        "doubtful": reading.doubtful,
        "width": reading.width,
        "height": reading.height,
        "digits": [_digit(digit) for digit in reading.digits],
        "left_out": reading.left_out,
    }


def _corrected(
    read: Callable[[bytes], Reading], collection: Collection, texts: list[str], body: bytes
) -> dict[str, object]:
    """The text that was read on a picture, and what was saved of the correction, as a JSON object."""
    if len(texts) != 1:
        sentence = "Give the correct text once, as in /api/correct?text=2026; an empty text means no digit."
        raise RefusedError(422, sentence)
    right = right_text(texts[0])
    reading = read(body)
    return {"text": reading.text} | asdict(collection.keep(body, reading, right))


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
