"""The far end of a bridge: a host and a port on the LAN."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from clawkeep.model.hostname import as_ipv4, host_name
from clawkeep.policy import ON_THE_HOST

FORM = "write it as host:port, for example 10.0.30.5:8123 or vault.example.net:443"


@dataclass(frozen=True, slots=True)
class Target:
    """Host name (lower case) or IPv4 address, and TCP port 1..65535."""

    host: str
    port: int

    @property
    def address(self) -> IPv4Address | None:
        """The target's address when it is declared as one, None when it is a name."""
        return as_ipv4(self.host)

    @property
    def on_the_host(self) -> bool:
        """Whether it is a service that Clawkeep itself runs on the host."""
        return (self.host, self.port) in ON_THE_HOST

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> Target:
        """Read `host:port`; raise ValueError, in a sentence for the operator, otherwise."""
        if "://" in text or "/" in text:
            raise ValueError(f"{text!r} is a URL; {FORM}")
        if text.startswith("[") or text.count(":") > 1:
            raise ValueError(f"{text!r} looks like IPv6, which bridges do not carry; {FORM}")
        host, colon, port = text.rpartition(":")
        if not colon:
            raise ValueError(f"{text!r} has no port; {FORM}")
        if not host:
            raise ValueError(f"{text!r} has no host; {FORM}")
        number = _port(text, port)
        return cls(host if (host, number) in ON_THE_HOST else _host(host), number)


def _port(text: str, port: str) -> int:
    if not (port.isascii() and port.isdecimal()) or len(port) > 5 or port.startswith("0"):
        raise ValueError(f"{text!r} has no valid port; {FORM}")
    if int(port) > 65535:
        raise ValueError(f"port {port} does not exist; ports go from 1 to 65535")
    return int(port)


def _host(host: str) -> str:
    address = as_ipv4(host)
    if address is None:
        return host_name(host)
    if reason := unfit(address):
        raise ValueError(f"{host} is {reason}; name the machine that offers the service")
    return host


def unfit(address: IPv4Address) -> str | None:
    """Say why an address can be no target at all, or None when it can."""
    if address.is_unspecified:
        return "the wildcard address"
    if address.is_loopback:
        return "the host's own loopback"
    if address.is_link_local:
        return "a link-local address, which changes with the network"
    if address.is_multicast:
        return "a multicast address"
    if int(address) >> 24 == 0 or address.is_reserved:
        return "a reserved address"
    return None


def _parse(value: Any) -> Any:
    return Target.parse(value) if isinstance(value, str) else value


TargetText = Annotated[
    Target,
    BeforeValidator(_parse),
    PlainSerializer(str, return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?:[1-9][0-9]{0,4}$",
            "examples": ["vault.example.net:443", "10.0.30.5:8123"],
        }
    ),
]
"""A `Target` that is written `host:port`."""
