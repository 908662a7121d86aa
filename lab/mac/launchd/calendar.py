"""When a StartCalendarInterval is due next.

Missing fields are wildcards; Day and Weekday are ORed; 0 and 7 are both Sunday. Local time.
Source: reference/macos.md §4.1 (launchd.plist(5)).
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

HORIZON_DAYS = 366 * 5
RANGES = {"Minute": (0, 59), "Hour": (0, 23), "Day": (1, 31), "Weekday": (0, 7), "Month": (1, 12)}


def due_on(day: datetime, entry: Mapping[str, int]) -> bool:
    """Say whether an entry can be due on this day."""
    if entry.get("Month", day.month) != day.month:
        return False
    tests = []
    if "Day" in entry:
        tests.append(entry["Day"] == day.day)
    if "Weekday" in entry:
        tests.append(entry["Weekday"] % 7 == day.isoweekday() % 7)
    return any(tests) if tests else True


def next_of(entry: Mapping[str, int], after: datetime) -> datetime | None:
    """Return the first due minute later than `after`; None when there is none (31 February)."""
    start = after.replace(second=0, microsecond=0) + timedelta(minutes=1)
    hours = [entry["Hour"]] if "Hour" in entry else list(range(24))
    minutes = [entry["Minute"]] if "Minute" in entry else list(range(60))
    for offset in range(HORIZON_DAYS):
        day = start.replace(hour=0, minute=0) + timedelta(days=offset)
        if not due_on(day, entry):
            continue
        for hour in hours:
            for minute in minutes:
                candidate = day.replace(hour=hour, minute=minute)
                if candidate >= start:
                    return candidate
    return None


def next_due(entries: Iterable[Mapping[str, int]], after: datetime) -> datetime | None:
    """Return the earliest due minute of several entries."""
    return min((due for entry in entries if (due := next_of(entry, after))), default=None)
