"""`POST /api/correct`: there only where it was asked for, and within the limits of `/api/read`."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest

from digits.reading.result import Reading
from digits.serving.corrections import Collection
from digits.serving.limits import Limits
from tests.support.client import Client
from tests.support.corrections import drawn, files, kept
from tests.support.server import IMAGE

PICTURE, READING = drawn("2026\n31", read="2826\n37")
RIGHT = "2026\n31"


def client(folder: Path, limits: Limits | None = None, most: int = 100) -> Client:
    return Client(lambda _: READING, limits, Collection(folder, most))


def where(text: str) -> str:
    return f"/api/correct?text={quote(text)}"


def test_without_a_folder_there_is_no_such_address() -> None:
    plain = Client(lambda _: READING)
    for method in ("POST", "GET"):
        answer = plain.ask(method, where(RIGHT), PICTURE, IMAGE)
        assert (answer.status_code, answer.json()) == (404, {"error": "There is nothing at this address."})
    assert plain.get("/health").json()["corrections"] is False


def test_the_page_learns_that_there_is_one(tmp_path: Path) -> None:
    answer = client(tmp_path).get("/health")
    assert answer.json()["corrections"] is True
    assert str(tmp_path) not in answer.text


def test_a_correction_is_kept_and_told(tmp_path: Path) -> None:
    answer = client(tmp_path).ask("POST", where(RIGHT), PICTURE, IMAGE)
    assert answer.status_code == 200
    body = answer.json()
    assert body.pop("milliseconds") > 0
    assert body == {"text": "2826\n37"} | kept(6, corrected=2, _2=2, _0=1, _6=1, _3=1, _1=1)
    assert files(tmp_path) == {"0": 1, "1": 1, "2": 2, "3": 1, "6": 1}
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("text", ["2026%0A31", "+20+26%0D%0A+31+", "%0A2026%0A%0A31", "2%200%0926%0a31"])
def test_the_text_is_a_part_of_the_address(tmp_path: Path, text: str) -> None:
    answer = client(tmp_path).ask("POST", f"/api/correct?text={text}", PICTURE, IMAGE)
    assert answer.json()["corrected"] == 2
    assert sum(files(tmp_path).values()) == 6


def test_an_empty_text_says_that_there_is_no_digit(tmp_path: Path) -> None:
    assert client(tmp_path).ask("POST", "/api/correct?text=", PICTURE, IMAGE).json()["kept"] == {"none": 6}
    assert files(tmp_path) == {"none": 6}


@pytest.mark.parametrize("query", [
    "", "?", "?right=1", "?text=1&text=2", "?text=..%2F..%2F3", "?text=/etc/3", "?text=none", "?text=2o26", "?text=%00",
    "?text=%D9%A3", "?text=%ff", f"?text={'1' * 1001}",
])  # fmt: skip
def test_a_text_that_is_none_is_told_and_nothing_is_kept(tmp_path: Path, query: str) -> None:
    answer = client(tmp_path / "in").ask("POST", f"/api/correct{query}", PICTURE, IMAGE)
    assert answer.status_code == 422
    assert answer.json()["error"].endswith(".")
    assert list(tmp_path.rglob("*")) == [tmp_path / "in"]


@pytest.mark.parametrize("path", ["/api/correct/3", "/api/correct/..%2f3", "/api/correct/"])
def test_no_class_can_be_named_in_the_path(tmp_path: Path, path: str) -> None:
    assert client(tmp_path).ask("POST", f"{path}?text=1", PICTURE, IMAGE).status_code == 404
    assert files(tmp_path) == {}


def test_the_limits_of_reading_hold(tmp_path: Path) -> None:
    answer = client(tmp_path, Limits(body_bytes=100)).ask("POST", where(RIGHT), PICTURE, IMAGE)
    assert answer.status_code == 413
    answer = client(tmp_path, Limits(at_once=1, waiting=-1)).ask("POST", where(RIGHT), PICTURE, IMAGE)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    answer = client(tmp_path).ask("POST", where(RIGHT), b"hello", IMAGE)
    assert (answer.status_code, answer.json()["error"][:9]) == (422, "This is a")
    assert client(tmp_path).ask("GET", where(RIGHT)).status_code == 405
    assert files(tmp_path) == {}


@pytest.mark.parametrize(("headers", "status"), [
    ({"origin": "http://evil.example"}, 403), ({"sec-fetch-site": "cross-site"}, 403), ({"host": "evil.example"}, 421),
    ({"content-type": "text/plain"}, 415),
])  # fmt: skip
def test_whoever_may_not_send_pictures_may_not_correct(tmp_path: Path, headers: dict[str, str], status: int) -> None:
    assert client(tmp_path).ask("POST", where(RIGHT), PICTURE, IMAGE | headers).status_code == status
    assert files(tmp_path) == {}


def test_a_folder_that_is_full_or_gone_is_told_in_a_sentence_without_a_path(tmp_path: Path) -> None:
    full = client(tmp_path, most=5).ask("POST", where(RIGHT), PICTURE, IMAGE)
    assert full.status_code == 507
    assert "full" in full.json()["error"]
    gone = client(tmp_path)
    (tmp_path / "2").write_text("")
    answer = gone.ask("POST", where(RIGHT), PICTURE, IMAGE)
    assert answer.status_code == 500
    assert answer.json() == {"error": "The correction could not be kept: its folder can't be written."}


def test_a_fault_of_ours_tells_nothing_of_the_machine(tmp_path: Path) -> None:
    def broken(_: bytes) -> Reading:
        raise RuntimeError(str(tmp_path))

    answer = Client(broken, collect=Collection(tmp_path)).ask("POST", where(RIGHT), PICTURE, IMAGE)
    assert answer.status_code == 500
    assert str(tmp_path) not in answer.text
