"""Panels of what watches the keep: health, canary, refused traffic, alerts, events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from clawkeep.agent.report import span
from clawkeep.metrics.thresholds import RESOURCES, Resource
from clawkeep.overview.facts import Data, clock, count, number, part, rows, word, words
from clawkeep.page.html import Html, h, join, trusted
from clawkeep.page.panel import Shown, View, bullets, facts, kind_of, mark, moment, table

LEVELS = {"ok": "ok", "warning": "warn", "critical": "bad", "unknown": "unknown"}
MOST = 20
EVIDENCE = 300
MUTE_S = 300.0
"""A canary that has said nothing for so long is silent; the clocks may differ a little."""

TIMELINE = (
    "health: ",
    "repair: ",
    "gave-up: ",
    "canary: ",
    "leak: ",
    "opened: ",
    "closed: ",
    "repaired: ",
    "failed: ",
    "cut",
)
"""How the events begin that say how the keep was."""


def health(view: View) -> Shown:
    """Return the layers, the cause, what is done about it, and the last hour's samples."""
    data = view.data("health")
    verdict = word(data, "verdict", "unknown")
    head = facts((
        ("Summary", word(data, "summary")),
        ("Fix", h("code", word(data, "fix")) if word(data, "fix") else None),
        ("Repair", word(data, "says")),
        ("No repair while", word(data, "hold")),
        ("Repairs, one day", len(_repairs(data)) or None),
    ))  # fmt: skip
    layers = table(
        ("Layer", "State", "Is", "Shown by", "For", "Seen"),
        (_layer(row) for row in rows(data, "layers")),
    )
    repairs = bullets(f"{clock(t)} {what}" for t, what in reversed(_repairs(data)[-5:]))
    short = _short(view, rows(data, "samples"))
    kind = kind_of(verdict)
    said = f"{verdict}, short of {short}" if short else verdict
    return Shown("warn" if short and kind == "ok" else kind, said, join(
        head,
        layers if rows(data, "layers") else None,
        h("h3", "Last repairs") if repairs else None, repairs,
        _samples(view, rows(data, "samples")),
        h("h3", "How it was, in 24 h"), _timeline(view) or h("p", "Nothing has changed."),
    ))  # fmt: skip


def _short(view: View, samples: list[Data]) -> str:
    """Return the resources that are short by the last sample."""
    last = samples[-1] if samples else {}
    found = {one.words: _level(view, one, number(last, one.sample)) for one in RESOURCES}
    return ", ".join(name for name, level in found.items() if level in {"warning", "critical"})


def _timeline(view: View) -> Html | None:
    found = [row for row in _dated(view) if word(row, "text").startswith(TIMELINE)]
    return bullets(f"{clock(number(row, 't'))} {word(row, 'text')}" for row in found[:MOST])


def _layer(row: Data) -> tuple[Html | str, ...]:
    since, age = number(row, "since_s"), number(row, "age_s")
    return (
        word(row, "layer"),
        mark(kind_of(word(row, "verdict")), word(row, "verdict", "unknown")),
        word(row, "value"),
        word(row, "evidence"),
        "-" if since is None else span(since),
        "never" if age is None else f"{span(age)} ago",
    )


def _repairs(data: Data) -> list[tuple[float, str]]:
    found = part(data, "repairs").get("history")
    return [
        (float(one[0]), str(one[1]))
        for one in (found if isinstance(found, list) else [])
        if isinstance(one, list) and len(one) == 2 and isinstance(one[0], int | float)
    ]


def _samples(view: View, samples: list[Data]) -> Html | None:
    charts = [_chart(view, resource, samples) for resource in RESOURCES]
    shown = [chart for chart in charts if chart is not None]
    if not shown:
        return None
    return join(h("h3", "Samples of the last hour"), h("div", shown, class_="samples"))


