"""The guest's program against real servers: each kind of probe can see, and can be refused."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import clawkeep.canary

SOURCE = (Path(clawkeep.canary.__file__).parent / "inside.py").read_text()
NONCE = "00c0ffee00c0ffee"
Handler = Callable[[socket.socket], None]


def old_python() -> str:
    """The guest has Python 3.9; so do some machines that run this test."""
    for found in sorted(Path.home().glob(".pyenv/versions/3.9*/bin/python3.9")):
        return str(found)
    return shutil.which("python3.9") or sys.executable


def ask(*questions: dict[str, Any], deadline_s: float = 3) -> list[dict[str, Any]]:
    """Run the program as the guest does; the results in the order of the questions."""
    filled = [
        {"nonce": f"{number:016x}", "host": "127.0.0.1", "port": 0, "timeout_s": 0.8, **question}
        for number, question in enumerate(questions)
    ]
    plan = json.dumps({"nonce": NONCE, "deadline_s": deadline_s, "probes": filled})
    done = subprocess.run(
        [old_python(), "-I", "-"],
        input=f"{SOURCE}\nmain({plan!r})\n",
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    assert data["nonce"] == NONCE
    by_nonce = {result["nonce"]: result for result in data["results"]}
    return [by_nonce[question["nonce"]] for question in filled if question["nonce"] in by_nonce]


def one(**question: Any) -> tuple[Any, str]:
    (result,) = ask(question)
    return result["answered"], result["evidence"]


@pytest.fixture
def serve() -> Iterator[Callable[[Handler], int]]:
    """Starts TCP servers on loopback."""
    listeners: list[socket.socket] = []

    def start(handler: Handler) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def loop() -> None:
            while True:
                try:
                    caller, _ = listener.accept()
                except OSError:
                    return
                with caller, contextlib.suppress(OSError):
                    handler(caller)

        threading.Thread(target=loop, daemon=True).start()
        return int(listener.getsockname()[1])

    yield start
    for listener in listeners:
        listener.close()


@pytest.fixture
def answer_udp() -> Iterator[Callable[[Callable[[bytes], bytes]], int]]:
    """Starts UDP servers on loopback."""
    sockets: list[socket.socket] = []

    def start(handler: Callable[[bytes], bytes]) -> int:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", 0))
        sockets.append(sock)

        def loop() -> None:
            while True:
                try:
                    data, peer = sock.recvfrom(4096)
                    sock.sendto(handler(data), peer)
                except OSError:
                    return

        threading.Thread(target=loop, daemon=True).start()
        return int(sock.getsockname()[1])

    yield start
    for sock in sockets:
        sock.close()


def closed_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def say(data: bytes) -> Handler:
    return lambda caller: caller.sendall(data)


def hold(_: socket.socket) -> None:
    time.sleep(1.5)


def after_request(data: bytes) -> Handler:
    def handler(caller: socket.socket) -> None:
        caller.recv(4096)
        caller.sendall(data)

    return handler


def test_whatever_accepts_is_an_answer(serve: Callable[[Handler], int]) -> None:
    assert one(what="open", port=serve(hold)) == (True, "connected")
    assert one(what="open", port=closed_port()) == (False, "refused")


def test_ssh_needs_its_banner(serve: Callable[[Handler], int]) -> None:
    assert one(what="ssh", port=serve(say(b"SSH-2.0-x\r\n"))) == (True, "SSH-2.0-x")
    assert one(what="ssh", port=serve(say(b"220 ftp\r\n"))) == (False, "no SSH: '220 ftp'")
    assert one(what="ssh", port=serve(lambda _: None)) == (False, "accepted, then closed")
    assert one(what="ssh", port=serve(hold)) == (False, "timeout")


def test_a_service_that_drips_is_not_waited_for(serve: Callable[[Handler], int]) -> None:
    def drip(caller: socket.socket) -> None:
        with contextlib.suppress(OSError):
            for _ in range(30):
                caller.sendall(b"x")
                time.sleep(0.1)

    started = time.monotonic()
    assert one(what="ssh", port=serve(drip)) == (False, "timeout")
    assert time.monotonic() - started < 2.5


def test_one_without_end_is_no_answer(serve: Callable[[Handler], int]) -> None:
    answered, _ = one(what="ssh", port=serve(say(b"x" * 100_000)))
    assert answered is False


def test_http_is_any_status(serve: Callable[[Handler], int]) -> None:
    seen: list[bytes] = []

    def handler(caller: socket.socket) -> None:
        seen.append(caller.recv(4096))
        caller.sendall(b"HTTP/1.1 503 Sorry\r\n\r\n")

    port = serve(handler)
    assert one(what="http", port=port, authority="home.lan:1") == (True, "HTTP/1.1 503 Sorry")
    assert b"Host: home.lan:1\r\n" in seen[0]
    assert b"X-Clawkeep-Canary: 0000000000000000\r\n" in seen[0]
    answered, _ = one(what="http", port=serve(after_request(b"nonsense\n")), authority="x")
    assert answered is False


def test_a_bridge_without_a_target_is_no_answer(serve: Callable[[Handler], int]) -> None:
    assert one(what="tcp", port=serve(hold)) == (True, "connected")
    answered, evidence = one(what="tcp", port=serve(lambda _: None))
    assert (answered, "nothing behind" in evidence) == (False, True)


def test_tls_that_is_none_is_no_answer(serve: Callable[[Handler], int]) -> None:
    port = serve(after_request(b"HTTP/1.0 400 no\r\n\r\n"))
    answered, evidence = one(what="tls", port=port, server_name="x", ca=None)
    assert (answered, evidence[:5]) == (False, "TLS: ")


def test_a_proxy_that_tunnels_is_an_answer_and_one_that_refuses_is_none(
    serve: Callable[[Handler], int],
) -> None:
    question = {"what": "connect", "asked": "example.com", "asked_port": 443, "data": False}
    yes = serve(after_request(b"HTTP/1.1 200 Connection established\r\n\r\n"))
    no = serve(after_request(b"HTTP/1.1 403 Forbidden\r\n\r\n"))
    assert one(port=yes, **question)[0] is True
    assert one(port=no, **question) == (False, "refused: HTTP/1.1 403 Forbidden")
    # A tunnel that leads nowhere is no data.
    assert one(port=yes, **{**question, "data": True})[0] is False


def test_dns_counts_every_answer_and_resolving_only_addresses(
    answer_udp: Callable[[Callable[[bytes], bytes]], int],
) -> None:
    def reply(code: int, records: int) -> Callable[[bytes], bytes]:
        return lambda q: q[:2] + struct.pack(">HHHHH", 0x8000 | code, 1, records, 0, 0) + q[12:]

    denies, knows = answer_udp(reply(3, 0)), answer_udp(reply(0, 1))
    other = answer_udp(lambda q: b"\xff\xff" + reply(0, 1)(q)[2:])
    assert one(what="dns", port=denies) == (True, "DNS answer, code 3")
    assert one(what="dns", port=other) == (False, "timeout")
    assert one(what="dns", port=closed_port(socket.SOCK_DGRAM)) == (False, "refused")
    assert one(what="resolves", port=denies, asked="example.com")[0] is False
    assert one(what="resolves", port=knows, asked="example.com") == (True, "1 records")


def test_udp_and_names(answer_udp: Callable[[Callable[[bytes], bytes]], int]) -> None:
    assert one(what="udp", port=answer_udp(lambda data: data)) == (True, "16 bytes")
    assert one(what="udp", port=closed_port(socket.SOCK_DGRAM)) == (False, "refused")
    assert one(what="name", host="localhost") == (True, "resolved to 127.0.0.1")
    assert one(what="name", host="nobody.invalid")[0] is False


def test_an_error_of_the_probe_is_no_silence() -> None:
    answered, evidence = one(what="open", host="no address")
    assert answered is None
    assert "gaierror" in evidence
    assert one(what="never heard of")[0] is None


def test_all_probes_run_at_once(serve: Callable[[Handler], int]) -> None:
    mute = serve(hold)
    started = time.monotonic()
    results = ask(*({"what": "ssh", "port": mute} for _ in range(60)))
    assert time.monotonic() - started < 3
    assert len(results) == 60
    assert {result["answered"] for result in results} == {False}


def test_a_ping_that_may_not_be_sent_is_no_silence() -> None:
    """Not every machine lets its users ping; a lab does (tests/lab/test_canary_control.py)."""
    assert one(what="ping") in {
        (True, "echo reply"),
        (None, "PermissionError: [Errno 13] Permission denied"),
    }


def test_what_is_late_has_no_result(serve: Callable[[Handler], int]) -> None:
    started = time.monotonic()
    slow = {"what": "ssh", "port": serve(hold), "timeout_s": 30}
    results = ask(slow, {"what": "open", "port": closed_port()}, deadline_s=0.5)
    assert [(r["nonce"], r["evidence"]) for r in results] == [(f"{1:016x}", "refused")]
    assert time.monotonic() - started < 5
