"""Rules as `pfctl -s rules` and `-s nat` print them: lists expanded, defaults spelled out.

Source: reference/pf-grammar.md (ports print as numbers; default flags and state);
reference/macos.md §1.3 (anchors of a live Mac).
"""

from __future__ import annotations

from . import names
from .rules import NAT_PORT_HIGH, NAT_PORT_LOW, Address, Identity, Pool, Port, Rule

ROUTES = ("fastroute", "route-to", "reply-to", "dup-to")


def address_text(address: Address, af: str, sizes: dict[str, int] | None = None) -> str:
    """One address; `sizes` (name -> entries) makes tables show theirs, as -vv does."""
    if address.kind == "table":
        count = f":{sizes.get(address.first, '*')}" if sizes is not None else ""
        return f"<{address.first}{count}>"
    if address.kind not in {"mask", "dynif"}:
        special = {
            "route": f'route "{address.first}"',
            "range": f"{address.first} - {address.last}",
        }
        return special.get(address.kind, address.kind)
    full = 32 if (address.af or af) == "inet" else 128
    if address.kind == "dynif":
        shown = "(" + ":".join([address.first, *address.modifiers]) + ")"
        return shown if address.bits >= full else f"{shown}/{address.bits}"
    if address.bits == 0 and address.first in {"0.0.0.0", "::"}:
        return "any"
    return address.first if address.bits >= full else f"{address.first}/{address.bits}"


def condition_text(condition: Port | Identity) -> str:
    """Show a port's or user's condition, with blanks as pfctl prints them."""
    first, last = (_identity(value) for value in (condition.first, condition.last))
    if condition.op == ":":
        return f"{first}:{last}"
    if condition.op in {"><", "<>"}:
        return f"{first} {condition.op} {last}"
    return f"{condition.op} {first}"


def _identity(value: int) -> str:
    return "unknown" if value < 0 else str(value)


def rule_text(rule: Rule, number: int | None = None, sizes: dict[str, int] | None = None) -> str:
    """One line, without the newline. `number` is shown as @number."""
    words = [f"@{number}"] if number is not None else []
    words += _head(rule)
    words += _where(rule)
    words += _peers(rule, sizes)
    words += _identities(rule)
    words += _match(rule)
    words += _state(rule)
    words += _tail(rule)
    if rule.pool is not None and not rule.negated:
        words += ["->", pool_text(rule.pool, rule.action, rule.af)]
        if rule.extfilter:
            words += ["extfilter", rule.extfilter]
    return " ".join(words)


def _head(rule: Rule) -> list[str]:
    if rule.anchor is not None:
        word = "anchor" if rule.kind == "filter" else f"{rule.action}-anchor"
        return [word] if rule.anchor.startswith("_") else [word, f'"{rule.anchor}"']
    words = ["no"] if rule.negated else []
    words.append(rule.action)
    if rule.nat_pass:
        words.append("pass")
    if rule.action == "block":
        words.append(_block_kind(rule))
    return words


def _block_kind(rule: Rule) -> str:
    if rule.returns == "return-rst" and rule.return_ttl:
        return f"return-rst(ttl {rule.return_ttl})"
    if rule.returns == "return-icmp":
        code = _code_name(names.ICMP_CODES, 3, rule.return_icmp)
        code6 = _code_name(names.ICMP6_CODES, 1, rule.return_icmp6)
        if rule.af == "inet":
            return f"return-icmp({code})"
        if rule.af == "inet6":
            return f"return-icmp6({code6})"
        return f"return-icmp({code}, {code6})"
    return rule.returns or "drop"


def _code_name(table: dict[tuple[int, str], int], kind: int, code: int) -> str:
    for (of, name), number in table.items():
        if of == kind and number == code:
            return name
    return str(code)


def _where(rule: Rule) -> list[str]:
    words = [rule.direction] if rule.direction else []
    if rule.log is not None:
        words.append("log" + (f" ({', '.join(rule.log)})" if rule.log else ""))
    if rule.quick:
        words.append("quick")
    if rule.interface:
        words += ["on", *(["!"] if rule.interface_negated else []), rule.interface]
    if rule.route:
        words.append(rule.route)
        if rule.route_pool is not None:
            words.append(pool_text(rule.route_pool, "route", rule.af))
    if rule.af:
        words.append(rule.af)
    if rule.proto:
        words += ["proto", names.PROTOCOL_NAMES.get(rule.proto, str(rule.proto))]
    return words


