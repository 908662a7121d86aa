"""What the host needs to know of the declared snapshots: snapshots.json."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Final

from clawkeep.snapshots.errors import SnapshotError

FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Plan:
    """The declared snapshots; without a declaration there are these, and none is made by itself.

    `at` is the time of day by the host's clock, "" for no daily one; `keep` how many of each kind;
    `verify_days` the days between two that are verified by boot; `free_gb` decimal GB that stay
    free; `drain_s` the seconds that the agent gets to end what it does. `image` is what the guest
    was declared to be made of.
    """

    at: str = ""
    keep: int = 7
    verify_days: int = 7
    free_gb: int = 20
    drain_s: int = 60
    image: str = ""

    def text(self) -> str:
        """Return snapshots.json."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1, sort_keys=True) + "\n"


def parse(text: str | None) -> Plan:
    """Read snapshots.json, None for a host without it. Raises SnapshotError."""
    if text is None:
        return Plan()
    try:
        data: dict[str, Any] = json.loads(text)
        if data.pop("format") != FORMAT:
            raise ValueError("another format")  # noqa: TRY301
        return Plan(**data)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise SnapshotError(
            f"snapshots.json is none of this version ({error}); converge the phase operations"
        ) from error
