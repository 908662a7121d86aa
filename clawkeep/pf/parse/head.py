"""How a rule begins: what it does, in which direction, whether it logs and whether it is final.

Source: reference/pf-grammar.md; pf.conf(5).
"""

from __future__ import annotations

from dataclasses import dataclass

from .. import names
from ..printer import address_text
from ..rule import ROUTES
from ..tokens import Tokens
from .peers import host

_RETURNS = frozenset({"return", "return-rst", "return-icmp", "return-icmp6"})
_UNREACHABLE, _UNREACHABLE6 = names.CODES[names.ICMP][3], names.CODES[names.ICMP6][1]


@dataclass(slots=True)
class Head:
    """What stands before a rule's interfaces; `line` and `mark` are where it begins."""

    action: str
    line: int
    mark: int
    returns: str = ""
    return_codes: tuple[str, str] = ("", "")
    direction: str = ""
    log: str = ""
    quick: bool = False
    anchor: str | None = None


def filter_head(tokens: Tokens, block_policy: str) -> Head:
    """Read `pass` or `block`; `block_policy` is what a plain `block` does."""
    line, mark = tokens.line, tokens.at
    head = Head(tokens.next(), line, mark)
    if head.action == "block":
        _block_kind(tokens, head, block_policy)
    head.direction = direction(tokens)
    head.quick = tokens.accept("quick")
    head.log = log(tokens)
    head.quick = tokens.accept("quick") or head.quick
    return head


def direction(tokens: Tokens) -> str:
    """Read `in` or `out`, if it is there."""
    return tokens.next() if tokens.peek in {"in", "out"} else ""


def log(tokens: Tokens) -> str:
    """Read `log [(…)]`, if it is there."""
    if not tokens.accept("log"):
        return ""
    if not tokens.accept("("):
        return "log"
    words = [_log_option(tokens)]
    while not tokens.accept(")"):
        tokens.accept(",")
        words.append(_log_option(tokens))
    return f"log ({', '.join(words)})"


def _log_option(tokens: Tokens) -> str:
    if tokens.peek in {"all", "user", "group"}:
        return tokens.next()
    if not tokens.accept("to"):
        tokens.wrong("all, user, group or to")
    if not (tokens.peek.startswith("pflog") and tokens.peek[5:].isdigit()):
        tokens.wrong("a pflog interface")
    return f"to {tokens.next()}"


def _block_kind(tokens: Tokens, head: Head, block_policy: str) -> None:
    head.returns = block_policy
    if tokens.accept("drop"):
        head.returns = ""
    elif tokens.peek in _RETURNS:
        head.returns = tokens.next()
        if head.returns == "return-rst":
            _return_ttl(tokens, head)
        elif head.returns != "return":
            _return_codes(tokens, head)


def _return_ttl(tokens: Tokens, head: Head) -> None:
    if tokens.accept("("):
        tokens.expect("ttl")
        head.returns = f"return-rst(ttl {tokens.number('a TTL', 255)})"
        tokens.expect(")")


def _return_codes(tokens: Tokens, head: Head) -> None:
    four = six = "port-unr"
    if tokens.accept("("):
        if head.returns == "return-icmp6":
            six = _code(tokens, _UNREACHABLE6)
        else:
            four = _code(tokens, _UNREACHABLE)
            if tokens.peek != ")":
                tokens.accept(",")
                six = _code(tokens, _UNREACHABLE6)
        tokens.expect(")")
    head.returns, head.return_codes = "return-icmp", (four, six)


def _code(tokens: Tokens, known: dict[str, int]) -> str:
    if tokens.peek in known:
        return tokens.next()
    return names.shown(known, tokens.number("an ICMP code", 255))


def route(tokens: Tokens, direction: str) -> dict[str, str]:
    """Read where packets are sent instead, as texts by keyword."""
    found: dict[str, str] = {}
    while tokens.peek in ROUTES:
        if not direction:
            tokens.fail("direction must be explicit with rules that specify routing")
        word = tokens.next()
        hops = [] if word == "fastroute" else tokens.items(_hop)
        found[word] = "{ " + ", ".join(hops) + " }" if len(hops) > 1 else "".join(hops)
    return found


def _hop(tokens: Tokens) -> str:
    if not tokens.accept("("):
        return tokens.string("an interface")
    name = tokens.string("an interface")
    text = f"({name} {address_text(host(tokens))})"
    tokens.expect(")")
    return text
