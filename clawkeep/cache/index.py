"""What the cache holds: one item per file, called by its SHA-256. Standard library only."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

FORMAT = 1
SHA256 = re.compile(r"[0-9a-f]{64}")
#: A place below the folder that a guest installs from; never out of it.
PLACE = re.compile(r"(?!.*(?:^|/)\.\.?(?:/|$))[A-Za-z0-9@+._-]+(?:/[A-Za-z0-9@+~!._-]+)*")
KINDS = ("formula", "npm", "pip", "model", "source")
PLURALS = {
    "formula": "formulas",
    "npm": "npm packages",
    "pip": "pip tools",
    "model": "models",
    "source": "sources",
}


class BadIndexError(ValueError):
    """An index that cannot be read; nothing is installed by it."""


@dataclass(frozen=True, order=True)
class Item:
    """One file of the cache.

    Attributes:
        kind: which tool it is for, one of KINDS.
        name: of the package that it belongs to, with its version.
        version: of that package, "" where it has none.
        sha256: of its content, in hex; also its name in the cache.
        size: in bytes.
        place: where its tool wants it, relative to the folder that a guest installs from.
        said_by: who said which hash it must have: `brew`, `npm`, `pip`, `declaration`; `recorded`
            when nobody did, and it is only known to be what was fetched.
        wants: the keys of what it is there for, see `Want.key`.
    """

    kind: str
    name: str
    version: str
    sha256: str
    size: int
    place: str
    said_by: str
    wants: tuple[str, ...]

    @property
    def title(self) -> str:
        """What a message calls it."""
        known = self.version and self.version not in self.name
        return f"{self.kind} {self.name}{f' {self.version}' if known else ''}"


@dataclass(frozen=True)
class Want:
    """One thing that a declaration needs.

    Attributes:
        kind: one of KINDS.
        name: as its tool calls it: `jq`, `@openai/codex@1.2.3`, `edge-tts==7.3.1`, a model's path.
        basis: what else decides which files it comes to: the kind of machine, the interpreter, a
            hash. Another basis is another want.
        used_by: what declares it: `guest`, `agent`, `skills.whisper`.
        data: what its fetcher must know besides.
    """

    kind: str
    name: str
    basis: str
    used_by: str
    data: Mapping[str, Any]

    @property
    def key(self) -> str:
        """What the index knows it by, and a message calls it."""
        return f"{self.kind} {self.name} ({self.basis})"

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Want:
        """Read what `dataclasses.asdict` made of one."""
        return cls(**{name: data[name] for name in cls.__dataclass_fields__})


@dataclass(frozen=True)
class Index:
    """All items, in the order of kind and name."""

    items: tuple[Item, ...] = ()

    def of(self, keys: Iterable[str]) -> tuple[Item, ...]:
        """Return the items that are there for any of the wants."""
        wanted = set(keys)
        return tuple(item for item in self.items if wanted.intersection(item.wants))

    def lacking(self, wants: Iterable[Want]) -> tuple[Want, ...]:
        """Return the wants that it has nothing for. Items of one want come together or not."""
        known = {key for item in self.items for key in item.wants}
        return tuple(want for want in wants if want.key not in known)

    def replaced(self, keys: Sequence[str], items: Iterable[Item]) -> Index:
        """Return the index with `items` instead of what it has for the wants `keys`."""
        gone = set(keys)
        found: dict[tuple[str, str, str], Item] = {}
        for item in (*self.without(gone).items, *items):
            place = (item.kind, item.place, item.sha256)
            before = found.get(place)
            wants = tuple(sorted({*item.wants, *(before.wants if before else ())}))
            found[place] = replace(item, wants=wants)
        return Index(tuple(sorted(found.values())))

    def without(self, keys: Iterable[str]) -> Index:
        """Return the index as it is when nobody wants `keys` any more."""
        gone = set(keys)
        left = [(item, tuple(k for k in item.wants if k not in gone)) for item in self.items]
        return Index(tuple(replace(item, wants=keys) for item, keys in left if keys))

    @property
    def size(self) -> int:
        """Bytes, each content once."""
        return sum({item.sha256: item.size for item in self.items}.values())

    def text(self) -> str:
        """Return the file that keeps it."""
        return json.dumps({"format": FORMAT, "items": [asdict(i) for i in self.items]}, indent=1)


def parse(text: str | None) -> Index:
    """Read an index; an empty text or None is an empty one.

    Raises BadIndexError for anything that could lead a path elsewhere or is not understood.
    """
    if not text or not text.strip():
        return Index()
    try:
        data = json.loads(text)
        if data["format"] != FORMAT:
            raise BadIndexError(f"format {data['format']} is not {FORMAT}")
        return Index(tuple(item(one) for one in data["items"]))
    except (ValueError, KeyError, TypeError) as error:
        raise BadIndexError(f"the cache's index.json cannot be read: {error!r}") from error


def item(data: Mapping[str, Any]) -> Item:
    """Check one item. Raises ValueError, KeyError or TypeError."""
    found = Item(
        kind=str(data["kind"]),
        name=_line(data["name"]),
        version=_line(data["version"]),
        sha256=str(data["sha256"]),
        size=int(data["size"]),
        place=str(data["place"]),
        said_by=_line(data["said_by"]),
        wants=tuple(_line(key) for key in data["wants"]),
    )
    if found.kind not in KINDS:
        raise ValueError(f"there is no kind {found.kind!r}")
    if not SHA256.fullmatch(found.sha256):
        raise ValueError(f"{found.name}: {found.sha256!r} is no SHA-256")
    if not PLACE.fullmatch(found.place):
        raise ValueError(f"{found.name}: {found.place!r} is no place inside a folder")
    if found.size < 0 or not found.wants:
        raise ValueError(f"{found.name}: size {found.size}, wanted by {len(found.wants)}")
    return found


def _line(value: object) -> str:
    if not isinstance(value, str) or not value.isprintable() or len(value) > 400:
        raise ValueError(f"{value!r} is no line of text")
    return value
