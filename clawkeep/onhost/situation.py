"""What must be in force at this moment, from what is on record; and what was in force last.

Whatever is damaged opens nothing, and is said.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import Field, asdict, dataclass, fields
from typing import Any, TypeVar

from clawkeep.link import Link
from clawkeep.onhost import clock, paths, store, world
from clawkeep.policy import Door, Openings, Policy, PolicyError, Window, openings

T = TypeVar("T")

CAUSES = frozenset({"leak", "unable", "blind"})

#: Two programs' readings of the clock may be so far apart.
APART_S = 5.0


@dataclass(frozen=True, slots=True)
class Cut:
    """Why the guest is cut off although it runs. Kept over reboots: a leak does not mend itself.

    `cause` is `leak` (something passed that must not), `unable` (nobody can tell) or `blind` (pf
    does not see the guest's packets). `since` is in seconds of `clock.now`. A `latched` cut ends
    only by `enforce --reopen`.
    """

    cause: str
    why: str
    since: float
    latched: bool = False

    def text(self) -> str:
        """Return cut.json."""
        return json.dumps(asdict(self)) + "\n"


def cut() -> Cut | None:
    """Return the cut on record; one that cannot be read stands, and is latched. Never raises."""
    try:
        text = store.read(paths.CUT)
        if text is None:
            return None
        found = Cut(**json.loads(text))
        if found.cause in CAUSES and isinstance(found.since, int | float):
            return found
        why = f"{paths.CUT} is damaged"
    except (ValueError, TypeError):
        why = f"{paths.CUT} is damaged"
    except OSError as error:
        why = f"{paths.CUT} cannot be read: {error}"
    return Cut("leak", why, clock.now(), latched=True)


@dataclass(frozen=True, slots=True)
class Situation:
    """The declared state of this moment; without a valid policy nothing is open.

    `next_change` is when something ends by itself, in Unix seconds.
    """

    policy: Policy | None
    openings: Openings
    cut: Cut | None = None
    damage: tuple[str, ...] = ()
    next_change: float | None = None


def situation(now: float | None = None) -> Situation:
    """Read policy, grants, window and cut. Never raises for what they contain."""
    moment = clock.now() if now is None else now
    damage: list[str] = []

    def sound(read: Callable[[], T]) -> T | None:
        try:
            return read()
        except (PolicyError, OSError, UnicodeDecodeError) as error:
            damage.append(str(error))
            return None

    policy: Policy | None = sound(world.policy)
    granted: tuple[Door, ...] = sound(world.grants) or ()
    window: Window | None = sound(world.window)
    if window is not None and window.since > moment + APART_S:
        damage.append("window: it begins in the future, so nobody has opened it")
        window = None
    if policy is None:
        return Situation(None, Openings(), cut(), tuple(damage))
    ends = [grant.until for grant in granted] + [window.until if window else None]
    ends.append(policy.egress.report_until)
    return Situation(
        policy,
        openings(policy, granted, window, now=moment),
        cut(),
        tuple(damage),
        min((end for end in ends if end is not None and end > moment), default=None),
    )


def opened_now() -> Openings:
    """Return what is declared to be open now. Raises PolicyError without a valid policy."""
    now = situation()
    if now.policy is None:
        raise PolicyError(now.damage[0])
    return now.openings


@dataclass(frozen=True, slots=True)
class Record:
    """What was last enforced: the contents of enforced.json, gone at each boot.

    `state` is `open`, `closed`, `cut` or `failed`; `since` is when it became that, `link_since`
    when the guest got its link, `repaired` when enforcement had been lost and was last brought
    back, all in seconds of `clock.now`. `rules` tells the doors' rules from all others.
    """

    state: str = ""
    why: str = ""
    since: float = 0.0
    link: dict[str, str] | None = None
    link_since: float = 0.0
    doors: tuple[str, ...] = ()
    digest: str = ""
    problems: tuple[str, ...] = ()
    proof: str = ""
    repaired: float = 0.0
    rules: str = ""


def recorded() -> Record:
    """Return the last record, an empty one when there is none that can be read. Never raises."""
    try:
        data: dict[str, Any] = json.loads(store.read(paths.ENFORCED) or "{}")
        data = {key: tuple(v) if isinstance(v, list) else v for key, v in data.items()}
        found = Record(**data)
    except (OSError, ValueError, TypeError, AttributeError):
        return Record()
    return found if all(map(_sound, fields(Record), asdict(found).values())) else Record()


def _sound(field: Field[Any], value: object) -> bool:
    """Tell whether a value of the record is of its type: a guard must not stumble over one."""
    kinds: dict[object, tuple[type, ...]] = {
        "str": (str,),
        "float": (int, float),
        "tuple[str, ...]": (tuple,),
        "dict[str, str] | None": (dict, type(None)),
    }
    return isinstance(value, kinds[field.type])


def link_of(record: Record) -> Link | None:
    """Return the link of the record."""
    return world.link_from(record.link)
