"""The bridges' logs: socat tells a connection in several lines, of which this makes one row.

The listening process notes `accepting connection`, then `refusing connection` or `forked off child
process N`; process N notes what became of it. Its first lines may come before its parent's. Killed
processes note no end. A listener that ends leaves its connections alone: another one may go on in
the same log while they last. Source: reference/macos.md §3, and samples of socat 1.7.4.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from clawkeep.traffic.rows import MAX_TIME, Row, Verdict, clean

LINE = re.compile(
    r"(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d)(?:\.(\d{6}))? [\w.-]{1,80}\[(\d{1,9})\] ([A-Z]) (.*)"
)
ACCEPTING = re.compile(r"accepting connection from (?:AF=\d+ )?(\S+) on ")
REFUSING = re.compile(r"refusing connection from (?:AF=\d+ )?(\S+) due to (.+)")
FORKED = re.compile(r"forked off child process (\d{1,9})")
OPENING = re.compile(r"opening connection to (?:AF=\d+ )?(\S+)")
ENDED = re.compile(r"exiting with status (\d+)|exit\((\d+)\)")
SIGNAL = re.compile(r"exiting on signal (\d+)")
CALL = re.compile(r"([a-z_]+)\(.*\): (.+)")

MAX_OPEN = 4096
"""Most connections that are followed at once; `max-children` is far below."""

NO_END = "no end was noted"


@dataclass(slots=True)
class Connection:
    """A connection that has not become a row yet; `since` is None before its parent named it."""

    since: float | None = None
    peer: str = ""
    target: str | None = None
    connected: bool = False
    reason: str = ""
    ended: float | None = None
    status: int = 0


class Bridge:
    """Follows one log of one bridge, line by line; `open` are the connections by process id."""

    def __init__(self, service: str, state: str = "") -> None:
        self.service = service
        self.open: dict[int, Connection] = {}
        self._listener: int | None = None
        self._accepted: tuple[float, str] | None = None
        self._evicted: list[Row] = []
        if state:
            data = json.loads(state)
            self._listener, accepted = data["listener"], data["accepted"]
            self._accepted = (accepted[0], accepted[1]) if accepted else None
            self.open = {int(pid): Connection(**values) for pid, values in data["open"].items()}

    def state(self) -> str:
        """Return what must be kept until the next line: the third argument of a next `Bridge`."""
        return json.dumps(
            {
                "listener": self._listener,
                "accepted": self._accepted,
                "open": {pid: asdict(connection) for pid, connection in self.open.items()},
            }
        )

    def feed(self, line: str) -> list[Row] | None:
        """Return the rows that `line` completes; None when it is no line of socat's."""
        rows = self._feed(line)
        if self._evicted:
            rows, self._evicted = [*(rows or []), *self._evicted], []
        return rows

    def _feed(self, line: str) -> list[Row] | None:  # noqa: PLR0911 - one for each kind of line
        found = LINE.fullmatch(line)
        moment = found and _moment(found[1], found[2])
        if not found or moment is None:
            return None
        pid, level, text = int(found[3]), found[4], found[5]
        if text.startswith("listening on "):
            return self._listening(pid)
        if match := ACCEPTING.match(text):
            return self._accepting(moment, pid, match[1])
        if match := REFUSING.match(text):
            return self._refused(moment, match[1], match[2])
        if match := FORKED.match(text):
            return self._forked(moment, int(match[1]))
        if pid != self._listener:
            return self._child(moment, pid, level, text)
        return self._failed(text) if level == "E" else []

    def finish(self, pids: set[int] | None = None, why: str = NO_END) -> list[Row]:
        """Return rows for connections (None: all) whose end nobody noted; how long is unknown."""
        gone = sorted(self.open if pids is None else pids & self.open.keys())
        return [row for pid in gone for row in self._row(self.open.pop(pid), why)]

    def live(self) -> list[Row]:
        """Return the connections that have not ended, as rows that say `open`."""
        return [
            Row(c.since, "bridge", self.service, c.peer, "open", target=c.target)
            for c in self.open.values()
            if c.since is not None and c.ended is None
        ]

    def _listening(self, pid: int) -> list[Row]:
        rows = [] if pid == self._listener else self._failed("accept(): nothing followed")
        self._listener = pid
        return rows

    def _accepting(self, moment: float, pid: int, peer: str) -> list[Row]:
        rows = self._failed("accept(): nothing followed")
        self._listener = pid
        self._accepted = (moment, clean(peer))
        return rows

    def _refused(self, moment: float, peer: str, why: str) -> list[Row]:
        self._accepted = None
        detail = clean(f"refused by {why}")
        return [Row(moment, "bridge", self.service, clean(peer), "denied", detail=detail)]

    def _failed(self, text: str) -> list[Row]:
        """Return the row of a connection that was accepted and then got no process."""
        if self._accepted is None:
            return []
        (since, peer), self._accepted = self._accepted, None
        return [Row(since, "bridge", self.service, peer, "failed", detail=_reason(text))]

    def _forked(self, moment: float, pid: int) -> list[Row]:
        rows = []
        known = self.open.get(pid)
        if known is not None and known.since is not None:
            # The kernel gave the number away again: that process is no more.
            rows = self.finish({pid})
            known = None
        connection = known or Connection()
        connection.since, connection.peer = self._accepted or (moment, "")
        self._accepted = None
        if connection.ended is not None:
            self.open.pop(pid)
            return rows + self._row(connection)
        self._keep(pid, connection)
        return rows

    def _child(self, moment: float, pid: int, level: str, text: str) -> list[Row]:
        end = ENDED.match(text)
        told = end or OPENING.match(text) or SIGNAL.match(text) or level == "E"
        if not told and not text.startswith(("starting data transfer", "inactivity timeout")):
            return []
        connection = self.open.get(pid) or self._keep(pid, Connection())
        if match := OPENING.match(text):
            connection.target = clean(match[1])
        elif text.startswith("starting data transfer"):
            connection.connected = True
        elif text.startswith("inactivity timeout"):
            connection.reason = "idle for too long"
        elif match := SIGNAL.match(text):
            connection.reason = f"ended by signal {match[1]}"
        elif end:
            connection.ended, connection.status = moment, int((end[1] or end[2])[:4])
            if connection.since is not None:
                return self._row(self.open.pop(pid))
        else:
            connection.reason = _reason(text)
        return []

    def _keep(self, pid: int, connection: Connection) -> Connection:
        """Follow a connection; past the limit the oldest that was never named goes first."""
        while len(self.open) >= MAX_OPEN:
            unnamed = (p for p, c in self.open.items() if c.since is None)
            oldest = self.open.pop(next(unnamed, next(iter(self.open))))
            self._evicted += self._row(oldest, NO_END)
        self.open[pid] = connection
        return connection

    def _row(self, c: Connection, why: str = "") -> list[Row]:
        """Return a connection's row; none for lines whose beginning was never seen."""
        if c.since is None:
            return []
        verdict: Verdict = "allowed" if c.connected else "failed"
        status = f"exit status {c.status}" if c.status and not c.reason else ""
        duration = None if c.ended is None else max(0, round((c.ended - c.since) * 1000))
        return [
            Row(
                c.since,
                "bridge",
                self.service,
                c.peer,
                verdict,
                target=c.target,
                duration_ms=duration,
                detail=", ".join(part for part in (c.reason, status, why) if part),
            )
        ]


def _moment(text: str, micros: str | None) -> float | None:
    """Return Unix seconds.

    With microseconds it is UTC, as bridges are started (`formats.SOCAT_LOGGING`,
    `SOCAT_ENVIRONMENT`); without, socat's habit: the host's local time, whole seconds.
    """
    try:
        year, month, day = map(int, text[:10].split("/"))
        hour, minute, second = map(int, text[11:].split(":"))
        zone = UTC if micros else None
        moment = datetime(year, month, day, hour, minute, second, tzinfo=zone).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
    return moment + int(micros or 0) / 1_000_000 if 0 <= moment < MAX_TIME else None


def _reason(text: str) -> str:
    """Shorten `connect(6, AF=2 10.0.0.1:443, 16): Connection refused` to what it says."""
    match = CALL.fullmatch(text)
    return clean(f"{match[1]}: {match[2]}" if match else text)
