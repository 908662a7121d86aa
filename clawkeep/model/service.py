"""One entry of the allowlist."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from clawkeep.model.base import Declared, printable
from clawkeep.model.hostname import as_ipv4, host_name
from clawkeep.model.ports import HIGHEST, LOWEST, RESERVED, bridge_port
from clawkeep.model.target import TargetText

LABEL_PREFIX = "com.nanoclaw.bridge."
NAME = r"^[a-z][a-z0-9-]{0,38}[a-z0-9]$|^[a-z]$"
DEFAULT_IDLE_TIMEOUT_S = 3600

Kind = Literal["tls", "http", "ssh", "tcp"]
"""What a real probe through the bridge must see."""


def service_name(name: str) -> str:
    """Return `name` when it can be the last part of a launchd label, raise ValueError otherwise."""
    if not re.fullmatch(NAME, name) or "\n" in name:
        raise ValueError(
            f"{name!r} cannot name a service (it becomes the launchd label {LABEL_PREFIX}<name>): "
            "take 1 to 40 lower-case letters, digits and hyphens, "
            "beginning with a letter and not ending with a hyphen"
        )
    return name


def _ca(path: str) -> str:
    pure = PurePosixPath(printable(path))
    if pure.is_absolute() or ".." in pure.parts or not pure.name or path.startswith("~"):
        raise ValueError(f"{path!r} must be the name of a PEM file beside the allowlist")
    return path


class Service(Declared):
    """A door in the keep: a port on the gateway and the target behind it."""

    name: Annotated[
        str,
        AfterValidator(service_name),
        Field(
            description="What the service is called; also the last part of its launchd label.",
            json_schema_extra={"pattern": NAME},
        ),
    ]
    port: Annotated[
        int,
        AfterValidator(bridge_port),
        Field(
            description="TCP port on the gateway, where the guest finds the service.",
            json_schema_extra={
                "minimum": LOWEST,
                "maximum": HIGHEST,
                "not": {"enum": sorted(RESERVED)},
            },
        ),
    ]
    target: TargetText = Field(
        description="Where the bridge leads: host:port, as the host (the Mac) reaches it."
    )
    kind: Kind = Field(
        description="What a probe through the bridge must see: a verified TLS name, an HTTP "
        "status, an SSH banner, or just an open connection."
    )
    server_name: str | None = Field(
        default=None,
        description="tls only: the name the certificate must carry. Default: the target's host.",
    )
    ca: str | None = Field(
        default=None,
        description="tls only: PEM file beside the allowlist with the private CA to trust.",
    )
    idle_timeout_s: Annotated[int, Field(ge=0, le=604_800)] | None = Field(
        default=None,
        description="Seconds without a byte after which a connection is closed; 0 = never. "
        "Default: 3600, and never for ssh.",
    )
    max_connections: int = Field(
        default=64,
        ge=1,
        le=1024,
        description="Connections at a time; further ones wait.",
    )
    note: Annotated[str, AfterValidator(printable)] = Field(
        default="", max_length=200, description="For people."
    )

    @field_validator("server_name")
    @classmethod
    def _server_name(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None:
            return None
        _only_for_tls(info)
        return value if as_ipv4(value) else host_name(value)

    @field_validator("ca")
    @classmethod
    def _private_ca(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None:
            return None
        _only_for_tls(info)
        return _ca(value)

    @property
    def label(self) -> str:
        """The launchd label of this service's bridge."""
        return LABEL_PREFIX + self.name

    @property
    def tls_name(self) -> str:
        """The name (or address) that a tls service's certificate must carry."""
        return self.server_name or self.target.host

    @property
    def idle_s(self) -> int | None:
        """Idle seconds after which the bridge closes a connection, None for never.

        A short timeout kills SSH sessions, websockets and watches.
        Source: reference/macos.md §3.
        """
        if self.idle_timeout_s is None:
            return None if self.kind == "ssh" else DEFAULT_IDLE_TIMEOUT_S
        return self.idle_timeout_s or None

    @property
    def guest_name(self) -> str | None:
        """The host name under which the guest must call the service, None when none is needed.

        A hosts entry changes the address, never the port or the certificate, so a tls service is
        called by the name its certificate carries. Source: reference/macos.md §8.
        """
        if self.kind not in {"tls", "http"}:
            return None
        name = self.tls_name if self.kind == "tls" else self.target.host
        return None if as_ipv4(name) else name


def _only_for_tls(info: ValidationInfo) -> None:
    kind = info.data.get("kind", "tls")
    if kind != "tls":
        raise ValueError(f"only a service of kind tls has one, and this one is {kind}; remove it")
