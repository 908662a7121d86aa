"""A post to a real server: what is taken, what is tried again, and what nobody gets to see."""

from __future__ import annotations

import email.utils
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from clawkeep.alerts.post import Outcome, post
from tests.recording import Faults
from tests.unit.alerts.server import Answer, Server, serving

SECRET = "/api/webhooks/123456789012345678/very-secret-part-of-the-address"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path) as running:
        yield running


def send(server: Server, path: str = SECRET, timeout_s: float = 5.0) -> Outcome:
    return post(server.url(path), '{"content": "ü"}', {"Idempotency-Key": "t1"},
                trust=server.trust, timeout_s=timeout_s)  # fmt: skip


def test_a_message_is_taken(server: Server) -> None:
    assert send(server, f"{SECRET}?wait=true") == Outcome("sent")
    (taken,) = server.taken
    assert taken.path == f"{SECRET}?wait=true"
    assert json.loads(taken.body) == {"content": "ü"}
    assert taken.headers["Idempotency-Key"] == "t1"
    assert taken.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("answer", "kind", "after_s", "words"),
    [
        (Answer(429, {"Retry-After": "3"}), "retry", 3.0, "429"),
        (Answer(429, {"Retry-After": "1"}, b'{"retry_after": 2.5}'), "retry", 2.5, "429"),
        (Answer(429, {}, b'{"retry_after": 0.3, "global": false}'), "retry", 0.3, "429"),
        (Answer(429, {"Retry-After": "86400"}), "retry", 3600.0, "429"),
        (Answer(429, {"Retry-After": "inf"}, b"[" * 5000), "retry", None, "429"),
        (Answer(429, {"Retry-After": "-5"}), "retry", 0.0, "429"),
        (Answer(503, {"Retry-After": "soon"}), "retry", None, "503"),
        (Answer(500), "retry", None, "500 Internal Server Error"),
        (Answer(404, {}, b'{"message": "Unknown Webhook"}'), "retry", None, "still right?"),
        (Answer(200, {}, b"OK (not found)"), "retry", None, "OK (not found)"),
        (Answer(200, {}, b"OK"), "sent", None, ""),
        (Answer(401), "retry", None, "still right?"),
        (Answer(400), "refused", None, "400"),
        (Answer(413), "refused", None, "413"),
    ],
)
def test_what_an_answer_means(
    server: Server, answer: Answer, kind: str, after_s: float | None, words: str
) -> None:
    server.answer = lambda _: answer
    outcome = send(server)
    assert (outcome.kind, outcome.after_s) == (kind, after_s)
    assert words in outcome.why
    assert "very-secret" not in outcome.why


def test_a_date_may_say_when(server: Server) -> None:
    server.answer = lambda _: Answer(429, {"Retry-After": email.utils.formatdate(time.time() + 60)})
    after = send(server).after_s
    assert after is not None
    assert 50 < after <= 60


def test_a_redirect_is_not_followed(server: Server, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with serving(tmp_path / "other") as other:
        server.answer = lambda _: Answer(307, {"Location": other.url("/elsewhere")})
        outcome = send(server)
        assert outcome.kind == "retry"
        assert "no redirect is followed" in outcome.why
        assert other.taken == []
        # The control: it can be reached.
        assert post(other.url("/elsewhere"), "{}", {}, trust=other.trust).kind == "sent"


def test_a_server_that_hangs_is_left(server: Server) -> None:
    server.answer = lambda _: Answer(wait_s=2)
    began = time.monotonic()
    outcome = send(server, timeout_s=0.3)
    assert outcome == Outcome("retry", "localhost: no answer in 0 s")
    assert time.monotonic() - began < 1.5


def test_a_certificate_of_nobody_we_trust_gets_nothing(server: Server) -> None:
    outcome = post(server.url(SECRET), "{}", {})
    assert outcome.kind == "retry"
    assert "certificate is not trusted" in outcome.why
    assert server.taken == []


def test_a_certificate_of_another_name_gets_nothing(tmp_path: Path) -> None:
    with serving(tmp_path, name="other.example") as server:
        outcome = send(server)
        assert "certificate is not trusted" in outcome.why
        assert server.taken == []


def test_a_server_without_tls_gets_nothing(tmp_path: Path) -> None:
    with serving(tmp_path, tls=False) as server:
        assert send(server).why.startswith("localhost: TLS failed")
        assert server.taken == []
        assert post(server.url("/t", "http"), "{}", {}) == Outcome("sent")


def test_nobody_there_and_no_such_name(faults: Faults) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert post(f"https://127.0.0.1:{port}/x", "", {}).why == "127.0.0.1: Connection refused"
    assert post("https://nowhere.invalid/x", "", {}).why.startswith("nowhere.invalid: ")
    says = "`clawkeep alert list` says so; it waits on disk and is tried again"
    faults.show("hooks", "its name is not found, or nobody answers", says, "it is sent again")


def test_what_is_no_http_is_said_without_the_address(tmp_path: Path) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    with listener:

        def talk() -> None:
            peer, _ = listener.accept()
            peer.recv(4096)
            peer.sendall(b"SSH-2.0-OpenSSH_9.9\r\n")
            peer.close()

        threading.Thread(target=talk, daemon=True).start()
        outcome = post(f"http://127.0.0.1:{listener.getsockname()[1]}{SECRET}", "", {})
    assert outcome == Outcome("retry", "127.0.0.1: no answer of HTTP (BadStatusLine)")


def test_no_proxy_of_the_environment_is_used(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert send(server).kind == "sent"


def run_post(text: str, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
    """Run the program that posts, as root's job starts it."""
    return subprocess.run(
        [sys.executable, "-c", "from clawkeep.onhost import main; exit(main(['alert', 'post']))"],
        input=text, capture_output=True, text=True, timeout=timeout_s, check=False,
    )  # fmt: skip


def test_the_program_says_what_became_of_it_and_nothing_else(tmp_path: Path) -> None:
    with serving(tmp_path, tls=False) as server:
        asked = {"url": server.url(SECRET, "http"), "body": "x", "headers": {}}
        done = run_post(json.dumps(asked))
        assert (done.returncode, done.stderr) == (0, "")
        assert json.loads(done.stdout) == {"kind": "sent", "why": "", "after_s": None}
        assert server.taken[0].path == SECRET
    done = run_post('{"url": "https://x/very-secret"')
    assert done.returncode == 64
    assert "very-secret" not in done.stdout + done.stderr


@pytest.mark.slow
def test_a_server_that_drips_does_not_hold_the_program_for_ever(tmp_path: Path) -> None:
    with serving(tmp_path, tls=False) as server:
        server.answer = lambda _: Answer(200, {}, b"x" * 10_000, drip=True)
        asked = {"url": server.url("/", "http"), "body": "x", "headers": {}}
        began = time.monotonic()
        assert run_post(json.dumps(asked)).returncode != 0
        assert 20 < time.monotonic() - began < 35
