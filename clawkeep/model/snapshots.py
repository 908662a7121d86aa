"""When snapshots of the guest are made, and which are kept."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from clawkeep.model.backup import time_of_day
from clawkeep.model.base import Declared


class Snapshots(Declared):
    """The declared snapshots; see group_data/all.py."""

    at: Annotated[str, AfterValidator(time_of_day)] = "04:30"
    keep: Annotated[int, Field(ge=1, le=100)] = 7
    verify_days: Annotated[int, Field(ge=1, le=365)] = 7
    free_gb: Annotated[int, Field(ge=5, le=10_000)] = 20
    drain_s: Annotated[int, Field(ge=0, le=1800)] = 60
