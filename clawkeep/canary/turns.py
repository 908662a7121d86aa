"""When a scheduled run asks the declared services, too: not each time, for they note every visit.

What must be silent is tried in every run. What must answer gets a real connection, which the
traffic log and the service behind the door keep, so it is asked every SERVICES_S seconds, and in
between only what did not answer last time. Whatever changes is asked at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from clawkeep.canary.judge import DEGRADED, GREEN, SILENT
from clawkeep.canary.probe import ANSWER
from clawkeep.link import Link
from clawkeep.policy import Openings

SERVICES_S = 300
"""A service that does not answer is found within this and one more run."""

EARLY_S = 15
"""Runs are half a minute apart, more or less: the one that is nearest to SERVICES_S asks."""


def mark(openings: Openings, link: Link) -> str:
    """Return what tells these services, of this guest, from all others."""
    return hashlib.sha256(repr((openings, link)).encode()).hexdigest()[:16]


def due(last: Mapping[str, Any], marked: str, now: float) -> frozenset[str] | None:
    """Return which services to ask, by their probes' names; None: all of them.

    `last` is the result before this one as it was left for the guard, `now` is `clock.now`'s. A
    result that could not tell, or that makes no sense, settles nothing.
    """
    asked, verdict = last.get("services"), last.get("verdict")
    if not isinstance(asked, dict) or verdict not in (GREEN, DEGRADED):
        return None
    moment = asked.get("t")
    if asked.get("of") != marked or not isinstance(moment, int | float):
        return None
    if not 0 <= now - moment < SERVICES_S - EARLY_S:
        return None
    rows = last.get("probes")
    return frozenset(
        str(row.get("name"))
        for row in (rows if isinstance(rows, list) else [])
        if isinstance(row, dict) and (row.get("expected"), row.get("outcome")) == (ANSWER, SILENT)
    )
