"""The application's answers."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import AsyncIterator

import numpy as np
import pytest
from PIL import Image

from digits.reading.reader import Reader
from digits.reading.result import Reading
from digits.serving.app import PAGE
from digits.serving.limits import Limits
from tests.support.client import Client, seven
from tests.support.server import stand_in


def test_an_answer_has_all_that_the_page_shows() -> None:
    answer = Client().read(b"2")
    assert answer.status_code == 200
    body = answer.json()
    assert (body["text"], body["width"], body["height"]) == ("77", 64, 48)
    assert body["milliseconds"] > 0
    assert len(body["digits"]) == 2
    digit = body["digits"][0]
    patch = np.asarray(Image.open(io.BytesIO(base64.b64decode(digit.pop("patch")))))
    assert np.array_equal(patch, stand_in(b"1").digits[0].patch)
    assert digit == {
        "label": 7,
        "confidence": 0.75,
        "doubtful": True,
        "probabilities": [0, 0, 0, 0, 0, 0, 0, 0.75, 0.05, 0.1],
        "box": [1, 2, 30, 40],
        "line": 0,
    }


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF"])
def test_the_real_reader_reads_pictures_of_every_kind(kind: str) -> None:
    answer = Client(Reader().read).read(seven(kind))
    assert answer.json()["text"] == "7"
    x, y, width, height = answer.json()["digits"][0]["box"]
    assert (x, y) == (pytest.approx(118, abs=5), pytest.approx(76, abs=5))
    assert (width, height) == (pytest.approx(128, abs=8), pytest.approx(188, abs=8))


def test_no_digit_is_an_answer_too() -> None:
    body = Client().read(b"0").json()
    assert (body["text"], body["digits"]) == ("", [])


@pytest.mark.parametrize("body", [b"", b"hello", b"\0" * 1000, seven()[:300], b"GIF89a", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_picture_is_told_in_a_sentence_without_a_path(body: bytes) -> None:
    answer = Client(Reader().read).read(body)
    assert answer.status_code == 422
    sentence = answer.json()["error"]
    assert re.fullmatch(r"[A-Z][^/]+\.", sentence), sentence


def test_a_fault_of_ours_tells_nothing_of_the_machine() -> None:
    def broken(_: bytes) -> Reading:
        raise RuntimeError("/home/somebody/model.onnx: line 3")

    answer = Client(broken).read(b"1")
    assert answer.status_code == 500
    assert answer.json() == {"error": "The picture could not be read."}
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_health_names_the_net_and_no_path() -> None:
    assert Client().get("/health").json() == {
        "status": "ready",
        "nets": {"detector": "abc123", "classifier": "def456"},
        "limits": {"body_bytes": 16 * 2**20},
        "corrections": False,
    }


@pytest.mark.parametrize(("method", "path", "allowed"), [
    ("GET", "/api/read", "POST"), ("PUT", "/api/read", "POST"), ("DELETE", "/", "GET, HEAD"),
    ("OPTIONS", "/api/read", "POST"), ("PATCH", "/health", "GET, HEAD"), ("BREW", "/", "GET, HEAD"),
])  # fmt: skip
def test_other_methods_are_refused(method: str, path: str, allowed: str) -> None:
    answer = Client().ask(method, path)
    assert answer.status_code == 405
    assert sorted(answer.headers["allow"].split(", ")) == allowed.split(", ")
    assert answer.json() == {"error": "This address does not take this method."}


@pytest.mark.parametrize("path", ["/nothing", "/../app.py", "/page/index.html", "/%2e%2e/app.py", "/api/read/"])
def test_nothing_else_is_served(path: str) -> None:
    answer = Client().get(path)
    assert answer.status_code == 404
    assert answer.json() == {"error": "There is nothing at this address."}


@pytest.mark.parametrize("path", PAGE)
def test_the_page_comes_with_its_headers_and_is_not_sent_twice(path: str) -> None:
    answer = Client().get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == PAGE[path][1]
    assert "script-src 'self';" in answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["referrer-policy"] == "no-referrer"
    again = Client().get(path, headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert Client().ask("HEAD", path).headers["content-length"] == str(len(answer.content))


def test_the_page_has_nothing_inline_and_names_nothing_elsewhere() -> None:
    page = Client().get("/").text
    assert set(re.findall(r'(?:src|href)="([^"]*)"', page)) == {"icon.svg", "style.css", "page.js"}
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*src=)", page)
    for path in PAGE:
        outside = re.findall(r"(?:https?:)?//[\w.-]+\.\w+", Client().get(path).text.replace("http://www.w3.org/", ""))
        assert outside == [], path


def test_no_other_origin_may_read_an_answer() -> None:
    for answer in (Client().get("/health"), Client().read(b"1")):
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["cache-control"] == "no-store"


def test_a_body_over_the_limit_is_refused_whatever_its_length_says() -> None:
    small = Client(limits=Limits(body_bytes=1000))

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(11):
            yield b"1" * 100

    for content in (b"1" * 1001, chunks()):  # announced, and in chunks of unknown number
        answer = small.read(content)
        assert answer.status_code == 413
        assert re.fullmatch(r"The picture has more than 0\.0009\d+ MB; send a smaller one\.", answer.json()["error"])
    assert small.read(b"1" * 1000).status_code == 200
