"""What the guest may reach on the internet."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from difflib import get_close_matches
from ipaddress import IPv4Network
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from clawkeep import profiles
from clawkeep.domains import covers, domain
from clawkeep.model.base import Declared, Many
from clawkeep.model.tools import once_each

SHORTEST_PREFIX = 8
"""A wider network is most of the internet: then say so in networks that mean something."""

MOST_CIDRS, MOST_PORTS, MOST_DOMAINS = 200, 20, 500

NOT_PUBLIC: dict[str, str] = {
    "0.0.0.0/8": "this host itself",
    "10.0.0.0/8": "a private network",
    "100.64.0.0/10": "a carrier's network (also Tailscale's)",
    "127.0.0.0/8": "loopback",
    "169.254.0.0/16": "link-local",
    "172.16.0.0/12": "a private network",
    "192.0.0.0/24": "reserved for protocols",
    "192.0.2.0/24": "reserved for documentation",
    "192.88.99.0/24": "the old 6to4 relay",
    "192.168.0.0/16": "a private network",
    "198.18.0.0/15": "reserved for benchmarks",
    "198.51.100.0/24": "reserved for documentation",
    "203.0.113.0/24": "reserved for documentation",
    "224.0.0.0/4": "multicast",
    "240.0.0.0/4": "reserved",
}
"""IPv4 networks that are not the internet. Source: IANA's special-purpose registry, RFC 6890."""

REPORT_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?(?:Z|[+-]\d\d:\d\d)")


def public_cidr(text: str) -> str:
    """Return a public IPv4 network or address, as pfctl prints it; a ValueError says why not."""
    if ":" in text:
        raise ValueError(f"{text!r} is IPv6, which no guest of Softnet has; write IPv4")
    try:
        network = IPv4Network(text)
    except ValueError as error:
        raise ValueError(
            f"{text!r} is no IPv4 network: write it as 140.82.112.0/20, or 1.1.1.1 ({error})"
        ) from error
    if network.prefixlen < SHORTEST_PREFIX:
        raise ValueError(
            f"{text} is wider than /{SHORTEST_PREFIX}; that is no allowlist: name smaller networks"
        )
    for other, what in NOT_PUBLIC.items():
        if network.overlaps(IPv4Network(other)):
            raise ValueError(
                f"{text} is not the internet: {other} is {what}; what is on your own network gets "
                "a door in the allowlist"
            )
    return str(network.network_address) if network.prefixlen == 32 else str(network)


def egress_port(port: int) -> int:
    """Return `port` when it is one of TCP, raise ValueError otherwise."""
    if not 1 <= port <= 65535:
        raise ValueError(f"{port} is no TCP port; ports go from 1 to 65535")
    return port


def profile(name: str) -> str:
    """Return `name` when there is such a profile, raise ValueError otherwise."""
    if name not in profiles.DOMAINS:
        near = get_close_matches(name.lower(), profiles.DOMAINS, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"there is no profile {name!r}; known are {', '.join(profiles.DOMAINS)}{hint}"
        )
    return name


def report_time(text: str) -> str:
    """Return `text` when it is a time with its zone, raise ValueError otherwise."""
    if not REPORT_TIME.fullmatch(text):
        raise ValueError(
            f"{text!r} is no time with its zone; write it as 2026-11-22T12:00Z or "
            "2026-11-22T13:00+01:00"
        )
    try:
        datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no time: {error}") from error
    return text


class Egress(Declared):
    """What the guest may reach on the internet: nothing, networks, or names through the proxy."""

    mode: Literal["none", "cidrs", "domains"] = "none"
    cidrs: Many[Annotated[str, AfterValidator(public_cidr)]] = Field(
        default=(), max_length=MOST_CIDRS
    )
    ports: Many[Annotated[int, AfterValidator(egress_port)]] = Field(
        default=(443,), min_length=1, max_length=MOST_PORTS
    )
    domains: Many[Annotated[str, AfterValidator(domain)]] = Field(
        default=(), max_length=MOST_DOMAINS
    )
    profiles: Many[Annotated[str, AfterValidator(profile)]] = ()
    http: bool = False
    report_until: Annotated[str, AfterValidator(report_time)] | None = None

    @field_validator("cidrs", "ports", "domains", "profiles", "http", "report_until")
    @classmethod
    def _of_its_mode(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse what another mode would read: here it would silently do nothing."""
        mode = info.data.get("mode")
        field = str(info.field_name)
        owner = "cidrs" if field in {"cidrs", "ports"} else "domains"
        default = cls.model_fields[field].default
        if mode is not None and mode != owner and value != default:
            raise ValueError(f"counts in mode {owner!r} only, and the mode is {mode!r}; remove it, "
                             f"or set the mode to {owner!r}")  # fmt: skip
        return value

    @field_validator("cidrs")
    @classmethod
    def _networks_apart(cls, cidrs: tuple[str, ...]) -> tuple[str, ...]:
        networks = [IPv4Network(cidr) for cidr in cidrs]
        for index, network in enumerate(networks):
            for other in networks[:index]:
                if network.overlaps(other):
                    raise ValueError(f"{_short(other)} and {_short(network)} overlap; keep the "
                                     "wider one")  # fmt: skip
        return cidrs

    @field_validator("domains")
    @classmethod
    def _domains_apart(cls, domains: tuple[str, ...]) -> tuple[str, ...]:
        for wide, entry in _overlaps(domains):
            raise ValueError(
                f"{entry!r} is covered by {wide!r} already (a leading dot stands for the name and "
                f"all below it); remove {entry!r}"
            )
        return domains

    @field_validator("ports", "profiles")
    @classmethod
    def _once_each(cls, values: tuple[Any, ...]) -> tuple[Any, ...]:
        once_each(tuple(str(value) for value in values))
        return values

    @model_validator(mode="after")
    def _names_something(self) -> Egress:
        if self.mode == "cidrs" and not self.cidrs:
            raise ValueError("mode 'cidrs' without cidrs opens nothing; name some, or take 'none'")
        if self.mode == "domains" and not (self.domains or self.profiles or self.report_until):
            raise ValueError(
                "mode 'domains' without domains and profiles opens nothing; name some, or take "
                "'none'"
            )
        return self

    @property
    def report_until_s(self) -> float | None:
        """The end of report mode in Unix seconds, None when it was never wanted."""
        if self.report_until is None:
            return None
        return datetime.fromisoformat(self.report_until).astimezone(UTC).timestamp()

    @property
    def asked(self) -> tuple[str, ...]:
        """The profiles whose hosts only the host's own tools know."""
        return tuple(name for name in profiles.ASKED if name in self.profiles)


def _overlaps(domains: tuple[str, ...]) -> Iterable[tuple[str, str]]:
    """Yield (entry that covers, entry that is covered), also for one that is there twice."""
    for index, entry in enumerate(domains):
        for place, other in enumerate(domains):
            if place != index and covers(other, entry) and (other != entry or place < index):
                yield other, entry


def _short(network: IPv4Network) -> str:
    return str(network.network_address) if network.prefixlen == 32 else str(network)
