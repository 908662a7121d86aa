"""A real HTTP server that takes posts, for hooks to talk to."""

from __future__ import annotations

import contextlib
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from lab.ca import Authority


@dataclass(frozen=True)
class Taken:
    """One post as it came in."""

    path: str
    headers: Mapping[str, str]
    body: str


@dataclass(frozen=True)
class Answer:
    """What the server says; `wait_s` before it does, `drip` one byte at a time."""

    status: int = 204
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    wait_s: float = 0.0
    drip: bool = False


@dataclass
class Server:
    """A server that runs: what it took, and how it answers."""

    port: int
    trust: ssl.SSLContext
    taken: list[Taken] = field(default_factory=list)
    answer: Callable[[Taken], Answer] = lambda _: Answer()

    def url(self, path: str = "/", scheme: str = "https", host: str = "localhost") -> str:
        return f"{scheme}://{host}:{self.port}{path}"


@contextlib.contextmanager
def serving(folder: Path, *, tls: bool = True, name: str = "localhost") -> Iterator[Server]:
    """Serve on a port of loopback with a certificate for `name`."""
    authority = Authority()
    trust = ssl.create_default_context(cadata=authority.pem.decode())
    issued = authority.issue([name])
    pem = folder / "server.pem"
    pem.write_bytes(issued.certificate + issued.key)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", "0"))
            body = self.rfile.read(length).decode()
            taken = Taken(self.path, dict(self.headers), body)
            running.taken.append(taken)
            answer = running.answer(taken)
            time.sleep(answer.wait_s)
            with contextlib.suppress(OSError):
                self.send_response(answer.status)
                for header, value in answer.headers.items():
                    self.send_header(header, value)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                for byte in answer.body:
                    self.wfile.write(bytes([byte]))
                    time.sleep(0.2 if answer.drip else 0)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            pass

    server = Quiet(("127.0.0.1", 0), Handler)
    running = Server(server.server_address[1], trust)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
    ).start()
    try:
        yield running
    finally:
        server.shutdown()
        server.server_close()
