"""The options that follow a filter rule's addresses, in any order.

Source: reference/pf-grammar.md (defaults of pass rules, limits, reserved words).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .. import names
from ..rules import Identity
from .context import Context
from .lists import list_until, number, text
from .ports import icmp_items, identities

FLAG_LETTERS = "FSRPAUEW"
MAX_LABEL = 63
MAX_TAG = 63


@dataclass
class Conditions:
    """What `filter_opts` said. `seen` names what may be given only once."""

    users: list[Identity] = field(default_factory=list)
    groups: list[Identity] = field(default_factory=list)
    flags: str = ""
    flag_set: str = ""
    icmp: list[tuple[int, int, int]] = field(default_factory=list)
    tos: int = 0
    state: str = ""
    state_options: list[str] = field(default_factory=list)
    if_bound: bool | None = None
    fragment: bool = False
    allow_opts: bool = False
    label: str | None = None
    queue: tuple[str, ...] = ()
    tag: str = ""
    tagged: str = ""
    tagged_negated: bool = False
    probability: float = 0.0
    rtable: int = -1
    seen: set[str] = field(default_factory=set)


def conditions(context: Context) -> Conditions:
    """Read filter options until something else comes."""
    found = Conditions()
    while True:
        kind = context.peek().kind
        if kind == "!":
            context.next()
            context.expect("tagged")
            found.tagged, found.tagged_negated = tag_name(context), True
        elif kind in _READERS:
            context.next()
            _READERS[kind](context, found)
        else:
            return found


def _once(context: Context, found: Conditions, what: str, message: str) -> None:
    if what in found.seen:
        context.fail(message)
    found.seen.add(what)


def _flags(context: Context, found: Conditions) -> None:
    if context.accept("any"):
        pass
    elif context.accept("/"):
        found.flag_set = _flag_letters(context)
    else:
        found.flags = _flag_letters(context)
        context.expect("/")
        found.flag_set = _flag_letters(context)
    _once(context, found, "flags", "flags cannot be redefined")


def _flag_letters(context: Context) -> str:
    word = context.expect("STRING").text
    if any(letter not in FLAG_LETTERS for letter in word):
        context.fail(f"bad flags {word}")
    return "".join(letter for letter in FLAG_LETTERS if letter in word)


def _icmp(proto: int, context: Context, found: Conditions) -> None:
    found.icmp = icmp_items(context, proto)
    _once(context, found, "icmp", "icmp-type cannot be redefined")


def _tos(context: Context, found: Conditions) -> None:
    word = context.expect("STRING", "NUMBER").text
    known = {"lowdelay": 0x10, "throughput": 0x08, "reliability": 0x04}
    try:
        found.tos = known.get(word) or int(word, 16 if word.startswith("0x") else 10)
    except ValueError:
        found.tos = 0
    if not 0 < found.tos <= 255:
        context.fail(f"illegal tos value {word}")
    _once(context, found, "tos", "tos cannot be redefined")


def _keep(how: str, context: Context, found: Conditions) -> None:
    context.expect("state")
    found.state = how
    if how != "no" and context.accept("("):
        list_until(context, lambda c: _state_option(c, found), ")")
    _once(context, found, "keep", "modulate or keep cannot be redefined")


def _state_option(context: Context, found: Conditions) -> None:
    kind = context.peek().kind
    if kind in {"if-bound", "floating"}:
        context.next()
        if found.if_bound is not None:
            context.fail("state locking option: multiple definitions")
        found.if_bound = kind == "if-bound"
        return
    found.state_options.append(_state_limit(context))


def _state_limit(context: Context) -> str:
    token = context.next()
    if token.kind in {"max", "max-src-states", "max-src-conn", "max-src-nodes"}:
        return f"{token.kind} {number(context)}"
    if token.kind == "max-src-conn-rate":
        count = number(context)
        context.expect("/")
        return f"max-src-conn-rate {count}/{number(context)}"
    if token.kind == "overload":
        return _overload(context)
    if token.kind == "source-track":
        scope = context.accept("global") or context.accept("rule")
        return f"source-track {scope.kind if scope else 'global'}"
    if token.kind == "no-sync":
        return "no-sync"
    if token.kind != "STRING":
        context.syntax_error()
    seconds = number(context)
    if token.text not in names.TIMEOUTS:
        context.fail(f"illegal timeout name {token.text}")
    if "." not in token.text:
        context.fail(f"illegal state timeout {token.text}")
    return f"{token.text} {seconds}"


def _overload(context: Context) -> str:
    context.expect("<")
    name = context.expect("STRING").text
    context.expect(">")
    flush = " flush" if context.accept("flush") else ""
    if flush and context.accept("global"):
        flush += " global"
    return f"overload <{name}>{flush}"


def _label(context: Context, found: Conditions) -> None:
    label = context.expect("STRING").text
    if found.label is not None:
        context.fail("label cannot be redefined")
    found.label = label


def _queue(context: Context, found: Conditions) -> None:
    if context.accept("("):
        queue: tuple[str, ...] = (context.expect("STRING").text,)
        if context.peek().kind != ")":
            context.accept(",")
            queue = (*queue, context.expect("STRING").text)
        context.expect(")")
    else:
        queue = (context.expect("STRING").text,)
    if found.queue:
        context.fail("queue cannot be redefined")
    found.queue = queue


def tag_name(context: Context) -> str:
    """Read the name of a tag."""
    name = text(context)
    if len(name) > MAX_TAG:
        context.fail(f"tag too long, max {MAX_TAG} chars")
    return name


def _tag(context: Context, found: Conditions) -> None:
    found.tag = tag_name(context)


def _tagged(context: Context, found: Conditions) -> None:
    found.tagged, found.tagged_negated = tag_name(context), False


def _probability(context: Context, found: Conditions) -> None:
    token = context.expect("STRING", "NUMBER")
    try:
        share = float(token.text.removesuffix("%")) * (0.01 if token.text.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 < share < 1 and not (token.text.endswith("%") and share == 1):
        context.fail(f"invalid probability: {token.text}")
    found.probability = share


def _rtable(context: Context, found: Conditions) -> None:
    table = number(context)
    if not 0 <= table <= 255:
        context.fail("invalid rtable id")
    found.rtable = table


def _no(context: Context, found: Conditions) -> None:
    _keep("no", context, found)


def _set_flag(name: str, found: Conditions) -> None:
    setattr(found, name, True)


_READERS = {
    "user": lambda c, f: f.users.extend(identities(c, "user")),
    "group": lambda c, f: f.groups.extend(identities(c, "group")),
    "flags": _flags,
    "icmp-type": lambda c, f: _icmp(names.ICMP, c, f),
    "icmp6-type": lambda c, f: _icmp(names.ICMP6, c, f),
    "tos": _tos,
    "keep": lambda c, f: _keep("keep", c, f),
    "modulate": lambda c, f: _keep("modulate", c, f),
    "synproxy": lambda c, f: _keep("synproxy", c, f),
    "no": _no,
    "fragment": lambda _, f: _set_flag("fragment", f),
    "allow-opts": lambda _, f: _set_flag("allow_opts", f),
    "label": _label,
    "queue": _queue,
    "tag": _tag,
    "tagged": _tagged,
    "probability": _probability,
    "rtable": _rtable,
}