def _chart(view: View, resource: Resource, samples: list[Data]) -> Html | None:
    values = [
        resource.value(value, view.keep)
        for sample in samples
        if (value := number(sample, resource.sample)) is not None
    ]
    if not values:
        return None
    last = number(samples[-1], resource.sample)
    level = _level(view, resource, last)
    now = "not seen" if last is None else _amount(resource, resource.value(last, view.keep))
    top = max(*values, resource.critical, resource.warning) * 1.1
    return h(
        "div",
        h("div", f"{resource.words}: {now}{_free(resource)} ", mark(LEVELS[level], level)),
        h(
            "svg", _limit(resource.warning / top, ""), _limit(resource.critical / top, "critical"),
            h("polyline", points=_points([value / top for value in values])),
            class_="chart", viewBox="0 0 100 30", preserveAspectRatio="none", aria_hidden="true",
        ),
        h("div", "{} to {}; warning at {}, critical at {}".format(*(
            _amount(resource, value)
            for value in (min(values), max(values), resource.warning, resource.critical)
        )), class_="foot"),
    )  # fmt: skip


def _free(resource: Resource) -> str:
    return "" if resource.higher else " free"


def _level(view: View, resource: Resource, sample: float | None) -> str:
    if sample is None:
        return "unknown"
    return resource.level(resource.value(sample, view.keep))


def _amount(resource: Resource, value: float) -> str:
    return f"{value:.0%}" if resource.name.endswith("_ratio") else f"{value:.2f}"


def _limit(height: float, kind: str) -> Html:
    y = f"{30 - 30 * height:.1f}"
    return h("line", x1=0, x2=100, y1=y, y2=y, class_=f"limit {kind}".rstrip())


def _points(values: Sequence[float]) -> Html:
    step = 100 / max(1, len(values) - 1)
    shown = values if len(values) > 1 else (*values, *values)
    return trusted(
        " ".join(f"{i * step:.1f},{30 - 30 * value:.1f}" for i, value in enumerate(shown))
    )


def canary(view: View) -> Shown:
    """Return the last run: whether anything in the guest got out."""
    data = view.data("canary")
    verdict = word(data, "verdict", "unknown")
    probes = rows(data, "probes")
    pairs = [(word(probe, "expected"), word(probe, "outcome")) for probe in probes]
    lists = [
        join(h("h3", title), bullets(words(data, name)[:MOST]))
        for name, title in (
            ("leaks", "Leaks: reached, although not declared"),
            ("failed", "Declared, but does not answer"),
            ("unable", "Cannot be told"),
            ("notes", "Not asked"),
        )
        if words(data, name)
    ]
    body = facts((
        ("Last run", f"{clock(number(data, 't'))} ({view.ago(number(data, 't'))})"),
        ("Took", f"{count(data, 'ms')} ms, by the guest's {word(data, 'via', '?')}"),
        ("Stayed silent", f"{pairs.count(('silence', 'silent'))} of what must not answer"),
        ("Answered", f"{pairs.count(('answer', 'answered'))} of what must"),
    ))  # fmt: skip
    kind = "none" if verdict == "absent" else kind_of(verdict)
    said = "no guest" if verdict == "absent" else verdict
    t = number(data, "t")
    if kind != "bad" and (t is None or abs(view.now - t) > MUTE_S):
        # Its job runs every half minute: a green of yesterday says nothing, however it came to be.
        kind, said = "unknown", f"{said}, but {view.ago(t)}"
    return Shown("bad" if words(data, "leaks") else kind, said, join(body, lists))


def refused(view: View) -> Shown:
    """Return what the guest was refused, and today's totals."""
    day, denied = view.data("day"), rows(view.data("denied"))
    packets, connections = count(day, "packets_refused"), count(day, "denied")
    body = facts((
        ("Today", f"{packets} packets refused by pf, {connections} connections by the proxy"),
        ("Reached most", _targets(rows(day, "targets"))),
        ("Refused most", _targets(rows(day, "denied_targets"))),
    ))  # fmt: skip
    last = table(
        ("When", "By", "To", "Count", "Why"),
        (
            (moment(number(row, "time")), f"{word(row, 'source')} {word(row, 'service')}",
             word(row, "target", "-"), count(row, "count"), word(row, "detail"))
            for row in reversed(denied[-MOST:])
        ),
        numbers="t  n ",
    )  # fmt: skip
    more = join(h("h3", "The last ones of 24 h"), last) if denied else None
    said = f"{packets + connections} today" if isinstance(day, dict) else "today not known"
    return Shown("none", said, join(body, more))


