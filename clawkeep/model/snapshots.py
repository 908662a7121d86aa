"""When snapshots of the guest are made, and which are kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, Field

from clawkeep.model.backup import Backup, Location, time_of_day
from clawkeep.model.base import Declared

APART_MIN = 30
"""So long a backup gets before the guest goes down, and the guest to come back before a backup."""


class Snapshots(Declared):
    """The declared snapshots; see group_data/all.py."""

    at: Annotated[str, AfterValidator(time_of_day)] = "04:30"
    keep: Annotated[int, Field(ge=1, le=100)] = 7
    verify_days: Annotated[int, Field(ge=1, le=365)] = 7
    free_gb: Annotated[int, Field(ge=5, le=10_000)] = 20
    drain_s: Annotated[int, Field(ge=0, le=1800)] = 60


def snapshot_conflicts(
    snapshots: Snapshots, backup: Backup | None
) -> Iterator[tuple[Location, str]]:
    """Yield where declared snapshots do not fit the rest of the keep."""
    if backup is None:
        return
    apart = abs(_minutes(snapshots.at) - _minutes(backup.at))
    if min(apart, 24 * 60 - apart) < APART_MIN:
        text = (
            f"{snapshots.at} is less than {APART_MIN} minutes from the backup's {backup.at}: the "
            "guest is down for the one while the other reads it; take another time"
        )
        yield ("snapshots", "at"), text


def _minutes(at: str) -> int:
    hour, minute = map(int, at.split(":"))
    return hour * 60 + minute
