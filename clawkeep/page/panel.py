"""What a panel is, and the pieces that panels are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from clawkeep.model import Keep
from clawkeep.overview.facts import ago, clock
from clawkeep.overview.sources import Overview
from clawkeep.page.html import Child, Html, h

SIGNS: Final = {"ok": "✓", "bad": "✕", "warn": "!", "unknown": "?", "none": "·"}
"""How things are: well, not well, soon not well, nobody can tell, and nothing to tell."""

SHORT: Final = 16
"""Letters of a word that stays on one line with its sign."""

#: The words of the verbs, as one of SIGNS.
KINDS: Final = {
    "well": "ok", "ok": "ok", "green": "ok", "passed": "ok", "open": "ok", "running": "ok",
    "in force": "ok", "0": "ok", "info": "none",
    "bad": "bad", "ill": "bad", "red": "bad", "failed": "bad", "critical": "bad", "cut": "bad",
    "off": "bad", "absent": "bad", "differs": "bad", "not running": "bad", "silent": "bad",
    "deaf": "bad", "overruled": "bad", "stopped": "bad", "undeclared": "bad", "1": "bad",
    "degraded": "warn", "warning": "warn", "closed": "warn", "waiting": "warn", "loaded": "warn",
    "accepted": "warn", "ended": "none", "needs a Mac": "none",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class View:
    """What panels look at: the declared keep, what the verbs said, and the time."""

    keep: Keep
    overview: Overview
    now: float

    def data(self, source: str) -> Any:
        """Return a source's JSON, None when there is none."""
        return self.overview.of(source).data

    def ago(self, moment: float | None) -> str:
        """Return how long ago something was."""
        return ago(moment, self.now)


@dataclass(frozen=True, slots=True)
class Shown:
    """A panel's content: one of SIGNS and a word for it, and what there is to see."""

    kind: str
    word: str
    body: Html


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel: made of `sources`, whose commands it names; without the first there is nothing.

    With `any_`, one of them is enough. `setup` says what to do when there is nothing yet. `show`
    gets JSON that may lack anything.
    """

    name: str
    title: str
    sources: tuple[str, ...]
    show: Callable[[View], Shown]
    setup: str
    wide: bool = False
    any_: bool = False


def kind_of(word: str) -> str:
    """Return the sign for a verb's word; one that nobody knows is unknown."""
    return KINDS.get(word, "unknown")


def mark(kind: str, word: str) -> Html:
    """Return a sign with its word: colour is never all that tells."""
    short = " short" if len(word) <= SHORT else ""
    sign = h("span", SIGNS[kind], aria_hidden="true")
    return h("span", sign, " ", word, class_=f"mark {kind}{short}")


def table(head: Sequence[str], rows: Iterable[Sequence[Child]], *, numbers: str = "") -> Html:
    """Return a table that becomes a list of cards on a phone.

    `numbers` has one letter per column: `n` a number, `t` a time, anything else text.
    """
    classes = [{"n": "n", "t": "t"}.get(letter) for letter in numbers.ljust(len(head))]
    columns = list(zip(head, classes, strict=True))
    first = [h("th", name, scope="col", role="columnheader", class_=how) for name, how in columns]
    body = [
        h("tr", [
            h("td", cell, role="cell", class_=how, data_label=name)
            for (name, how), cell in zip(columns, row, strict=True)
        ], role="row")
        for row in rows
    ]  # fmt: skip
    # Cards are no table to a browser, so the roles are said.
    return h(
        "table", h("thead", h("tr", first, role="row"), role="rowgroup"),
        h("tbody", body, role="rowgroup"), class_="cards", role="table",
    )  # fmt: skip


def facts(pairs: Iterable[tuple[str, Child]]) -> Html:
    """Return names with their values; a value of None or "" is left out."""
    found = [(name, value) for name, value in pairs if value not in {None, ""}]
    return h("dl", [(h("dt", name), h("dd", value)) for name, value in found])


def bullets(items: Iterable[Child]) -> Html | None:
    """Return a list, None for an empty one."""
    found = list(items)
    return h("ul", [h("li", item) for item in found]) if found else None


def moment(t: float | None) -> Child:
    """Return a moment in local time, `-` for none."""
    return h("span", clock(t), class_="t") if t else "-"
