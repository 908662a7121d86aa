"""Lists of domains, as the proxy reads them: `.a.example` is a.example and all below it.

The same reading everywhere: the declaration, the window, squid.conf, `explain` and the canary.
Standard library only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*")
LOCAL = frozenset({"localhost", "local", "localdomain", "internal", "arpa", "home", "lan"})
"""Last labels that mean this machine or this network. Source: RFC 6761, RFC 6762, RFC 8375."""


def domain(text: str) -> str:
    """Return `text` as an entry of a domain list, in lower case; a ValueError says why not.

    A single label is refused: squid would add the host's own search domain to it, and `.com` is
    everybody's.
    """
    entry = text.lower()
    name = entry.removeprefix(".")
    if not name:
        raise ValueError("is empty; write a name such as api.example.com")
    if "*" in name:
        raise ValueError(
            f"{text!r} holds a wildcard; a leading dot stands for a name and all below it: "
            ".example.com"
        )
    if "/" in name or ":" in name:
        raise ValueError(f"{text!r} is no bare name: write it without scheme, port and path")
    if not name.isascii():
        raise ValueError(f"{text!r} is not ASCII; write it in its xn-- form")
    labels = name.split(".")
    if len(name) > 253 or not all(LABEL.fullmatch(label) for label in labels):
        raise ValueError(
            f"{text!r} is no host name: between the dots go letters, digits and inner hyphens"
        )
    if NUMERIC.fullmatch(labels[-1]):
        raise ValueError(f"{text!r} is an address; the proxy knows names only (mode 'cidrs' knows "
                         "addresses)")  # fmt: skip
    if len(labels) == 1:
        raise ValueError(f"{text!r} is a whole top-level domain, or no full name; name a site")
    if labels[-1] in LOCAL:
        raise ValueError(f"{text!r} is a name of this machine or network; what is there gets a "
                         "door in the allowlist")  # fmt: skip
    return entry


def covers(entry: str, name: str) -> bool:
    """Tell whether the list entry `entry` lets `name` pass (a name, or another entry)."""
    name = name.lower().rstrip(".")
    if not entry.startswith("."):
        return entry == name
    return name.endswith(entry) or name == entry[1:]


def allows(entries: Iterable[str], name: str) -> bool:
    """Tell whether any entry of a list lets `name` pass."""
    return any(covers(entry, name) for entry in entries)


def minimal(entries: Iterable[str]) -> tuple[str, ...]:
    """Return the list sorted and without what another entry covers.

    squid warns of such entries, or refuses them, and matches with the wrong one of the two.
    """
    kept = dict.fromkeys(sorted(entries))
    wide = {entry for entry in kept if entry.startswith(".")}

    def covered(entry: str) -> bool:
        name = entry.removeprefix(".")
        parents = {name[i:] for i, letter in enumerate(name) if letter == "."}
        return bool(parents & wide) or (not entry.startswith(".") and f".{entry}" in wide)

    return tuple(entry for entry in kept if not covered(entry))
