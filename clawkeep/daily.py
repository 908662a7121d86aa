"""What is done once a day at its time. Pure.

launchd only ticks. Whether it is time is decided by days: a day has its turn once, whether its hour
comes twice, never (the clocks are changed), or passes while the Mac sleeps or is off.
"""

from __future__ import annotations

import datetime as dt

RETRY_S = 3600.0
"""What has failed is tried again after so long."""


def slot(at: str, now: float) -> str:
    """Return the day (ISO, local) whose time `at` was the last to pass at `now` (Unix seconds)."""
    local = dt.datetime.fromtimestamp(now)
    day = local.date()
    if local.strftime("%H:%M") < at:
        day -= dt.timedelta(days=1)
    return day.isoformat()


def done(day: str, today: str) -> bool:
    """Tell whether `day` is today or just ahead; one far ahead was dated by a clock that lied."""
    if not day:
        return False
    return 0 <= (dt.date.fromisoformat(day) - dt.date.fromisoformat(today)).days <= 1
