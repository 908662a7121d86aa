"""From what is open now, and who is around, to the probes of one run.

Source for what must be closed, each from a leak that somebody had: reference/peers.md D.2,
reference/macos.md §1.4 and its list, 44.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from typing import Any

from clawkeep.canary.probe import ANSWER, SILENCE, Plan, Probe, Surroundings, permitted
from clawkeep.domains import allows
from clawkeep.link import Link
from clawkeep.policy import PROXY_PORT, RESOLVER_PORT, Door, Openings

HOST_PORTS = (22, 80, 88, 443, 445, 548, 631, 3283, 5000, 5900, 7000, 8080)
"""Where a Mac listens: SSH, web, Kerberos, file sharing, printing, remote desktop, AirPlay."""

LAN_PORTS = (22, 80, 443)
INTERNET = ("1.1.1.1", "8.8.8.8", "9.9.9.9", "93.184.215.14")
INTERNET6 = "2606:4700:4700::1111"
NAMES = ("example.com", "example.org", "example.net", "iana.org")
METADATA = "169.254.169.254"
MULTICAST_DNS = "224.0.0.251"
MDNS_PORT = 5353

MAX_ADDRESSES = 6
"""Of the host, the LAN and other guests each: a run must stay short."""

MAX_TARGETS = 32
"""Bridged services asked for directly; each run takes others, when there are more."""

LABEL = "clawkeep-"
DENY = f"{LABEL}deny4"


def plan(
    openings: Openings,
    link: Link,
    around: Surroundings,
    nonce: str,
    *,
    services: Collection[str] | None = None,
) -> Plan:
    """Return the probes of one run.

    `nonce` is 32 random hexadecimal digits. What may be open is never among the probes that expect
    silence, and nothing but what is open among those that expect an answer. Of the latter only
    `services` are asked, by their names; None: all of them.
    """
    probes = [
        *_doors(openings, link),
        *_proxy(openings, link, around),
        *_resolver(openings, link),
        *_cidrs(openings),
        *(p for p in _forbidden(openings, link, around, nonce) if not _open(p, openings, link)),
    ]
    asked = [p for p in probes if p.expected == SILENCE or services is None or p.name in services]
    notes = list(_notes(openings, around))
    if left := len(probes) - len(asked):
        notes.append(f"{left} declared services: asked a few minutes ago")
    return Plan(nonce, tuple(_with_nonces(asked, nonce)), tuple(notes))


def _with_nonces(probes: Iterable[Probe], nonce: str) -> Iterator[Probe]:
    seen = set()
    for probe in probes:
        if probe.name not in seen:
            seen.add(probe.name)
            own = hashlib.sha256(f"{nonce} {probe.name}".encode()).hexdigest()[:16]
            yield replace(probe, nonce=own)


PROTOCOLS = {"dns": "udp", "udp": "udp", "mdns": "udp", "ping": "icmp"}


def _open(probe: Probe, openings: Openings, link: Link) -> bool:
    if probe.what in {"name", "connect"}:
        return False  # A name, or what the proxy is asked for: not decided by an address.
    protocol = PROTOCOLS.get(probe.what, "tcp")
    return permitted(openings, link, protocol, probe.host, probe.port)


def _doors(openings: Openings, link: Link) -> Iterator[Probe]:
    for door in openings.doors:
        yield Probe(
            f"door {door.name}", door.kind, f"{link.gateway}", door.port, ANSWER,
            rule=f"{LABEL}svc-{door.name}", options=_service(door, link),
        )  # fmt: skip


def _service(door: Door, link: Link) -> dict[str, Any]:
    if door.kind == "tls":
        return {"server_name": door.server_name, "ca": door.ca}
    if door.kind == "http":
        return {"authority": f"{door.guest_name or link.gateway}:{door.port}"}
    return {}


def _proxy(openings: Openings, link: Link, around: Surroundings) -> Iterator[Probe]:
    """Yield what the proxy must serve and refuse; a closed one is one more forbidden port."""
    if not openings.proxy:
        return

    def ask(name: str, expected: str, asked: str, port: int = 443) -> Probe:
        return Probe(
            f"proxy to {name}", "connect", f"{link.gateway}", PROXY_PORT, expected,
            rule=f"{LABEL}proxy" if expected == ANSWER else None,
            options={"asked": asked, "asked_port": port, "data": expected == ANSWER},
        )  # fmt: skip

    if name := _allowed_name((*openings.domains, *openings.window)):
        yield ask(name, ANSWER, name)
    yield ask("an address", SILENCE, INTERNET[0])
    yield ask("the gateway's SSH", SILENCE, f"{link.gateway}", 22)
    yield ask("the host itself", SILENCE, "127.0.0.1", 22)
    for address, port in around.targets[:1]:
        yield ask("a bridged service", SILENCE, address, port)
    if not openings.report and (name := _undeclared(openings)):
        yield ask(f"{name} (undeclared)", SILENCE, name)


def _allowed_name(domains: Iterable[str]) -> str | None:
    """Return a name to ask the proxy for: rather an exact one than the head of a subtree."""
    ordered = sorted(domains, key=lambda domain: domain.startswith("."))
    return ordered[0].removeprefix(".") if ordered else None


def _undeclared(openings: Openings) -> str | None:
    domains = (*openings.domains, *openings.window)
    return next((name for name in NAMES if not allows(domains, name)), None)


def _resolver(openings: Openings, link: Link) -> Iterator[Probe]:
    if not openings.resolver:
        return
    gateway, rule = f"{link.gateway}", f"{LABEL}resolver"
    known = next((door.guest_name for door in openings.doors if door.guest_name), None)
    yield Probe(
        "resolver", "dns", gateway, RESOLVER_PORT, ANSWER, rule=rule, options={"asked": known}
    )
    # It may say no; with an address for a name that it must not know it would be a way out.
    yield Probe(
        "resolver for other names", "resolves", gateway, RESOLVER_PORT, SILENCE,
        options={"asked": NAMES[0]},
    )  # fmt: skip


def _cidrs(openings: Openings) -> Iterator[Probe]:
    """Yield single addresses: who answers in a larger network is not known."""
    for cidr in openings.cidrs:
        address, _, length = cidr.partition("/")
        if length in {"", "32"} and openings.ports:
            port = openings.ports[0]
            name = f"declared {address}:{port}/tcp"
            yield Probe(name, "tcp", address, port, ANSWER, rule=f"{LABEL}egress")


def _forbidden(openings: Openings, link: Link, around: Surroundings, nonce: str) -> Iterator[Probe]:
    yield from _gateway(link, around)
    yield from _own(around)
    yield from _internet(openings)
    yield from _lan(around, nonce)
    yield from _ipv6(around)
    for guest in around.guests[:MAX_ADDRESSES]:
        yield _silent(f"guest {guest}", "open", guest, 22)
        yield _silent(f"guest {guest}", "ping", guest)


def _gateway(link: Link, around: Surroundings) -> Iterator[Probe]:
    gateway = f"{link.gateway}"
    yield _silent("decoy at the gateway", "open", gateway, around.decoys.tcp, DENY)
    yield _silent("decoy at the gateway", "udp", gateway, around.decoys.udp)
    for port in (*HOST_PORTS, 53, PROXY_PORT, RESOLVER_PORT):
        yield _silent("gateway", "open", gateway, port, DENY)
    yield _silent("DNS of the gateway", "dns", gateway, 53)
    yield _silent("mDNS of the gateway", "mdns", gateway, MDNS_PORT)
    yield _silent("mDNS of everybody", "mdns", MULTICAST_DNS, MDNS_PORT)
    yield _silent("gateway", "ping", gateway)


def _own(around: Surroundings) -> Iterator[Probe]:
    for address in around.own[:MAX_ADDRESSES]:
        for port in HOST_PORTS:
            yield _silent("host", "open", address, port)
        yield _silent("host", "ping", address)
        yield _silent("DNS of the host", "dns", address, 53)


def _internet(openings: Openings) -> Iterator[Probe]:
    for address in INTERNET:
        yield _silent("internet", "open", address, 443)
    yield _silent("DNS of the internet", "dns", INTERNET[0], 53)
    yield _silent("DNS of the internet", "open", INTERNET[0], 53)
    yield _silent("QUIC to the internet", "udp", INTERNET[0], 443)
    yield _silent("internet", "ping", INTERNET[0])
    yield _silent("metadata service", "open", METADATA, 80)
    if name := _undeclared(openings):
        yield Probe(f"internet by name {name}", "name", name, 443, SILENCE)


def _lan(around: Surroundings, nonce: str) -> Iterator[Probe]:
    for address in around.lan[:MAX_ADDRESSES]:
        for port in LAN_PORTS:
            yield _silent("LAN", "open", address, port)
        yield _silent("LAN", "ping", address)
    targets = sorted(set(around.targets))
    if len(targets) > MAX_TARGETS:
        targets = random.Random(nonce).sample(targets, MAX_TARGETS)  # noqa: S311 - no secret
    for address, port in targets:
        yield _silent("bridged service directly", "open", address, port)


def _ipv6(around: Surroundings) -> Iterator[Probe]:
    yield _silent("internet over IPv6", "open", INTERNET6, 443)
    if around.gateway6 is None:
        return
    yield _silent("gateway over IPv6", "open", around.gateway6, 22)
    yield _silent("DNS of the gateway over IPv6", "dns", around.gateway6, 53)
    if around.decoys.tcp6 is not None:
        yield _silent("decoy over IPv6", "open", around.gateway6, around.decoys.tcp6)


def _silent(who: str, what: str, host: str, port: int = 0, rule: str | None = None) -> Probe:
    protocol = PROTOCOLS.get(what, "tcp")
    where = f"{host}:{port}/{protocol}" if protocol != "icmp" else f"{host}/icmp"
    return Probe(f"{who} {where}", what, host, port, SILENCE, rule=rule)


def _notes(openings: Openings, around: Surroundings) -> Iterator[str]:
    if not around.guests:
        yield "another guest: absent"
    if not around.lan:
        yield "another LAN host: none known"
    if around.gateway6 is None:
        yield "the gateway has no IPv6 address"
    if openings.proxy and openings.report:
        yield "undeclared domains: not asked, the proxy is in report mode"
    if openings.cidrs and not any(c.endswith("/32") or "/" not in c for c in openings.cidrs):
        yield "declared networks: no single address, so none is asked"
    if len(around.targets) > MAX_TARGETS:
        yield f"bridged services directly: {MAX_TARGETS} of {len(around.targets)} in each run"