def _targets(found: list[Data]) -> str:
    return ", ".join(f"{word(row, 'target')} ({count(row, 'count')})" for row in found)


def alerts(view: View) -> Shown:
    """Return what stands, who is told, and what is over."""
    data = view.data("alerts")
    standing, hooks = rows(data, "standing"), rows(data, "hooks")
    silenced = {word(row, "key") for row in rows(data, "silences")}
    quiet = [row for row in standing if silenced & {"*", word(row, "key")}]
    ill = [row for row in standing if word(row, "severity") != "info" and row not in quiet]
    worst = "bad" if any(word(row, "severity") == "critical" for row in ill) else "warn"
    body: list[Html | None] = [
        h("p", "Nothing stands.") if not standing else table(
            ("Severity", "Alert", "What", "Since", "Times"),
            (
                (mark(kind_of(word(row, "severity")), word(row, "severity")), word(row, "key"),
                 _words(row, silenced=row in quiet), moment(number(row, "since")),
                 count(row, "count"))
                for row in standing
            ),
            numbers="   tn",
        ),
        h("h3", "Who is told"),
        bullets(_hook(view, hook) for hook in hooks) or h("p", "Nobody: no hook is declared."),
    ]  # fmt: skip
    silences = [
        f"{word(row, 'key')} until {clock(number(row, 'until'))}, by {word(row, 'who')}: "
        f"{word(row, 'reason')}"
        for row in rows(data, "silences")
    ]
    over = [
        f"{clock(number(row, 'last'))} {word(row, 'key')}: {word(row, 'text')}"
        for row in rows(data, "over")[:5]
    ]
    for title, found in (("Silenced", silences), ("Over", over)):
        body += [h("h3", title), bullets(found)] if found else []
    said = f"{len(ill)} stand" if len(ill) != 1 else "1 stands"
    return Shown(worst if ill else "ok", said if ill else "none stands", join(body))


def _words(row: Data, *, silenced: bool) -> Html:
    said = word(row, "text") + (" (silenced)" if silenced else "")
    evidence = word(row, "evidence")
    more = h("span", evidence[:EVIDENCE], class_="faint") if evidence else None
    return join(said, " " if more else None, more)


def _hook(view: View, hook: Data) -> str:
    sent = number(hook, "sent")
    said = [f"{word(hook, 'name')} ({word(hook, 'to')}): {count(hook, 'waiting')} wait"]
    said.append(f"took one {view.ago(sent)}" if sent else "took none yet")
    said += [f"{count(hook, name)} {name}" for name in ("dropped", "refused") if count(hook, name)]
    if word(hook, "error"):
        said.append(f"{count(hook, 'failures')} failures: {word(hook, 'error')}")
    return ", ".join(said)


def events(view: View) -> Shown:
    """Return the guard's events of a day, the newest first."""
    found = _dated(view)
    if not found:
        return Shown("none", "none", h("p", "Nothing has happened for 24 h."))
    body = table(("When", "What"), _events(found), numbers="t ")
    return Shown("none", f"{len(found)} in 24 h", body)


def _dated(view: View) -> list[Data]:
    """Return the lines of the log, the newest first."""
    return [row for row in reversed(rows(view.data("events"))) if word(row, "text")]


def _events(found: list[Data]) -> Iterator[tuple[Html | str, ...]]:
    for row in found[: 2 * MOST]:
        t = number(row, "t")
        when = clock(t) if row.get("dated") is not False else f"{clock(t)} ~"
        yield h("span", when, class_="t"), word(row, "text")
