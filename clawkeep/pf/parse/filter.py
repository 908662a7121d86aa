"""`pass`, `block` and `anchor` rules, from their first word to the end of their line.

Source: reference/pf-grammar.md (inline anchors; limits of names).
"""

from __future__ import annotations

from .. import names
from ..rule import Rule, Rules
from ..tokens import Tokens
from .expand import Statement, expand
from .head import Head, direction, filter_head, route
from .options import options
from .peers import family, interfaces, peers, protocols

MAX_ANCHOR, MAX_DEPTH = 63, 32


def filter_rule(tokens: Tokens, block_policy: str) -> list[Rule]:
    """Read a pass or block rule; `block_policy` is what a plain `block` does."""
    statement = _rest(tokens, filter_head(tokens, block_policy))
    tokens.expect("\n")
    return expand(tokens, statement)


def anchor_rule(tokens: Tokens, block_policy: str, depth: int = 0) -> list[Rule]:
    """Read `anchor ["name"] … [{ rules }]`."""
    head = Head("anchor", tokens.line, tokens.at)
    tokens.next()
    if tokens.peek not in names.KEYWORDS and tokens.peek not in {"{", "\n", ""}:
        head.anchor = anchor_name(tokens)
    head.direction = direction(tokens)
    head.quick = tokens.accept("quick")
    statement = _rest(tokens, head)
    if tokens.peek == "{":
        if head.anchor and ("/" in head.anchor or "*" in head.anchor):
            tokens.fail("a path of anchors cannot stand before rules in braces", head.mark)
        statement.body = _body(tokens, block_policy, depth)
    elif head.anchor is None:
        tokens.fail("anchors without explicit rules must specify a name", head.mark)
    tokens.expect("\n")
    return expand(tokens, statement)


def anchor_name(tokens: Tokens) -> str:
    """Read the path of an anchor, as `com.apple/*`."""
    mark = tokens.at
    name = tokens.string("the name of an anchor")
    parts = name.removeprefix("/").split("/")
    if not all(parts) or ".." in parts:
        tokens.fail("expected an anchor's path without empty or upward parts", mark)
    if any(part.startswith("_") for part in parts):
        tokens.fail("anchor names beginning with '_' are reserved for internal use", mark)
    if any("*" in part for part in parts[:-1]) or ("*" in parts[-1] and parts[-1] != "*"):
        tokens.fail("'*' stands only for all children: x/*", mark)
    if any(len(part.encode()) > MAX_ANCHOR for part in parts):
        tokens.fail(f"anchor name too long: more than {MAX_ANCHOR} characters", mark)
    return name


def _rest(tokens: Tokens, head: Head) -> Statement:
    on = interfaces(tokens)
    routes = {} if head.action == "anchor" else route(tokens, head.direction)
    of, protos, sides = family(tokens), protocols(tokens), peers(tokens)
    found = options(tokens)
    return Statement(head, on, of, protos, sides, found, routes | found.extras)


def _body(tokens: Tokens, block_policy: str, depth: int) -> Rules:
    if depth >= MAX_DEPTH:
        tokens.fail("anchors nested too deeply")
    tokens.expect("{")
    tokens.expect("\n")
    found: list[Rule] = []
    while not tokens.accept("}"):
        if tokens.accept("\n"):
            continue
        if tokens.peek in {"pass", "block"}:
            found += filter_rule(tokens, block_policy)
        elif tokens.peek == "anchor":
            found += anchor_rule(tokens, block_policy, depth + 1)
        else:
            tokens.wrong("pass, block, anchor or '}'")
    return Rules(tuple(found))
