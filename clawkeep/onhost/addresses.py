"""The networks that the host itself is in, read from what `ifconfig` prints."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, ip_interface


def networks(text: str) -> tuple[str, ...]:
    """Return the networks of all interfaces in `ifconfig`'s output, in CIDR form, sorted.

    `inet 10.0.10.2 netmask 0xffffff00 …` and `inet6 fe80::1%en0 prefixlen 64 …`; a line that
    cannot be read is passed over, and so is a network of everything.
    """
    return tuple(sorted(set(_networks(text))))


def _networks(text: str) -> Iterator[str]:
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["inet"] and "netmask" in words:
            mask = words[words.index("netmask") + 1 :][:1]
        elif words[:1] == ["inet6"] and "prefixlen" in words:
            mask = words[words.index("prefixlen") + 1 :][:1]
        else:
            continue
        try:
            length = _dotted(mask[0]) if mask else ""
            found = ip_interface(f"{words[1].partition('%')[0]}/{length}").network
        except ValueError:
            continue
        if found.prefixlen:
            yield str(found)


def _dotted(mask: str) -> str:
    return str(IPv4Address(int(mask, 16))) if mask.startswith("0x") else mask
