"""What the host needs to know of the declared backup: backup.json. Standard library only."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Final

from clawkeep.backup.errors import BackupError

FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Source:
    """A folder of the guest or the host: `only` and `skip` are patterns of paths below it.

    `*` stands for anything within one name; `**/x` for any x, however deep.
    """

    name: str
    where: str
    root: str
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """Where to: `path` on the host, or on the server of a service that is reached by SSH."""

    path: str
    service: str = ""
    host: str = ""
    port: int = 22
    user: str = ""


@dataclass(frozen=True, slots=True)
class Retention:
    """How many of the newest, and of how many days, ISO weeks and months, one is kept (UTC)."""

    last: int = 1
    daily: int = 7
    weekly: int = 4
    monthly: int = 6


@dataclass(frozen=True, slots=True)
class Plan:
    """The declared backup, made each day at `at` by the host's clock.

    `user` is the guest's, whose files they are.
    """

    target: Target
    sources: tuple[Source, ...]
    user: str
    keep: Retention
    test_days: int = 7
    max_gb: int = 100
    at: str = "03:15"

    def text(self) -> str:
        """Return backup.json."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1, sort_keys=True) + "\n"


def parse(text: str) -> Plan:
    """Read backup.json. Raises BackupError."""
    try:
        data: dict[str, Any] = json.loads(text)
        if data.pop("format") != FORMAT:
            raise ValueError("another format")  # noqa: TRY301
        sources = (
            Source(**{**source, "only": tuple(source["only"]), "skip": tuple(source["skip"])})
            for source in data["sources"]
        )
        return Plan(
            **{
                **data,
                "target": Target(**data["target"]),
                "keep": Retention(**data["keep"]),
                "sources": tuple(sources),
            }
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BackupError(
            f"backup.json is none of this version ({error}); converge the phase operations"
        ) from error
