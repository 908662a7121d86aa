"""The guard's socket: what is understood, and that nothing else hurts it."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clawkeep.onhost import sock
from clawkeep.onhost.sock import AskError, Server, ask


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(sock, "READ_S", 0.3)
    monkeypatch.setattr(sock, "PER_SECOND", 1000)
    server = Server(tmp_path / "run" / "sock")
    yield server
    server.close()


def answering(server: Server, *, ok: bool, why: str = "") -> list[tuple[str, str]]:
    """Answer every request so; return where they are noted."""
    heard: list[tuple[str, str]] = []

    def serve() -> None:
        while server.path.exists():
            if request := server.next(0.05):
                heard.append((request.ask, request.guest))
                request.answer(ok=ok, why=why)

    threading.Thread(target=serve, daemon=True).start()
    return heard


def say(server: Server, data: bytes) -> dict[str, object]:
    """Say something raw and return the answer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as raw:
        raw.settimeout(5)
        raw.connect(str(server.path))
        raw.sendall(data)
        answer: dict[str, object] = json.loads(raw.makefile().readline())
        return answer


def test_a_request_reaches_the_guard_and_its_answer_comes_back(server: Server) -> None:
    heard = answering(server, ok=False, why="cut off")
    assert ask({"ask": "start", "guest": "keep"}, path=server.path) == {
        "ok": False, "why": "cut off"
    }  # fmt: skip
    assert ask({"ask": "check"}, path=server.path)["ok"] is False
    assert heard == [("start", "keep"), ("check", "")]


def test_only_its_owner_may_speak(server: Server) -> None:
    mode = server.path.stat()
    assert (stat.S_IMODE(mode.st_mode), mode.st_uid) == (0o600, os.getuid())
    assert stat.S_IMODE(server.path.parent.stat().st_mode) == 0o755


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a socket away")
def test_the_owner_of_the_guest_gets_the_socket(server: Server) -> None:
    server.belongs_to(501)
    assert server.path.stat().st_uid == 501


@pytest.mark.parametrize(
    "data",
    [
        b"\n",
        b"{}\n",
        b"[]\n",
        b'"start"\n',
        b'{"ask": "open"}\n',
        b'{"ask": ["start"]}\n',
        b'{"ask": "start", "guest": {"a": 1}}\n',
        b'{"ask": "start"' + b" " * 2000 + b"}\n",
        b"x" * 5000,
        b"[" * 1000 + b"\n",
        b"\xff\xfe\n",
        b'{"ask": "start"',
    ],
)
def test_what_is_not_understood_is_answered_and_forgotten(server: Server, data: bytes) -> None:
    assert say(server, data)["ok"] is False
    assert server.next(0.01) is None
    answering(server, ok=True)
    assert ask({"ask": "check"}, path=server.path) == {"ok": True}


@settings(max_examples=30, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(st.binary(max_size=1500))
def test_no_bytes_at_all_stop_it(server: Server, data: bytes) -> None:
    # It may hang up before all of it was said.
    with contextlib.suppress(ConnectionError, json.JSONDecodeError):
        assert say(server, data + b"\n")["ok"] is False
    assert server.next(0.001) is None
    assert server.path.exists()


def test_whoever_says_nothing_keeps_nobody_waiting_for_long(server: Server) -> None:
    answering(server, ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as silent:
        silent.connect(str(server.path))
        began = time.monotonic()
        assert ask({"ask": "check"}, path=server.path) == {"ok": True}
        assert time.monotonic() - began < 2


def test_asking_too_often_is_refused_and_over_in_a_second(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sock, "PER_SECOND", 3)
    heard = answering(server, ok=True)
    answers = [ask({"ask": "check"}, path=server.path) for _ in range(10)]
    assert {"ok": False, "why": "asked too often"} in answers
    assert len(heard) <= 6
    time.sleep(1.1)
    assert ask({"ask": "check"}, path=server.path) == {"ok": True}


def test_more_requests_than_the_guard_takes_are_refused(server: Server) -> None:
    waiting = [socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) for _ in range(sock.WAITING)]
    for one in waiting:
        one.connect(str(server.path))
        one.sendall(b'{"ask": "check"}\n')
    time.sleep(0.2)
    assert say(server, b'{"ask": "check"}\n') == {"ok": False, "why": "too many wait"}
    for one in waiting:
        one.close()
    # Answering who is gone is no error.
    while request := server.next(0.05):
        request.answer(ok=True)


def test_a_guard_that_is_not_there_is_an_error_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(AskError, match=r"does not answer at .*/none"):
        ask({"ask": "check"}, path=tmp_path / "none")


def test_a_socket_that_an_earlier_guard_left_is_replaced(server: Server) -> None:
    again = Server(server.path)
    answering(again, ok=True)
    assert ask({"ask": "check"}, path=server.path) == {"ok": True}


def test_a_socket_that_somebody_took_away_or_replaced_stands_no_more(server: Server) -> None:
    assert server.stands()
    server.path.unlink()
    assert not server.stands()
    server.belongs_to(501)  # Nobody's, and no error.
    server.path.touch()
    assert not server.stands()
    server.close()
    assert server.path.exists()


def test_another_one_takes_over_at_the_same_path(tmp_path: Path) -> None:
    first = Server(tmp_path / "sock")
    first.path.unlink()
    first.close()
    second = Server(tmp_path / "sock")
    heard = answering(second, ok=True)
    assert ask({"ask": "check"}, path=second.path) == {"ok": True}
    assert heard == [("check", "")]
    second.close()
    assert not second.path.exists()
