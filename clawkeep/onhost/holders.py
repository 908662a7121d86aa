"""Who listens on the ports of the gateway that the guest may use, and whether that is ours.

pf opens a port, not a program. A process of somebody else that has a door's port before its bridge
does would be what the guest talks to, so such a door stays shut. Ours run as the bridge user, and
only root can be that user.
"""

from __future__ import annotations

import pwd
import subprocess
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Address

from clawkeep.link import Link
from clawkeep.onhost import world
from clawkeep.onhost.plain import plain
from clawkeep.policy import PROXY_PORT, RESOLVER_PORT, Openings

LSOF = "/usr/sbin/lsof"


@dataclass(frozen=True, slots=True)
class Holder:
    """One process that listens; `local` is `ADDRESS:PORT`, or `*:PORT` for all addresses."""

    pid: int
    command: str
    uid: int
    local: str

    def __str__(self) -> str:
        try:
            user = pwd.getpwuid(self.uid).pw_name
        except KeyError:
            user = str(self.uid)
        return f"{plain(self.command, 40)} (pid {self.pid}, user {user})"


def listeners(text: str) -> Iterator[Holder]:
    """Read `lsof -nP … -F pcun`: a process's values, then its files' names.

    Source: reference/macos.md §9.
    """
    pid, command, uid = 0, "", -1
    for line in text.splitlines():
        kind, value = line[:1], line[1:]
        if kind == "p":
            pid, command, uid = int(value) if value.isdecimal() else 0, "", -1
        elif kind == "c":
            command = value
        elif kind == "u" and value.isdecimal():
            uid = int(value)
        elif kind == "n":
            yield Holder(pid, command, uid, value)


def foreign(gateway: IPv4Address, ports: Collection[int], user: str) -> dict[int, Holder]:
    """Return by port who else than `user` a guest would meet at these ports of the gateway.

    A listener on all addresses counts while nobody of `user` listens on the gateway's own, which
    the kernel prefers. The resolver's port counts for UDP, too. Raises OSError, RuntimeError,
    SubprocessError when lsof does not say.
    """
    if not ports:
        return {}
    try:
        ours = pwd.getpwnam(user).pw_uid
    except KeyError:
        ours = -1
    tcp = f"-iTCP:{','.join(str(port) for port in sorted(ports))}"
    found = _strangers(_there(tcp, "-sTCP:LISTEN"), gateway, ports, ours)
    if RESOLVER_PORT in ports:
        found |= _strangers(_there(f"-iUDP:{RESOLVER_PORT}"), gateway, [RESOLVER_PORT], ours)
    return found


def _there(*which: str) -> list[Holder]:
    """Ask lsof, which exits 1 when nobody listens at one of the ports, and for any error."""
    done = world.run([LSOF, "-nPw", *which, "-F", "pcun"])
    said = done.stderr.strip()
    if done.returncode not in {0, 1} or (said and not done.stdout):
        raise RuntimeError(f"lsof: {said or done.returncode}")
    return list(listeners(done.stdout))


def _strangers(
    there: list[Holder], gateway: IPv4Address, ports: Collection[int], ours: int
) -> dict[int, Holder]:
    found: dict[int, Holder] = {}
    for port in ports:
        exact = [one for one in there if one.local == f"{gateway}:{port}"]
        anywhere = [one for one in there if one.local == f"*:{port}"]
        if strange := [one for one in exact or anywhere if one.uid != ours]:
            found[port] = strange[0]
    return found


@dataclass(frozen=True, slots=True)
class Fit:
    """What may be open, and what else is declared: `held` by somebody else, or `unknown`."""

    openings: Openings
    held: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


def fit(openings: Openings, link: Link, user: str, known: Collection[str]) -> Fit:
    """Leave out of `openings` what would lead the guest to somebody else's program.

    While nobody can tell, only the doors that are open already (`known`, by name) may be.
    """
    ports = {door.port: f"door {door.name}" for door in openings.doors}
    if openings.proxy:
        ports[PROXY_PORT] = "proxy"
    if openings.resolver:
        ports[RESOLVER_PORT] = "resolver"
    try:
        held = foreign(link.gateway, ports, user)
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        doors = tuple(door for door in openings.doors if door.name in known)
        if not (new := [door.name for door in openings.doors if door.name not in known]):
            return Fit(openings)
        words = f"doors not opened, nobody can tell who listens there: {', '.join(new)} ({error})"
        return Fit(replace(openings, doors=doors), unknown=(words,))
    kept = replace(openings, doors=tuple(d for d in openings.doors if d.port not in held))
    if PROXY_PORT in held:
        kept = replace(kept, domains=(), window=(), report=False)
    if RESOLVER_PORT in held:
        kept = replace(kept, resolver=False)
    sentences = (
        f"{ports[port]}: {link.gateway}:{port} is held by {holder}, not by ours; it stays shut"
        for port, holder in sorted(held.items())
    )
    return Fit(kept, held=tuple(sentences))
