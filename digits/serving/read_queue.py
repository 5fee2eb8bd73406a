"""The queue of pictures to read, bounded in readers, waiting pictures and bytes; the rest are refused."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypeVar

from digits.serving.limits import MEGABYTE, Limits

Answer = TypeVar("Answer")


class RefusedError(Exception):
    """A picture that is refused: the HTTP status, a sentence for its sender, and the seconds until a retry."""

    def __init__(self, status: int, sentence: str, again: int | None = None) -> None:
        super().__init__(sentence)
        self.status, self.sentence, self.again = status, sentence, again


class Desk:
    """Receives pictures in one event loop and reads them in threads."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._threads = ThreadPoolExecutor(limits.at_once, thread_name_prefix="reading")
        # Released by the thread, not by the request: a reading that timed out still occupies its thread
        self._places = threading.Semaphore(limits.at_once + limits.waiting)
        self._pending_bytes = 0

    @asynccontextmanager
    async def received(self, chunks: AsyncIterator[bytes], announced: int | None) -> AsyncIterator[bytes]:
        """The whole body; raises RefusedError as soon as it is too large or too late, or there is no room for it."""
        limit = self.limits.body_bytes
        too_large = RefusedError(413, f"The picture has more than {limit / MEGABYTE:g} MB; send a smaller one.")
        if announced is not None and announced > limit:
            raise too_large
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self.limits.body_seconds) as clock:
                async for chunk in chunks:
                    if size + len(chunk) > limit:
                        raise too_large
                    if self._pending_bytes + len(chunk) > self.limits.pending_bytes:
                        raise _busy()
                    parts.append(chunk)
                    size += len(chunk)
                    self._pending_bytes += len(chunk)
            yield b"".join(parts)
        except TimeoutError as error:
            if not clock.expired():
                raise
            raise RefusedError(408, "The picture came too slowly; send a smaller one.") from error
        finally:
            self._pending_bytes -= size

    async def run(self, read: Callable[[], Answer]) -> Answer:
        """Call `read` in a thread; raises RefusedError where too many wait or it times out, and what `read` raises."""
        if not self._places.acquire(blocking=False):
            raise _busy()
        future = self._threads.submit(read)
        future.add_done_callback(self._release)
        try:
            async with asyncio.timeout(self.limits.reading_seconds) as clock:
                return await asyncio.wrap_future(future)
        except TimeoutError as error:
            if not clock.expired():
                raise
            seconds = f"{self.limits.reading_seconds:g}"
            raise RefusedError(503, f"The picture was not read within {seconds} s; send a smaller one.", 1) from error

    def _release(self, _: Future[Answer]) -> None:
        self._places.release()


def _busy() -> RefusedError:
    return RefusedError(503, "Too many pictures are being read; try again in a moment.", 1)
