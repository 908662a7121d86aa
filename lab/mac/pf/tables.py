"""`pfctl -t TABLE -T …`. Source: reference/macos.md §1.1 (tables are per anchor); pfctl(8)."""

from __future__ import annotations

import ipaddress

from .environment import Environment
from .kernel import Kernel
from .parser.context import Context
from .parser.tables import entry, entry_text

MAX_TABLE_NAME = 31
CHANGES = ("kill", "flush", "add", "delete", "replace", "zero", "expire")


class TableError(Exception):
    """What pfctl prints after its name before it exits 1."""


def change(kernel: Kernel, anchor: str, name: str, command: str, addresses: list[str]) -> list[str]:
    """Carry out a command that changes a table; returns what pfctl prints on stderr."""
    tables = kernel.tables.setdefault(anchor, {})
    table = tables.get(name)
    if command in {"add", "replace"} and table is None:
        table = tables[name] = {"const": False, "persist": True, "entries": []}
        said = ["1 table created."]
    elif table is None:
        raise TableError("Table does not exist.")
    else:
        said = []
    if command == "kill":
        del tables[name]
        return ["1 table deleted."]
    if table["const"] and command in CHANGES:
        raise TableError("Operation not permitted.")
    entries: list[str] = table["entries"]
    if command == "add":
        new = [one for one in dict.fromkeys(addresses) if one not in entries]
        entries += new
        return [*said, f"{len(new)}/{len(addresses)} addresses added."]
    if command == "delete":
        gone = [one for one in entries if one in addresses]
        table["entries"] = [one for one in entries if one not in addresses]
        return [f"{len(gone)}/{len(addresses)} addresses deleted."]
    if command == "flush":
        table["entries"] = []
        return [f"{len(entries)} addresses deleted."]
    if command == "replace":
        return said + _replace(table, entries, list(dict.fromkeys(addresses)))
    return [f"{len(entries)} addresses cleared." if command == "zero" else "0/0 addresses expired."]


def _replace(table: dict[str, list[str]], old: list[str], new: list[str]) -> list[str]:
    table["entries"] = new
    added = len([one for one in new if one not in old])
    gone = len([one for one in old if one not in new])
    said = [f"{added} addresses added."] if added else []
    said += [f"{gone} addresses deleted."] if gone else []
    return said or ["no changes."]


def show(kernel: Kernel, anchor: str, name: str) -> list[str]:
    """`-T show`: the entries, in order of address."""
    table = kernel.tables.get(anchor, {}).get(name)
    if table is None:
        raise TableError("Table does not exist.")
    return [f"   {one}" for one in sorted(table["entries"], key=_order)]


def _order(one: str) -> tuple[int, int, int]:
    network = ipaddress.ip_network(one.removeprefix("!"), strict=False)
    return network.version, int(network.network_address), network.prefixlen


def matching(kernel: Kernel, anchor: str, name: str, addresses: list[str]) -> list[str]:
    """`-T test`: those of the addresses that the table matches (longest prefix decides)."""
    table = kernel.tables.get(anchor, {}).get(name)
    if table is None:
        raise TableError("Table does not exist.")
    found = []
    for address in addresses:
        wanted = ipaddress.ip_network(address.removeprefix("!"), strict=False)
        best: tuple[int, bool] | None = None
        for one in table["entries"]:
            network = ipaddress.ip_network(one.removeprefix("!"), strict=False)
            if network.version != wanted.version or not _covers(network, wanted):
                continue
            if best is None or network.prefixlen > best[0]:
                best = (network.prefixlen, not one.startswith("!"))
        if best is not None and best[1]:
            found.append(address)
    return found


def _covers(
    network: ipaddress.IPv4Network | ipaddress.IPv6Network,
    wanted: ipaddress.IPv4Network | ipaddress.IPv6Network,
) -> bool:
    return int(network.network_address) <= int(wanted.network_address) and int(
        wanted.broadcast_address
    ) <= int(network.broadcast_address)


def read_addresses(words: list[str], environment: Environment) -> tuple[list[str], list[str]]:
    """Entries that command-line words stand for, and complaints about those that stand for none."""
    context = Context("", "", environment, {}, "")
    entries = [entry_text(one) for word in words for one in entry(context, word)]
    return entries, context.parsed.errors
