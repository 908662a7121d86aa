"""`table <name> [const] [persist] [{ … } | file "…"]`, and the files that tables are read from.

Source: reference/pf-grammar.md (tables: host bits masked, ranges refused, limits).
"""

from __future__ import annotations

from ..printer import address_text
from ..rules import Address
from . import addresses
from .context import Context, Table
from .lists import list_until


def table(context: Context) -> None:
    """Read a table statement."""
    context.expect("table")
    context.expect("<")
    found = Table(context.expect("STRING").text)
    context.expect(">")
    while context.peek().kind in {"STRING", "{", "file"}:
        _option(context, found)
    if len(found.name) > addresses.MAX_TABLE_NAME:
        context.fail(f"table name too long, max {addresses.MAX_TABLE_NAME} chars")
    shown = _shown(found)
    for path in found.files:
        found.entries += _from_file(context, path)
    context.parsed.echo.append(shown)
    context.parsed.tables.append(found)


def _option(context: Context, found: Table) -> None:
    if context.accept("file"):
        found.files.append(context.expect("STRING").text)
        found.initialised = True
        return
    if context.accept("{"):
        context.newlines()
        found.initialised = True
        if not context.accept("}"):
            for entries in list_until(context, _entry, "}"):
                found.entries += entries
        return
    word = context.next().text
    if word not in {"const", "persist"}:
        context.fail(f"invalid table option '{word}'")
    found.const = found.const or word == "const"
    found.persist = found.persist or word == "persist"


def _entry(context: Context) -> list[Address]:
    if context.peek().kind in {"no-route", "urpf-failed"}:
        context.fail(f'"{context.next().kind}" is not permitted inside tables')
    negated = context.accept("!") is not None
    found = addresses.host(context)
    refused = {
        "dynif": "dynamic addresses are not permitted inside tables",
        "table": "tables cannot contain tables",
        "range": "address ranges are not permitted inside tables",
        "route": '"route" is not permitted inside tables',
    }
    for one in found:
        if one.kind in refused:
            context.fail(refused[one.kind])
        if one.af == "inet" and one.bits > 32:
            context.fail(f"netmask {one.bits} invalid for IPv4 address")
        one.negated = negated
    return found


def entry_text(entry: Address) -> str:
    """Show a table's entry as pfctl does."""
    return ("!" if entry.negated else "") + address_text(entry, entry.af)


def _shown(found: Table) -> str:
    words = [f"table <{found.name}>"]
    words += [word for word, there in (("const", found.const), ("persist", found.persist)) if there]
    words += [f'file "{path}"' for path in found.files]
    if found.entries or (found.initialised and not found.files):
        words.append("{ " + "".join(f"{entry_text(one)} " for one in found.entries) + "}")
    return " ".join(words)


def _from_file(context: Context, path: str) -> list[Address]:
    try:
        text = context.environment.read_text(path)
    except OSError as problem:
        context.fail(f'cannot load "{path}": {problem.strerror}')
    entries: list[Address] = []
    for line in text.splitlines():
        for word in line.partition("#")[0].split():
            found = entry(context, word)
            if not found:
                context.fail(f'file "{path}" contains bad data')
            entries += found
    return entries


def entry(context: Context, word: str) -> list[Address]:
    """Addresses that one word of a table's file or of `-T add` stands for."""
    found = addresses.lookup(context, word.removeprefix("!"))
    for one in found:
        one.negated = word.startswith("!")
    return [one for one in found if not (one.af == "inet" and one.bits > 32)]
