"""What is asked: one source per verb, with the words an operator types for the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from clawkeep.onhost.plain import plain

ERROR_WIDTH: Final = 300


@dataclass(frozen=True, slots=True)
class Source:
    """One verb. `command` is what an operator types to see the same.

    `host` are the words for the host's own verb, `kept` a file in the operator's state folder,
    `within` a part of the status (`kept.audit`), which has none of them: it is gathered here.
    `aside`: it is gathered here, too, and takes so long that nobody waits for it. `every_s` are
    the least seconds between two asks. `lines`: it prints one JSON object a line. `unless` are
    words of an error that say that this part of a keep was never set up; any other is an error.
    """

    name: str
    command: str
    host: tuple[str, ...] = ()
    kept: str = ""
    within: str = ""
    aside: bool = False
    every_s: float = 0.0
    lines: bool = False
    unless: tuple[str, ...] = ()

    def absent(self, answer: Answer) -> bool:
        """Tell whether this part was never set up: no data, for a reason that is none to worry."""
        return answer.data is None and any(words in answer.error for words in self.unless)


STATUS: Final = "status"

DOCTOR: Final = "doctor"
SKILLS: Final = "skills"

UNKNOWN: Final = "the Clawkeep that is there does not know it; clawkeep apply"
UNDONE: Final = "has not been run yet"
UNDECLARED: Final = "no skill is declared"
UNSAID: Final = "the status does not have it; clawkeep apply operations"

SOURCES: Final = (
    Source(STATUS, "clawkeep status"),
    Source("health", "clawkeep health", within="health", unless=(UNSAID,)),
    Source("bridges", "clawkeep bridges", host=("bridges", "--json")),
    Source("day", "clawkeep traffic digest", host=("traffic", "digest", "--json"), every_s=60),
    Source(
        "denied",
        "clawkeep traffic --since 24h --denied",
        host=("traffic", "show", "--since=24h", "--denied", "--limit=20", "--json"),
        every_s=60,
    ),
    Source("canary", "clawkeep canary --last", host=("canary", "--last")),
    Source("alerts", "clawkeep alert", host=("alert", "list", "--json")),
    Source("grants", "clawkeep grants", host=("grants", "--json")),
    Source(
        "snapshots",
        "clawkeep snapshot list",
        host=("snapshot", "list", "--json"),
        every_s=60,
        unless=(UNKNOWN,),
    ),
    Source("snapshot", "clawkeep snapshot status", within="kept.snapshots", unless=(UNSAID,)),
    Source(
        "backup",
        "clawkeep backup status",
        host=("backup", "status", "--json"),
        every_s=60,
        unless=("no backup is declared",),
    ),
    Source("audit", "clawkeep audit", kept="audit.json", unless=(UNDONE,)),
    Source("scheduled", "clawkeep audit --schedule show", within="kept.audit", unless=(UNSAID,)),
    Source(DOCTOR, "clawkeep doctor", aside=True, every_s=600),
    Source(SKILLS, "clawkeep skills", aside=True, every_s=600, unless=(UNDECLARED,)),
    Source(
        "events",
        "clawkeep logs guard --since 24h",
        host=("logs", "show", "--source=guard", "--ago=86400", "--limit=40"),
        lines=True,
    ),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a source last said.

    `data` is its JSON, None as long as there is none; `at` is when that was learned, in Unix
    seconds, and `error` why it is not newer, "" when it is of the last ask, which was at `asked`.
    """

    data: Any = None
    at: float | None = None
    error: str = ""
    asked: float | None = None

    def failed(self, error: str, now: float) -> Answer:
        """Return the answer after an ask that failed: what was known stays, with its age."""
        return replace(self, error=plain(error, ERROR_WIDTH) or "no answer", asked=now)


@dataclass(frozen=True, slots=True)
class Overview:
    """All answers by the name of their source; `began` and `ended` are the last ask's moments.

    `error` says why the host could not be asked at all.
    """

    host: str = ""
    answers: Mapping[str, Answer] | None = None
    began: float | None = None
    ended: float | None = None
    error: str = ""

    def of(self, name: str) -> Answer:
        """Return what a source said; an empty answer when it was never asked."""
        return (self.answers or {}).get(name, Answer())
