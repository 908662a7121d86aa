"""Panels of slower looks: the doctor's rows, and what the agent can do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from clawkeep.agent.report import span
from clawkeep.overview.facts import Data, number, rows, word, words
from clawkeep.page.html import Child, h, join
from clawkeep.page.panel import Shown, View, kind_of, mark, table

WORST: Final = ("bad", "unknown", "warn")
ORDER: Final = {"bad": 0, "unknown": 1, "warn": 2}


def doctor(view: View) -> Shown:
    """Return what is not as a Mac must be, with what fixes it; then all that is."""
    found = rows(view.data("doctor"), "rows")
    ill = [row for row in found if word(row, "verdict") != "ok"]
    ill.sort(key=lambda row: ORDER.get(kind_of(word(row, "verdict")), 3))
    kinds = [kind_of(word(row, "verdict")) for row in found]
    kind = next((one for one in WORST if one in kinds), "ok" if found else "unknown")
    body = table(("What", "State", "Is", "What fixes it"), (_trap(row) for row in ill))
    well = "; ".join(
        f"{word(row, 'name')}: {word(row, 'value')}" for row in found if row not in ill
    )
    parts = (("bad", "bad"), ("unknown", "not known"), ("none", "for a Mac to show"))
    said = ", ".join(f"{kinds.count(one)} {text}" for one, text in parts if one in kinds)
    return Shown(kind, said or f"{len(found)} ok", join(
        body if ill else h("p", "Everything is as it must be."),
        h("h3", f"{len(found) - len(ill)} ok") if well else None,
        h("p", well, class_="faint") if well else None,
    ))  # fmt: skip


def _trap(row: Data) -> tuple[Child, ...]:
    verdict, fix = word(row, "verdict", "unknown"), word(row, "fix")
    return (
        f"{word(row, 'where')}: {word(row, 'name')}",
        mark(kind_of(verdict), verdict),
        word(row, "value", "-") or "-",
        h("code", fix) if fix else "-",
    )


def skills(view: View) -> Shown:
    """Return the matrix of the skills: installed, configured, proved, and for whom."""
    data = view.data("skills")
    found = rows(data, "skills")
    if word(data, "error"):
        return Shown("unknown", "cannot tell", h("p", word(data, "error")))
    kinds = [_kind(row) for row in found]
    kind = next((one for one in ("bad", "unknown") if one in kinds), "ok" if found else "none")
    body = table(("Skill", "State", "There", "Proof", "Shown by", "Groups"), _skills(found))
    bad = sum(one != "ok" for one in kinds)
    said = f"{bad} of {len(found)} not proved" if bad else f"{len(found)} proved"
    return Shown(kind, said if found else "none", body)


def _kind(row: Data) -> str:
    return kind_of(word(row, "verdict", "unknown"))


def _skills(found: list[Data]) -> Iterator[tuple[Child, ...]]:
    for row in found:
        age = number(row, "age_s")
        parts = ("installed", "configured")
        there = ", ".join(f"{'' if row.get(name) is True else 'not '}{name}" for name in parts)
        yield (
            h("span", word(row, "name"), title=word(row, "summary")),
            mark(_kind(row), word(row, "verdict", "unknown")),
            there if None not in (row.get("installed"), row.get("configured")) else "not seen",
            word(row, "proof") + (f", {span(age)} ago" if age is not None else ""),
            word(row, "evidence", "-") or "-",
            ", ".join(words(row, "groups")) or "-",
        )
