"""`clawkeep whisper MODEL`: speech to text for the guest, computed on the host.

It speaks as whisper.cpp's own server does: `POST /inference` with a form, `GET /health`. That
server is not used, for Homebrew builds whisper-cpp without it, and it would let the guest load any
file of the host (`POST /load`) and end it with one that is no model. Here each request is one
`whisper-cli` that reads the sound from a pipe: no sound is ever a file or an argument.

Source: ggml-org/whisper.cpp examples/server/server.cpp, examples/cli/cli.cpp; homebrew-core
whisper-cpp.rb (WHISPER_BUILD_SERVER=OFF).

launchd runs it as a user that owns nothing, since whoever owns Homebrew can replace whisper-cli.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from clawkeep.onhost.form import FormError, fields
from clawkeep.policy import WHISPER_AT

CLI = "/opt/homebrew/bin/whisper-cli"
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "HOME": "/var/empty", "LANG": "en_US.UTF-8"}
LARGEST = 32 << 20
"""Bytes of one request: a quarter of an hour of 16 kHz WAV, or hours of MP3."""
AT_ONCE = 4
"""Requests that may hold a sound in memory; one of them computes."""
COMPUTE_S = 900
IDLE_S = 30
FORMATS = {"json": "application/json", "text": "text/plain; charset=utf-8"}
LANGUAGE = re.compile(r"auto|[a-z]{2,3}")


class Refusal(Exception):  # noqa: N818 - an answer
    """What the guest is told instead of words: a status and a sentence."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Whisper:
    """One model, and whisper-cli over it, one sound at a time."""

    def __init__(self, model: Path, cli: str = CLI, compute_s: float = COMPUTE_S) -> None:
        self.model, self.cli, self.compute_s = model, cli, compute_s
        self._computing = threading.Lock()
        self.room = threading.BoundedSemaphore(AT_ONCE)

    def damage(self) -> str | None:
        """Say how the model is not the one that it is called by, or None."""
        try:
            with self.model.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            return f"{self.model}: {error.strerror}"
        if found != self.model.name:
            return f"{self.model} has the SHA-256 {found}; clawkeep apply skills"
        return None

    def hear(self, sound: bytes, language: str) -> str:
        """Return the words of a sound. Raises Refusal."""
        command = [self.cli, "-m", str(self.model), "-f", "-", "-nt", "-np", "-l", language]
        try:
            with self._computing:
                done = subprocess.run(
                    command, input=sound, capture_output=True, timeout=self.compute_s,
                    check=False, env=ENVIRONMENT, cwd="/",
                )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise Refusal(504, f"not done in {self.compute_s:g} s") from None
        except OSError as error:
            raise Refusal(500, f"{self.cli}: {error.strerror}") from None
        said = done.stderr.decode(errors="replace").strip().splitlines()
        # A sound that it cannot read is an error on stderr alone.
        if any(line.startswith("error: failed to ") and "audio" in line for line in said) or any(
            "failed to open WAV" in line or "failed to read WAV" in line for line in said
        ):
            raise Refusal(400, "failed to read audio data")
        if done.returncode:
            last = said[-1] if said else "no message"
            raise Refusal(500, f"whisper-cli ended with {done.returncode}: {last[:200]}")
        return done.stdout.decode(errors="replace").strip()


