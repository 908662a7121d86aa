"""What cannot be enforced faithfully is refused, never loaded and left without effect."""

from __future__ import annotations

from ..rules import Rule

_HARMLESS = ("no-sync", "source-track")


class UncompilableError(Exception):
    """The rule means something that the lab cannot do to packets."""


def refuse(rule: Rule) -> None:
    """Raise UncompilableError, with the reason, unless the rule can be enforced."""
    for there, what in (
        (rule.user.op, "user"),
        (rule.group.op, "group"),
        (rule.os, "os fingerprints"),
        (rule.route, rule.route),
        (rule.tag or rule.tagged, "tags"),
        (rule.tos, "tos"),
        (rule.fragment, "fragment"),
        (rule.if_bound, "if-bound states"),
        (rule.queue, "queue"),
        (rule.rtable > 0, "rtable"),
        (rule.action == "dummynet" and rule.anchor is None, "dummynet"),
        (rule.action == "binat" and rule.anchor is None and not rule.negated, "binat"),
        ("route" in {rule.source.kind, rule.destination.kind}, "route labels"),
        (_limits(rule), "limits of a state"),
        (rule.anchor is not None and (rule.flag_set or rule.icmp_type >= 0), "flags of an anchor"),
        (_pool_is_odd(rule), "pools of several addresses"),
    ):
        if there:
            raise UncompilableError(what)


def _limits(rule: Rule) -> bool:
    return any(not option.startswith(_HARMLESS) for option in rule.state_options)


def _pool_is_odd(rule: Rule) -> bool:
    if rule.pool is None or rule.negated:
        return False
    if len(rule.pool.addresses) != 1:
        return True
    only = rule.pool.addresses[0]
    return only.kind not in {"mask", "dynif"} or (only.kind == "mask" and only.bits < 32)
