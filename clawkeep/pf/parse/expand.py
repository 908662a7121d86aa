"""One statement with lists becomes rules: the product of its lists, in the order of pfctl.

Source: reference/pf-grammar.md (default flags and state; semantic errors).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from .. import names
from ..rule import Address, Port, Rule, Rules
from ..tokens import Tokens
from .head import Head
from .options import NO_ICMP, Options
from .peers import Peers

_DEFAULT_FLAGS = ("S", "SA")


@dataclass(slots=True)
class Statement:
    """All that one statement said, before its lists are expanded."""

    head: Head
    interfaces: Sequence[tuple[str, bool]]
    family: str
    protocols: Sequence[int]
    peers: Peers
    options: Options
    extras: dict[str, str]
    body: Rules | None = None


def expand(tokens: Tokens, statement: Statement) -> list[Rule]:
    """Return the rules of one statement. Raises PfSyntaxError where pfctl refuses it."""
    _check(tokens, statement)
    peers, options = statement.peers, statement.options
    found: list[Rule] = []
    for on, protocol, icmp, source, source_port, system, target, port, user, group in product(
        statement.interfaces, statement.protocols, options.icmp, peers.sources, peers.source_ports,
        peers.systems, peers.destinations, peers.destination_ports, options.users, options.groups,
    ):  # fmt: skip
        families = {one for one in (statement.family, source.family, target.family) if one}
        if len(families) > 1:
            continue
        family = families.pop() if families else ""
        _check_one(tokens, statement, family, protocol, icmp, (source_port, port))
        extras = statement.extras
        if system or user or group:
            named = {"os": system, "user": user, "group": group}
            extras = extras | {name: text for name, text in named.items() if text}
        flags, state = _flags_and_state(statement, protocol)
        found.append(
            Rule(
                action=statement.head.action,
                returns=statement.head.returns,
                return_codes=_codes(statement.head.return_codes, family),
                direction=statement.head.direction,
                log=statement.head.log,
                quick=statement.head.quick,
                interface=on[0],
                interface_negated=on[1],
                family=family,
                protocol=protocol,
                source=_plain(source),
                source_port=source_port,
                destination=_plain(target),
                destination_port=port,
                flags=flags[0],
                flag_mask=flags[1],
                icmp_type=icmp[1],
                icmp_code=icmp[2],
                state=state,
                state_options=options.state_options,
                label=options.label,
                extras=tuple(sorted(extras.items())) if extras else (),
                anchor=statement.head.anchor,
                body=statement.body,
                line=statement.head.line,
            )
        )
    if not found:
        tokens.fail("rule expands to no valid combination", statement.head.mark)
    return found


def _plain(address: Address) -> Address:
    return Address() if address.kind == "any" else address


def _codes(codes: tuple[str, str], family: str) -> tuple[str, str]:
    """Forget the code of the family that the rule is not for: it is not printed either."""
    if not codes[0]:
        return codes
    return ("" if family == "inet6" else codes[0], "" if family == "inet" else codes[1])


def _flags_and_state(statement: Statement, protocol: int) -> tuple[tuple[str, str], str]:
    options, head = statement.options, statement.head
    if head.action != "pass":
        return (options.flags if protocol in {0, names.TCP} else ("", "")), ""
    state = options.state or "keep"
    if protocol not in {0, names.TCP}:
        return ("", ""), state if state == "no" else "keep"
    if "flags" in options.seen or state == "no" or "fragment" in options.seen:
        return options.flags, state
    return _DEFAULT_FLAGS, state


def _check(tokens: Tokens, statement: Statement) -> None:
    head, options, mark = statement.head, statement.options, statement.head.mark
    seen = options.seen
    tcp = names.TCP in statement.protocols or statement.protocols == (0,)
    if not tcp and options.flags[1]:
        tokens.fail("flags only apply to tcp", seen["flags"])
    if not tcp and statement.peers.systems != ("",):
        tokens.fail("OS fingerprinting only applies to tcp", mark)
    if head.action == "block" and options.state not in {"", "no"}:
        tokens.fail("keep state on block rules doesn't make sense", seen["state"])
    if head.action == "anchor":
        for word in sorted(
            {"state", "label", "allow-opts", "fragment", "queue", "tag"} & set(seen)
        ):
            tokens.fail(f"{word} is not judged on an anchor", seen[word])
    if head.action != "pass" and "allow-opts" in seen:
        tokens.fail("allow-opts can only be specified for pass rules", seen["allow-opts"])
    if head.returns.startswith("return-rst") and set(statement.protocols) != {names.TCP}:
        tokens.fail("return-rst can only be applied to TCP rules", mark)
    if "fragment" in seen and (options.flags[1] or options.icmp != (NO_ICMP,)):
        tokens.fail("fragments can be filtered only on IP header fields", seen["fragment"])
    if options.state == "no" and {"tag", "tagged", "!"} & set(seen):
        tokens.fail("tags cannot be used without keep state", seen["state"])


def _check_one(
    tokens: Tokens,
    statement: Statement,
    family: str,
    protocol: int,
    icmp: tuple[int, int, int],
    ports: tuple[Port, Port],
) -> None:
    mark, seen = statement.head.mark, statement.options.seen
    if ports[0].op or ports[1].op:
        if protocol not in names.WITH_PORTS:
            tokens.fail("port only applies to tcp/udp", mark)
        if "fragment" in seen:
            tokens.fail("fragments can be filtered only on IP header fields", mark)
    if protocol == names.ICMP and family == "inet6":
        tokens.fail("proto icmp doesn't match address family inet6", mark)
    if protocol == names.ICMP6 and family == "inet":
        tokens.fail("proto icmp6 doesn't match address family inet", mark)
    if icmp[1] < 0:
        return
    if icmp[0] != protocol:
        tokens.fail("icmp-type mismatch: it needs proto icmp, icmp6-type proto icmp6", mark)
    if not family:
        tokens.fail("must indicate address family with icmp-type/code", mark)
