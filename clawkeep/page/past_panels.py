"""Panels of what was kept: snapshots, backups, the last audit."""

from __future__ import annotations

from clawkeep.overview.facts import (
    Data,
    checks_of,
    clock,
    moment_of,
    number,
    part,
    rows,
    word,
)
from clawkeep.page.html import Child, Html, h, join
from clawkeep.page.panel import Shown, View, bullets, facts, kind_of, mark, moment, table

MOST = 30
LATE_S = 8 * 86400.0
"""An audit that is older than a week says little of today."""


def snapshots(view: View) -> Shown:
    """Return the snapshots, the newest first, and what was done last."""
    data = view.data("snapshots")
    found = sorted(rows(data, "snapshots"), key=lambda row: number(row, "t") or 0, reverse=True)
    if not found:
        return Shown("none", "none", h("p", "There is no snapshot yet."))
    seen = [t for row in found if (t := number(row, "verified"))]
    said = f"{len(found)}, newest {view.ago(number(found[0], 't'))}"
    body = table(
        ("Made", "Name", "Seen to boot", "Pause", "Why"),
        (_snapshot(view, row) for row in found[:MOST]),
        numbers="t  n ",
    )
    return Shown(
        _verdict(view.data("snapshot")), said if seen else f"{said}; none was seen to boot", body
    )


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
    pairs = []
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
    good = number(part(data, "good"), "t")
    said = "never made" if good is None else f"good {view.ago(good)}"
    return Shown(_verdict(data), said, facts(pairs))


def _state(row: Data) -> Html:
    return mark(kind_of(word(row, "state")), word(row, "state"))


def _verdict(data: object) -> str:
    """Return the sign for a verdict that is a number: 0 well, 1 bad, anything else unknown."""
    verdict = number(data, "verdict")
    return "ok" if verdict == 0 else "bad" if verdict == 1 else "unknown"


def audit(view: View) -> Shown:
    """Return what the last audit found to be otherwise than declared."""
    data = view.data("audit")
    checks = checks_of(data)
    bad = [row for row in checks if word(row, "state") == "failed"]
    blind = [row for row in checks if word(row, "state") not in {"failed", "passed"}]
    at = moment_of(word(data, "at"))
    kind = "bad" if bad else "unknown" if blind or not checks else "ok"
    if kind == "ok" and (at is None or view.now - at > LATE_S):
        kind = "warn"
    body = [
        facts((
            ("Last audit", f"{clock(at) or word(data, 'at')} ({view.ago(at)})"),
            ("As declared", f"{len(checks) - len(bad) - len(blind)} of {len(checks)}"),
        )),
        table(
            ("Check", "State", "Found", "Since"),
            (
                (word(row, "name"), _state(row),
                 word(row, "found"), word(row, "since") or word(row, word(row, "state")))
                for row in (*bad, *blind)[:MOST]
            ),
        ) if bad or blind else bullets(["Everything is as declared."]),
    ]  # fmt: skip
    words = [f"{len(bad)} differ" if bad else "", f"{len(blind)} cannot be told" if blind else ""]
    said = ", ".join(filter(None, words)) or (f"{len(checks)} as declared" if checks else "empty")
    return Shown(kind, f"{said}, {view.ago(at)}", join(body))
