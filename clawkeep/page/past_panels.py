"""Panels of what was kept: snapshots and backups."""

from __future__ import annotations

from clawkeep.overview.facts import (
    Data,
    clock,
    number,
    part,
    rows,
    word,
    words,
)
from clawkeep.page.html import Child, Html, h, join
from clawkeep.page.panel import Shown, View, bullets, facts, kind_of, mark, moment, table

MOST = 30


def snapshots(view: View) -> Shown:
    """Return the snapshots, the newest first, and what was done last."""
    data = view.data("snapshots")
    found = sorted(rows(data, "snapshots"), key=lambda row: number(row, "t") or 0, reverse=True)
    kept = view.data("snapshot")
    known = part(kept, "facts")
    task = part(known, "task")
    head = facts((
        ("Made", f"daily at {word(known, 'daily')}" if word(known, "daily") else
         "by hand: `snapshots` is not declared"),
        ("Under way", f"{word(task, 'kind')} of {word(task, 'name')}" if task else None),
        ("Problem", bullets(words(kept, "problems"))),
    )) if kept else None  # fmt: skip
    if not found:
        kind = "bad" if words(kept, "problems") else "none"
        return Shown(kind, "none", join(head, h("p", "There is no snapshot yet.")))
    seen = [t for row in found if (t := number(row, "verified"))]
    said = f"{len(found)}, newest {view.ago(number(found[0], 't'))}"
    body = table(
        ("Made", "Name", "Seen to boot", "Pause", "Why"),
        (_snapshot(view, row) for row in found[:MOST]),
        numbers="t  n ",
    )
    kind = kind_of(word(kept, "verdict", "unknown")) if kept else "none"
    if kind == "ok" and not seen:
        kind = "unknown"
    return Shown(kind, said if seen else f"{said}; none was seen to boot", join(head, body))


def _snapshot(view: View, row: Data) -> tuple[Child, ...]:
    verified, pause = number(row, "verified"), number(row, "pause_s")
    if word(row, "failed"):
        state = mark("bad", word(row, "failed"))
    else:
        state = mark("ok", view.ago(verified)) if verified else mark("unknown", "not tried")
    return (
        moment(number(row, "t")),
        word(row, "name"),
        state,
        "-" if not pause else f"{pause:.0f} s",
        word(row, "reason") or word(row, "kind"),
    )


def backups(view: View) -> Shown:
    """Return the last try, the last good one, the last restore test and check."""
    data = view.data("backup")
    pairs: list[tuple[str, Html | None]] = []
    for name, title in (
        ("created", "Last made"), ("good", "Last good"), ("tested", "Restore tested"),
        ("checked", "Repository read"),
    ):  # fmt: skip
        did = part(data, name)
        t = number(did, "t")
        ok = did.get("ok") is True
        pairs.append((title, h("span", "never") if t is None else join(
            mark("ok" if ok else "bad", "ok" if ok else "bad"), f" {clock(t)}, {view.ago(t)} ",
            h("span", f"{word(did, 'name')} {word(did, 'text')}", class_="faint"),
        )))  # fmt: skip
    kept = part(part(view.data("status"), "kept"), "backup")
    pairs.append(("Problem", bullets(words(kept, "problems"))))
    good = number(part(data, "good"), "t")
    said = "never made" if good is None else f"good {view.ago(good)}"
    return Shown(_verdict(data), said, facts(pairs))


def _verdict(data: object) -> str:
    """Return the sign for a verdict that is a number: 0 well, 1 bad, anything else unknown."""
    verdict = number(data, "verdict")
    return "ok" if verdict == 0 else "bad" if verdict == 1 else "unknown"
