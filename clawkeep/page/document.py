"""The page as a whole: what stands above all panels, and each panel with its command and age."""

from __future__ import annotations

from typing import Final

from clawkeep.model import Keep
from clawkeep.overview.facts import ago, clock
from clawkeep.overview.sources import SOURCES, STATUS, Answer, Overview
from clawkeep.page.html import Html, h, join, trusted
from clawkeep.page.panel import Panel, Shown, View, mark
from clawkeep.page.panels import PANELS
from clawkeep.page.style import SHEET

BY_NAME: Final = {source.name: source for source in SOURCES}
SOON_S: Final = 2
"""Until the page looks again while the first answers are awaited."""

WORST: Final = ("bad", "unknown", "warn", "ok")
HEADLINES: Final = {
    "bad": "Something is not well", "unknown": "Cannot tell", "warn": "Look at this",
    "ok": "All is well",
}  # fmt: skip


def page(
    keep: Keep, overview: Overview, now: float, *, interval_s: float, still: bool = False
) -> str:
    """Return the page. `still`: it does not refresh itself, every `interval_s` seconds."""
    view = View(keep, overview, now)
    if overview.ended is None:
        main = h("p", "Asking the host for the first time; this page looks again by itself.")
        return _document(keep, SOON_S, h("h1", f"Clawkeep: {keep.guest.name}"), h("main", main))
    shown = [(panel, _shown(panel, view)) for panel in PANELS]
    old = _old(overview, now, interval_s)
    top = h(
        "header",
        h("div", h("h1", f"Clawkeep: {keep.guest.name} on {overview.host}"), _verdict(shown, old),
          class_="top"),
        h("p", f"As of {clock(overview.ended)}, {ago(overview.ended, now)}. ", _refresh(
            interval_s, still=still), class_="faint"),
        h("div", h("strong", "This is old. "), old, role="alert", class_="alarm") if old else None,
    )  # fmt: skip
    links = h("ul", [
        h("li", h("a", mark(seen.kind, f"{panel.title}: {seen.word}"), href=f"#{panel.name}"))
        for panel, seen in shown if seen.kind not in {"ok", "none"}
    ])  # fmt: skip
    body = h("main", [_panel(panel, seen, view) for panel, seen in shown], id="main")
    foot = h("footer", h("p", "Read-only. Everything here is what the named commands say."))
    nav = h("nav", links, aria_label="What is not well")
    again_s = SOON_S if _late(overview, now, interval_s) else interval_s
    return _document(keep, None if still else again_s, top, nav, body, foot)


def _refresh(interval_s: float, *, still: bool) -> Html:
    if still:
        return join("It stays as it is. ", h("a", "Refresh by itself", href="."))
    every = f"It refreshes every {interval_s:.0f} s. "
    return join(every, h("a", "Keep it as it is", href="?still=1"))


def _old(overview: Overview, now: float, interval_s: float) -> str:
    """Say why what is shown is not of now, "" when it is."""
    if _late(overview, now, interval_s):
        return f"The last ask ended {ago(overview.ended, now)}; the next is under way."
    answer = overview.of(STATUS)
    if answer.error:
        since = f"; the last answer is {ago(answer.at, now)}" if answer.at else ""
        return f"The host does not answer: {answer.error}{since}."
    return overview.error


def _late(overview: Overview, now: float, interval_s: float) -> bool:
    """Tell whether the last ask is older than it can be while somebody reads and all is well."""
    return overview.ended is not None and not -60 < now - overview.ended < 2 * interval_s + 60


def _verdict(shown: list[tuple[Panel, Shown]], old: str) -> Html:
    kinds = {seen.kind for _, seen in shown}
    worst = next((kind for kind in WORST if kind in kinds), "unknown")
    if old and worst != "bad":
        worst = "unknown"
    return mark(worst, HEADLINES[worst] + (", as far as was known" if old else ""))


