"""The server, over real HTTP: who may read, what is sent, and that reading is all there is."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from clawkeep.overview.sources import Overview
from clawkeep.page.access import Access
from clawkeep.page.server import listen
from tests.unit.page.said import overview, well
from tests.unit.page.site import Served, served

pytestmark = pytest.mark.usefixtures("project")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path, lambda _: overview(well(), time.time())) as made:
        made.gatherer.read(5)
        yield made


def test_the_address_signs_in_and_the_cookie_reads(site: Served) -> None:
    status, headers, text = site.ask(f"{site.access.path}?token={site.access.token}")
    assert status == 200
    assert headers["Set-Cookie"] == (
        f"{site.cookie}; Path={site.access.path}; HttpOnly; SameSite=Strict"
    )
    assert "home-assistant" not in text
    status, _, text = site.ask(site.access.path, Cookie=site.cookie)
    assert status == 200
    assert "home-assistant" in text


def test_without_both_secrets_nothing_is_told(site: Served) -> None:
    for path, headers in (
        ("/", {}),
        ("/", {"Cookie": site.cookie}),
        (site.access.path, {}),
        (site.access.path, {"Cookie": "clawkeep=x"}),
        (site.access.path, {"Cookie": f"other={site.cookie.partition('=')[2]}"}),
        (f"{site.access.path}?token=", {}),
        (f"{site.access.path}?token={site.access.token[:-1]}", {}),
        (f"{site.access.path}icon.svg", {}),
        (f"/?token={site.access.token}", {}),
    ):
        status, sent, text = site.ask(path, **headers)
        assert status == 403, path
        assert "Set-Cookie" not in sent
        assert "home-assistant" not in text
        assert site.access.token not in text


def test_another_name_for_this_machine_is_refused(site: Served) -> None:
    for host in ("evil.example", f"evil.example:{site.port}", "127.0.0.1", "localhost:1"):
        status, _, text = site.ask(site.access.path, host=host, Cookie=site.cookie)
        assert (status, "home-assistant" in text) == (403, False)
        assert site.ask(f"{site.access.path}?token={site.access.token}", host=host)[0] == 403
    for host in (f"localhost:{site.port}", f"[::1]:{site.port}"):
        assert site.ask(site.access.path, host=host, Cookie=site.cookie)[0] == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "x"])
def test_only_reading_is_possible(site: Served, method: str) -> None:
    status, headers, text = site.ask(site.access.path, method, Cookie=site.cookie)
    assert (status, headers["Allow"]) == (405, "GET, HEAD")
    assert "home-assistant" not in text


def test_head_sends_no_text(site: Served) -> None:
    status, headers, text = site.ask(site.access.path, "HEAD", Cookie=site.cookie)
    assert (status, text) == (200, "")
    assert int(headers["Content-Length"]) > 10_000


@pytest.mark.parametrize("path", ["", "x", "?still=1", "metrics"])
def test_every_answer_is_closed_to_scripts_frames_and_caches(site: Served, path: str) -> None:
    for cookie in (site.cookie, "none"):
        _, headers, _ = site.ask(f"{site.access.path}{path}", Cookie=cookie)
        policy = dict(
            part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";")
        )
        assert policy["default-src"] == "'none'"
        assert "script-src" not in policy
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == "no-store"
        assert "Access-Control-Allow-Origin" not in headers
        assert "Python" not in headers["Server"]


def test_metrics_want_their_own_token(site: Served) -> None:
    token = site.access.metrics_file.read_text().strip()
    assert token != site.access.token
    status, headers, text = site.ask("/metrics", Authorization=f"Bearer {token}")
    assert (status, headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert "clawkeep_up 1\n" in text
    assert site.ask("/metrics")[0] == 401
    assert site.ask("/metrics", Authorization=f"Bearer {site.access.token}")[0] == 401
    assert site.ask("/metrics", Cookie=site.cookie)[0] == 401
    assert site.ask(f"{site.access.path}?token={token}")[0] == 403


def test_secrets_are_their_owners_and_stay_until_they_are_replaced(tmp_path: Path) -> None:
    tmp_path = tmp_path / "own"
    tmp_path.mkdir()
    first = Access(tmp_path)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    again = Access(tmp_path)
    assert (again.token, again.path, again.set_cookie) == (
        first.token,
        first.path,
        first.set_cookie,
    )
    Access.forget(tmp_path)
    new = Access(tmp_path)
    assert not new.signs_in(first.token)
    assert not new.knows(first.set_cookie.partition(";")[0])
    assert new.path != first.path


def test_many_readers_are_one_ask(tmp_path: Path) -> None:
    asked = []

    def slow(_: Overview) -> Overview:
        asked.append(threading.current_thread().name)
        time.sleep(0.5)
        return overview(well(), time.time())

    with served(tmp_path, slow) as site, ThreadPoolExecutor(16) as pool:
        token = site.access.metrics_file.read_text().strip()
        found = list(
            pool.map(lambda _: site.ask("/metrics", Authorization=f"Bearer {token}"), range(16))
        )
        pages = list(pool.map(lambda _: site.ask(site.access.path, Cookie=site.cookie), range(16)))
    assert {status for status, _, _ in found} == {200}
    assert all("clawkeep_up 1\n" in text for _, _, text in found)
    assert all("home-assistant" in text for _, _, text in pages)
    assert asked == ["gatherer"]


def test_nobody_who_reads_means_nobody_is_asked(tmp_path: Path) -> None:
    asked = []
    with served(tmp_path, lambda last: asked.append(1) or last) as site:  # type: ignore[func-returns-value]
        assert site.ask(site.access.path)[0] == 403
        assert site.ask("/metrics")[0] == 401
        time.sleep(0.3)
        assert asked == []
        assert "for the first time" in site.ask(site.access.path, Cookie=site.cookie)[2]
        time.sleep(0.3)
        assert asked == [1]


def test_a_connection_that_says_nothing_keeps_nobody_waiting(site: Served) -> None:
    idle = [socket.create_connection(("127.0.0.1", site.port)) for _ in range(20)]
    try:
        began = time.monotonic()
        assert site.ask(site.access.path, Cookie=site.cookie)[0] == 200
        assert time.monotonic() - began < 5
    finally:
        for one in idle:
            one.close()


def test_what_is_no_request_gets_a_plain_refusal(site: Served) -> None:
    for words in (b"GET\r\n\r\n", b"\x16\x03\x01\x00\r\n\r\n", b"GET // HTTP/9.9\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", site.port)) as connection:
            connection.sendall(words)
            answer = connection.makefile("rb").read()
        assert b"home-assistant" not in answer
        assert b" 200 " not in answer
    assert site.ask("/[", Cookie=site.cookie)[0] in {400, 403}


def test_only_loopback_listens_and_a_taken_port_is_an_error(site: Served) -> None:
    assert {server.server_address[0] for server in site.servers} <= {"127.0.0.1", "::1"}
    assert len({server.server_port for server in site.servers}) == 1
    with pytest.raises(OSError, match=rf"127\.0\.0\.1:{site.port}: Address already in use"):
        listen(site.servers[0].site, site.port)


def test_a_port_that_somebody_has_on_ipv6_is_taken_too(site: Served) -> None:
    with socket.socket(socket.AF_INET6) as other:
        try:
            other.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no IPv6 on loopback")
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(OSError, match=r"::1:"):
            listen(site.servers[0].site, port)
        # And nothing of ours is left there.
        with socket.socket() as free:
            free.bind(("127.0.0.1", port))
