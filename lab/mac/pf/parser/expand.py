"""One statement with lists becomes rules: the product of its lists, checked one by one.

Source: reference/pf-grammar.md (label expansion, semantic errors).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import product

from .. import names
from ..printer import address_text
from ..rules import Address, Identity, Pool, Port, Rule
from .addresses import Peers
from .conditions import MAX_LABEL
from .context import Context

NOTHING = "rule expands to no valid combination"


@dataclass
class Lists:
    """The lists of a statement; an empty list stands for "no condition"."""

    interfaces: list[tuple[str, bool]] = field(default_factory=list)
    protocols: list[int] = field(default_factory=list)
    icmp: list[tuple[int, int, int]] = field(default_factory=list)
    peers: Peers = field(default_factory=Peers)
    users: list[Identity] = field(default_factory=list)
    groups: list[Identity] = field(default_factory=list)


def decide_family(af: str, hosts: list[Address]) -> str:
    """Family of the rule: its own, or the one that all its addresses share."""
    families = {one.af for one in hosts if one.af}
    return af or (families.pop() if len(families) == 1 else "")


def expand(context: Context, rule: Rule, lists: Lists) -> None:
    """Add every valid combination to the ruleset."""
    added = 0
    for one in _combinations(context, rule, lists):
        problems = list(_problems(one))
        if any(icmp[0] != one.proto for icmp in lists.icmp):
            problems.insert(0, "icmp-type mismatch")
        for problem in problems:
            context.complain(problem)
        if problems:
            context.complain("skipping rule due to errors")
            continue
        context.add(one)
        added += 1
    if not added:
        context.complain(NOTHING)


def _combinations(context: Context, rule: Rule, lists: Lists) -> Iterator[Rule]:
    peers = lists.peers
    for (
        interface,
        negated,
    ), proto, icmp, source, sport, system, target, dport, user, group in product(
        lists.interfaces or [("", False)],
        lists.protocols or [0],
        lists.icmp or [(0, -1, -1)],
        peers.sources or [Address()],
        peers.source_ports or [Port()],
        peers.systems or [""],
        peers.destinations or [Address()],
        peers.destination_ports or [Port()],
        lists.users or [Identity()],
        lists.groups or [Identity()],
    ):
        families = {af for af in (rule.af, source.af, target.af) if af}
        scopes = {one for one in (source.scope, target.scope) if one}
        if len(families) > 1 or len(scopes | ({interface} if interface and scopes else set())) > 1:
            continue
        stateful = "keep" if rule.state in {"modulate", "synproxy"} else rule.state
        tcp = proto in {0, names.TCP}
        one = replace(
            rule,
            interface=interface or (scopes.pop() if scopes else ""),
            interface_negated=negated,
            af=families.pop() if families else "",
            proto=proto,
            source=source,
            source_port=sport,
            os=system,
            destination=target,
            destination_port=dport,
            user=user,
            group=group,
            icmp_type=icmp[1],
            icmp_code=icmp[2],
            state=rule.state if tcp else stateful,
            flags=rule.flags if tcp else "",
            flag_set=rule.flag_set if tcp else "",
        )
        one.label = _expanded(context, rule.label, one)
        one.tag = _expanded(context, rule.tag, one)
        one.tagged = _expanded(context, rule.tagged, one)
        yield one


def _expanded(context: Context, text: str, rule: Rule) -> str:
    if "$" not in text:
        return text
    proto = names.PROTOCOL_NAMES.get(rule.proto, str(rule.proto))
    for name, value in (
        ("$if", rule.interface or "any"),
        ("$srcaddr", _side(rule.source, rule.af)),
        ("$dstaddr", _side(rule.destination, rule.af)),
        ("$srcport", _port(rule.source_port)),
        ("$dstport", _port(rule.destination_port)),
        ("$proto", proto),
        ("$nr", str(context.rule_number())),
    ):
        text = text.replace(name, value)
    if len(text.encode("latin-1", "replace")) > MAX_LABEL:
        context.fail("expand_label: label too long")
    return text


def _side(address: Address, af: str) -> str:
    shown = "any" if not af and address.kind == "mask" else address_text(address, af)
    return f"! {shown}" if address.negated else shown


def _port(port: Port) -> str:
    if not port.op:
        return ""
    if port.op == "=":
        return str(port.first)
    if port.op in {"><", "<>", ":"}:
        return f"{port.first}{port.op}{port.last}"
    return f"{port.op}{port.first}"


def _problems(rule: Rule) -> Iterator[str]:
    for side in (rule.source, rule.destination):
        if side.kind == "mask" and side.af == "inet" and side.bits > 32:
            yield f"netmask {side.bits} invalid for IPv4 address"
    if rule.action in {"pass", "block", "scrub"}:
        yield from _filter_problems(rule)
    elif rule.action == "rdr":
        yield from _rdr_problems(rule)


def _filter_problems(rule: Rule) -> Iterator[str]:
    yield from _protocol_problems(rule)
    if rule.allow_opts and rule.action != "pass":
        yield "allow-opts can only be specified for pass rules"
    if rule.returns == "return-rst" and rule.proto != names.TCP:
        yield "return-rst can only be applied to TCP rules"
    if rule.action == "block" and rule.state not in {"", "no"}:
        yield "keep state on block rules doesn't make sense"
    stateless = rule.state in {"", "no"} and rule.action == "pass" and rule.anchor is None
    if (rule.tag or rule.tagged) and stateless:
        yield "tags cannot be used without keep state"


def _protocol_problems(rule: Rule) -> Iterator[str]:
    ports = rule.source_port.op or rule.destination_port.op
    if ports and rule.proto not in {names.TCP, names.UDP}:
        yield "port only applies to tcp/udp"
    if rule.icmp_type >= 0 and rule.proto not in {names.ICMP, names.ICMP6}:
        yield "icmp-type/code only applies to icmp"
    if rule.icmp_type >= 0 and not rule.af:
        yield "must indicate address family with icmp-type/code"
    if (rule.proto, rule.af) in {(names.ICMP, "inet6"), (names.ICMP6, "inet")}:
        word = "icmp" if rule.proto == names.ICMP else "icmp6"
        yield f"proto {word} doesn't match address family {rule.af}"
    if rule.fragment and (ports or rule.flag_set or rule.icmp_type >= 0):
        yield "fragments can be filtered only on IP header fields"


def _rdr_problems(rule: Rule) -> Iterator[str]:
    if rule.proto not in {names.TCP, names.UDP}:
        if rule.source_port.op:
            yield "src port only applies to tcp/udp"
        if rule.destination_port.op:
            yield "dst port only applies to tcp/udp"
        if rule.pool is not None and rule.pool.ports[0]:
            yield "rpool port only applies to tcp/udp"
    if rule.destination_port.op not in {"", "=", ":"}:
        yield "invalid port operator for rdr destination port"


def same_family(context: Context, pool: Pool, af: str) -> str:
    """Keep the pool's addresses that fit `af`; return the family decided, or fail."""
    families = {one.af for one in pool.addresses if one.af}
    if not af and len(families) > 1:
        context.fail(
            "address family not given and translation address expands to multiple address families"
        )
    af = af or (families.pop() if families else "")
    pool.addresses = [one for one in pool.addresses if not one.af or one.af == af or not af]
    if not pool.addresses:
        context.fail("no translation address with matching address family found.")
    return af
