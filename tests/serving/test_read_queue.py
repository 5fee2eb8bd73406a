"""Receiving and reading within limits."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from digits.reading.result import Reading
from digits.serving.limits import Limits
from digits.serving.read_queue import Desk, RefusedError

SMALL = Limits(body_bytes=1000, pending_bytes=1500, at_once=2, waiting=3)
HASTY = replace(SMALL, waiting=1, body_seconds=0.2, reading_seconds=0.3)
NOTHING = Reading((), 1, 1, confidence=1.0)


async def chunks(
    number: int, size: int = 100, pause: float = 0, taken: list[int] | None = None
) -> AsyncIterator[bytes]:
    for index in range(number):
        await asyncio.sleep(pause)
        if taken is not None:
            taken.append(index)
        yield b"x" * size


def desk(limits: Limits = SMALL) -> Desk:
    return Desk(limits)


async def size_of(desk: Desk, body: AsyncIterator[bytes], announced: int | None = None) -> int:
    async with desk.received(body, announced) as whole:
        return len(whole)


def refusal(desk: Desk, body: AsyncIterator[bytes], announced: int | None = None) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        asyncio.run(size_of(desk, body, announced))
    return caught.value


def test_a_body_is_put_together() -> None:
    assert asyncio.run(size_of(desk(), chunks(10), 1000)) == 1000
    assert asyncio.run(size_of(desk(), chunks(0))) == 0


def test_too_large_a_body_is_refused_before_it_is_taken() -> None:
    taken: list[int] = []
    assert refusal(desk(), chunks(100, taken=taken), announced=10_000).status == 413
    assert taken == []


def test_one_that_lies_about_its_length_is_cut_at_the_limit() -> None:
    taken: list[int] = []
    assert refusal(desk(), chunks(100, taken=taken), announced=10).status == 413
    assert len(taken) == 11


def test_a_slow_body_is_given_up() -> None:
    taken: list[int] = []
    error = refusal(desk(HASTY), chunks(100, size=1, pause=0.05, taken=taken))
    assert (error.status, error.sentence) == (408, "The picture came too slowly; send a smaller one.")
    assert len(taken) < 100


def test_all_bodies_together_are_bounded_and_the_room_is_given_back() -> None:
    async def three(desk: Desk) -> list[int | BaseException]:
        bodies = [size_of(desk, chunks(8, pause=0.005)) for _ in range(3)]
        return await asyncio.gather(*bodies, return_exceptions=True)

    shared = desk()
    refused = [one for one in asyncio.run(three(shared)) if isinstance(one, RefusedError)]
    assert [error.status for error in refused] == [503] * len(refused)
    assert 1 <= len(refused) <= 2
    assert refused[0].again == 1
    assert asyncio.run(size_of(shared, chunks(10))) == 1000  # after refusals, and after those that were taken


class Slow:
    """Counts how many read at once; each takes until it is let go, or so many seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.let_go = seconds, threading.Event()
        self.lock, self.now, self.most, self.done = threading.Lock(), 0, 0, 0

    def __call__(self) -> Reading:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        self.let_go.wait(self.seconds)
        with self.lock:
            self.now -= 1
            self.done += 1
        return NOTHING


async def all_at_once(desk: Desk, read: Callable[[], Reading], number: int) -> list[Reading | BaseException]:
    return await asyncio.gather(*(desk.run(read) for _ in range(number)), return_exceptions=True)


def test_so_many_read_so_many_wait_and_the_rest_are_told_to_come_back() -> None:
    slow = Slow(0.05)
    answers = asyncio.run(all_at_once(desk(), slow, 9))
    refused = [one for one in answers if isinstance(one, RefusedError)]
    assert [(error.status, error.again) for error in refused] == [(503, 1)] * 4
    assert refused[0].sentence == "Too many pictures are being read; try again in a moment."
    assert answers.count(NOTHING) == 5  # none of those that had a place was lost
    assert slow.most == 2


def test_a_reading_that_takes_too_long_is_told_and_keeps_its_place_until_it_ends() -> None:
    slow = Slow(20)
    busy = desk(HASTY)
    first = [one for one in asyncio.run(all_at_once(busy, slow, 3)) if isinstance(one, RefusedError)]
    assert [error.status for error in first] == [503] * 3
    assert first[0].sentence == "The picture was not read within 0.3 s; send a smaller one."
    # Two threads are still at it, and hold two of the three places; the third, which had waited, is free
    second = [one for one in asyncio.run(all_at_once(busy, slow, 2)) if isinstance(one, RefusedError)]
    assert sorted(error.sentence[:8] for error in second) == ["The pict", "Too many"]
    assert slow.done == 0
    slow.let_go.set()
    deadline = time.monotonic() + 10
    while slow.done < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)  # their places are given back just after
    assert asyncio.run(all_at_once(busy, slow, 2)) == [NOTHING] * 2
    assert slow.done == 4  # who was told to come back while waiting is not read afterwards


def test_the_readers_own_errors_come_through() -> None:
    def late() -> Reading:
        raise TimeoutError("the reader's own")

    with pytest.raises(TimeoutError, match="the reader's own"):
        asyncio.run(desk().run(late))
