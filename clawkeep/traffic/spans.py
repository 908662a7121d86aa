"""Spans of time as people give them: `24h`, a moment, a day of the host's calendar."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta

SPAN = re.compile(r"([1-9][0-9]{0,5})([smhdw])")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def since(text: str, now: float) -> float:
    """Return the Unix time that `--since` names: `90s`, `15m`, `24h`, `7d`, or an ISO time.

    An ISO time without a zone is the host's local time. Raises ValueError.
    """
    if match := SPAN.fullmatch(text):
        return now - int(match[1]) * SECONDS[match[2]]
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        raise ValueError(
            f"{text!r:.60} is neither a span (90s, 15m, 24h, 7d) nor a time (2026-11-21T08:00)"
        ) from None


def day(text: str) -> date:
    """Return the day `2026-11-21`. Raises ValueError."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r:.60} is no day such as 2026-11-21") from None


def bounds(which: date) -> tuple[float, float]:
    """Return when a day of the host's local time begins and ends, in Unix seconds.

    A day on which the clocks change has 23 or 25 hours: both ends are asked of the calendar.
    """
    begin = datetime(which.year, which.month, which.day)
    following = which + timedelta(days=1)
    end = datetime(following.year, following.month, following.day)
    return begin.timestamp(), end.timestamp()


def local_day(moment: float) -> date:
    """Return the day of the host's local time that `moment` lies in."""
    return datetime.fromtimestamp(moment).date()


def clock(moment: float, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """Return a moment in the host's local time."""
    return datetime.fromtimestamp(moment).strftime(form)
