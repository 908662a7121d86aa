"""The proxy's log: one line is one row. The format is `formats.SQUID_LOGFORMAT`."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from clawkeep.traffic.rows import MAX_TIME, Row, Verdict, clean, number

SERVICE = "proxy"
TIME = re.compile(r"[0-9]{1,10}\.[0-9]{3}")
FIELDS = 13

#: Our note on a request (`formats.SQUID_NOTE`): how it was let pass or not.
NOTES: dict[str, Verdict] = {
    "allowed": "allowed",
    "window": "allowed",
    "report": "report",
    "denied": "denied",
}


def row(line: str) -> Row | None:
    """Return the row of one line, None when the line is not of our format.

    squid's own result decides before our note: what it denied was denied.
    """
    words = line.split(" ")
    if len(words) != FIELDS or not TIME.fullmatch(words[0]):
        return None
    time, took, client, port, method, url, status, result, sent, received, server, note, error = (
        words
    )
    duration_ms = number(took)
    ended = float(time)
    if duration_ms is None or ended >= MAX_TIME or not status.isdigit():
        return None
    notes = [part for part in (note.strip('"').split(",")) if part in NOTES]
    special = [note for note in notes[-1:] if note == "window"]
    details = (method, status, *(word for word in (result, error, *special) if word != "-"))
    return Row(
        time=round(max(0.0, ended - duration_ms / 1000), 3),
        source="proxy",
        service=SERVICE,
        peer=clean(f"{client}:{port}"),
        target=clean(_target(method, url, server)),
        bytes_in=number(received),
        bytes_out=number(sent),
        duration_ms=duration_ms,
        verdict=_verdict(result, int(status[:4]), notes[-1] if notes else ""),
        detail=clean(" ".join(details)),
    )


def _verdict(result: str, status: int, note: str) -> Verdict:
    if "DENIED" in result or note == "denied":
        return "denied"
    if result.startswith("NONE") or (not note and status >= 400):
        # squid's own error page: it never reached the server.
        return "failed"
    return NOTES.get(note, "allowed")


def _target(method: str, url: str, server: str) -> str:
    """Return `host:port`; of a plain URL the path is left out, which may hold secrets."""
    if method == "CONNECT":
        return url
    try:
        parts = urlsplit(url)
        if parts.hostname:
            return f"{parts.hostname}:{parts.port or 80}"
    except ValueError:
        pass
    return url if url.startswith("error:") else server
