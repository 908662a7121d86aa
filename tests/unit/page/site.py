"""A page that is served on loopback, of a gatherer that says what a test wants."""

from __future__ import annotations

import contextlib
import http.client
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from clawkeep import declared
from clawkeep.overview.gatherer import Gatherer
from clawkeep.overview.sources import Overview
from clawkeep.page.access import Access
from clawkeep.page.server import Server, Site, listen


@dataclass
class Served:
    """The servers, who may read them, and what asks."""

    servers: list[Server]
    access: Access
    gatherer: Gatherer

    @property
    def port(self) -> int:
        return self.servers[0].server_port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.access.path}"

    @property
    def cookie(self) -> str:
        return self.access.set_cookie.partition(";")[0]

    def ask(
        self, path: str, method: str = "GET", host: str | None = None, **headers: str
    ) -> tuple[int, dict[str, str], str]:
        """Return status, headers and text."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.putrequest(method, path, skip_host=True)
        connection.putheader("Host", host or f"127.0.0.1:{self.port}")
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, dict(answer.getheaders()), text


@contextlib.contextmanager
def served(folder: Path, gather: Callable[[Overview], Overview]) -> Iterator[Served]:
    """Serve what `gather` returns."""
    gatherer = Gatherer(gather, 30)
    access = Access(folder)
    servers = listen(Site(declared.keep(), gatherer, access), 0)
    gatherer.start()
    for server in servers:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield Served(servers, access, gatherer)
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
        gatherer.stop()
