"""The agent's log, read from the guest: line by line, over rotations and restarts of the guest."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from clawkeep.agent.guest import NotRunningError, inside
from clawkeep.model import Keep
from clawkeep.render.agent_logs import PROGRAM
from clawkeep.target import Target
from clawkeep.transport import TransportError

SILENT_S = 30
"""The guest sends a sign of life every 5 s."""

AGAIN_S = 2
STAMP = re.compile(r"\[\d\d:\d\d:\d\d\.\d{3}\] ")
PLACE = re.compile(r"\d{1,12}:\d{1,18}")


@dataclass(frozen=True)
class Line:
    """One line of the log.

    `time` is the guest's local time with its offset, `stream` is `out`, `err`, `job` (the log job
    itself) or `---` (a notice of it), `text` is as NanoClaw wrote it, with its stamp, but without
    colours and secrets. `more`: the next one goes on with the same line. `place` is where to read
    on after it.
    """

    time: str
    stream: str
    text: str
    place: str
    more: bool = False

    @property
    def words(self) -> str:
        """The text without NanoClaw's own stamp, which has no date."""
        return STAMP.sub("", self.text, count=1) if self.text.startswith("[") else self.text


@dataclass(frozen=True)
class Note:
    """A word of ours about the log, not of it."""

    text: str


def parse(data: bytes) -> Line | Note | None:
    """Read what the guest's `logs.py show` prints; None for a sign of life and for nonsense."""
    try:
        values = json.loads(data)
    except ValueError:
        return None
    if not isinstance(values, dict):
        return None
    if isinstance(note := values.get("note"), str):
        return Note(printable(note))
    found = [values.get(name) for name in ("t", "s", "x", "p")]
    if not all(isinstance(value, str) for value in found) or not PLACE.fullmatch(str(found[3])):
        return None
    moment, stream, text, place = (printable(str(value)) for value in found)
    return Line(moment, stream, text, place, values.get("more") is True)


def printable(text: str) -> str:
    """Return a text that cannot move a terminal's cursor or change its colours."""
    return "".join(
        letter if letter.isprintable() or letter == "\t" else "\ufffd" for letter in text
    )


def read(
    keep: Keep,
    target: Target,
    since: list[str],
    *,
    follow: bool = False,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Line | Note]:
    """Yield the log from `since` on, a span or a time as `logs.py show` takes it.

    With `follow` it never ends: while the guest is away it waits, and goes on where it was.
    Raises NotRunningError, TransportError, OSError when there is no way to it.
    """
    start, away = since, False
    while True:
        try:
            for found in _once(keep, target, start, follow):
                away = False
                if isinstance(found, Line):
                    start = ["--place", found.place]
                yield found
            if not follow:
                return
        except (NotRunningError, TransportError, OSError) as error:
            if not follow:
                raise
            if not away:
                away = True
                yield Note(f"{error}; waiting for the guest")
        sleep(AGAIN_S)


def _once(keep: Keep, target: Target, start: list[str], follow: bool) -> Iterator[Line | Note]:
    arguments = [PROGRAM, "show", *start, *(["--follow"] if follow else [])]
    with inside(keep, target) as guest:
        for data in guest.lines(arguments, SILENT_S):
            if found := parse(data):
                yield found
