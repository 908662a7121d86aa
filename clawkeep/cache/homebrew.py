"""What brew says of its formulas: which files they come to. Standard library only.

Source: Homebrew/brew Library/Homebrew/formula.rb (`to_hash_with_variations`), bottle.rb (6.0.18).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Described = Mapping[str, Any]
"""One formula of `brew info --json=v2`."""


class NoBottleError(ValueError):
    """A formula has nothing that pours on the guest's kind of machine; the text says which."""


@dataclass(frozen=True)
class Pour:
    """What one formula is poured from.

    Attributes:
        name: in full, `user/tap/name` for one of another tap.
        version: with revision.
        url: of the bottle or the release's file; brew's cache calls the file by its hash.
        sha256: that brew's own, signed data gives for it.
        tap: of a formula that is not in the core, else "".
    """

    name: str
    version: str
    url: str
    sha256: str
    tap: str

    @property
    def bottled(self) -> bool:
        """Whether it is a bottle, which has a manifest besides."""
        return not self.tap


def formulae(data: Mapping[str, Any]) -> dict[str, Described]:
    """Return the formulas of `brew info --json=v2` by their full names."""
    return {str(one["full_name"]): one for one in data["formulae"]}


def needs(described: Described, tag: str) -> tuple[str, ...]:
    """Return what a formula needs to run on a kind of machine, such as `arm64_sequoia`."""
    there = _varied(described, tag)
    names = (*there.get("dependencies", ()), *there.get("recommended_dependencies", ()))
    return tuple(dict.fromkeys(str(name) for name in names))


def undescribed(known: Mapping[str, Described], names: Iterable[str], tag: str) -> tuple[str, ...]:
    """Return what brew must still be asked about: `names`, and whatever the known ones need."""
    short = {one["name"] for one in known.values()} | {
        alias for one in known.values() for alias in one.get("aliases", ())
    }
    wanted = dict.fromkeys((*names, *(n for one in known.values() for n in needs(one, tag))))
    return tuple(n for n in wanted if n not in known and ("/" in n or n not in short))


def closure(known: Mapping[str, Described], name: str, tag: str) -> tuple[str, ...]:
    """Return the full names of a formula and of all that it needs."""
    found: dict[str, None] = {}
    due = [name]
    while due:
        full = _full(known, due.pop())
        if full not in found:
            found[full] = None
            due.extend(needs(known[full], tag))
    return tuple(found)


def _full(known: Mapping[str, Described], name: str) -> str:
    if name in known:
        return name
    for full, one in known.items():
        if name == one["name"] or name in one.get("aliases", ()):
            return full
    raise KeyError(f"brew did not describe {name}")


def pour(described: Described, tag: str) -> Pour:
    """Return what a formula is poured from. Raises NoBottleError."""
    there = _varied(described, tag)
    name, versions = str(described["full_name"]), described["versions"]
    revision = int(described.get("revision") or 0)
    version = f"{versions['stable']}{f'_{revision}' if revision else ''}"
    bottle = (there.get("bottle") or {}).get("stable") or {}
    files = bottle.get("files") or {}
    # A bottle for all kinds of machines is listed once.
    if file := files.get(tag) or files.get("all"):
        return Pour(name, version, str(file["url"]), str(file["sha256"]), "")
    source = (described.get("urls") or {}).get("stable") or {}
    if name.count("/") == 2 and source.get("checksum"):
        tap = name.rpartition("/")[0]
        return Pour(name, version, str(source["url"]), str(source["checksum"]), tap)
    raise NoBottleError(f"{name} {version} has no bottle for {tag}")


def _varied(described: Described, tag: str) -> Described:
    variation = (described.get("variations") or {}).get(tag) or {}
    return {**described, **variation}
