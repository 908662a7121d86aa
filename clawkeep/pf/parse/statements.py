"""A whole text: its statements, in pfctl's order.

Source: reference/pf-grammar.md (order of statements; the last newline; options in anchors);
reference/macos.md §1.1-1.3.
"""

from __future__ import annotations

from ..printer import address_text
from ..rule import Rule, Rules, Table
from ..tokens import Tokens
from .filter import anchor_name, anchor_rule, filter_rule
from .head import direction, log
from .peers import family, host, interface, interfaces, peers, protocols, table_name

_ORDER = "Rules must be in order: options, normalization, queueing, translation, filtering"
_NORMALIZATION, _TRANSLATION, _FILTER = 1, 2, 3
_REFERENCES = {
    "scrub-anchor": _NORMALIZATION,
    "nat-anchor": _TRANSLATION,
    "rdr-anchor": _TRANSLATION,
    "binat-anchor": _TRANSLATION,
    "dummynet-anchor": 0,
}
_NOT_JUDGED = frozenset(
    {"nat", "rdr", "binat", "no", "dummynet", "include", "antispoof", "altq", "queue"}
)


class _Text:
    """What has been read so far."""

    def __init__(self, text: str, anchor: str) -> None:
        self.tokens = Tokens(text)
        self.anchor = anchor
        self.rules: list[Rule] = []
        self.tables: list[Table] = []
        self.others: list[str] = []
        self.skip: list[str] = []
        self.block_policy = ""
        self.section = 0

    def enter(self, section: int) -> None:
        """Check the order of statements."""
        if section < self.section:
            self.tokens.fail(_ORDER)
        self.section = section


def parse_rules(text: str, *, anchor: str = "") -> Rules:
    """Read what pfctl loads into `anchor` ("" is the main ruleset), or what `pfctl -sr` prints.

    Lists are expanded as pfctl does. In an anchor `set` is read and, as in pf, does nothing.
    Raises PfSyntaxError for what pfctl refuses, and for what is not judged here: macros, include,
    antispoof, translation rules, names of hosts.
    """
    read = _Text(text, anchor)
    tokens = read.tokens
    while tokens.peek:
        _statement(read, tokens.peek)
    return Rules(tuple(read.rules), tuple(read.tables), tuple(read.others), tuple(read.skip))


def _statement(read: _Text, word: str) -> None:
    tokens = read.tokens
    if word == "\n":
        tokens.next()
    elif word in {"pass", "block", "anchor"}:
        read.enter(_FILTER)
        rule = anchor_rule if word == "anchor" else filter_rule
        read.rules += rule(tokens, read.block_policy)
    elif word in _REFERENCES:
        read.enter(_REFERENCES[word] or read.section)
        read.others.append(_reference(tokens))
    elif word == "scrub":
        read.enter(_NORMALIZATION)
        read.others.append(_scrub(tokens))
    elif word == "table":
        mark, table = tokens.at, _table(tokens)
        if any(one.name == table.name for one in read.tables):
            tokens.fail(f"table <{table.name}> is there twice, which is not judged here", mark)
        read.tables.append(table)
    elif word == "set":
        _set(read)
    elif word == "load":
        read.others.append(_load(tokens))
    elif word in _NOT_JUDGED:
        tokens.fail(f"{word} is not judged here")
    else:
        tokens.wrong("a rule")


def _where(tokens: Tokens) -> list[str]:
    """Read what scrub rules and references have in common; it decides nothing here."""
    words = [direction(tokens), log(tokens)]
    for name, negated in interfaces(tokens):
        words += [f"on {'! ' if negated else ''}{name}"] if name else []
    words.append(family(tokens))
    mark = tokens.at
    protos, sides = protocols(tokens), peers(tokens)
    if protos != (0,) or any(one.kind != "any" for one in (*sides.sources, *sides.destinations)):
        tokens.fail("expected 'all': other conditions are not judged here", mark)
    return [word for word in (*words, "all") if word]


def _reference(tokens: Tokens) -> str:
    word = tokens.next()
    words = [word, f'"{anchor_name(tokens)}"', *_where(tokens)]
    if word == "scrub-anchor":
        words += _scrub_options(tokens)
    tokens.expect("\n")
    return " ".join(words)


def _scrub(tokens: Tokens) -> str:
    words = [tokens.next(), *_where(tokens), *_scrub_options(tokens)]
    tokens.expect("\n")
    return " ".join(words)


def _scrub_options(tokens: Tokens) -> list[str]:
    words: list[str] = []
    mode = "reassemble"
    while tokens.peek != "\n":
        word = tokens.peek
        if word in {"no-df", "random-id"}:
            words.append(tokens.next())
        elif word in {"min-ttl", "max-mss"}:
            words.append(f"{tokens.next()} {tokens.number('a number', 65535)}")
        elif tokens.accept("reassemble"):
            tokens.expect("tcp")
            words.append("reassemble tcp")
        elif tokens.accept("fragment"):
            if tokens.peek not in {"reassemble", "crop", "drop-ovl"}:
                tokens.wrong("reassemble, crop or drop-ovl")
            mode = tokens.next()
        else:
            tokens.wrong("an option of scrub, or the end of the line")
    return [*words, f"fragment {mode}"]


def _table(tokens: Tokens) -> Table:
    tokens.next()
    tokens.expect("<")
    name = table_name(tokens)
    tokens.expect(">")
    const = persist = False
    files: list[str] = []
    entries: list[str] = []
    while tokens.peek != "\n":
        if tokens.accept("const"):
            const = True
        elif tokens.accept("persist"):
            persist = True
        elif tokens.accept("file"):
            files.append(tokens.string("the path of a file"))
        elif tokens.peek == "{":
            entries += _entries(tokens)
        else:
            tokens.wrong("const, persist, file or '{'")
    tokens.expect("\n")
    return Table(name, tuple(entries), const, persist, tuple(files))


def _entries(tokens: Tokens) -> list[str]:
    tokens.expect("{")
    tokens.newlines()
    if tokens.accept("}"):
        return []
    found: list[str] = []
    while True:
        found.append(_entry(tokens))
        tokens.newlines()
        if tokens.accept("}"):
            return found
        tokens.accept(",")


def _entry(tokens: Tokens) -> str:
    negated, mark = tokens.accept("!"), tokens.at
    found = host(tokens)
    if found.kind != "net":
        tokens.fail("expected an address or a network", mark)
    return f"{'! ' if negated else ''}{address_text(found)}"


def _set(read: _Text) -> None:
    tokens = read.tokens
    tokens.next()
    skip, policy = read.skip, read.block_policy
    if tokens.accept("skip"):
        tokens.expect("on")
        skip = [*skip, *tokens.items(interface)]
    elif tokens.accept("block-policy"):
        read.enter(0)
        if tokens.peek not in {"drop", "return"}:
            tokens.wrong("drop or return")
        policy = tokens.next().removeprefix("drop")
    else:
        tokens.wrong("skip or block-policy: other options are not judged here,")
    tokens.expect("\n")
    if not read.anchor:
        read.skip, read.block_policy = skip, policy


def _load(tokens: Tokens) -> str:
    tokens.next()
    tokens.expect("anchor")
    name = anchor_name(tokens)
    tokens.expect("from")
    path = tokens.string("the path of a file")
    tokens.expect("\n")
    return f'load anchor "{name}" from "{path}"'
