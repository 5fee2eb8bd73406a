"""A client of the page's application, without a network."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Mapping

import httpx
from PIL import Image, ImageDraw

from digits.reading.result import Reading
from digits.serving.app import make_app
from digits.serving.corrections import Collection
from digits.serving.limits import Limits
from tests.support.server import IMAGE, stand_in


class Client:
    """Asks the application without a network; what it raises has become an answer, as a server would make it."""

    def __init__(
        self,
        read: Callable[[bytes], Reading] = stand_in,
        limits: Limits | None = None,
        collect: Collection | None = None,
    ) -> None:
        app = make_app(read, {"detector": "abc123", "classifier": "def456"}, limits, collect=collect)
        self.transport = httpx.ASGITransport(app, raise_app_exceptions=False)

    def ask(
        self,
        method: str,
        path: str,
        content: bytes | AsyncIterator[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        async def answer() -> httpx.Response:
            async with httpx.AsyncClient(transport=self.transport, base_url="http://localhost") as client:
                return await client.request(method, path, content=content, headers=headers)

        return asyncio.run(answer())

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
        return self.ask("GET", path, headers=headers)

    def read(self, picture: bytes | AsyncIterator[bytes]) -> httpx.Response:
        return self.ask("POST", "/api/read", picture, IMAGE)


def seven(kind: str = "PNG") -> bytes:
    picture = Image.new("RGB", (384, 320), "white")
    ImageDraw.Draw(picture).line([(120, 80), (240, 80), (180, 260)], fill="black", width=11, joint="curve")
    file = io.BytesIO()
    picture.save(file, kind)
    return file.getvalue()
