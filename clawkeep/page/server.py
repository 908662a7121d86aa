"""Serves the page and the metrics on loopback: GET and HEAD alone, and nothing without a secret."""

from __future__ import annotations

import socket
import socketserver
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from clawkeep.metrics.figures import figures
from clawkeep.metrics.text import CONTENT_TYPE
from clawkeep.model import Keep
from clawkeep.overview.gatherer import Gatherer
from clawkeep.page.access import Access
from clawkeep.page.document import page
from clawkeep.page.html import h
from clawkeep.page.style import HASH

ADDRESSES: Final = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
MOST: Final = 32
"""Connections at a time: whoever is on the machine can open some."""

HEADERS: Final = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{HASH}'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
HTML: Final = "text/html; charset=utf-8"
PLAIN: Final = "text/plain; charset=utf-8"
ICON: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><path fill="#2c7a43" '
    'd="M2 2h3v2h2V2h2v2h2V2h3v12H2z"/><path fill="#fff" d="M6 14v-3a2 2 0 0 1 4 0v3z"/></svg>'
)
PAGE_S: Final = 1.5
"""A page waits so long for answers of now, then shows what there is, with its age."""

SCRAPE_S: Final = 30.0
"""A scrape waits so long for figures of now; Prometheus gives up on its own, earlier."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What is sent: status, type, text, and headers besides those that are always sent."""

    status: HTTPStatus
    kind: str
    text: str
    more: Mapping[str, str]


def reply(status: HTTPStatus, text: str, kind: str = PLAIN, **more: str) -> Reply:
    """Return a reply; a name of a header has `_` for `-`."""
    return Reply(status, kind, text, {name.replace("_", "-"): v for name, v in more.items()})


class Site:
    """What there is to read, and for whom."""

    def __init__(self, keep: Keep, gatherer: Gatherer, access: Access) -> None:
        self.keep, self.gatherer, self.access = keep, gatherer, access

    def answer(self, path: str, query: str, headers: Mapping[str, str]) -> Reply:
        """Return what is at an address for whoever sends these headers."""
        if path == "/metrics":
            return self._metrics(headers.get("Authorization", ""))
        values = parse_qs(query, max_num_fields=8)
        if path == self.access.path and "token" in values:
            return self._sign_in(values["token"][0])
        if not (path.startswith(self.access.path) and self._knows(headers)):
            text = "Open the address that `clawkeep serve` has printed.\n"
            return reply(HTTPStatus.FORBIDDEN, text)
        if path == f"{self.access.path}icon.svg":
            return reply(HTTPStatus.OK, ICON, "image/svg+xml")
        if path != self.access.path:
            return reply(HTTPStatus.NOT_FOUND, "There is nothing.\n")
        text = page(
            self.keep, self.gatherer.read(PAGE_S), time.time(),
            interval_s=self.gatherer.interval_s, still="still" in values,
        )  # fmt: skip
        return reply(HTTPStatus.OK, text, HTML)

    def _knows(self, headers: Mapping[str, str]) -> bool:
        return self.access.knows(headers.get("Cookie", ""))

    def _sign_in(self, token: str) -> Reply:
        if not self.access.signs_in(token):
            return reply(HTTPStatus.FORBIDDEN, "This address is of another run; see the newest.\n")
        # A redirection would still count as coming from whatever page led here, and a browser sends
        # no strict cookie then; a page that goes on by itself does not.
        on = h("meta", http_equiv="refresh", content="0; url=.")
        icon = h("link", rel="icon", href="icon.svg")
        head = h("head", on, icon, h("title", "Clawkeep"))
        body = h("body", h("p", h("a", "Go on to the page", href=".")))
        text = f"<!DOCTYPE html>\n{h('html', head, body, lang='en')}\n"
        return reply(HTTPStatus.OK, text, HTML, Set_Cookie=self.access.set_cookie)

    def _metrics(self, authorization: str) -> Reply:
        if not self.access.may_scrape(authorization):
            text = "Send `Authorization: Bearer` with the metrics' token.\n"
            return reply(HTTPStatus.UNAUTHORIZED, text, WWW_Authenticate="Bearer")
        return reply(HTTPStatus.OK, figures(self.keep, self.gatherer.read(SCRAPE_S)), CONTENT_TYPE)


class Handler(BaseHTTPRequestHandler):
    """One connection; it ends after one answer."""

    server: Server
    timeout = 10
    server_version, sys_version = "clawkeep", ""

    def do_GET(self) -> None:
        """Answer."""
        self._answer()

    def do_HEAD(self) -> None:
        """Answer without the text."""
        self._answer()

    def _answer(self) -> None:
        # A name that somebody else made to lead here (DNS rebinding) is not ours.
        if self.headers.get_all("Host", []) not in [[name] for name in self.server.names]:
            self._send(reply(HTTPStatus.FORBIDDEN, "This is not the host that you asked for.\n"))
            return
        try:
            target = urlsplit(self.path)
            found = self.server.site.answer(target.path, target.query, self.headers)  # type: ignore[arg-type]
        except ValueError:
            found = reply(HTTPStatus.BAD_REQUEST, "No address is like this.\n")
        self._send(found)

    def _send(self, found: Reply) -> None:
        data = found.text.encode("utf-8", "replace")
        self.send_response(found.status)
        for name, value in ({**HEADERS, **found.more}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", found.kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """Answer what is no request of ours, as plain text."""
        self.close_connection = True
        if code == HTTPStatus.NOT_IMPLEMENTED:
            text = "Read-only: GET and HEAD.\n"
            self._send(reply(HTTPStatus.METHOD_NOT_ALLOWED, text, Allow="GET, HEAD"))
        else:
            self._send(reply(HTTPStatus(code), f"{HTTPStatus(code).phrase}\n"))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing: an address may hold the token."""


class Server(ThreadingHTTPServer):
    """Listens on one address of loopback."""

    daemon_threads = True
    request_queue_size = 2 * MOST

    def __init__(self, family: int, address: str, port: int, site: Site) -> None:
        self.address_family = family
        self.site = site
        self._room = threading.BoundedSemaphore(MOST)
        super().__init__((address, port), Handler)

    def server_bind(self) -> None:
        """Bind, without asking DNS for this machine's name as the standard library does."""
        socketserver.TCPServer.server_bind(self)
        self.server_port = int(self.server_address[1])
        self.server_name = "localhost"
        names = ("127.0.0.1", "localhost", "[::1]")
        self.names = [f"{name}:{self.server_port}" for name in names]
        self.names += names if self.server_port == 80 else ()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread, unless there are too many."""
        if not self._room.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer, and make room."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """Say what went wrong in a line; that a reader went away is nothing."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            sys.stderr.write(f"clawkeep serve: {type(error).__name__}: {error}\n")


def listen(site: Site, port: int) -> list[Server]:
    """Return a server for each address of loopback, on the same port; 0 is any that is free.

    Raises OSError when the port is taken on one of them: `localhost` may mean either, and must not
    lead to somebody else. A machine without IPv6 has one address.
    """
    made: list[Server] = []
    try:
        for family, address in ADDRESSES:
            try:
                made.append(Server(family, address, port, site))
            except OSError as error:
                if family == socket.AF_INET6 and not _has(family, address):
                    continue
                raise OSError(error.errno, f"{address}:{port}: {error.strerror}") from error
            port = made[0].server_port
    except OSError:
        for server in made:
            server.server_close()
        raise
    return made


def _has(family: int, address: str) -> bool:
    """Tell whether this machine has an address at all."""
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True
