"""How a look at something ends: the exit status of the verbs that look."""

from __future__ import annotations

from enum import IntEnum


class Verdict(IntEnum):
    """The exit status: all well, something is not, cannot tell."""

    WELL = 0
    BAD = 1
    UNKNOWN = 2
