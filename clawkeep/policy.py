"""What the host enforces: the declared keep as plain values, and what is open at this moment.

`clawkeep.declaration` makes the `Policy` that the converge writes to the host. There, without
pydantic or YAML, every renderer and every check starts from the same `Openings`: the policy, the
grants and the provisioning window, with all that depends on the time already decided. Standard
library only.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, TypeVar

BRIDGE_LABEL = "com.nanoclaw.bridge."
"""Prefix of the launchd labels of all bridges."""

PROXY_PORT = 3128
"""The egress proxy's port on the gateway."""

RESOLVER_PORT = 3053
"""The resolver's port on the gateway; 53 is mDNSResponder's. Source: reference/macos.md §1.4."""

WHISPER_AT = ("127.0.0.1", 8178)
"""Where the host's own whisper listens."""

ON_THE_HOST = frozenset({WHISPER_AT})
"""Services that Clawkeep runs on the host: the only loopback targets that a door may have."""

REPORT_LONGEST_S = 7 * 86_400
"""Report mode lets everything pass by name: an end that is farther away is a mistake."""

FORMAT = 1

T = TypeVar("T", bound="Door | EgressPolicy | Policy | Window")


class PolicyError(ValueError):
    """A policy, grant or window on disk is not of the form that this version writes."""


@dataclass(frozen=True, slots=True)
class Door:
    """One way from the guest to a target: a service of the allowlist, or a grant that ends.

    `until` is the host's clock in Unix seconds, None for a service. `ca` is PEM text.
    """

    name: str
    port: int
    target_host: str
    target_port: int
    kind: str = "tcp"
    guest_name: str | None = None
    server_name: str | None = None
    ca: str | None = None
    idle_s: int | None = None
    max_connections: int = 64
    until: float | None = None
    since: float | None = None
    who: str = ""
    reason: str = ""

    @property
    def label(self) -> str:
        """The launchd label of this door's bridge."""
        return BRIDGE_LABEL + self.name

    @property
    def target(self) -> str:
        """Where the bridge leads, as `host:port`."""
        return f"{self.target_host}:{self.target_port}"


@dataclass(frozen=True, slots=True)
class EgressPolicy:
    """What the guest may reach on the internet.

    `cidrs` and `ports` count in mode `cidrs`; `domains` (a leading dot stands for all subdomains),
    `http` (port 80 too) and `report_until` (Unix seconds) in mode `domains`.
    """

    mode: str = "none"
    cidrs: tuple[str, ...] = ()
    ports: tuple[int, ...] = (443,)
    domains: tuple[str, ...] = ()
    http: bool = False
    report_until: float | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """The declared keep as the host enforces it. `owner` is the host's user who runs tart."""

    digest: str
    guest: str
    owner: str
    owner_uid: int
    owner_home: str
    bridge_user: str
    doors: tuple[Door, ...] = ()
    egress: EgressPolicy = EgressPolicy()
    dns: str = "hosts"

    def text(self) -> str:
        """Return the policy as JSON, one line per door, for policy.json and its diffs."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1, sort_keys=True) + "\n"


@dataclass(frozen=True, slots=True)
class Window:
    """The provisioning window: build domains that are open until the host's clock says `until`."""

    domains: tuple[str, ...]
    until: float
    since: float = 0.0
    who: str = ""

    def text(self) -> str:
        """Return the window as JSON."""
        return json.dumps({"format": FORMAT, **asdict(self)}, sort_keys=True) + "\n"


@dataclass(frozen=True, slots=True)
class Openings:
    """Everything that is open at one moment, and nothing else is.

    `domains` are reached through the proxy; `window` are the build domains among what is open.
    With `report` the proxy lets pass what it would deny, and notes it.
    """

    doors: tuple[Door, ...] = ()
    cidrs: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    domains: tuple[str, ...] = ()
    window: tuple[str, ...] = ()
    http: bool = False
    report: bool = False
    resolver: bool = False

    @property
    def proxy(self) -> bool:
        """Whether the guest may speak to the proxy."""
        return bool(self.domains or self.window or self.report)


