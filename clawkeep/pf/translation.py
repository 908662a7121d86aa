"""Translation rules: what they could do to packets before any filter rule sees them.

pf translates first. A rule with `pass` spares its packets the filter; all others change the address
that the filter judges. So a proof over filter rules holds only where nothing is translated, or
where it makes no difference to what is declared: macOS itself hands FTP of shared networks to a
proxy of its own, by an `rdr` without `pass` on the guests' bridge.
Source: pf.conf(5) (order, `pass`); xnu bsd/net/pf.c (natpass); reference/macos.md §1.2-1.4.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from .address import network
from .errors import PfSyntaxError
from .flow import Flow
from .interfaces import holds
from .parse import parse_rules
from .proof import prove
from .rule import Address, Port, Rule, Rules
from .ruleset import AnchorLoopError, Ruleset

KINDS = ("nat", "rdr", "binat")

_RULE = re.compile(
    r"(?P<no>no )?(?P<kind>nat|rdr|binat)(?:-anchor \"(?P<anchor>[^\"]+)\")?(?P<passes> pass)?"
    r"(?: in| out)?(?: log(?: \([^)]*\))?)?(?: quick)?"
    r"(?: on (?P<negated>! )?(?P<interface>[^ ]+))?(?P<conditions>(?: .+?)?)(?: -> (?P<to>.+))?"
)
_TARGET = re.compile(r"(?P<address>[0-9a-fA-F.:/]+)(?: port (?P<port>\d+))?(?: bitmask| random)?")


@dataclass(frozen=True)
class Translation:
    """One line of `pfctl -s nat`; `place` is the anchor it stands in ("" is the main ruleset).

    `kind` is one of `KINDS`; `spares` says that it begins with `no`, and translates nothing;
    `anchor` is set for a line that evaluates an anchor's rules of that kind.
    """

    place: str
    text: str
    kind: str
    spares: bool = False
    passes: bool = False
    interface: str = ""
    negated: bool = False
    conditions: str = ""
    to: str = ""
    anchor: str | None = None

    @classmethod
    def read(cls, place: str, line: str) -> Translation:
        """Read one line. Raises ValueError."""
        text = " ".join(line.split())
        found = _RULE.fullmatch(text)
        if found is None:
            raise ValueError(f"{place or 'main'}: {text}: not understood as a translation rule")
        return cls(
            place,
            text,
            found["kind"],
            spares=found["no"] is not None,
            passes=found["passes"] is not None,
            interface=found["interface"] or "",
            negated=found["negated"] is not None,
            conditions=found["conditions"].strip(),
            to=found["to"] or "",
            anchor=found["anchor"],
        )

    def on(self, interface: str) -> bool:
        """Tell whether it may look at `interface`."""
        return holds(self.interface, interface, negated=self.negated) is not False

    def __str__(self) -> str:
        return f"{self.place or 'main'}: {self.text}"


def disturbing(
    texts: Mapping[str, Iterable[str]], interface: str, flows: Iterable[Flow]
) -> Iterator[str]:
    """Say of each translation rule that may make a difference on `interface` what it does.

    `texts` are the lines of `pfctl -s nat` by anchor, "" for the main ruleset; an anchor that is
    not there has none. `flows` are what may pass there. Whatever cannot be understood is said, too.
    Raises AnchorLoopError.
    """
    declared = list(flows)
    try:
        for one in _evaluated(texts, interface):
            if words := _does(one, interface, declared):
                yield f"{one}: {words}"
    except ValueError as error:
        if isinstance(error, AnchorLoopError):
            raise
        yield str(error)


def _evaluated(texts: Mapping[str, Iterable[str]], interface: str) -> Iterator[Translation]:
    """Yield the rules that pf evaluates on an interface. Raises ValueError."""
    tree = Ruleset(Rules(), dict.fromkeys(texts, Rules()))

    def walk(place: str, kind: str, inside: tuple[str, ...]) -> Iterator[Translation]:
        if place in inside:
            raise AnchorLoopError(f"anchor {place} refers to itself")
        for line in texts.get(place, ()):
            one = Translation.read(place, line)
            if one.kind != kind or not one.on(interface):
                continue
            if one.anchor is None:
                yield one
                continue
            call = Rule("anchor", anchor=one.anchor)
            for child, _ in tree.referenced(place, call):
                yield from walk(child, kind, (*inside, place))

    for kind in KINDS:
        yield from walk("", kind, ())


def _does(one: Translation, interface: str, flows: list[Flow]) -> str:
    """Say what a rule does that must not be, "" when it makes no difference."""
    if one.spares:
        return ""
    if one.passes:
        return "what it translates passes by all filter rules"
    if one.kind != "rdr":
        return "it changes addresses on a guest's bridge before they are filtered"
    try:
        taken = parse_rules(f"block drop in quick on {interface} {one.conditions}\n").rules
        rules = (*taken, *(_led(rule, one.to) for rule in taken))
    except (PfSyntaxError, ValueError) as error:
        return f"what it redirects cannot be told: {error}"
    # What is declared must be neither what it takes away nor where it leads to: pf then refuses
    # what was redirected, as it would have refused it before.
    found = prove(Ruleset(Rules(rules)), [interface], flows).differences
    touched = [difference for difference in found if difference.kind == "missing"]
    return f"it redirects from or to what is declared: {touched[0].flow}" if touched else ""


def _led(rule: Rule, to: str) -> Rule:
    """Return the rule for what another one matches, once it is redirected. Raises ValueError."""
    found = _TARGET.fullmatch(to)
    if found is None:
        raise ValueError(f"{to!r} is not one address and port")
    family, low, high = network(found["address"])
    port = Port("=", int(found["port"])) if found["port"] else rule.destination_port
    return replace(
        rule,
        family=family,
        destination=Address("net", family, low, high),
        destination_port=port,
    )
