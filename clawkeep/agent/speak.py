"""Runs in the guest as NanoClaw's user, on its own Python 3.9: one message in, the answer out.

Sent on stdin with one more line that calls `main`. Speaks to our own channel on its Unix socket, or
where there is none to the WebSocket of a `web` channel (both local, neither needs a credential),
and prints one JSON object.
"""

import base64
import hashlib
import json
import os
import secrets
import socket
import struct
import time

SETTLE_S = 0.5
"""How long more is awaited after the first message: an answer may come in pieces."""

MAX_FRAME = 16 << 20
MAX_TEXT = 100000
"""Characters of one message that are passed on."""

WEB_PORT = 3334
ACCEPT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class ClosedError(Exception):
    """The other side has gone, or does not speak as expected; the text says what happened."""


class Lines:
    """Our own channel: one JSON object a line."""

    via = "socket"

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(5)
        self.sock.connect(path)
        self.buffer = b""

    def send(self, frame):
        """Send one frame."""
        self.sock.settimeout(30)
        self.sock.sendall(json.dumps(frame).encode() + b"\n")

    def receive(self, until):
        """Return the next frame, None when none comes before `until` on the monotonic clock."""
        while b"\n" not in self.buffer:
            piece = read(self.sock, until)
            if piece is None:
                return None
            self.buffer += piece
            if len(self.buffer) > MAX_FRAME:
                raise ClosedError("a frame without end")
        line, _, self.buffer = self.buffer.partition(b"\n")
        return parsed(line)


