"""The panel of the audit: what the last one found, what is accepted, and whether the next comes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from clawkeep.overview.facts import (
    Data,
    checks_of,
    clock,
    count,
    moment_of,
    number,
    part,
    word,
    words,
)
from clawkeep.page.html import Html, h, join
from clawkeep.page.panel import Shown, View, bullets, facts, kind_of, mark, table

MOST: Final = 30
LATE_S: Final = 8 * 86400.0
"""An audit that is older than a week says little of today, whatever is scheduled."""


def audit(view: View) -> Shown:
    """Return what differs, what is accepted until when, and when the last audit was."""
    checks = checks_of(view.data("audit"))
    bad = [row for row in checks if word(row, "state") == "failed"]
    known = [row for row in checks if word(row, "state") == "accepted"]
    blind = [row for row in checks if word(row, "state") not in {"failed", "passed", "accepted"}]
    well = len(checks) - len(bad) - len(blind) - len(known)
    body = [
        _head(view, checks, well),
        _table((*bad, *blind)) if bad or blind else None,
        _known(known) if known else None,
    ]
    if checks and not (bad or blind or known):
        body.append(bullets(["Everything is as declared."]))
    parts = [f"{len(bad)} differ" if bad else "", f"{len(blind)} cannot be told" if blind else "",
             f"{well} as declared" if well and not (bad or blind) else "",
             f"{len(known)} accepted" if known else ""]  # fmt: skip
    said = ", ".join(filter(None, parts))
    return _judged(view, "bad" if bad else "unknown" if blind else "ok", said, join(body))


def _judged(view: View, kind: str, said: str, body: Html) -> Shown:
    """Return the panel with what the host knows of audits by others, and of late ones."""
    scheduled = view.data("scheduled")
    at, last = _last(view)
    if not checks_of(view.data("audit")):
        kind = kind_of(word(last, "verdict", "unknown"))
        said = f"{count(last, 'failed')} differ" if kind == "bad" else word(last, "verdict")
    if word(part(scheduled, "facts"), "overdue") == "True":
        kind, said = "bad", f"overdue, {said}"
    elif kind == "ok" and (at is None or view.now - at > LATE_S):
        kind = "warn"
    return Shown(kind, f"{said or 'none'}, {view.ago(at)}", body)


def _last(view: View) -> tuple[float | None, Data]:
    """Return when the last audit was, and what the host was told of it."""
    last = part(part(view.data("scheduled"), "facts"), "last")
    times = [moment_of(word(view.data("audit"), "at")), number(last, "t")]
    return max((t for t in times if t is not None), default=None), last


def _head(view: View, checks: Sequence[Data], well: int) -> Html:
    scheduled = view.data("scheduled")
    at, last = _last(view)
    who = f" by {word(last, 'who')}" if word(last, "who") else ""
    made = f"{clock(at)} ({view.ago(at)}){who}" if at else "never"
    planned = part(part(scheduled, "facts"), "schedule")
    return facts((
        ("Last audit", made),
        ("As declared", f"{well} of {len(checks)}" if checks else None),
        ("Schedule", word(scheduled, "label") if planned else "none"),
        ("Problem", bullets(words(scheduled, "problems"))),
        ("Found by others", bullets(words(last, "found")) if not checks else None),
    ))  # fmt: skip


def _table(found: Sequence[Data]) -> Html:
    return table(
        ("Check", "State", "Found", "Since"),
        (
            (word(row, "name"), mark(kind_of(word(row, "state")), word(row, "state")),
             word(row, "found"), _since(row))
            for row in found[:MOST]
        ),
    )  # fmt: skip


def _since(row: Data) -> str:
    text = word(row, "since") or word(row, word(row, "state"))
    return clock(moment_of(text)) or text


def _known(found: Sequence[Data]) -> Html:
    rows_ = ((word(row, "name"), word(row, "found"), word(row, "why")) for row in found[:MOST])
    return join(
        h("h3", "Accepted, in audit.yml"), table(("Check", "Found", "Until, and why"), rows_)
    )
