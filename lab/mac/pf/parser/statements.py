"""The file as a whole: one statement a line, errors reported and parsing carried on.

Source: reference/pf-grammar.md (exit status and messages; include; load anchor; last newline).
"""

from __future__ import annotations

from ..environment import Environment
from .context import FILTER, QUEUE, Context, Parsed, StatementError
from .filter import anchor_rule, antispoof, filter_rule
from .lists import text
from .options import set_option
from .tables import table
from .translation import dummynet_rule, kind_anchor, scrub_rule, translation_rule

MAX_INCLUDES = 16
MAX_PATH = 1023


def parse(
    content: str,
    name: str,
    environment: Environment,
    *,
    macros: dict[str, str] | None = None,
    anchor: str = "",
) -> Parsed:
    """Parse `content`. `name` is what error messages call it; `anchor` is where it is loaded.

    Never raises: what is wrong is in `Parsed.errors`, complete lines as pfctl prints them.
    """
    context = Context(content, name, environment, macros or {}, anchor)
    while context.peek().kind != "EOF":
        _line(context)
    return context.parsed


def _line(context: Context) -> None:
    if context.accept("\n"):
        return
    try:
        _statement(context)
        if context.peek().kind != "\n":
            context.syntax_error()
        context.next()
    except StatementError:
        context.inside.clear()
        while context.peek().kind not in {"\n", "EOF"}:
            context.next()
        context.accept("\n")
    except RecursionError:
        context.complain("memory exhausted")
        context.inside.clear()


def _statement(context: Context) -> None:
    kind = context.peek().kind
    if kind == "no":
        context.next()
        kind = context.peek().kind
        if kind not in _TRANSLATES:
            context.syntax_error()
        _TRANSLATES[kind](context, negated=True)
    elif kind in _TRANSLATES:
        _TRANSLATES[kind](context, negated=False)
    elif kind in _STATEMENTS:
        _STATEMENTS[kind](context)
    else:
        context.syntax_error()


def _macro(context: Context) -> None:
    name = context.expect("STRING").text
    context.expect("=")
    words = [context.expect("STRING", "NUMBER").text]
    while context.peek().kind in {"STRING", "NUMBER"}:
        words.append(context.next().text)
    value = " ".join(words)
    context.parsed.echo.append(f'{name} = "{value}"')
    if name not in context.fixed_macros:
        context.macros[name] = value


def _include(context: Context) -> None:
    context.expect("include")
    path = context.expect("STRING").text
    if context.depth > MAX_INCLUDES:
        context.fail(f"cannot open include file {path}")
    try:
        content = context.environment.read_text(path)
    except OSError:
        context.fail(f"failed to include file {path}")
    if context.peek().kind != "\n":
        context.syntax_error()
    context.include(path, content)


def _load(context: Context) -> None:
    context.expect("load")
    context.expect("anchor")
    name = text(context)
    context.expect("from")
    path = text(context)
    if len(name) > MAX_PATH:
        context.fail(f"anchorname {name} too long, max {MAX_PATH}")
    context.parsed.load_anchors.append((name, path))


def _queueing(context: Context) -> None:
    context.next()
    if context.peek().kind in {"\n", "EOF"}:
        context.syntax_error()
    while context.peek().kind not in {"\n", "EOF"}:
        context.next()
    context.enter(QUEUE)


_TRANSLATES = {
    "scrub": scrub_rule,
    "nat": translation_rule,
    "rdr": translation_rule,
    "binat": translation_rule,
    "dummynet": dummynet_rule,
}
_STATEMENTS = {
    "set": set_option,
    "STRING": _macro,
    "include": _include,
    "table": table,
    "pass": filter_rule,
    "block": filter_rule,
    "anchor": anchor_rule,
    "antispoof": antispoof,
    "scrub-anchor": kind_anchor,
    "nat-anchor": kind_anchor,
    "rdr-anchor": kind_anchor,
    "binat-anchor": kind_anchor,
    "dummynet-anchor": kind_anchor,
    "load": _load,
    "altq": _queueing,
    "queue": _queueing,
}
__all__ = ["FILTER", "parse"]
