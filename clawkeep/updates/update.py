"""One update, all of them, and which of them are applied."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from typing import Any, Final

from clawkeep.updates.version import Step, step

KINDS: Final = ("macos", "image", "brew", "npm", "pip", "nanoclaw")
APPLIED: Final = frozenset({"brew"})
"""What is applied without a person; the rest is declared, or needs one."""


class SelectionError(Exception):
    """What was named cannot be applied; the text says why and what to do instead."""


@dataclass(frozen=True, slots=True)
class Update:
    """Something newer than what is there.

    `pin` is the line of the declaration that says which version it is, "" when none does; `how` is
    what a person does for it, "" where `update apply` can.
    """

    kind: str
    name: str
    installed: str
    available: str
    step: Step
    pin: str = ""
    how: str = ""

    @property
    def ref(self) -> str:
        """What it is called on the command line."""
        return f"{self.kind}:{self.name}"

    @property
    def major(self) -> bool:
        """Tell whether it is a major; what nobody can compare is one."""
        return self.step in {"major", "unknown"}

    @property
    def will(self) -> str:
        """What `update apply` without any name would do with it."""
        if self.how:
            return self.how
        if self.major:
            return f"not by itself: clawkeep update apply --major {self.ref}"
        return "upgraded"

    def line(self) -> str:
        """Return its row for a terminal."""
        what = f"{self.installed} -> {self.available}"
        return f"{self.kind:8} {self.name:24} {what:28} {self.step:8} {self.will}".rstrip()


def update(
    kind: str, name: str, installed: str, available: str, *, pin: str = "", how: str = ""
) -> Update | None:
    """Return the update, None when nothing is newer."""
    found = step(installed, available)
    if found == "same" or not available:
        return None
    return Update(kind, name, installed, available, found, pin, how)


@dataclass(frozen=True, slots=True)
class Plan:
    """All updates, and in words what nobody could learn."""

    guest: str
    updates: tuple[Update, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def status(self) -> int:
        """0 nothing is newer; 2 something is, or it could not be learned."""
        return 2 if self.updates or self.unknown else 0

    def as_json(self) -> dict[str, Any]:
        """Return the plan as plain data."""
        rows = [asdict(u) | {"major": u.major, "apply": u.will} for u in self.updates]
        return {"guest": self.guest, "updates": rows, "unknown": list(self.unknown)}

    def lines(self) -> Iterator[str]:
        """Yield the rows for a terminal."""
        yield from (found.line() for found in self.updates)
        yield from (f"{'?':8} {text}" for text in self.unknown)


def selected(plan: Plan, names: Sequence[str], majors: Sequence[str]) -> tuple[Update, ...]:
    """Return what is to be applied: `names` are KIND or KIND:NAME, none means all that may be.

    A major is taken only when `majors` name it. Raises SelectionError for a name that is none, for
    one that the declaration pins and for one that needs a person.
    """
    for name in names:
        _known(plan, name)
    for name in majors:
        if ":" not in name:
            raise SelectionError(f"--major {name}: expected KIND:NAME, such as brew:jq")
        _known(plan, name)
    chosen = []
    for found in plan.updates:
        if found.ref in majors or (not found.major and (not names or _named(found, names))):
            if not found.how and found.kind in APPLIED:
                chosen.append(found)
            elif found.ref in {*names, *majors}:
                raise SelectionError(f"{found.ref} is not applied here: {found.how}")
        elif found.ref in names:
            raise SelectionError(
                f"{found.ref} {found.installed} -> {found.available} is a major ({found.step}); "
                f"to have it all the same: --major {found.ref}"
            )
    return tuple(chosen)


def _named(found: Update, names: Sequence[str]) -> bool:
    return found.kind in names or found.ref in names


def _known(plan: Plan, name: str) -> None:
    if name in KINDS or any(found.ref == name for found in plan.updates):
        return
    refs = [found.ref for found in plan.updates]
    near = get_close_matches(name, [*refs, *KINDS], 1)
    hint = f"; did you mean {near[0]}?" if near else ""
    there = ", ".join(refs) or "none"
    raise SelectionError(f"there is no update {name}{hint} (there are: {there})")
