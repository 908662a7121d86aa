"""`pass`, `block`, `anchor` (also with its rules inline), `antispoof`.

Source: reference/pf-grammar.md (default state and flags, inline anchors, limits of names).
"""

from __future__ import annotations

from dataclasses import replace

from .. import names
from ..rules import Address, Pool, Rule
from . import addresses
from .conditions import MAX_LABEL, Conditions, conditions
from .context import FILTER, MAX_ANCHOR_NAME, Context
from .expand import Lists, decide_family, expand
from .lists import list_until, number, one_or_list, text
from .pools import pool_options
from .ports import protocols

PORT_UNREACHABLE, PORT_UNREACHABLE6 = 3, 4
RESERVED = "anchor names beginning with '_' are reserved for internal use"


def direction(context: Context) -> str:
    """Read `in` or `out`, if it is there."""
    for word in ("in", "out"):
        if context.accept(word):
            return word
    return ""


def log(context: Context) -> list[str] | None:
    """Read `log [(…)]`, if it is there."""
    if not context.accept("log"):
        return None
    return list_until(context, _log_option, ")") if context.accept("(") else []


def _log_option(context: Context) -> str:
    for word in ("all", "user", "group"):
        if context.accept(word):
            return word
    context.expect("to")
    name = text(context)
    if not name.startswith("pflog") or not name[5:].isdigit():
        context.fail(f"{name}: should be a pflog interface")
    return f"to {name}"


def log_and_quick(context: Context) -> tuple[list[str] | None, bool]:
    """Read `log` and `quick` in either order."""
    quick = context.accept("quick") is not None
    logged = log(context)
    return logged, quick or context.accept("quick") is not None


def filter_rule(context: Context) -> None:
    """Read a pass or block rule."""
    rule = Rule(context.next().kind)
    if rule.action == "block":
        _block_kind(context, rule)
    rule.direction = direction(context)
    rule.log, rule.quick = log_and_quick(context)
    interfaces = addresses.interfaces(context)
    _route(context, rule)
    rule.af = addresses.family(context)
    lists = Lists(interfaces, protocols(context), peers=addresses.peers(context))
    found = conditions(context)
    context.enter(FILTER)
    _apply(context, rule, lists, found)
    rule.af = decide_family(rule.af, lists.peers.sources)
    rule.af = decide_family(rule.af, lists.peers.destinations)
    if rule.route and not rule.direction:
        context.fail("direction must be explicit with rules that specify routing")
    expand(context, rule, lists)


def _block_kind(context: Context, rule: Rule) -> None:
    rule.returns = "return" if context.block_policy == "return" else ""
    rule.return_icmp, rule.return_icmp6 = PORT_UNREACHABLE, PORT_UNREACHABLE6
    kind = context.peek().kind
    if kind not in {"drop", "return", "return-rst", "return-icmp", "return-icmp6"}:
        return
    context.next()
    rule.returns = {"drop": "", "return-icmp6": "return-icmp"}.get(kind, kind)
    if kind not in {"return-rst", "return-icmp", "return-icmp6"} or not context.accept("("):
        return
    if kind == "return-rst":
        context.expect("ttl")
        rule.return_ttl = number(context)
        if rule.return_ttl > 255:
            context.fail(f"illegal ttl value {rule.return_ttl}")
    elif kind == "return-icmp6":
        rule.return_icmp6 = _code(context, names.ICMP6_CODES, 1)
    else:
        rule.return_icmp = _code(context, names.ICMP_CODES, 3)
        if context.peek().kind != ")":
            context.accept(",")
            rule.return_icmp6 = _code(context, names.ICMP6_CODES, 1)
    context.expect(")")


def _code(context: Context, codes: dict[tuple[int, str], int], kind: int) -> int:
    token = context.expect("STRING", "NUMBER")
    if token.kind == "NUMBER":
        if not 0 <= int(token.text) <= 255:
            context.fail(f"invalid icmp code {token.text}")
        return int(token.text)
    if (kind, token.text) not in codes:
        context.fail(f"unknown icmp code {token.text}")
    return codes[kind, token.text]


def _route(context: Context, rule: Rule) -> None:
    if context.accept("fastroute"):
        rule.route = "fastroute"
        return
    for word in ("route-to", "reply-to", "dup-to"):
        if context.accept(word):
            rule.route = word
            rule.route_pool = _hops(context)


def _hops(context: Context) -> Pool:
    pool = Pool()
    one_or_list(context, lambda c: _hop(c, pool))
    pool_options(context, pool)
    return pool


def _hop(context: Context, pool: Pool) -> None:
    if context.accept("("):
        pool.interfaces.append(context.expect("STRING").text)
        pool.addresses += addresses.host(context)[:1]
        context.expect(")")
    else:
        pool.interfaces.append(context.expect("STRING").text)
        pool.addresses.append(Address())


