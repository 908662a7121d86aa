"""A picture of the keep: what is in it, for whoever draws it, and drawn in Mermaid.

Only what is declared is drawn, and no doors that were opened for a while, unless `live` adds them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from clawkeep.declaration import egress_of
from clawkeep.model import Egress, Keep, Mount, Service
from clawkeep.policy import PROXY_PORT

SHOWN = 6
"""Domains and networks of the internet that are drawn by name; the rest is counted."""

OUTSIDE = "internet, LAN, other guests, IPv6"
PORTS = "every other port of the Mac"


@dataclass(frozen=True)
class Way:
    """One way out of the guest.

    `gate` is what takes it on the gateway (none: it goes straight out), `how` stands at the line
    from there, `far` is what it leads to; `gate` and `far` are lines of text. `state` is how the
    gate is, for its colour: `ok`, `bad`, `unknown`, or "" when nobody looked.
    """

    gate: tuple[str, ...]
    how: str
    far: tuple[str, ...]
    state: str = ""


@dataclass(frozen=True)
class Folder:
    """A shared folder of the host."""

    path: str
    how: str


@dataclass(frozen=True)
class Picture:
    """All that is drawn, as text: the guest's lines, its ways out, and its folders.

    The first wall, Softnet, stops what goes elsewhere than to `softnet`; the second, pf, the rest.
    """

    guest: tuple[str, ...]
    softnet: tuple[str, ...]
    pf: tuple[str, ...]
    ways: tuple[Way, ...]
    folders: tuple[Folder, ...]
    outside: str
    ports: str = PORTS


def picture(keep: Keep) -> Picture:
    """Return what is drawn of a keep."""
    guest = keep.guest
    networks = keep.egress.mode == "cidrs"
    return Picture(
        guest=(
            guest.name,
            f"{guest.cpu} CPU, {guest.memory_mb} MB, {guest.disk_gb} GB",
            f"user {guest.user}",
        ),
        softnet=("Softnet", "gateway + networks" if networks else "gateway only"),
        pf=("pf", "doors, then wall"),
        ways=(*(_door(service) for service in keep.services), *_internet(keep.egress)),
        folders=tuple(_folder(mount) for mount in keep.guest.mounts),
        outside=_outside(keep.egress),
    )


def live(
    seen: Picture,
    states: Mapping[str, tuple[str, str]],
    *,
    guest: str,
    pf: str,
    more: tuple[Way, ...] = (),
) -> Picture:
    """Return a picture with what is so now, in words.

    `states` are the doors' by name: `ok`, `bad` or `unknown`, and a line of text. `guest` and `pf`
    are a line each, `more` are doors that are open although they are not declared.
    """
    ways = []
    for way in seen.ways:
        if way.gate and way.gate[0] in states:
            state, words = states[way.gate[0]]
            ways.append(replace(way, gate=(*way.gate, words), state=state))
        else:
            ways.append(way)
    return replace(seen, guest=(*seen.guest, guest), pf=(*seen.pf, pf), ways=(*ways, *more))


def _door(service: Service) -> Way:
    kind = service.kind if service.kind == "tcp" else service.kind.upper()
    return Way((service.name, f"gateway:{service.port}"), kind, (str(service.target),))


def _folder(mount: Mount) -> Folder:
    return Folder(mount.path, "read-only" if mount.read_only else "read and write")


def _internet(egress: Egress) -> Iterator[Way]:
    if egress.mode == "cidrs":
        ports = ", ".join(str(port) for port in egress.ports)
        yield Way((), f"TCP {ports}", _some(egress.cidrs))
    if egress.mode == "domains":
        named = egress_of(egress).domains
        asked = tuple(f"index of {name}" for name in egress.asked)
        how = "HTTPS, HTTP" if egress.http else "HTTPS"
        yield Way(("proxy", f"gateway:{PROXY_PORT}"), how, _some((*named, *asked)))


def _some(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the first names, and how many more there are."""
    more = len(names) - SHOWN
    return (*names[:SHOWN], f"and {more} more") if more > 0 else names


def _outside(egress: Egress) -> str:
    if egress.mode == "none":
        return OUTSIDE
    return f"other {OUTSIDE}"


def diagram(keep: Keep) -> str:
    """Return a Mermaid flowchart: the guest, both walls, its doors, and what is behind them."""
    return "\n".join(_lines(picture(keep))) + "\n"


def _lines(seen: Picture) -> Iterator[str]:
    yield "flowchart LR"
    yield f"    subgraph host[{_quoted('Host: the Mac')}]"
    yield f"        guest[{_quoted(*seen.guest)}]"
    yield f"        softnet{{{{{_quoted(*seen.softnet)}}}}}"
    yield f"        pf{{{{{_quoted(*seen.pf)}}}}}"
    for number, way in enumerate(seen.ways):
        if way.gate:
            yield f"        door{number}[{_quoted(*way.gate)}]"
    for number, folder in enumerate(seen.folders):
        yield f"        folder{number}[({_quoted(folder.path)})]"
    yield "    end"
    yield "    guest --> softnet --> pf"
    for number, way in enumerate(seen.ways):
        yield f"    target{number}[{_quoted(*way.far)}]"
        door = f" --> door{number}" if way.gate else ""
        yield f"    pf{door} -->|{_quoted(way.how)}| target{number}"
    for number, folder in enumerate(seen.folders):
        yield f"    guest ---|{_quoted(folder.how)}| folder{number}"
    yield f"    softnet --x outside[{_quoted(seen.outside)}]"
    yield f"    pf --x ports[{_quoted(seen.ports)}]"


#: A label is HTML and Markdown to Mermaid, and its only escape is the entity.
ENTITIES = {ord(letter): f"#{ord(letter)};" for letter in '#"&<>`*_\\[]{}|'}


def _quoted(*lines: str) -> str:
    """Quote a Mermaid label of one or more lines: whatever they hold is shown as it is."""
    return '"' + "<br/>".join(line.translate(ENTITIES) for line in lines) + '"'
