"""The guest's hosts file: declared names lead to the gateway.

Every line of ours carries a mark at its end, so that it can be told from anybody else's even
after the file was edited by hand. Our lines stand first, where a lookup finds them first.
Source: reference/macos.md §8.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address

from clawkeep.model import Service

MARK = "# clawkeep"
HEADLINE = f"# Names of the keep's services; do not edit these lines {MARK}"


def hosts_block(services: Iterable[Service], gateway: IPv4Address) -> str:
    """Return our lines: each name by which the guest calls a service, once, in order.

    Empty when no service needs a name.
    """
    names = dict.fromkeys(service.guest_name for service in services if service.guest_name)
    if not names:
        return ""
    return "".join(f"{line}\n" for line in (HEADLINE, *(f"{gateway}\t{n}\t{MARK}" for n in names)))


def merge(text: str, block: str) -> str:
    """Return the hosts file `text` with `block` as our only lines; all else stays as it is.

    Merging twice gives the same as merging once, and merging an empty block removes ours.
    """
    return block + remove(text)


def remove(text: str) -> str:
    """Return the hosts file `text` without our lines, every other byte as it was."""
    lines = text.split("\n")
    return "\n".join(line for line in lines if not line.rstrip("\r").endswith(MARK))
