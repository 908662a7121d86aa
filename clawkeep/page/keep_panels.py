"""Panels of the keep itself: the picture, its doors, host and guest, the agent, grants."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from clawkeep.agent.report import span
from clawkeep.onhost.plain import plain
from clawkeep.overview.facts import Data, clock, count, number, part, rows, word
from clawkeep.page.html import Child, Html, h, join, trusted
from clawkeep.page.panel import Shown, View, bullets, facts, kind_of, mark, table
from clawkeep.render.diagram import Way, live, picture
from clawkeep.render.svg import drawn


def the_picture(view: View) -> Shown:
    """Return the declared keep, with how its parts are now."""
    status = view.data("status")
    anchor, guest = word(status, "anchor", "unknown"), word(part(status, "guest"), "state")
    states = {str(door.get("name")): _state(door) for door in rows(status, "doors")}
    known = {service.name for service in view.keep.services}
    more = tuple(
        Way(
            (plain(word(one, "name"), 40), f"gateway:{count(one, 'port')}", "for a time"),
            plain(word(one, "kind"), 10).upper(),
            (plain(word(one, "target"), 80),),
            kind_of(word(one, "state")),
        )
        for one in rows(view.data("grants"), "grants")
        if word(one, "name") not in known
    )
    seen = live(
        picture(view.keep), states,
        guest=f"now: {plain(guest or 'unknown', 20)}", pf=f"now: {plain(anchor, 20)}", more=more,
    )  # fmt: skip
    kind = kind_of(word(status, "verdict"))
    svg = h(
        "div", trusted(drawn(seen)), class_="scroll picture", tabindex=0, role="region",
        aria_label="The picture; it scrolls sideways",
    )  # fmt: skip
    said = {"ok": "all is well", "bad": "something is not well", "unknown": "cannot tell"}
    return Shown(kind, said.get(kind, "cannot tell"), svg)


def _state(door: Data) -> tuple[str, str]:
    kind = kind_of(word(door, "verdict"))
    said = {"ok": "answers", "bad": "does not work", "unknown": "cannot tell"}.get(kind, "?")
    milliseconds = number(door, "ms")
    took = f", {milliseconds:.0f} ms" if kind == "ok" and milliseconds is not None else ""
    return kind, f"{'✓' if kind == 'ok' else '✕' if kind == 'bad' else '?'} {said}{took}"


def doors(view: View) -> Shown:
    """Return every door: what a probe saw from inside, and what goes through it."""
    found = rows(view.data("status"), "doors")
    bridges = {word(row, "name"): row for row in rows(view.data("bridges"), "bridges")}
    totals = {
        word(row, "service"): row
        for row in rows(view.data("day"), "totals")
        if word(row, "source") != "pf"
    }
    kinds = [kind_of(word(door, "verdict")) for door in found]
    bad = sum(kind != "ok" for kind in kinds)
    kind = "bad" if "bad" in kinds else "unknown" if "unknown" in kinds else "ok"
    body = table(
        ("Door", "State", "From → to", "Probe saw", "ms", "Live", "Today", "Failed"),
        (_door(door, bridges.get(word(door, "name")), totals) for door in found),
        numbers="    nnnn",
    )
    held = [
        f"{word(row, 'name')}: its port is held by {word(part(row, 'held_by'), 'said')}"
        for row in bridges.values()
        if row.get("held_by")
    ]
    last = [
        f"{word(row, 'name')}: {word(row, 'last_error')}"
        for row in bridges.values()
        if row.get("last_error")
    ]
    more = join(bullets(held), h("h3", "Last errors of bridges") if last else None, bullets(last))
    said = f"{bad} of {len(found)} not well" if bad else f"{len(found)} open"
    return Shown(kind if found else "none", said if found else "none declared", join(body, more))


def _door(door: Data, bridge: Data | None, totals: dict[str, Data]) -> tuple[Child, ...]:
    name = word(door, "name")
    total = totals.get(name)
    connections = bridge.get("connections") if bridge else None
    live_now = len(connections) if isinstance(connections, list) else None
    kind = kind_of(word(door, "verdict"))
    said = {"ok": "ok", "bad": "bad", "unknown": "cannot tell"}[kind]
    if word(door, "job") in {"absent", "undeclared"}:
        said = {"absent": "down", "undeclared": "undeclared"}[word(door, "job")]
    return (
        name,
        mark(kind, said),
        f"{word(door, 'listen')} → {word(door, 'target')}",
        word(door, "evidence", "-") or "-",
        _whole(number(door, "ms")),
        "-" if live_now is None else live_now,
        count(total, "connections") + count(total, "open") if total else _none(totals),
        count(total, "failed") + count(total, "denied") if total else _none(totals),
    )


def _none(totals: dict[str, Data]) -> str:
    """Return what a door without a row did: nothing, if there is any log at all."""
    return "0" if totals else "-"


def _whole(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


def machines(view: View) -> Shown:
    """Return host, walls, guard and guest."""
    status = view.data("status")
    guest, guard = part(status, "guest"), part(status, "guard")
    anchor, state = word(status, "anchor", "unknown"), word(guard, "state", "unknown")
    kinds = [kind_of(anchor), kind_of(state), kind_of(word(guest, "state", "unknown"))]
    age, ssh = number(guard, "age_s"), number(guest, "ssh_ms")
    body = facts((
        ("Host", word(status, "host")),
        ("Rules of pf", mark(kinds[0], anchor)),
        ("Guard", mark(kinds[1], state)),
        ("Last check", None if age is None else f"{span(age)} ago"),
        ("Why", word(guard, "why")),
        ("Last event", word(guard, "last_event")),
        ("Guest", join(mark(kinds[2], word(guest, "state", "unknown")), " ", word(guest, "name"))),
        ("Address", " by ".join(filter(None, (word(guest, "address"), word(guest, "resolver"))))),
        ("SSH", "not entered" if ssh is None else
         f"{ssh:.0f} ms, host key {word(guest, 'host_key')}"),
        ("Error", word(guest, "error")),
        ("Update", _update(status)),
    ))  # fmt: skip
    left = part(part(status, "kept"), "update")
    if left:
        kinds.append("unknown")
    worst = next((kind for kind in ("bad", "unknown", "warn") if kind in kinds), "ok")
    said = f"{anchor}, guard {state}"
    return Shown(worst, f"{said}, update {word(left, 'label')}" if left else said, body)


def _update(status: Data) -> Html | None:
    """Return an update that has not ended: until then nobody can tell how the guest is."""
    left = part(part(status, "kept"), "update")
    return join(mark("unknown", word(left, "label")), f" {word(left, 'text')}") if left else None


def agent(view: View) -> Shown:
    """Return the rows of the agent's status."""
    found = part(view.data("status"), "agent")
    if not found:
        return Shown("none", "none declared", h("p", "No agent is declared."))
    verdict = word(found, "verdict", "unknown")
    body = table(
        ("What", "State", "Is", "Shown by"),
        (
            (word(row, "name"), _verdict(row), word(row, "value"), _evidence(row))
            for row in rows(found, "rows")
        ),
    )  # fmt: skip
    why = h("p", word(found, "error")) if word(found, "error") else None
    return Shown(kind_of(verdict), verdict, join(why, body if rows(found, "rows") else None))


def _verdict(row: Data) -> Html:
    return mark(kind_of(word(row, "verdict")), word(row, "verdict", "unknown"))


def _evidence(row: Data) -> str:
    age = number(row, "age_s")
    return " ".join(filter(None, (word(row, "evidence"), f"({span(age)} ago)" if age else "")))


def grants(view: View) -> Shown:
    """Return the doors that are open for a time."""
    found = rows(view.data("grants"), "grants")
    if not found:
        return Shown("none", "none", h("p", "No door is open for a time."))
    body = table(("Door", "State", "To", "Ends", "Who, why"), _grants(found))
    return Shown("none", f"{len(found)} for a time", body)


def _grants(found: list[Data]) -> Iterator[tuple[Child, ...]]:
    for row in found:
        state: Any = word(row, "state", "unknown")
        yield (
            f"{word(row, 'name')} :{count(row, 'port')}",
            mark(kind_of(state), state),
            word(row, "target"),
            f"{clock(number(row, 'until'))}, in {span(number(row, 'left_s') or 0)}",
            ": ".join(filter(None, (word(row, "who"), word(row, "reason")))),
        )
