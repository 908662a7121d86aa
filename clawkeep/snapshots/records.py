"""What is written down: of each snapshot, of what is under way, and of what was done last."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Final, TypeVar

from clawkeep.backup.state import Did
from clawkeep.snapshots.errors import SnapshotError

SCHEDULED, BY_HAND, REPLACED, BASE = "scheduled", "by hand", "replaced", "base"
CREATE, RESTORE, VERIFY = "create", "restore", "verify"
FORMAT: Final = 1

#: What JSON may hold for a field declared so; `bool` is no number here.
ACCEPTED: Final[dict[str, tuple[type, ...]]] = {
    "str": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
}

T = TypeVar("T", bound="Record | Task")


@dataclass(frozen=True, slots=True)
class Facts:
    """What the guest said of itself when it was last asked: it may lie, and only proves presence.

    `databases` are the agent's SQLite files with their rows; `drained` is "" when the agent had
    ended what it did, else what was still at work. An empty `macos`: it was not asked.
    """

    macos: str = ""
    release: str = ""
    drained: str = ""
    databases: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Record:
    """A snapshot. `number` orders them, which no clock does; `t` is in Unix seconds.

    `model` is the digest of the keep as it was declared then, `image` what its guest was made of.
    `verified` is when it was last seen to boot and to be whole (Unix seconds, 0: never), `failed`
    what was wrong when it was last tried. `cost` is by how many bytes the volume had less room
    after the clone; `pause_s` how long the guest was down for it.
    """

    name: str
    guest: str
    kind: str
    number: int
    t: float
    reason: str
    model: str
    image: str = ""
    facts: Facts = field(default_factory=Facts)
    verified: float = 0.0
    failed: str = ""
    cost: int = 0
    pause_s: float = 0.0

    def text(self) -> str:
        """Return it as it is kept."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1, sort_keys=True) + "\n"


@dataclass(frozen=True, slots=True)
class Task:
    """What is under way, written before anything is changed.

    What has been done of it is told by the VMs that are there, not by this: no step needs another
    write, so a full disk holds no guest down. `name` is the snapshot that is made, tried or brought
    back; `kept` is what the replaced guest is to be called, "" when there was none; `up` whether
    the guest's job is to be loaded in the end; `slot` is the day that a scheduled one is for.
    """

    kind: str
    name: str
    guest: str
    t: float
    up: bool
    kept: str = ""
    slot: str = ""

    def text(self) -> str:
        """Return task.json."""
        return json.dumps({"format": FORMAT, **asdict(self)}) + "\n"


@dataclass(frozen=True, slots=True)
class State:
    """What was done last. `slot` is the last day whose scheduled snapshot was made.

    `since` is when snapshots were first declared here; `number` the highest that was given;
    `trying` the day that was last tried, `tries` how often, `tried` when, and `verify_slot` the day
    after whose snapshot one was verified, or was to be.
    """

    since: float = 0.0
    number: int = 0
    slot: str = ""
    trying: str = ""
    tries: int = 0
    tried: float = 0.0
    verify_slot: str = ""
    created: Did | None = None
    good: Did | None = None
    verified: Did | None = None

    def text(self) -> str:
        """Return state.json."""
        return json.dumps(asdict(self), indent=1) + "\n"

    def with_created(self, did: Did, slot: str = "") -> State:
        """Return the state after a snapshot was made, or was not."""
        after = replace(self, created=did)
        return replace(after, good=did, slot=slot or self.slot) if did.ok else after


def parse_record(text: str) -> Record:
    """Read a record. Raises SnapshotError."""
    data = _object(text, "a snapshot's record")
    facts = data.pop("facts", {})
    try:
        return replace(_built(Record, data), facts=Facts(**facts))
    except TypeError as error:
        raise SnapshotError(f"a snapshot's record is damaged: {error}") from error


def parse_task(text: str) -> Task:
    """Read task.json. Raises SnapshotError."""
    return _built(Task, _object(text, "task.json"))


def parse_state(text: str | None) -> State:
    """Read state.json; what cannot be read is as if nothing had ever been done."""
    try:
        data = json.loads(text or "{}")
        for name in ("created", "good", "verified"):
            if data.get(name):
                data[name] = Did(**data[name])
        return State(**data)
    except (ValueError, TypeError, AttributeError):
        return State()


def _object(text: str, what: str) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except ValueError as error:
        raise SnapshotError(f"{what} is damaged: {error}") from error
    if not isinstance(data, dict) or data.pop("format", None) != FORMAT:
        raise SnapshotError(f"{what} is none of this version")
    return data


def _built(kind: type[T], data: dict[str, Any]) -> T:
    """Make a dataclass of JSON values; a value of another type is an error, too."""
    try:
        found = kind(**data)
    except TypeError as error:
        raise SnapshotError(f"{kind.__name__.lower()}: {error}") from error
    for one in fields(found):
        value, wanted = getattr(found, one.name), ACCEPTED.get(str(one.type))
        if wanted and (
            not isinstance(value, wanted) or isinstance(value, bool) != (bool in wanted)
        ):
            raise SnapshotError(f"{kind.__name__.lower()}: {one.name} is {value!r:.40}")
    return found
