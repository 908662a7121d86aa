"""Rules as `pfctl -sr` prints them: lists expanded, defaults spelled out, numbers for ports.

Source: reference/pf-grammar.md; reference/macos.md §1.3 (lines of a live Mac).
"""

from __future__ import annotations

from collections.abc import Iterator

from . import names
from .address import shown, shown_network
from .rule import ROUTES, Address, Port, Rule, Rules, Table, protocol_name

_LATE = ("queue", "tag", "tagged", "!tagged", "rtable")


def printed(rules: Rules) -> str:
    """Return every statement on its own line: what decides nothing first, then the rules."""
    lines = [f"set skip on {name}" for name in rules.skip]
    lines += [_table(one) for one in rules.tables]
    lines += rules.others
    for rule in rules.rules:
        lines += _with_body(rule)
    return "".join(f"{line}\n" for line in lines)


def rule_text(rule: Rule) -> str:
    """Return one rule, without its newline; of an inline anchor, the line that opens it."""
    words = [*_head(rule), *_where(rule), *_peers(rule), *_match(rule), *_state(rule)]
    return " ".join([*words, *_tail(rule)])


def _with_body(rule: Rule, indent: str = "") -> Iterator[str]:
    if rule.body is None:
        yield indent + rule_text(rule)
        return
    yield f"{indent}{rule_text(rule)} {{"
    for inner in rule.body.rules:
        yield from _with_body(inner, indent + "  ")
    yield f"{indent}}}"


def _head(rule: Rule) -> list[str]:
    if rule.action == "anchor":
        return ["anchor", f'"{rule.anchor}"'] if rule.anchor else ["anchor"]
    if rule.action == "pass":
        return ["pass"]
    if rule.returns != "return-icmp":
        return ["block", rule.returns or "drop"]
    code, code6 = rule.return_codes
    if rule.family == "inet":
        return ["block", f"return-icmp({code})"]
    if rule.family == "inet6":
        return ["block", f"return-icmp6({code6})"]
    return ["block", f"return-icmp({code}, {code6})"]


def _where(rule: Rule) -> Iterator[str]:
    if rule.direction:
        yield rule.direction
    if rule.log:
        yield rule.log
    if rule.quick:
        yield "quick"
    if rule.interface:
        yield f"on {'! ' if rule.interface_negated else ''}{rule.interface}"
    yield from (f"{name} {text}".rstrip() for name, text in rule.extras if name in ROUTES)
    if rule.family:
        yield rule.family
    if rule.protocol:
        yield f"proto {protocol_name(rule.protocol)}"


def _peers(rule: Rule) -> Iterator[str]:
    system = dict(rule.extras).get("os")
    open_ends = (
        _side(rule.source, rule.source_port),
        _side(rule.destination, rule.destination_port),
    )
    if open_ends == ("any", "any") and system is None:
        yield "all"
        return
    yield f"from {open_ends[0]}"
    if system is not None:
        yield f"os {system}"
    yield f"to {open_ends[1]}"


def _side(address: Address, port: Port) -> str:
    shown_port = f" port {port_text(port)}" if port.op else ""
    return f"{'! ' if address.negated else ''}{address_text(address)}{shown_port}"


def address_text(address: Address) -> str:
    """Return an address without its negation."""
    match address.kind:
        case "net":
            return shown_network(address.family, address.low, address.high)
        case "range":
            low, high = (shown(address.family, end) for end in (address.low, address.high))
            return f"{low} - {high}"
        case "table":
            return f"<{address.name}>"
        case "dynamic":
            return f"({address.name})"
        case "route":
            return f'route "{address.name}"'
        case kind:
            return kind


def port_text(port: Port) -> str:
    """Return a condition on a port, with blanks as pfctl prints them."""
    if port.op == ":":
        return f"{port.low}:{port.high}"
    if port.op in {"><", "<>"}:
        return f"{port.low} {port.op} {port.high}"
    return f"{port.op} {port.low}"


def _match(rule: Rule) -> Iterator[str]:
    extras = dict(rule.extras)
    yield from (f"{name} {extras[name]}" for name in ("user", "group") if name in extras)
    stateful = rule.action == "pass" and rule.state != "no"
    if rule.flag_mask:
        yield f"flags {rule.flags}/{rule.flag_mask}"
    elif stateful and rule.protocol in {0, names.TCP} and "fragment" not in extras:
        yield "flags any"
    if rule.icmp_type >= 0:
        word = "icmp6-type" if rule.protocol == names.ICMP6 else "icmp-type"
        yield f"{word} {names.shown(names.TYPES[rule.protocol], rule.icmp_type)}"
        if rule.icmp_code >= 0:
            codes = names.CODES[rule.protocol].get(rule.icmp_type, {})
            yield f"code {names.shown(codes, rule.icmp_code)}"
    if "tos" in extras:
        yield f"tos {extras['tos']}"


def _state(rule: Rule) -> Iterator[str]:
    extras = dict(rule.extras)
    if rule.action == "pass":
        yield f"{rule.state} state"
    if rule.state_options:
        yield f"({', '.join(rule.state_options)})"
    if "probability" in extras:
        yield f"probability {extras['probability']}"
    yield from (name for name in ("fragment", "allow-opts") if name in extras)


def _tail(rule: Rule) -> Iterator[str]:
    if rule.label:
        yield f'label "{rule.label}"'
    extras = dict(rule.extras)
    for name in _LATE:
        if name in extras:
            yield f"{name.replace('!', '! ')} {extras[name]}"


def _table(table: Table) -> str:
    words = [f"table <{table.name}>"]
    words += ["const"] if table.const else []
    words += ["persist"] if table.persist else []
    words += [f'file "{name}"' for name in table.files]
    if table.entries:
        words.append("{ " + ", ".join(table.entries) + " }")
    return " ".join(words)
