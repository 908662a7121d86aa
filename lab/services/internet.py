"""The internet of a lab: web sites by name, public resolvers, and a note of every visit.

`lab/internet_sites.json` lets parts of the lab add sites: name -> "module:function", called with
the path and the bottle cache, answering (status, content type, body). A site that needs more is
{"service": "module:function"}, called with the request and what the internet has (`Stock`),
answering a Response, or None for what it does not know: that gets the line of any other site.
"""

import importlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import addresses

from . import dns, http, sshd, tls
from .http import Handler, Request, Response
from .journal import Journal

REGISTERED = Path(__file__).resolve().parents[1] / "internet_sites.json"
DOWNLOADS = "download.example"
Site = Callable[[str, Path], tuple[int, str, bytes]]


@dataclass(frozen=True)
class Stock:
    """What sites may look at: the lab's own folder, and the bottle cache."""

    folder: Path
    bottles: Path


Service = Callable[[Request, Stock], Response | None]


def registered() -> dict[str, str | dict[str, str]]:
    """Return the sites that parts of the lab add: name -> `module:function` or a service."""
    return dict(json.loads(REGISTERED.read_text())) if REGISTERED.exists() else {}


def names() -> dict[str, str]:
    """Return every name of the internet with its address."""
    added = sorted(set(registered()) - set(addresses.SITES))
    extra = {name: f"{addresses.EXTRA_SITES_FROM}{i}" for i, name in enumerate(added, start=10)}
    return {**addresses.SITES, **extra}


def records() -> dict[str, str | Iterator[str]]:
    """Return what a resolver knows of the internet, with the names that lead into the LAN."""
    turning = {name: dns.turning(those) for name, those in addresses.REBINDING.items()}
    return {**names(), **turning}


def all_addresses() -> list[str]:
    """Return every address that the internet's namespace must have."""
    return sorted({*addresses.RESOLVERS, *names().values()})


def handler(stock: Stock) -> Handler:
    """Return what answers for all sites, each by the name the client calls it."""
    services = {name: _service(target) for name, target in registered().items()}

    def answer(request: Request) -> Response:
        if request.host == DOWNLOADS and request.path.partition("?")[0] == "/slow":
            return slow(request)
        service = services.get(request.host)
        found = service(request, stock) if service else None
        if found is None:
            return Response(200, "text/plain; charset=utf-8", f"lab: {request.host}\n".encode())
        return found

    return answer


def _service(target: str | dict[str, str]) -> Service:
    """Import what a site is registered with."""
    if isinstance(target, dict):
        service: Service = _imported(target["service"])
        return service
    site: Site = _imported(target)
    return lambda request, stock: Response(*site(request.path, stock.bottles))


def _imported(target: str) -> Any:
    module, _, function = target.partition(":")
    return getattr(importlib.import_module(module), function)


def slow(request: Request) -> Response:
    """Send `rate` bytes a second for `seconds`: /slow?seconds=N&rate=N."""
    asked = {"seconds": 10.0, "rate": 100_000.0} | request.numbers()
    piece = b"x" * max(1, round(asked["rate"] * http.STREAM_STEP_S))
    return http.streamed("application/octet-stream", asked["seconds"], lambda _number: piece)


async def serve(certificates: Path, log: Path, stock: Stock) -> None:
    """Start the sites (443 and 80 at every address) and the resolvers (53). Raises OSError."""
    journal = Journal(log)
    known = records()
    context = tls.context(certificates / "internet")
    answer = handler(stock)
    for address in all_addresses():
        await http.serve("https", (address, 443), answer, journal, context)
        await http.serve("http", (address, 80), answer, journal)
    for address in addresses.RESOLVERS:
        await dns.serve(address, known, journal)
    ssh = names()[addresses.PUBLIC_SSH]
    await sshd.serve("public-ssh", ssh, certificates / "public_ssh", journal)