def _apply(context: Context, rule: Rule, lists: Lists, found: Conditions) -> None:
    if found.label is not None and len(found.label.encode("latin-1", "replace")) > MAX_LABEL:
        context.fail(f"rule label too long (max {MAX_LABEL} chars)")
    if set(found.flags) - set(found.flag_set):
        context.fail("flags always false")
    if lists.protocols and names.TCP not in lists.protocols:
        if found.flag_set:
            context.fail("flags only apply to tcp")
        if lists.peers.systems:
            context.fail("OS fingerprinting only apply to tcp")
    lists.users, lists.groups, lists.icmp = found.users, found.groups, found.icmp
    rule.flags, rule.flag_set = found.flags, found.flag_set
    rule.state = found.state or ("keep" if rule.action == "pass" else "")
    stateful = rule.action == "pass" and rule.state != "no"
    if stateful and "flags" not in found.seen and not found.fragment:
        rule.flags, rule.flag_set = "S", "SA"
    rule.if_bound = context.if_bound if found.if_bound is None else found.if_bound
    for name in (
        "state_options", "fragment", "allow_opts", "queue", "tag", "tagged", "tagged_negated",
        "probability", "rtable", "tos",
    ):  # fmt: skip
        setattr(rule, name, getattr(found, name))
    rule.label = found.label or ""


def anchor_rule(context: Context) -> None:
    """Read `anchor ["name"] … [{ rules }]`."""
    context.expect("anchor")
    name = text(context) if context.peek().kind == "STRING" else None
    rule = Rule("pass", direction=direction(context), quick=context.accept("quick") is not None)
    interfaces = addresses.interfaces(context)
    rule.af = addresses.family(context)
    lists = Lists(interfaces, protocols(context), peers=addresses.peers(context))
    found = conditions(context)
    body = context.peek().kind == "{"
    if not body and context.peek().kind != "\n":
        context.syntax_error()
    rule.anchor, rule.inline = (_body(context, name), True) if body else (name, False)
    if name and (name.startswith("_") or "/_" in name):
        context.fail(RESERVED)
    if body and name and "/" in name:
        context.fail("anchor paths containing '/' cannot be used for inline anchors.")
    if rule.anchor is None:
        context.fail("anchors without explicit rules must specify a name")
    context.enter(FILTER)
    check_anchor_name(context, rule.anchor)
    lists.users, lists.groups, lists.icmp = found.users, found.groups, found.icmp
    rule.tagged, rule.tagged_negated = found.tagged, found.tagged_negated
    rule.probability, rule.rtable, rule.tag = found.probability, found.rtable, found.tag
    rule.flags, rule.flag_set = found.flags, found.flag_set
    rule.af = decide_family(rule.af, lists.peers.sources)
    rule.af = decide_family(rule.af, lists.peers.destinations)
    expand(context, rule, lists)


def check_anchor_name(context: Context, name: str | None) -> None:
    """Refuse a name whose components pf has no room for."""
    if name is not None and any(len(part) > MAX_ANCHOR_NAME for part in name.split("/")):
        context.fail(f"anchor name '{name}' too long")


def _body(context: Context, name: str | None) -> str:
    context.unnamed += 1
    name = name or f"_{context.unnamed}"
    depth = len(context.inside)
    context.next()
    context.expect("\n")
    context.inside.append(name)
    path = "/".join(context.inside)
    if path in context.parsed.rulesets:
        context.fail(f"inline anchor '{name}' already exists")
    context.parsed.rulesets[path] = []
    while not context.accept("}"):
        if context.accept("\n"):
            continue
        kind = context.peek().kind
        if kind in {"pass", "block"}:
            filter_rule(context)
        elif kind == "anchor":
            anchor_rule(context)
        else:
            context.syntax_error()
        context.expect("\n")
    del context.inside[depth:]
    return name


def antispoof(context: Context) -> None:
    """Read `antispoof [log] [quick] for …`: blocks of an interface's own network elsewhere."""
    context.expect("antispoof")
    logged, quick = log_and_quick(context)
    context.expect("for")
    wanted = one_or_list(context, _antispoof_interface)
    rule = Rule("block", direction="in", log=logged, quick=quick, af=addresses.family(context))
    while context.accept("label"):
        if rule.label:
            context.fail("label cannot be redefined")
        rule.label = context.expect("STRING").text
    if len(rule.label) > MAX_LABEL:
        context.fail(f"rule label too long (max {MAX_LABEL} chars)")
    context.enter(FILTER)
    for name, negated, dynamic in wanted:
        network, own = _own_addresses(context, name, dynamic=dynamic)
        if network:
            lists = Lists([(name, not negated)], peers=addresses.Peers(sources=network))
            expand(context, replace(rule), lists)
        if own and name != "lo0":
            expand(context, replace(rule), Lists(peers=addresses.Peers(sources=own)))


def _antispoof_interface(context: Context) -> tuple[str, bool, bool]:
    dynamic = context.accept("(") is not None
    name, negated = addresses.interface_item(context)
    if dynamic:
        context.expect(")")
    return name, negated, dynamic


def _own_addresses(
    context: Context, name: str, *, dynamic: bool
) -> tuple[list[Address], list[Address]]:
    if dynamic:
        own = Address("dynif", first=name, bits=128)
        return [replace(own, modifiers=["network"])], [own]
    if context.environment.interface(name) is None:
        return [], []
    return addresses.lookup(context, f"{name}:network"), addresses.lookup(context, name)