def _peers(rule: Rule, sizes: dict[str, int] | None) -> list[str]:
    source, target = rule.source, rule.destination
    unbound = all(
        address_text(one, rule.af) == "any" and not one.negated for one in (source, target)
    )
    if unbound and not (rule.source_port.op or rule.destination_port.op or rule.os):
        return ["all"]
    words = ["from", *_side(source, rule.source_port, rule.af, sizes)]
    if rule.os:
        words.append(f'os "{rule.os}"')
    return [*words, "to", *_side(target, rule.destination_port, rule.af, sizes)]


def _side(address: Address, port: Port, af: str, sizes: dict[str, int] | None) -> list[str]:
    words = ["!"] if address.negated else []
    words.append(address_text(address, af, sizes))
    if port.op:
        words.append(f"port {condition_text(port)}")
    return words


def _identities(rule: Rule) -> list[str]:
    return [
        f"{word} {condition_text(value)}"
        for word, value in (("user", rule.user), ("group", rule.group))
        if value.op
    ]


def _match(rule: Rule) -> list[str]:
    words: list[str] = []
    stateful = rule.action == "pass" and rule.anchor is None and rule.state not in {"", "no"}
    if rule.flag_set:
        words.append(f"flags {rule.flags}/{rule.flag_set}")
    elif stateful and rule.proto in {0, names.TCP} and not rule.fragment:
        words.append("flags any")
    if rule.icmp_type >= 0:
        words += _icmp(rule)
    if rule.tos:
        words.append(f"tos 0x{rule.tos:02x}")
    return words


def _icmp(rule: Rule) -> list[str]:
    v6 = rule.proto == names.ICMP6
    types = names.ICMP6_TYPES if v6 else names.ICMP_TYPES
    name = next((name for name, number in types.items() if number == rule.icmp_type), None)
    words = ["icmp6-type" if v6 else "icmp-type", name or str(rule.icmp_type)]
    if rule.icmp_code >= 0:
        codes = names.ICMP6_CODES if v6 else names.ICMP_CODES
        words += ["code", _code_name(codes, rule.icmp_type, rule.icmp_code)]
    return words


def _state(rule: Rule) -> list[str]:
    words: list[str] = []
    if rule.action == "pass" and rule.anchor is None:
        words.append(f"{rule.state or 'no'} state")
    if rule.probability:
        words.append(f"probability {rule.probability * 100:g}%")
    options = list(rule.state_options)
    if rule.if_bound and rule.action == "pass":
        options.append("if-bound")
    if options:
        words.append(f"({', '.join(options)})")
    return words


def _tail(rule: Rule) -> list[str]:
    words = ["fragment"] if rule.fragment else []
    words += rule.scrub
    if rule.allow_opts:
        words.append("allow-opts")
    if rule.action == "scrub" and not rule.negated:
        words.append(f"fragment {rule.fragment_mode}")
    if rule.label:
        words.append(f'label "{rule.label}"')
    if rule.queue:
        words.append(f"queue {rule.queue[0]}" if len(rule.queue) == 1 else _queues(rule))
    if rule.tag:
        words.append(f"tag {rule.tag}")
    if rule.tagged:
        words += [*(["!"] if rule.tagged_negated else []), f"tagged {rule.tagged}"]
    if rule.rtable >= 0:
        words.append(f"rtable {rule.rtable}")
    if rule.pipe:
        words.append(f"pipe {rule.pipe}")
    return words


def _queues(rule: Rule) -> str:
    return f"queue({', '.join(rule.queue)})"


def pool_text(pool: Pool, action: str, af: str) -> str:
    """Show what follows `->` or `route-to`."""
    shown = []
    for index, address in enumerate(pool.addresses):
        text = "" if address.kind == "any" else address_text(address, af)
        interface = pool.interfaces[index] if index < len(pool.interfaces) else ""
        shown.append(f"({interface} {text})" if interface and text else interface or text)
    words = ["{ " + ", ".join(shown) + " }" if len(shown) > 1 else "".join(shown)]
    low, high = pool.ports
    if action == "nat" and pool.ports not in {(NAT_PORT_LOW, NAT_PORT_HIGH), (0, 0)}:
        words.append(f"port {low}" if low == high else f"port {low}:{high}")
    if action == "rdr" and low:
        words.append(f"port {low}:{high}" if high and high != low else f"port {low}")
    if pool.kind:
        words.append(pool.kind)
    if pool.sticky:
        words.append("sticky-address")
    if pool.static_port:
        words.append("static-port")
    return " ".join(words)
