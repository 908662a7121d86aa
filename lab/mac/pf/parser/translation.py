"""`nat`, `rdr`, `binat`, their anchors; `scrub` and `dummynet` with theirs.

Source: reference/pf-grammar.md (scrub-anchor counts as normalisation, dummynet-anchor is accepted
after anchor); reference/macos.md §1.2.
"""

from __future__ import annotations

from ..rules import Rule
from . import addresses
from .conditions import Conditions, conditions, tag_name
from .context import FILTER, SCRUB, TRANSLATION, Context
from .expand import Lists, decide_family, expand, same_family
from .filter import RESERVED, check_anchor_name, direction, log, log_and_quick
from .lists import number
from .pools import nat_ports, pool_options, redirection
from .ports import protocols


def scrub_rule(context: Context, *, negated: bool) -> None:
    """Read a scrub rule; the leading `no` is already taken."""
    context.expect("scrub")
    rule = Rule("scrub", negated=negated, direction=direction(context))
    rule.log, quick = log_and_quick(context)
    interfaces = addresses.interfaces(context)
    rule.af = addresses.family(context)
    lists = Lists(interfaces, protocols(context), peers=addresses.peers(context))
    _scrub_options(context, rule)
    context.enter(SCRUB)
    if quick:
        context.fail("scrub rules do not support 'quick'")
    expand(context, rule, lists)


def _scrub_options(context: Context, rule: Rule) -> None:
    found: dict[str, str] = {}
    limits = {"min-ttl": 255, "max-mss": 65535}
    while (kind := context.peek().kind) in {
        "no-df", "random-id", "min-ttl", "max-mss", "reassemble", "fragment",
    }:  # fmt: skip
        context.next()
        word = kind
        if kind in limits:
            value = number(context)
            if value > limits[kind]:
                context.fail(f"illegal {kind} value {value}")
            word = f"{kind} {value}"
        elif kind == "reassemble":
            what = context.expect("STRING").text
            if what.lower() != "tcp":
                context.fail(f"scrub reassemble supports only tcp, not '{what}'")
            if rule.direction:
                context.fail("reassemble tcp rules can not specify direction")
            word = kind = "reassemble tcp"
        elif kind == "fragment":
            rule.fragment_mode = context.expect("reassemble", "crop", "drop-ovl").kind
            kind = "fragcache"
        if kind in found:
            context.fail(f"{kind} cannot be respecified")
        found[kind] = word
    order = ("no-df", "random-id", "min-ttl", "max-mss", "reassemble tcp")
    rule.scrub = [found[kind] for kind in order if kind in found]


def translation_rule(context: Context, *, negated: bool) -> None:
    """Read a nat, rdr or binat rule; the leading `no` is already taken."""
    rule = Rule(context.next().kind, negated=negated)
    rule.nat_pass = context.accept("pass") is not None
    if rule.nat_pass:
        rule.log = log(context)
    interfaces = addresses.interfaces(context)
    rule.af = addresses.family(context)
    lists = Lists(interfaces, protocols(context), peers=addresses.peers(context))
    if context.accept("tag"):
        rule.tag = context.expect("STRING").text
    if context.peek().kind in {"!", "tagged"}:
        rule.tagged_negated = context.accept("!") is not None
        context.expect("tagged")
        rule.tagged = tag_name(context)
    if context.accept("rtable"):
        rule.rtable = number(context)
    rule.pool = redirection(context)
    if rule.pool is not None:
        pool_options(context, rule.pool)
    context.enter(TRANSLATION)
    rule.af = decide_family(rule.af, [*lists.peers.sources, *lists.peers.destinations])
    _check_target(context, rule, lists)
    expand(context, rule, lists)


def _check_target(context: Context, rule: Rule, lists: Lists) -> None:
    if rule.negated:
        if rule.pool is not None:
            context.fail("translation rule with 'no' does not need '->'")
        return
    if rule.pool is None:
        context.fail("translation rule requires '-> address'")
    rule.af = same_family(context, rule.pool, rule.af)
    if rule.pool.static_port and rule.action != "nat":
        context.fail("the 'static-port' option is only valid with nat rules")
    if rule.action == "nat":
        nat_ports(context, rule.pool)
    elif rule.pool.ports[1] < 0:
        ports = lists.peers.destination_ports
        span = ports[0].last - ports[0].first if ports and ports[0].op == ":" else 0
        rule.pool.ports = (rule.pool.ports[0], rule.pool.ports[0] + span if span else 0)
    if rule.action == "binat" and not rule.af:
        context.fail("address family (inet/inet6) undefined")


def kind_anchor(context: Context) -> None:
    """Read nat-anchor, rdr-anchor, binat-anchor, scrub-anchor or dummynet-anchor."""
    action = context.next().kind.removesuffix("-anchor")
    rule = Rule(action, anchor=addresses.anchor_name(context))
    if action in {"scrub", "dummynet"}:
        rule.direction = direction(context)
    if rule.anchor and (rule.anchor.startswith("_") or "/_" in rule.anchor):
        context.fail(RESERVED)
    interfaces = addresses.interfaces(context)
    rule.af = addresses.family(context)
    lists = Lists(interfaces, protocols(context), peers=addresses.peers(context))
    if action == "scrub" and context.accept("fragment"):
        context.expect("reassemble")
    sections = {"scrub": SCRUB, "dummynet": context.order}
    context.enter(sections.get(action, TRANSLATION))
    check_anchor_name(context, rule.anchor)
    if action == "rdr" and lists.peers.source_ports:
        context.fail("source port parameter not supported in rdr-anchor")
    if action == "binat" and (lists.peers.sources or lists.peers.destinations):
        context.fail("fromto parameter not supported in binat-anchor")
    rule.af = decide_family(rule.af, [*lists.peers.sources, *lists.peers.destinations])
    expand(context, rule, lists)


def dummynet_rule(context: Context, *, negated: bool) -> None:
    """Read Apple's `[no] dummynet … pipe N`."""
    context.expect("dummynet")
    rule = Rule("dummynet", negated=negated, direction=direction(context))
    rule.quick = context.accept("quick") is not None
    interfaces = addresses.interfaces(context)
    rule.af = addresses.family(context)
    lists = Lists(interfaces, protocols(context), peers=addresses.peers(context))
    found: Conditions = conditions(context)
    lists.users, lists.groups, lists.icmp = found.users, found.groups, found.icmp
    rule.tagged, rule.tagged_negated = found.tagged, found.tagged_negated
    if not negated:
        context.expect("pipe")
        rule.pipe = number(context)
    context.enter(FILTER)
    rule.af = decide_family(rule.af, [*lists.peers.sources, *lists.peers.destinations])
    expand(context, rule, lists)
