"""A message in and an answer out, over real sockets; and which answers are none."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
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
from hypothesis import given
from hypothesis import strategies as st

from clawkeep.agent import say as saying
from clawkeep.agent import speak as untyped
from clawkeep.agent.program import program as sent_program

speak: Any = untyped
Serve = Callable[[socket.socket], None]


@contextlib.contextmanager
def served(listener: socket.socket, serve: Serve) -> Iterator[None]:
    """Serve the first connection with `serve`."""

    def accept() -> None:
        with contextlib.suppress(OSError), listener.accept()[0] as sock:
            serve(sock)

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield
    finally:
        listener.close()
        thread.join(5)


@contextlib.contextmanager
def local(root: Path, serve: Serve) -> Iterator[None]:
    """Be NanoClaw's local channel."""
    (root / "state").mkdir(exist_ok=True)
    path = root / "state" / "local.sock"
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    with served(listener, serve):
        yield


def asked(capsys: pytest.CaptureFixture[str], root: Path, **question: Any) -> dict[str, Any]:
    values = {"root": str(root), "text": "hi", "timeout_s": 2.0, "socket": True, "web": False,
              "group": None, "create": False}  # fmt: skip
    speak.main(json.dumps(values | question))
    facts: dict[str, Any] = json.loads(capsys.readouterr().out)
    return facts


def lines(sock: socket.socket, *frames: dict[str, Any]) -> None:
    sock.sendall(b"".join(json.dumps(frame).encode() + b"\n" for frame in frames))


HELLO = {"type": "hello", "assistant": "Andy", "pid": 7}


def test_the_text_arrives_as_it_is_and_the_answer_comes_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    got: list[dict[str, Any]] = []

    def serve(sock: socket.socket) -> None:
        lines(sock, HELLO)
        got.append(json.loads(sock.makefile("rb").readline()))
        lines(sock, {"type": "accepted", "id": got[0]["id"], "waiting": 0, "group": "main"})
        lines(sock, {"type": "typing", "on": True}, {"type": "message", "text": "one"})
        lines(sock, {"type": "message", "text": "two"})
        time.sleep(1)

    text = "$(id) `id` \n\r\0 \U0001f980 " + "x" * 1_000_000
    with local(tmp_path, serve):
        facts = asked(capsys, tmp_path, text=text)
    assert got[0]["text"] == text
    assert (facts["ended"], facts["texts"], facts["via"]) == ("answer", ["one", "two"], "socket")
    assert "group" not in got[0]
    assert saying.reply(facts).ok
    assert saying.reply(facts).group == "main"


def test_what_was_said_before_the_message_went_in_is_no_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def serve(sock: socket.socket) -> None:
        lines(sock, HELLO, {"type": "message", "text": "for somebody else"})
        sock.recv(65536)
        lines(sock, {"type": "missed", "text": "earlier", "at": "x"})
        lines(sock, {"type": "accepted", "id": "", "waiting": 2})
        time.sleep(3)

    with local(tmp_path, serve):
        facts = asked(capsys, tmp_path)
    reply = saying.reply(facts)
    assert (reply.ok, reply.reason, reply.texts) == (False, "timeout", ())
    assert (reply.waiting, reply.missed) == (2, ("earlier",))
    assert "no agent began" in reply.detail


@pytest.mark.parametrize(
    ("frames", "reason", "detail"),
    [
        ([{"type": "refused", "reason": "the message is empty"}], "refused", "is empty"),
        ([{"type": "accepted"}, {"type": "message", "text": "Not logged in · Please run /login"}],
         "login", "Not logged in"),
        ([{"type": "accepted"}, {"type": "message", "text": "Credit balance is too low"}],
         "billing", "Credit"),
        ([{"type": "accepted"}, {"type": "typing", "on": True}, {"type": "typing", "on": False}],
         "closed", "closed the connection"),
    ],
)  # fmt: skip
def test_what_is_no_answer_is_told_with_its_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], frames: list[Any], reason: str, detail: str
) -> None:
    def serve(sock: socket.socket) -> None:
        sock.recv(65536)
        lines(sock, *frames)
        sock.shutdown(socket.SHUT_WR)
        time.sleep(1)

    with local(tmp_path, serve):
        reply = saying.reply(asked(capsys, tmp_path))
    assert (reply.ok, reply.reason) == (False, reason)
    assert detail in reply.detail


def test_without_nanoclaw_the_error_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "state").mkdir()
    facts = asked(capsys, tmp_path)
    assert facts["ended"] == "error"
    assert "No such file" in facts["why"]
    facts = asked(capsys, tmp_path, socket=False)
    assert "no local channel" in facts["why"]


# The other end of a WebSocket, written from RFC 6455 and not from the client.


def handshake(sock: socket.socket, *, good: bool = True) -> Any:
    file = sock.makefile("rb")
    key = b""
    while (line := file.readline().strip()) != b"":
        if line.lower().startswith(b"sec-websocket-key:"):
            key = line.split(b":", 1)[1].strip()
    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    if not good:
        accept = b"x" * 28
    sock.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )
    return file