def openings(
    policy: Policy, grants: Iterable[Door] = (), window: Window | None = None, *, now: float
) -> Openings:
    """Return what is open at `now` (Unix seconds of the host's clock).

    A grant whose name or port the policy has taken since yields to the policy.
    """
    taken = {door.name for door in policy.doors} | {door.port for door in policy.doors}
    granted = tuple(
        grant
        for grant in grants
        if grant.until is not None
        and now < grant.until
        and grant.name not in taken
        and grant.port not in taken
    )
    egress = policy.egress
    by_name = egress.mode == "domains"
    return Openings(
        doors=(*policy.doors, *granted),
        cidrs=egress.cidrs if egress.mode == "cidrs" else (),
        ports=egress.ports if egress.mode == "cidrs" else (),
        domains=egress.domains if by_name else (),
        window=window.domains if window is not None and now < window.until else (),
        http=by_name and egress.http,
        report=by_name and egress.report_until is not None and report_note(egress, now) is None,
        resolver=policy.dns == "resolver",
    )


def report_note(egress: EgressPolicy, now: float) -> str | None:
    """Say why a declared report mode does not count at `now`, None when it does or is not there."""
    until = egress.report_until
    if until is None or now < until <= now + REPORT_LONGEST_S:
        return None
    if until <= now:
        return "report mode has ended: names that are not listed are refused; remove report_until"
    days = REPORT_LONGEST_S // 86_400
    return f"report_until is more than {days} days ahead and does not count; take a nearer time"


def parse_policy(text: str) -> Policy:
    """Read policy.json. Raises PolicyError."""
    data = _object(text, "policy")
    doors = tuple(_build(Door, door, "door") for door in _list(data.get("doors", []), "doors"))
    egress = data.get("egress", {})
    policy = _build(Policy, {**data, "doors": doors, "egress": EgressPolicy()}, "policy")
    return replace(policy, egress=_build(EgressPolicy, egress, "egress"))


def parse_grants(text: str) -> tuple[Door, ...]:
    """Read grants.json. Raises PolicyError."""
    grants = _list(_object(text, "grants").get("grants", []), "grants")
    return tuple(_build(Door, grant, "grant") for grant in grants)


def grants_text(grants: Iterable[Door]) -> str:
    """Return grants.json."""
    rows = [asdict(grant) for grant in grants]
    return json.dumps({"format": FORMAT, "grants": rows}, indent=1, sort_keys=True) + "\n"


def parse_window(text: str) -> Window:
    """Read window.json. Raises PolicyError."""
    return _build(Window, _object(text, "window"), "window")


def _object(text: str, what: str) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except ValueError as error:
        raise PolicyError(f"{what}: no JSON: {error}") from error
    if not isinstance(data, dict) or data.pop("format", None) != FORMAT:
        raise PolicyError(f"{what}: expected a JSON object of format {FORMAT}")
    return data


def _list(value: object, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise PolicyError(f"{what}: expected a list")
    return value


def _build(kind: type[T], values: object, what: str) -> T:
    """Make a dataclass of JSON values; anything unknown, missing or of another type is an error."""
    if not isinstance(values, dict):
        raise PolicyError(f"{what}: expected an object, got {type(values).__name__}")
    known = {field.name: str(field.type) for field in fields(kind)}
    if unknown := sorted(values.keys() - known.keys()):
        raise PolicyError(f"{what}: unknown {', '.join(unknown)}")
    made: dict[str, Any] = {
        name: _value(value, known[name], f"{what}.{name}") for name, value in values.items()
    }
    try:
        return kind(**made)
    except TypeError as error:
        raise PolicyError(f"{what}: {error}") from error


#: What JSON may hold for a field declared so; `bool` is no number here.
ACCEPTED: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "None": (type(None),),
    "tuple[str, ...]": (list, tuple),
    "tuple[int, ...]": (list, tuple),
    "tuple[Door, ...]": (tuple,),
    "EgressPolicy": (EgressPolicy,),
}


def _value(value: Any, declared: str, what: str) -> Any:
    types = tuple(t for part in declared.split(" | ") for t in ACCEPTED[part])
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        raise PolicyError(f"{what}: expected {declared}, got {value!r:.40}")
    if isinstance(value, list):
        item = str if "str" in declared else int
        if not all(isinstance(v, item) and not isinstance(v, bool) for v in value):
            raise PolicyError(f"{what}: expected {declared}")
        return tuple(value)
    return value
