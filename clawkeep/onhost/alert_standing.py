"""What stands, in a small file for whoever only looks: the queue itself is root's alone."""

from __future__ import annotations

import json
from collections.abc import Collection
from contextlib import suppress
from typing import Any, Final

from clawkeep.alerts import Queue
from clawkeep.onhost import paths, store
from clawkeep.onhost.alert_watch import SOURCE

ANEW_S: Final = 20.0
"""It is written again so often, so that its age tells whether anybody still looks."""

MOST: Final = 50


def write(queue: Queue, seen: Collection[str], now: float) -> None:
    """Bring the file up to date; `seen` are the keys of what was just seen to be so.

    An alert of the watch that is not among them is over, and only waits a moment to be called so.
    A full disk must not keep alerts from being sent: then the file grows old. Raises sqlite3.Error.
    """
    standing = [
        {
            "key": alert.key,
            "severity": alert.severity,
            "text": alert.text,
            "since": alert.since,
            "silenced": queue.silenced(alert.key, now),
            "settling": alert.source == SOURCE and alert.key not in seen,
        }
        for alert in queue.alerts(active=True)
    ]
    waiting = sum(queue.waiting(route.name) for route in queue.routes)
    data = {"hooks": len(queue.routes), "waiting": waiting, "count": len(standing),
            "standing": standing[:MOST]}  # fmt: skip
    with suppress(OSError):
        there = _there()
        at = there.pop("t", None)
        if there == data and isinstance(at, int | float) and 0 <= now - at < ANEW_S:
            return
        store.write(paths.STANDING, json.dumps({"t": now, **data}) + "\n")


def _there() -> dict[str, Any]:
    try:
        found = json.loads(store.read(paths.STANDING) or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