def frame(data: bytes, kind: int = 1, final: bool = True) -> bytes:
    size = len(data)
    if size < 126:
        length = struct.pack("!B", size)
    elif size < 65536:
        length = struct.pack("!BH", 126, size)
    else:
        length = struct.pack("!BQ", 127, size)
    return bytes([(0x80 if final else 0) | kind]) + length + data


def unmasked(file: Any) -> tuple[int, bytes]:
    first, second = file.read(2)
    size = second & 0x7F
    assert second & 0x80, "a client must mask"
    if size == 126:
        (size,) = struct.unpack("!H", file.read(2))
    elif size == 127:
        (size,) = struct.unpack("!Q", file.read(8))
    mask = file.read(4)
    data = file.read(size)
    return first & 0x0F, bytes(byte ^ mask[n % 4] for n, byte in enumerate(data))


@contextlib.contextmanager
def web(root: Path, serve: Serve) -> Iterator[None]:
    """Be NanoClaw's web channel, on a port that `.env` names."""
    (root / "state").mkdir(exist_ok=True)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    (root / "state" / ".env").write_text(f'OTHER=1\nWEB_WS_PORT="{port}"\n')
    with served(listener, serve):
        yield


@pytest.mark.parametrize("size", [2, 125, 126, 70_000])
def test_a_web_channel_is_spoken_to_as_the_rfc_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], size: int
) -> None:
    got: list[Any] = []

    def serve(sock: socket.socket) -> None:
        file = handshake(sock)
        kind, data = unmasked(file)
        got.append((kind, json.loads(data)["text"]))
        sock.sendall(frame(b"ping!", kind=9))
        got.append(unmasked(file))
        answer = json.dumps({"type": "message", "text": "y" * size}).encode()
        sock.sendall(frame(json.dumps({"type": "typing", "isTyping": True}).encode()))
        sock.sendall(frame(answer[:3], final=False) + frame(answer[3:], kind=0))
        time.sleep(1)

    with web(tmp_path, serve):
        facts = asked(capsys, tmp_path, socket=False, web=True, text="x" * size)
    assert got == [(1, "x" * size), (10, b"ping!")]
    assert (facts["texts"], facts["via"]) == (["y" * size], "websocket")


@pytest.mark.parametrize(
    ("serve", "why"),
    [
        (lambda sock: sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n"), "no WebSocket"),
        (lambda sock: handshake(sock, good=False), "no WebSocket"),
        (lambda sock: (handshake(sock), sock.sendall(b"\x81\xfe" + b"x" * 20)), "mask"),
        (lambda sock: (handshake(sock), sock.sendall(b"\x81\x7f" + b"\xff" * 8)), "a frame of"),
        (lambda sock: (handshake(sock), sock.sendall(frame(b"", kind=8))), "closed"),
    ],
)
def test_what_is_no_websocket_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], serve: Serve, why: str
) -> None:
    def hold(sock: socket.socket) -> None:
        serve(sock)
        time.sleep(0.5)

    with web(tmp_path, hold):
        facts = asked(capsys, tmp_path, socket=False, web=True)
    assert facts["ended"] == "closed"
    assert why in facts["why"]


@given(st.binary(max_size=300))
def test_a_hostile_answer_never_breaks_the_reading_of_it(data: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(data)
        theirs.shutdown(socket.SHUT_WR)
        client = object.__new__(speak.WebSocket)
        client.sock, client.buffer, client.parts = ours, b"", b""
        found: list[Any] = [{}]
        with contextlib.suppress(speak.ClosedError, BrokenPipeError):
            while isinstance(found[-1], dict):
                found.append(client.receive(time.monotonic() + 5))
        assert isinstance(found[-1], dict)


@given(
    st.dictionaries(
        st.sampled_from(["texts", "ended", "why", "missed", "waiting", "first_ms", "via", "cut"]),
        st.none() | st.integers() | st.text() | st.lists(st.text() | st.integers(), max_size=3),
    )
)
def test_whatever_the_guest_says_came_back_is_judged(facts: dict[str, Any]) -> None:
    reply = saying.reply(facts)
    assert reply.ok is False or reply.texts


def test_only_text_is_sent_and_the_error_says_what_is_wrong_with_the_rest() -> None:
    assert saying.message("Grüße\0\n".encode()) == "Grüße\0\n"
    with pytest.raises(saying.MessageError, match="byte 3"):
        saying.message(b"ok\xff")
    with pytest.raises(saying.MessageError, match="empty"):
        saying.message(b" \n")
    with pytest.raises(saying.MessageError, match="at most"):
        saying.message(b"x" * (saying.MAX_BYTES + 1))


def test_it_is_a_program_of_its_own_as_it_is_sent(tmp_path: Path) -> None:
    question = {"root": str(tmp_path), "text": "'\"\0\u2028 $(id)", "timeout_s": 1, "socket": True,
                "web": False, "group": None, "create": False}  # fmt: skip
    program = sent_program(("agent.speak",), question)
    done = subprocess.run(
        [sys.executable, "-I", "-"], input=program.encode(), capture_output=True, check=True,
        env={"PATH": os.environ["PATH"]},
    )  # fmt: skip
    assert json.loads(done.stdout)["ended"] == "error"
