"""What the VMs of this concern are called.

A snapshot's name sorts by its time (UTC). What is only half there has a dot in its name, which no
declared guest can have: `tart clone` replaces an existing VM without a word, so a name is either
ours or was seen to be free (reference/tart.md §1.3, §1.9).
"""

from __future__ import annotations

import re
import time
from collections.abc import Container
from typing import Final

STAMP: Final = r"[0-9]{8}T[0-9]{6}Z"
SNAPSHOT, REPLACED = "snap", "before"


def fresh(guest: str, what: str, t: float, taken: Container[str]) -> str:
    """Return a name that is not `taken`: `<guest>-snap-<stamp>`, or `-before-` for a replaced one.

    `t` is in Unix seconds; a clock that was set back finds its seconds taken and goes on.
    """
    while (name := f"{guest}-{what}-{stamp(t)}") in taken:
        t += 1
    return name


def stamp(t: float) -> str:
    """Return Unix seconds as in a name: `20261121T033000Z`."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(t))


def ours(guest: str, name: str) -> bool:
    """Tell whether a name is one that `fresh` gives."""
    return re.fullmatch(rf"{re.escape(guest)}-({SNAPSHOT}|{REPLACED})-{STAMP}", name) is not None


def base(guest: str) -> str:
    """Return the name of the snapshot that the converge takes when the guest is first complete."""
    return f"{guest}-base"


def taking(guest: str) -> str:
    """Return the name under which a snapshot is made."""
    return f"{guest}.taking"


def restoring(guest: str) -> str:
    """Return the name under which a snapshot becomes the guest."""
    return f"{guest}.restoring"


def trying(guest: str) -> str:
    """Return the name under which a snapshot is booted to see that it does."""
    return f"{guest}.trying"


def failed(guest: str) -> str:
    """Return the name of a restored guest that was no good, until it is deleted."""
    return f"{guest}.failed"


def halves(guest: str) -> tuple[str, ...]:
    """Return all names of what is only half there: nothing to keep when nothing is under way."""
    return taking(guest), restoring(guest), trying(guest), failed(guest)