class WebSocket:
    """A `web` channel: RFC 6455, as a client."""

    via = "websocket"

    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=5)
        self.buffer = b""
        self.parts = b""
        key = base64.b64encode(secrets.token_bytes(16))
        self.sock.sendall(
            b"GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n\r\n" % (port, key)
        )
        until = time.monotonic() + 5
        while b"\r\n\r\n" not in self.buffer:
            self._more(until, "no answer to the opening of a WebSocket")
            if len(self.buffer) > 65536:
                raise ClosedError("a header without end")
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        wanted = base64.b64encode(hashlib.sha1(key + ACCEPT).digest())  # noqa: S324 - RFC 6455
        lines = [line.lower().replace(b" ", b"") for line in head.split(b"\r\n")]
        accepted = b"sec-websocket-accept:" + wanted.lower() in lines
        if b" 101 " not in head.split(b"\r\n")[0] + b" " or not accepted:
            raise ClosedError("no WebSocket at 127.0.0.1:%d" % port)

    def send(self, frame):
        """Send one frame, as text."""
        self.sock.settimeout(30)
        self._send(1, json.dumps(frame).encode())

    def _send(self, kind, data):
        mask = secrets.token_bytes(4)
        size = len(data)
        if size < 126:
            head = struct.pack("!BB", 0x80 | kind, 0x80 | size)
        elif size < 65536:
            head = struct.pack("!BBH", 0x80 | kind, 0x80 | 126, size)
        else:
            head = struct.pack("!BBQ", 0x80 | kind, 0x80 | 127, size)
        times = mask * (size // 4 + 1)
        masked = int.from_bytes(data, "big") ^ int.from_bytes(times[:size], "big")
        self.sock.sendall(head + mask + masked.to_bytes(size, "big"))

    def receive(self, until):
        """Return the next frame, None when none comes before `until` on the monotonic clock."""
        while True:
            found = self._frame()
            if found is None:
                piece = read(self.sock, until)
                if piece is None:
                    return None
                self.buffer += piece
                continue
            final, kind, data = found
            if kind == 8:
                raise ClosedError("NanoClaw closed the WebSocket")
            if kind == 9:
                self._send(10, data)
            elif kind in (0, 1, 2):
                self.parts += data
                if len(self.parts) > MAX_FRAME:
                    raise ClosedError("a frame without end")
                if final:
                    whole, self.parts = self.parts, b""
                    return parsed(whole)

    def _frame(self):
        """Take one whole frame off the buffer: (final, kind, data), None while it is not whole."""
        if len(self.buffer) < 2:
            return None
        first, size = self.buffer[0], self.buffer[1] & 0x7F
        if self.buffer[1] & 0x80:
            raise ClosedError("a server must not mask its frames")
        begin = {126: 4, 127: 10}.get(size, 2)
        if len(self.buffer) < begin:
            return None
        if begin > 2:
            size = int.from_bytes(self.buffer[2:begin], "big")
        if size > MAX_FRAME:
            raise ClosedError("a frame of %d bytes" % size)
        if len(self.buffer) < begin + size:
            return None
        data = self.buffer[begin : begin + size]
        self.buffer = self.buffer[begin + size :]
        return bool(first & 0x80), first & 0x0F, data

    def _more(self, until, why):
        piece = read(self.sock, until)
        if piece is None:
            raise ClosedError(why)
        self.buffer += piece


def read(sock, until):
    """Return what has come, None when nothing comes before `until`."""
    left = until - time.monotonic()
    if left <= 0:
        return None
    sock.settimeout(left)
    try:
        piece = sock.recv(65536)
    except socket.timeout:  # no TimeoutError before Python 3.10
        return None
    if not piece:
        raise ClosedError("NanoClaw closed the connection")
    return piece


def parsed(data):
    """Return a frame; what is none is an empty one."""
    try:
        frame = json.loads(data)
    except ValueError:
        frame = None
    return frame if isinstance(frame, dict) else {}


def opened(question):
    """Return the connection to the channel that there is."""
    state = os.path.join(question["root"], "state")
    path = os.path.join(state, "local.sock")
    if question["socket"]:
        return Lines(path)
    if question["web"] and question["group"]:
        raise ClosedError("a web channel speaks to the main group alone")
    if question["web"]:
        return WebSocket(web_port(os.path.join(state, ".env")))
    raise ClosedError("this profile of NanoClaw has no local channel")


def web_port(path):
    """Return the port of the web channel, as `.env` names it."""
    if os.path.exists(path):
        with open(path, encoding="utf-8", errors="replace") as file:
            for line in file:
                name, _, value = line.strip().partition("=")
                if name.strip() == "WEB_WS_PORT" and value.strip("\"' ").isdigit():
                    return int(value.strip("\"' "))
    return WEB_PORT


def converse(channel, question, facts):
    """Say the question's text to its group, and note in `facts` what comes back."""
    message = {"type": "message", "id": secrets.token_hex(8), "text": question["text"]}
    if question["group"]:
        message.update(group=question["group"], create=question["create"])
    begun = time.monotonic()
    channel.send(message)
    # A web channel says nothing to that.
    facts["accepted"] = channel.via == "websocket"
    hear(channel, begun, begun + question["timeout_s"], facts)


def hear(channel, begun, until, facts):
    """Note in `facts` what comes until an answer is complete, or until `until`."""
    while True:
        frame = channel.receive(until)
        if frame is None:
            facts["ended"] = "answer" if facts["texts"] else "timeout"
            return
        kind, words = frame.get("type"), frame.get("text")
        if kind == "refused":
            facts["ended"], facts["why"] = "refused", str(frame.get("reason"))[:500]
            return
        if kind == "accepted":
            facts["accepted"], facts["waiting"] = True, frame.get("waiting")
            facts["group"] = frame.get("group")
        elif kind == "typing":
            # Ours says `on`, the fork's `isTyping`.
            on = bool(frame.get("on", frame.get("isTyping")))
            facts["worked"] = facts["worked"] or on
            facts["stopped"] = facts["worked"] and not on
        elif kind == "missed" and isinstance(words, str):
            facts["missed"].append({"at": str(frame.get("at"))[:40], "text": words[:MAX_TEXT]})
        elif kind == "message" and isinstance(words, str) and facts["accepted"]:
            if not facts["texts"]:
                facts["first_ms"] = round((time.monotonic() - begun) * 1000)
                until = min(until, time.monotonic() + SETTLE_S)
            facts["texts"].append(words[:MAX_TEXT])
            facts["cut"] = facts["cut"] or len(words) > MAX_TEXT
            if len(facts["texts"]) >= 20:
                facts["ended"] = "answer"
                return


def main(text):
    """Say what the question `text`, a JSON object, contains; print what came back as JSON."""
    question = json.loads(text)
    facts = {
        "group": None,
        "via": None, "accepted": False, "waiting": 0, "texts": [], "missed": [], "cut": False,
        "worked": False, "stopped": False, "first_ms": None, "ended": "error", "why": "",
    }  # fmt: skip
    try:
        channel = opened(question)
        facts["via"] = channel.via
        converse(channel, question, facts)
    except ClosedError as error:
        facts["ended"], facts["why"] = "closed", str(error)
    except OSError as error:
        facts["ended"], facts["why"] = "error", str(error)
    print(json.dumps(facts), flush=True)
