"""What a pf rule is once lists and macros are gone: what the kernel keeps and `-s rules` shows.

Everything here converts to plain JSON and back, because the "kernel" is a file.
Source: reference/pf-grammar.md; pf.conf(5).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

NAT_PORT_LOW = 50001
NAT_PORT_HIGH = 65535
KINDS = ("scrub", "nat", "rdr", "binat", "filter", "dummynet")


@dataclass
class Address:
    """One side of a rule.

    `kind` is any, mask, range, table, dynif, no-route, urpf-failed or route; `first` holds the
    address, the table's, interface's or label's name; `bits` is the prefix length.
    """

    kind: str = "any"
    af: str = ""
    first: str = ""
    last: str = ""
    bits: int = 0
    modifiers: list[str] = field(default_factory=list)
    negated: bool = False
    scope: str = ""


@dataclass
class Port:
    """A port condition: `op` is one of = != < <= > >= : >< <> , or "" for none."""

    op: str = ""
    first: int = 0
    last: int = 0


@dataclass
class Identity:
    """A `user` or `group` condition, shaped as a port's; -1 stands for `unknown`."""

    op: str = ""
    first: int = 0
    last: int = 0


@dataclass
class Pool:
    """Where `->`, `route-to` and their kin send packets."""

    addresses: list[Address] = field(default_factory=list)
    interfaces: list[str] = field(default_factory=list)
    ports: tuple[int, int] = (0, 0)
    kind: str = ""
    sticky: bool = False
    static_port: bool = False


@dataclass
class Rule:
    """One expanded rule of any kind. `anchor` is set for the rules that evaluate an anchor."""

    action: str
    anchor: str | None = None
    inline: bool = False
    nat_pass: bool = False
    negated: bool = False
    returns: str = ""
    return_ttl: int = 0
    return_icmp: int = 0
    return_icmp6: int = 0
    direction: str = ""
    log: list[str] | None = None
    quick: bool = False
    interface: str = ""
    interface_negated: bool = False
    route: str = ""
    route_pool: Pool | None = None
    af: str = ""
    proto: int = 0
    source: Address = field(default_factory=Address)
    source_port: Port = field(default_factory=Port)
    os: str = ""
    destination: Address = field(default_factory=Address)
    destination_port: Port = field(default_factory=Port)
    user: Identity = field(default_factory=Identity)
    group: Identity = field(default_factory=Identity)
    flags: str = ""
    flag_set: str = ""
    icmp_type: int = -1
    icmp_code: int = -1
    tos: int = 0
    state: str = ""
    state_options: list[str] = field(default_factory=list)
    if_bound: bool = False
    probability: float = 0.0
    fragment: bool = False
    allow_opts: bool = False
    scrub: list[str] = field(default_factory=list)
    fragment_mode: str = "reassemble"
    label: str = ""
    queue: tuple[str, ...] = ()
    tag: str = ""
    tagged: str = ""
    tagged_negated: bool = False
    rtable: int = -1
    pipe: int = 0
    pool: Pool | None = None
    extfilter: str = ""
    serial: int = 0
    uid: int = 0
    pid: int = 0

    @property
    def kind(self) -> str:
        """The ruleset it belongs to, one of KINDS."""
        return "filter" if self.action in {"pass", "block"} else self.action

    def to_json(self) -> dict[str, Any]:
        """Plain data, without what has its default value."""
        plain = asdict(self)
        return {key: value for key, value in plain.items() if value != _DEFAULTS.get(key)}


_DEFAULTS = asdict(Rule(""))


def rule_from_json(plain: dict[str, Any]) -> Rule:
    """Rebuild what `Rule.to_json` gave."""
    rule = Rule(**plain)
    for name, kind in _NESTED.items():
        value = plain.get(name)
        if value is not None:
            setattr(rule, name, kind(value))
    return rule


def _pool(plain: dict[str, Any]) -> Pool:
    addresses = [Address(**one) for one in plain["addresses"]]
    return Pool(**{**plain, "addresses": addresses, "ports": tuple(plain["ports"])})


_NESTED: dict[str, Any] = {
    "source": lambda value: Address(**value),
    "destination": lambda value: Address(**value),
    "source_port": lambda value: Port(**value),
    "destination_port": lambda value: Port(**value),
    "user": lambda value: Identity(**value),
    "group": lambda value: Identity(**value),
    "route_pool": _pool,
    "pool": _pool,
    "queue": tuple,
}
