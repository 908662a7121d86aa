"""The logs of the host by source, and when each of their lines was written.

guard      what it says, and the events of the keep (events.jsonl)
canary     what it says
bridges    socat's, one per service
squid      the proxy's requests and its own words, the resolver's, what the daemons say
converge   what each run and each verb has changed (journal.jsonl)
agent      NanoClaw's, which the guest keeps and cleans itself
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from clawkeep.onhost import grants, paths

SOURCES = ("agent", "guard", "canary", "bridges", "squid", "converge")
LATEST = datetime(2200, 1, 1, tzinfo=UTC).timestamp()

Dated = tuple[float | None, str]
"""When a line was written (None: it does not say), and what it says."""

SOCAT = re.compile(r"(\d{4})/(\d\d)/(\d\d) (\d\d):(\d\d):(\d\d)(?:\.(\d{6}))? (.*)")
SQUID = re.compile(r"(\d{10}\.\d{3}) (.*)")


@dataclass(frozen=True, slots=True)
class Log:
    """One log of a source: its place, what it is called, and how its lines are dated."""

    source: str
    path: Path
    dated: Callable[[str], Dated]

    @property
    def name(self) -> str:
        """What it is called in the store."""
        return self.path.name


def logs(folder: Path = paths.LOGS) -> list[Log]:
    """Return the logs that are there or may come to be."""
    found = [
        Log("guard", Path("/var/log/com.nanoclaw.guard.log"), undated),
        Log("guard", paths.EVENTS, event),
        Log("canary", Path("/var/log/com.nanoclaw.canary.log"), undated),
        Log("converge", grants.JOURNAL, change),
    ]
    try:
        names = sorted({name.removesuffix(".1") for name in os.listdir(folder)})
    except OSError:
        names = []
    for name in names[:512]:
        if not name.endswith(".log"):
            continue
        source = "bridges" if name.startswith("bridge-") else "squid"
        form = socat if source == "bridges" else squid if name == "access.log" else undated
        found.append(Log(source, folder / name, form))
    return found


def undated(line: str) -> Dated:
    """Return a line that does not say when it was written."""
    return None, line


def event(line: str) -> Dated:
    """Date a line of events.jsonl."""
    return _json(line, lambda data: f"{data['kind']}: {data['text']}")


def change(line: str) -> Dated:
    """Date a line of the journal."""
    return _json(line, lambda data: f"{data['machine']}: {data['did']} ({data['who']})")


def socat(line: str) -> Dated:
    """Date a line of socat's; bridges write UTC (`formats.SOCAT_ENVIRONMENT`)."""
    match = SOCAT.fullmatch(line)
    if not match:
        return None, line
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    try:
        moment = datetime(year, month, day, hour, minute, second, int(match[7] or 0), UTC)
    except ValueError:
        return None, line
    return _sound(moment.timestamp()), match[8]


def squid(line: str) -> Dated:
    """Date a line of the proxy's log (`formats.SQUID_LOGFORMAT`)."""
    match = SQUID.fullmatch(line)
    return (_sound(float(match[1])), match[2]) if match else (None, line)


def iso(text: str) -> float | None:
    """Return the Unix time of an ISO time with a zone, None for anything else."""
    try:
        moment = datetime.fromisoformat(text)
        return _sound(moment.timestamp()) if moment.tzinfo else None
    except (ValueError, OverflowError, OSError):
        return None


def _json(line: str, words: Callable[[dict[str, str]], str]) -> Dated:
    try:
        data = json.loads(line)
        return iso(str(data["t"])), words(data)
    except (ValueError, TypeError, KeyError, RecursionError):
        return None, line


def _sound(moment: float) -> float | None:
    return moment if 0 < moment < LATEST else None
