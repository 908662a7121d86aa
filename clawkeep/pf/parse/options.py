"""What follows a rule's addresses, in any order: flags, ICMP types, state, label and the rest.

Source: reference/pf-grammar.md (keywords, limits, what may be given once).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from .. import names
from ..tokens import Tokens

FLAGS = "FSRPAUEW"
MAX_LABEL, MAX_TAG = 63, 63
NO_ICMP = (0, -1, -1)
STATES = frozenset({"no", "keep", "modulate", "synproxy"})
_MACRO = re.compile(r"\$(?:if|srcaddr|dstaddr|srcport|dstport|proto|nr)")
_LIMITS = frozenset({"max", "max-src-states", "max-src-conn", "max-src-nodes"})
_TIMEOUT = re.compile(r"(?:tcp|udp|icmp|other|grev1|esp|adaptive)\.[a-z]+")
_TOS = {"lowdelay": 0x10, "throughput": 0x08, "reliability": 0x04}


@dataclass(slots=True)
class Options:
    """What the options said. `users` and `groups` are lists that expand; `seen` has all words."""

    flags: tuple[str, str] = ("", "")
    icmp: Sequence[tuple[int, int, int]] = (NO_ICMP,)
    state: str = ""
    state_options: tuple[str, ...] = ()
    label: str = ""
    users: Sequence[str] = ("",)
    groups: Sequence[str] = ("",)
    extras: dict[str, str] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)


def options(tokens: Tokens) -> Options:
    """Read options until something else comes."""
    found = Options()
    while (word := tokens.peek) in _READERS:
        kind = "state" if word in STATES else word
        if kind in found.seen:
            tokens.fail(f"{word} cannot be redefined")
        found.seen[kind] = tokens.at
        tokens.next()
        _READERS[word](tokens, found, word)
    return found


def _flags(tokens: Tokens, found: Options, _word: str) -> None:
    if tokens.accept("any"):
        return
    wanted, slash, mask = tokens.peek.partition("/")
    if not slash or not mask or set(wanted + mask) - set(FLAGS):
        tokens.wrong("flags as S/SA, or any")
    if set(wanted) - set(mask):
        tokens.fail("flags always false")
    tokens.next()
    found.flags = _letters(wanted), _letters(mask)


def _letters(word: str) -> str:
    return "".join(letter for letter in FLAGS if letter in word)


def _icmp(tokens: Tokens, found: Options, word: str) -> None:
    protocol = names.ICMP if word == "icmp-type" else names.ICMP6
    types, codes = names.TYPES[protocol], names.CODES[protocol]

    def one(tokens: Tokens) -> tuple[int, int, int]:
        kind = _named(tokens, types, "an ICMP type")
        if not tokens.accept("code"):
            return protocol, kind, -1
        return protocol, kind, _named(tokens, codes.get(kind, {}), "an ICMP code")

    found.icmp = tokens.items(one)


def _named(tokens: Tokens, known: dict[str, int], what: str) -> int:
    if tokens.peek in known:
        return known[tokens.next()]
    return tokens.number(what, 255)


def _state(tokens: Tokens, found: Options, word: str) -> None:
    tokens.expect("state")
    found.state = word
    if word == "no" or not tokens.accept("("):
        return
    read = [_state_option(tokens)]
    while not tokens.accept(")"):
        tokens.accept(",")
        read.append(_state_option(tokens))
    found.state_options = tuple(read)


def _state_option(tokens: Tokens) -> str:
    word = tokens.peek
    if word in {"if-bound", "floating", "no-sync"}:
        return tokens.next()
    if word in _LIMITS or _TIMEOUT.fullmatch(word):
        tokens.next()
        return f"{word} {tokens.number('a number', 2**32 - 1)}"
    if word == "max-src-conn-rate":
        tokens.next()
        if not re.fullmatch(r"[0-9]+/[0-9]+", tokens.peek):
            tokens.wrong("a rate as 3/10")
        return f"{word} {tokens.next()}"
    if word == "source-track":
        tokens.next()
        return f"{word} {tokens.next() if tokens.peek in {'rule', 'global'} else 'global'}"
    return tokens.wrong("an option of the state")


def _label(tokens: Tokens, found: Options, _word: str) -> None:
    mark = tokens.at
    found.label = tokens.string("a label")
    if len(found.label.encode()) > MAX_LABEL:
        tokens.fail(f"rule label too long (max {MAX_LABEL} chars)", mark)
    if _MACRO.search(found.label):
        tokens.fail("macros in a label are not judged here", mark)


def _identity(tokens: Tokens) -> str:
    """Read who owns a socket, as pfctl prints it; only the host knows the uid of a name."""
    op = tokens.next() if tokens.peek in {"=", "!", "<", ">"} else ""
    if op and op != "=" and tokens.accept("="):
        op += "="
    if op == "!":
        tokens.wrong("'='")
    first = _who(tokens)
    if not op and tokens.peek in {"><", "<>"}:
        return f"{first} {tokens.next()} {_who(tokens)}"
    return f"{op or '='} {first}"


def _who(tokens: Tokens) -> str:
    if tokens.peek.isdigit():
        return str(tokens.number("a user or group", 2**32 - 1))
    return tokens.string("a user or group")


def _users(tokens: Tokens, found: Options, _word: str) -> None:
    found.users = tokens.items(_identity)


def _groups(tokens: Tokens, found: Options, _word: str) -> None:
    found.groups = tokens.items(_identity)


def _alone(_tokens: Tokens, found: Options, word: str) -> None:
    found.extras[word] = ""


def _tag(tokens: Tokens, found: Options, word: str) -> None:
    mark = tokens.at
    if word == "!":
        tokens.expect("tagged")
        word = "!tagged"
    found.extras[word] = f'"{tokens.string(f"the operand of {word}")}"'
    if len(found.extras[word].encode()) - 2 > MAX_TAG:
        tokens.fail(f"{word} too long, max {MAX_TAG} chars", mark)


def _rtable(tokens: Tokens, found: Options, word: str) -> None:
    found.extras[word] = str(tokens.number("a routing table", 255))


def _tos(tokens: Tokens, found: Options, word: str) -> None:
    number = _TOS.get(tokens.peek, 0)
    if re.fullmatch(r"0x[0-9a-fA-F]{1,2}|[0-9]{1,3}", tokens.peek):
        number = int(tokens.peek, 16 if tokens.peek.startswith("0x") else 10)
    if not 0 < number <= 255:
        tokens.wrong("a TOS value")
    tokens.next()
    found.extras[word] = f"0x{number:02x}"


def _probability(tokens: Tokens, found: Options, word: str) -> None:
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)(%?)", tokens.peek)
    share = float(match[1]) * (1 if match[2] else 100) if match else 0.0
    if not 0 < share <= 100:
        tokens.wrong("a probability as 20%")
    tokens.next()
    found.extras[word] = f"{share:g}%"


_READERS: Mapping[str, Callable[[Tokens, Options, str], None]] = {
    "flags": _flags,
    "icmp-type": _icmp,
    "icmp6-type": _icmp,
    "label": _label,
    "user": _users,
    "group": _groups,
    "fragment": _alone,
    "allow-opts": _alone,
    "queue": _tag,
    "tag": _tag,
    "tagged": _tag,
    "!": _tag,
    "rtable": _rtable,
    "tos": _tos,
    "probability": _probability,
} | dict.fromkeys(STATES, _state)