class Server(ThreadingHTTPServer):
    """Listens on the loopback alone; the bridge is the only way to it from a guest."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, whisper: Whisper, at: tuple[str, int] = WHISPER_AT) -> None:
        self.whisper = whisper
        super().__init__(at, Handler)


class Handler(BaseHTTPRequestHandler):
    """One connection of the guest's."""

    server: Server
    server_version, sys_version = "whisper.cpp", ""
    protocol_version = "HTTP/1.1"
    timeout = IDLE_S

    def do_GET(self) -> None:
        """Answer `/health`, and something at `/` for whoever looks whether the door is open."""
        if self.path == "/health":
            self._json(200, {"status": "ok"})
        elif self.path == "/":
            self._answer(
                200, FORMATS["text"], b"POST /inference: file, response_format, language\n"
            )
        else:
            self._refuse(404, "there is /inference and /health")

    def do_POST(self) -> None:
        """Answer `/inference` with what is said in `file`."""
        try:
            content, kind = self._inference()
        except Refusal as refusal:
            self._refuse(refusal.status, str(refusal))
        except (OSError, FormError) as error:
            self._refuse(400, str(error))
        else:
            self._answer(200, kind, content.encode())

    def _inference(self) -> tuple[str, str]:
        """Return the answer to `/inference`, and its type. Raises Refusal, FormError, OSError."""
        if self.path != "/inference":
            raise Refusal(404, "there is /inference and /health")
        size, began = self._size(), time.monotonic()
        whisper = self.server.whisper
        if not whisper.room.acquire(blocking=False):
            raise Refusal(503, "busy; ask again later")
        try:
            form = self._form(size)
            kind = form.get("response_format", b"json").decode(errors="replace")
            language = form.get("language", b"en").decode(errors="replace")
            if kind not in FORMATS:
                raise Refusal(400, f"response_format is one of {', '.join(FORMATS)}")
            if not LANGUAGE.fullmatch(language):
                raise Refusal(400, "language is auto, or two or three letters")
            if not form.get("file"):
                raise Refusal(400, "no 'file' field in the request")
            text = whisper.hear(form["file"], language) + "\n"
        finally:
            whisper.room.release()
        _say(f"{size} bytes heard in {time.monotonic() - began:.1f} s")
        return (text if kind == "text" else json.dumps({"text": text})), FORMATS[kind]

    def _size(self) -> int:
        text = self.headers.get("Content-Length", "")
        if not re.fullmatch(r"[0-9]{1,12}", text):
            raise Refusal(411, "Content-Length is missing")
        if int(text) > LARGEST:
            raise Refusal(413, f"{LARGEST} bytes at most")
        return int(text)

    def _form(self, size: int) -> dict[str, bytes]:
        body = self.rfile.read(size)
        if len(body) != size:
            raise Refusal(400, "the request ended early")
        return fields(self.headers.get("Content-Type", ""), body)

    def _refuse(self, status: int, text: str) -> None:
        _say(f"refused: {status} {text}")
        # What was not read is not taken for a next request.
        self.close_connection = True
        self._json(status, {"error": text})

    def _json(self, status: int, data: dict[str, Any]) -> None:
        self._answer(status, FORMATS["json"], json.dumps(data).encode())

    def _answer(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-Clawkeep-Model", self.server.whisper.model.name)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Say nothing: what a guest asks for may hold anything."""


def main(arguments: Sequence[str]) -> int:
    """Run as `whisper MODEL`: 1 for a model that is not what it is called by, or a taken port."""
    if len(arguments) != 1:
        sys.stderr.write("usage: clawkeep whisper /opt/clawkeep/models/SHA256\n")
        return 64
    whisper = Whisper(Path(arguments[0]))
    if damage := whisper.damage():
        _say(damage)
        return 1
    try:
        server = Server(whisper)
    except OSError as error:
        _say(f"{WHISPER_AT[0]}:{WHISPER_AT[1]}: {error.strerror}")
        return 1
    _say(f"listens on {WHISPER_AT[0]}:{WHISPER_AT[1]} with {whisper.model.name[:12]}")
    with server:
        server.serve_forever()
    return 0


_said = [0.0]


def _say(text: str) -> None:
    """Note something, once a second at most: a guest must not fill the host's disk."""
    if time.monotonic() < _said[0] + 1:
        return
    _said[0] = time.monotonic()
    stamp = time.strftime("%Y/%m/%d %H:%M:%S")
    print(f"{stamp} {text}", file=sys.stderr, flush=True)
