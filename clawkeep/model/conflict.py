"""What no two services may share, and where no service may lead."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

from clawkeep.model.target import Target


@dataclass(frozen=True, slots=True)
class Conflict:
    """Entry `index` cannot have its `key` as it is; `first` is the entry that has it already."""

    index: int
    key: str
    message: str
    first: int | None = None


def conflicts(entries: Sequence[Mapping[str, Any]], guests: IPv4Network) -> Iterator[Conflict]:
    """Yield every conflict among service entries; an absent key of an entry conflicts with none.

    `guests` is the network in which the guest lives: a bridge from there to there would open
    the host's own gateway, or another guest.
    """
    for key in ("name", "port"):
        yield from _shared(entries, key)
    for index, entry in enumerate(entries):
        target = entry.get("target")
        if isinstance(target, Target) and target.address and target.address in guests:
            yield Conflict(
                index,
                "target",
                f"{target.host} is in the guest's own network {guests}; "
                "name a machine of the LAN instead",
            )


def _shared(entries: Sequence[Mapping[str, Any]], key: str) -> Iterator[Conflict]:
    seen: dict[object, int] = {}
    for index, entry in enumerate(entries):
        if key not in entry:
            continue
        value = entry[key]
        if value in seen:
            owner = entries[seen[value]].get("name", f"entry {seen[value] + 1}")
            message = (
                f"the name {value!r} is already taken"
                if key == "name"
                else f"{value} is already the port of {owner!r}"
            )
            yield Conflict(index, key, message, seen[value])
        else:
            seen[value] = index
