"""Who may ask."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from digits.serving.security import is_loopback, refused

OWN = {"host": "localhost:8000", "content-type": "image/png"}


def status(method: str, headers: dict[str, str], loopback: bool = True) -> int | None:
    reason = refused(method, Headers(headers), loopback)
    return reason and reason[0]


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8000", "LOCALHOST:9", "127.0.0.1:8000", "127.1.2.3", "[::1]:8000"]
)
def test_this_machine_is_answered_by_all_its_names(host: str) -> None:
    assert status("GET", {"host": host}) is None


@pytest.mark.parametrize("host", [
    "evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example", "192.168.1.7", "0.0.0.0",
    "", "[::1", "localhost:8000@evil.example", "evil.example#localhost",
])  # fmt: skip
def test_a_name_that_was_made_to_lead_here_is_not(host: str) -> None:
    assert status("GET", {"host": host}) == 421
    assert status("POST", OWN | {"host": host}) == 421


def test_one_that_others_may_reach_answers_to_any_name() -> None:
    assert status("GET", {"host": "192.168.1.7:8000"}, loopback=False) is None
    own = {"host": "my-laptop.local:8000", "origin": "http://my-laptop.local:8000", "content-type": "image/png"}
    assert status("POST", own, loopback=False) is None


@pytest.mark.parametrize("more", [
    {}, {"origin": "http://localhost:8000"}, {"origin": "https://localhost:8000", "sec-fetch-site": "same-origin"},
    {"sec-fetch-site": "none"},
])  # fmt: skip
def test_its_own_page_and_programs_may_post(more: dict[str, str]) -> None:
    assert status("POST", OWN | more) is None


@pytest.mark.parametrize("more", [
    {"origin": "http://evil.example"}, {"origin": "null"}, {"origin": ""}, {"origin": "http://localhost:9000"},
    {"origin": "http://localhost"}, {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"},
    {"origin": "http://localhost:8000", "sec-fetch-site": "cross-site"}, {"origin": "http://localhost:8000.evil.example"},
])  # fmt: skip
def test_a_foreign_page_may_not(more: dict[str, str]) -> None:
    reason = refused("POST", Headers(OWN | more), True)
    assert reason == (403, "Pictures are taken from this server's own page only.")


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded"]
)
def test_what_a_browser_would_send_anywhere_unasked_is_refused(kind: str) -> None:
    assert status("POST", OWN | {"content-type": kind}) == 415


@pytest.mark.parametrize("kind", ["image/png", "IMAGE/JPEG", "image/webp; q=1", "application/octet-stream"])
def test_what_it_has_to_ask_for_first_is_taken(kind: str) -> None:
    assert status("POST", OWN | {"content-type": kind}) is None


def test_loopback() -> None:
    assert [is_loopback(host) for host in ("127.0.0.1", "127.9.9.9", "::1", "localhost")] == [True] * 4
    assert [is_loopback(host) for host in ("0.0.0.0", "::", "192.168.1.7", "example.org", "")] == [False] * 5
