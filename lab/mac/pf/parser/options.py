"""`set …`: what each option takes, and which count as options in the order of statements.

Source: reference/pf-grammar.md (`set skip`, `state-policy`, `ruleset-optimization` are free).
"""

from __future__ import annotations

from .. import names
from .addresses import interfaces
from .context import OPTION, Context
from .lists import list_until, number

DEBUG_LEVELS = ("none", "urgent", "misc", "loud")


def set_option(context: Context) -> None:
    """Read one `set` statement."""
    context.expect("set")
    token = context.next()
    if token.kind not in _OPTIONS:
        context.syntax_error()
    _OPTIONS[token.kind](context)


def _keep(context: Context, name: str, value: str) -> None:
    context.parsed.options[name] = value
    context.parsed.echo.append(f"set {name} {value}")


def _optimization(context: Context) -> None:
    value = context.expect("STRING").text
    context.enter(OPTION)
    if value not in names.OPTIMIZATIONS:
        context.fail(f"unknown optimization {value}")
    _keep(context, "optimization", value)


def _ruleset_optimization(context: Context) -> None:
    value = context.expect("STRING", "no").text or "none"
    if value not in {"none", "basic", "profile", "yes", "no"}:
        context.fail(f"unknown ruleset-optimization {value}")
    _keep(context, "ruleset-optimization", value)


def _pairs(context: Context, name: str) -> None:
    if context.accept("{"):
        context.newlines()
        list_until(context, lambda c: _pair(c, name), "}")
    else:
        _pair(context, name)


def _pair(context: Context, name: str) -> None:
    what = context.expect("STRING").text
    value = number(context)
    context.enter(OPTION)
    if name == "timeout" and what not in names.TIMEOUTS:
        context.fail(f"unknown timeout {what}")
    if name == "limit" and what not in names.LIMITS:
        context.fail(f"unable to set limit {what} {value}")
    _keep(context, f"{name} {what}", str(value))


def _loginterface(context: Context) -> None:
    value = context.expect("STRING").text
    context.enter(OPTION)
    _keep(context, "loginterface", value)


def _hostid(context: Context) -> None:
    value = number(context)
    if value == 0:
        context.fail("hostid must be non-zero")
    _keep(context, "hostid", f"0x{value:08x}")


def _block_policy(context: Context) -> None:
    value = context.expect("drop", "return").kind
    context.enter(OPTION)
    if not context.anchor:
        context.block_policy = value
    _keep(context, "block-policy", value)


def _require_order(context: Context) -> None:
    token = context.expect("STRING", "no")
    value = token.text or token.kind
    if value not in {"yes", "no"}:
        context.fail(f"invalid value '{value}', expected 'yes' or 'no'")
    context.require_order = value == "yes"
    _keep(context, "require-order", value)


def _fingerprints(context: Context) -> None:
    value = context.expect("STRING").text
    context.enter(OPTION)
    _keep(context, "fingerprints", value)


def _state_policy(context: Context) -> None:
    value = context.expect("if-bound", "floating").kind
    if not context.anchor:
        context.if_bound = value == "if-bound"
    _keep(context, "state-policy", value)


def _debug(context: Context) -> None:
    value = context.expect("STRING").text
    context.enter(OPTION)
    if value not in DEBUG_LEVELS:
        context.fail(f"error setting debuglevel {value}")
    _keep(context, "debug", value)


def _skip(context: Context) -> None:
    if context.peek().kind != "on":
        context.syntax_error()
    wanted = interfaces(context)
    listed = [] if wanted == [("none", False)] else [name for name, _ in wanted]
    shown = "{ " + " ".join(listed) + " }" if listed else "none"
    context.parsed.echo.append(f"set skip on {shown}")
    if any(negated for _, negated in wanted):
        context.complain("skip on ! <interface> is not supported")
        context.fail("error setting skip interface(s)")
    context.parsed.skipped = [*(context.parsed.skipped or []), *listed]


_OPTIONS = {
    "optimization": _optimization,
    "ruleset-optimization": _ruleset_optimization,
    "timeout": lambda c: _pairs(c, "timeout"),
    "limit": lambda c: _pairs(c, "limit"),
    "loginterface": _loginterface,
    "hostid": _hostid,
    "block-policy": _block_policy,
    "require-order": _require_order,
    "fingerprints": _fingerprints,
    "state-policy": _state_policy,
    "debug": _debug,
    "skip": _skip,
}
