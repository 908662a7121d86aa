"""The guest's gateway, asked of the guest itself: it is where its default route goes."""

from __future__ import annotations

from ipaddress import AddressValueError, IPv4Address

from pyinfra import host

ASK = "echo $(route -n get default | sed -n 's/^ *gateway: *//p')"
"""Prints one line: the gateway's address, or nothing."""


class NoGatewayError(ValueError):
    """The guest has no default route through an address; the text says so of which machine."""


def gateway(line: str) -> IPv4Address:
    """Read the line that `ASK` printed; for use in an operation. Raises NoGatewayError."""
    said = line.strip()
    try:
        return IPv4Address(said)
    except AddressValueError as error:
        raise NoGatewayError(
            f"{host.name}: no default route; expected one through the gateway, got {said!r}"
        ) from error
