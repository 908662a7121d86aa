"""One row of the traffic log, and how text that others wrote gets into it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Source = Literal["bridge", "proxy", "resolver", "pf"]
Verdict = Literal["allowed", "denied", "failed", "report", "open"]

VERDICTS: tuple[Verdict, ...] = ("allowed", "denied", "failed", "report")
"""What a finished row may say; `open` stands only for a connection that has not ended yet."""

MAX_FIELD = 256
"""Longest text of one field, in characters."""

MAX_TIME = 4102444800.0
"""Times from 2100 on are not believed."""

MAX_NUMBER = 2**53

NOT_PRINTABLE = re.compile(r"[^\x20-\x7e]")


@dataclass(frozen=True, slots=True)
class Row:
    """One connection, or `count` of them (of packets, for pf) that are noted together.

    `time` is its start in Unix seconds. `peer` is the guest's side, `target` the other one.
    `bytes_in` went to the guest, `bytes_out` came from it; None is "not known", never zero.
    """

    time: float
    source: Source
    service: str
    peer: str
    verdict: Verdict
    target: str | None = None
    bytes_in: int | None = None
    bytes_out: int | None = None
    duration_ms: int | None = None
    detail: str = ""
    count: int = 1


def clean(text: str) -> str:
    """Return `text` as one short line of printable ASCII: safe on a terminal, in JSON, in SQL.

    A log can hold whatever a guest, a server or a replaced program put there: escape sequences,
    line separators, letters that change the direction of writing.
    """
    cut = text if len(text) <= MAX_FIELD else text[: MAX_FIELD - 1] + "~"
    safe = NOT_PRINTABLE.sub(lambda found: f"\\x{ord(found[0]):02x}", cut)
    return safe if len(safe) <= MAX_FIELD else safe[: MAX_FIELD - 1] + "~"


def decode(line: bytes) -> str:
    """Return a line of a log as text; bytes that are no UTF-8 stay visible as escapes."""
    return line.decode("utf-8", "backslashreplace")


def number(text: str) -> int | None:
    """Return a count that somebody else wrote, None when it is none that can be believed."""
    if not text.isascii() or not text.isdigit() or len(text) > 16:
        return None
    value = int(text)
    return value if value <= MAX_NUMBER else None