def _shown(panel: Panel, view: View) -> Shown:
    """Return what a panel shows; whatever its JSON is, the others are shown."""
    answer = view.overview.of(panel.sources[0])
    others = [view.overview.of(name) for name in panel.sources[1:]] if panel.any_ else []
    if answer.data is None and all(other.data is None for other in others):
        absent = BY_NAME[panel.sources[0]].absent(answer)
        if BY_NAME[panel.sources[0]].aside and answer.asked is None:
            return Shown("none", "being asked", h("p", "Nobody waits for it: it comes by itself."))
        return Shown(
            "none" if absent else "unknown",
            "not set up" if absent else "not known",
            join(
                h("p", answer.error or "Not asked yet."), h("p", "Nothing to show. ", panel.setup)
            ),
        )
    try:
        shown = panel.show(view)
    except Exception as error:  # noqa: BLE001 - JSON of another version, or a lie
        said = f"This answer cannot be shown ({type(error).__name__}); the command can."
        return Shown("unknown", "cannot be shown", h("p", said))
    if shown.kind == "ok" and answer.error and answer.data is not None:
        return Shown("unknown", f"{shown.word}, but old", shown.body)
    if shown.kind == "ok" and _missing(panel, view):
        return Shown("unknown", f"{shown.word}, but not all is known", shown.body)
    return shown


def _missing(panel: Panel, view: View) -> list[str]:
    """Return what the sources besides the first did not say; where one is enough, any of them."""
    found = []
    for name in panel.sources if panel.any_ else panel.sources[1:]:
        answer = view.overview.of(name)
        if name == panel.sources[0] and answer.data is not None:
            continue  # It is shown, with its age.
        if answer.error and not BY_NAME[name].absent(answer):
            # Said once, above all panels, when it is the host that is away.
            away = answer.error == view.overview.error
            why = "the host does not answer" if away else answer.error
            found.append(f"{BY_NAME[name].command}: {why}")
    return found


def _panel(panel: Panel, shown: Shown, view: View) -> Html:
    answer = view.overview.of(panel.sources[0])
    old = answer.data is not None and bool(answer.error)
    classes = " ".join(filter(None, ("wide" if panel.wide else "", "old" if old else "")))
    # Said once, above all panels, when it is the host that is away.
    why = "" if answer.error == view.overview.error else f"; since then: {answer.error}"
    when = f"of {clock(answer.at)}, {ago(answer.at, view.now)}{why}"
    alarm = h("p", h("strong", "Old: "), when, class_="alarm")
    title = h("h2", panel.title, id=f"{panel.name}-title")
    return h(
        "section",
        h("div", title, mark(shown.kind, shown.word), class_="head"),
        alarm if old else None,
        h("div", shown.body, class_="body"),
        [h("p", h("strong", "Not known: "), why, class_="alarm") for why in _missing(panel, view)],
        h("p", [join(h("code", BY_NAME[name].command), " ") for name in panel.sources],
          _age(answer, view), class_="foot"),
        id=panel.name, class_=classes or None, aria_labelledby=f"{panel.name}-title",
    )  # fmt: skip


def _age(answer: Answer, view: View) -> str:
    return "" if answer.at is None else f"{ago(answer.at, view.now)}"


def _document(keep: Keep, refresh_s: float | None, *body: Html) -> str:
    head = h(
        "head",
        h("meta", charset="utf-8"),
        h("meta", name="viewport", content="width=device-width, initial-scale=1"),
        h("meta", name="color-scheme", content="light dark"),
        h("meta", http_equiv="refresh", content=f"{refresh_s:.0f}") if refresh_s else None,
        h("link", rel="icon", href="icon.svg"),
        h("title", f"Clawkeep: {keep.guest.name}"),
        trusted(f"<style>{SHEET}</style>"),
    )
    skip = h("a", "To the panels", href="#main", class_="skip")
    return f"<!DOCTYPE html>\n{h('html', head, h('body', skip, *body), lang='en')}\n"
