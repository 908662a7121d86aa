"""Host names and IPv4 addresses, as strictly as a security boundary needs them."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address

LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
NUMERIC_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*")
LOCAL_NAMES = ("localhost", "localdomain", "broadcasthost")


def as_ipv4(text: str) -> IPv4Address | None:
    """Return `text` as an address, or None when it is not one in plain dotted-decimal form."""
    try:
        return IPv4Address(text)
    except AddressValueError:
        return None


def host_name(text: str) -> str:
    """Return a DNS host name in lower case.

    Refused with a ValueError: anything the resolver could take for something else, above all a
    name whose last label is a number, which inet_aton(3) reads as an address (`0x7f000001`).
    """
    name = text.lower()
    if not name:
        raise ValueError("has no host name")
    if not name.isascii():
        raise ValueError(f"host name {text!r} is not ASCII; write it in its xn-- form")
    if len(name) > 253:
        raise ValueError("host name is longer than 253 characters")
    labels = name.split(".")
    for label in labels:
        if not LABEL.fullmatch(label):
            raise ValueError(
                f"{text!r} is no host name: between the dots go letters, digits and inner hyphens"
            )
    if NUMERIC_LABEL.fullmatch(labels[-1]):
        raise ValueError(
            f"{text!r} is neither a host name nor an IPv4 address in the form 10.0.30.5"
        )
    if labels[-1] in LOCAL_NAMES:
        raise ValueError(
            f"{text!r} is the host itself; name the machine that offers the service, "
            "or bind the service to an address of the LAN"
        )
    return name
