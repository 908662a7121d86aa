"""The host: what the Mac itself must have."""

from __future__ import annotations

import re
from ipaddress import IPv4Network
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer

from clawkeep.model.base import Declared, Many
from clawkeep.model.tools import formula

TAP = re.compile(r"[a-z0-9][a-z0-9-]*/[a-z0-9][a-z0-9-]*")
VERSION = re.compile(r"[0-9]+(?:\.[0-9]+){1,3}")
DAEMON_USER = re.compile(r"_[a-z][a-z0-9_-]{0,29}|nobody")


def _matching(pattern: re.Pattern[str], what: str) -> AfterValidator:
    def check(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(f"{text!r} is no {what}")
        return text

    return AfterValidator(check)


def _network(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    network = IPv4Network(value)
    if not network.is_private or network.prefixlen > 30:
        raise ValueError(f"{value} is no private network with room for a guest")
    return network


Version = Annotated[str, _matching(VERSION, "version number like 2.30.0")]


class Host(Declared):
    """The Mac that runs the guest."""

    tap: Annotated[str, _matching(TAP, "tap; write user/tap")] = "openai/tools"
    tart_version: Version = "2.30.0"
    softnet_version: Version = "0.19.0"
    packages: Many[Annotated[str, AfterValidator(formula)]] = ("socat", "squid")
    bridge_user: Annotated[
        str, _matching(DAEMON_USER, "unprivileged daemon user: take _clawkeep or nobody")
    ] = "_clawkeep"
    guest_network: Annotated[
        IPv4Network, BeforeValidator(_network), PlainSerializer(str, return_type=str)
    ] = Field(default=IPv4Network("192.168.64.0/24"))
