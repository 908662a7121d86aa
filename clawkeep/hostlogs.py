"""The host's store of logs, read from the operator's side: merged by time, also while it grows."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass

from clawkeep.agent.logs import Note, printable
from clawkeep.remote import on_host
from clawkeep.target import Target
from clawkeep.traffic.spans import SECONDS, SPAN, since
from clawkeep.transport import HostSession, TransportError

SOURCES = ("agent", "guard", "canary", "bridges", "squid", "converge")
AGAIN_S = 2.0
TIMEOUT_S = 90.0


@dataclass(frozen=True)
class Entry:
    """One line: when it was written, in Unix seconds (or came in, `dated` False), and its text."""

    t: float
    source: str
    log: str
    text: str
    dated: bool


def start(when: str) -> list[str]:
    """Return `--since` for the host: a span is reckoned by its clock. Raises ValueError."""
    moment = since(when, time.time())
    if match := SPAN.fullmatch(when):
        return ["--ago", str(int(match[1]) * SECONDS[match[2]])]
    return ["--since", str(moment)]


def read(
    target: Target,
    source: str | None,
    begin: list[str],
    *,
    follow: bool = False,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Entry | Note]:
    """Yield lines, oldest first; with `follow` it never ends, and waits while the host is away.

    Raises TransportError, OSError when there is no way to it.
    """
    named = ["--source", source] if source else []
    cursor, away = "", False
    while True:
        try:
            session = HostSession(target)
            try:
                while True:
                    words = ["--cursor", cursor] if cursor else begin
                    cursor = yield from _once(session, [*named, *words], cursor)
                    away = False
                    if not follow:
                        return
                    sleep(AGAIN_S)
            finally:
                session.close()
        except (TransportError, OSError) as error:
            if not follow or isinstance(error, BrokenPipeError):
                raise
            if not away:
                away = True
                yield Note(f"{error}; waiting for the host")
        sleep(AGAIN_S)


def _once(
    session: HostSession, words: list[str], cursor: str
) -> Generator[Entry | Note, None, str]:
    """Yield what one answer of the host holds; return where to go on."""
    outcome = on_host(session, ["logs", "show", *words], TIMEOUT_S)
    for line in outcome.stderr.splitlines():
        yield Note(printable(line))
    if outcome.status not in {0, 1}:
        raise TransportError(f"{session.target.name}: clawkeep logs ended with {outcome.status}")
    for line in outcome.stdout.splitlines():
        try:
            data = json.loads(line)
            if "cursor" in data:
                cursor = str(data["cursor"])
            else:
                yield Entry(
                    float(data["t"]),
                    str(data["source"]),
                    printable(str(data["log"])),
                    printable(str(data["text"])),
                    data["dated"] is True,
                )
        except (ValueError, TypeError, KeyError):
            continue
    return cursor
