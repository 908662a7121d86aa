"""What a text says once its lists are expanded: rules, tables, and the rules of one anchor.

Source: reference/pf-grammar.md; reference/macos.md §1.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from . import interfaces, names
from .spans import Spans, complement

TOP_PORT = 65535


class Address(NamedTuple):
    """One side of a rule.

    `kind` is any, net, range, table, dynamic (`(en0)`), no-route, urpf-failed or route. `low` and
    `high` are the first and last address of a net or range; `name` is what the others refer to.
    """

    kind: str = "any"
    family: str = ""
    low: int = 0
    high: int = 0
    name: str = ""
    negated: bool = False


class Port(NamedTuple):
    """A condition on a port: `op` is one of = != < <= > >= : >< <> , or "" for none."""

    op: str = ""
    low: int = 0
    high: int = 0

    def spans(self) -> Spans:
        """Return the ports that meet it: `:` includes its ends, `><` does not."""
        low, high = self.low, self.high
        match self.op:
            case "=":
                return ((low, low),)
            case ":":
                found = (low, high)
            case "!=":
                return complement(((low, low),), TOP_PORT)
            case "<":
                found = (0, low - 1)
            case "<=":
                found = (0, low)
            case ">":
                found = (low + 1, TOP_PORT)
            case ">=":
                found = (low, TOP_PORT)
            case "><":
                found = (low + 1, high - 1)
            case "<>":
                return complement(((low, high),), TOP_PORT) if low <= high else ((0, TOP_PORT),)
            case _:
                found = (0, TOP_PORT)
        return (found,) if found[0] <= found[1] else ()


ANY = Address()
NO_PORT = Port()


@dataclass(frozen=True, slots=True)
class Rule:
    """One expanded rule: `pass`, `block`, or `anchor`, which evaluates other rules.

    `protocol` is 0 and the ICMP numbers are -1 where there is no such condition. `state` is keep,
    modulate, synproxy, no, or "" (blocks and anchors have none). `extras` holds what is carried
    along by name: conditions that cannot be judged from a packet's header (`OPAQUE`), and actions
    that do not decide. `line` is where the rule stood, and no part of what it says.
    """

    action: str
    returns: str = ""
    return_codes: tuple[str, str] = ("", "")
    direction: str = ""
    log: str = ""
    quick: bool = False
    interface: str = ""
    interface_negated: bool = False
    family: str = ""
    protocol: int = 0
    source: Address = ANY
    source_port: Port = NO_PORT
    destination: Address = ANY
    destination_port: Port = NO_PORT
    flags: str = ""
    flag_mask: str = ""
    icmp_type: int = -1
    icmp_code: int = -1
    state: str = ""
    state_options: tuple[str, ...] = ()
    label: str = ""
    extras: tuple[tuple[str, str], ...] = ()
    anchor: str | None = None
    body: Rules | None = None
    line: int = field(default=0, compare=False)

    @property
    def keeps_state(self) -> bool:
        """Whether a packet that this rule passes makes a state, which lets the replies in."""
        return self.action == "pass" and self.state != "no"

    def on(self, interface: str) -> bool | None:
        """Tell whether the rule looks at `interface`; None if it may, by the name of a group."""
        return interfaces.holds(self.interface, interface, negated=self.interface_negated)

    def opaque(self) -> tuple[str, ...]:
        """Return the conditions that a packet's header does not answer, tables left aside."""
        found = [f"{name} {text}".rstrip() for name, text in self.extras if name in OPAQUE]
        found += [
            side.kind for side in (self.source, self.destination) if side.kind in OPAQUE_ADDRESSES
        ]
        found += [option for option in self.state_options if option.startswith("max")]
        return tuple(found)


ROUTES = frozenset({"fastroute", "route-to", "reply-to", "dup-to"})
OPAQUE = ROUTES | {
    "user", "group", "os", "tos", "probability", "fragment", "tagged", "!tagged", "rtable",
}  # fmt: skip
"""Extras under which a rule may match or not, whatever the packet's header says."""

OPAQUE_ADDRESSES = frozenset({"dynamic", "no-route", "urpf-failed", "route"})


@dataclass(frozen=True, slots=True)
class Table:
    """A `table` statement. `entries` are texts of networks, `!` before those left out.

    `known` is false when what it holds is not in the text: it has a file, or nothing at all and
    is not `const`, so that `pfctl -T` fills it.
    """

    name: str
    entries: tuple[str, ...] = ()
    const: bool = False
    persist: bool = False
    files: tuple[str, ...] = ()

    @property
    def known(self) -> bool:
        """Whether the text says all that the table holds."""
        return (bool(self.entries) or self.const) and not self.files


@dataclass(frozen=True, slots=True)
class Rules:
    """What one text says: the main ruleset, or one anchor.

    `skip` are the names of `set skip`: pf does not look at those interfaces; in an anchor pf
    ignores every `set`, so it is always empty there. `others` are statements that decide nothing:
    scrub, and references to anchors that translate or normalize.
    """

    rules: tuple[Rule, ...] = ()
    tables: tuple[Table, ...] = ()
    others: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Rule]:
        return iter(self.rules)

    def __len__(self) -> int:
        return len(self.rules)

    def printed(self) -> str:
        """Return the normal form: two texts that say the same have the same one.

        Its rules are the lines that `pfctl -sr` prints; parsed again, it gives equal Rules.
        """
        from .printer import printed  # noqa: PLC0415 (the printer needs these classes)

        return printed(self)


def protocol_name(number: int) -> str:
    """Return a protocol as pfctl prints it."""
    return names.PROTOCOL_NAMES.get(number, str(number))
