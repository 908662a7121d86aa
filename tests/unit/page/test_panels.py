"""The page: what each panel makes of what the verbs said, of other JSON, and of silence."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from clawkeep import declared
from clawkeep.model import Keep
from clawkeep.overview.sources import SOURCES, Overview
from clawkeep.page.document import BY_NAME, page
from clawkeep.page.panels import PANELS
from tests.unit.page.reader import Page
from tests.unit.page.said import NOW, overview, poisoned, well

pytestmark = pytest.mark.usefixtures("project")


@pytest.fixture
def keep() -> Keep:
    return declared.keep()


def shown(keep: Keep, data: dict[str, Any], now: float = NOW) -> Page:
    return Page(page(keep, overview(data), now, interval_s=30))


def test_a_keep_that_is_well(keep: Keep) -> None:
    seen = shown(keep, well())
    assert "✓ All is well" in seen.text()
    assert "4 open" in seen.text("doors")
    assert "home-assistant ✓ ok 192.168.64.1:18123 → 10.0.30.5:8123" in seen.text("doors")
    assert "38 of what must not answer" in seen.text("canary")
    assert "nas-web :18080" in seen.text("grants")
    assert "for a time" in seen.text("keep")
    assert "3 of 4" in seen.text("audit")
    assert "memory: 21% free ✓ ok" in seen.text("health")
    assert "none stands" in seen.text("alerts")


def test_every_panel_has_a_heading_and_names_its_commands(keep: Keep) -> None:
    seen = shown(keep, well())
    headings = [values for tag, values in seen.tags if tag == "h2"]
    assert [values["id"] for values in headings] == [f"{panel.name}-title" for panel in PANELS]
    for panel in PANELS:
        for source in panel.sources:
            assert BY_NAME[source].command in seen.text(panel.name)


def test_what_is_not_well_is_said_first_and_in_words(keep: Keep) -> None:
    data = well()
    data["canary"].update(verdict="red", leaks=["lan 10.0.30.9:22/tcp: SSH-2.0"])
    data["status"]["doors"][2].update(verdict="bad", probe=False, evidence="refused")
    data["alerts"]["standing"][0].update(severity="critical", text="got out")
    seen = shown(keep, data)
    assert "✕ Something is not well" in seen.text()
    links = [values["href"] for tag, values in seen.tags if tag == "a" and values.get("href")]
    assert {"#canary", "#doors", "#alerts"} <= set(links)
    assert "#backups" not in links
    assert "lan 10.0.30.9:22/tcp: SSH-2.0" in seen.text("canary")
    assert "kubernetes ✕ bad" in seen.text("doors")
    assert "1 of 4 not well" in seen.text("doors")


@pytest.mark.parametrize("name", ["bridges", "canary", "alerts", "events", "grants"])
def test_a_part_that_does_not_answer_is_not_well(keep: Keep, name: str) -> None:
    data = well()
    del data[name]
    seen = shown(keep, data)
    assert "? Cannot tell" in seen.text()
    for panel in PANELS:
        if name in panel.sources:
            assert "does not know it" in seen.text(panel.name)
            assert "not all is known" in seen.text(panel.name) or panel.sources[0] == name


@pytest.mark.parametrize(
    ("name", "panel", "why"),
    [
        ("health", "health", "the status does not have it; clawkeep apply operations"),
        ("snapshots", "snapshots", "the Clawkeep that is there does not know it; clawkeep apply"),
        ("backup", "backups", "no backup is declared on this host"),
        ("audit", "audit", "`clawkeep audit` has not been run yet"),
    ],
)
def test_what_was_never_set_up_is_no_fault_but_anything_else_is(
    keep: Keep, name: str, panel: str, why: str
) -> None:
    data = well()
    del data[name]
    if name == "audit":
        del data["scheduled"]
    found = overview(data)
    answers = {**(found.answers or {}), name: replace(found.of(name), error=why)}
    seen = Page(page(keep, replace(found, answers=answers), NOW, interval_s=30))
    assert "All is well" in seen.text()
    assert "not set up" in seen.text(panel)
    assert why in seen.text(panel)
    answers[name] = replace(answers[name], error="database disk image is malformed")
    seen = Page(page(keep, replace(found, answers=answers), NOW, interval_s=30))
    assert "Cannot tell" in seen.text()
    assert "database disk image is malformed" in seen.text(panel)


def test_a_host_that_is_away_is_said_loudly_and_the_last_stays_with_its_age(keep: Keep) -> None:
    found = overview(well())
    failed = found.of("status").failed("mac: no SSH", NOW + 300)
    answers = {**(found.answers or {}), "status": failed}
    later = replace(found, answers=answers, error=failed.error, ended=NOW + 300)
    seen = Page(page(keep, later, NOW + 300, interval_s=30))
    assert "Cannot tell, as far as was known" in seen.text()
    assert "The host does not answer: mac: no SSH; the last answer is 5 min ago." in seen.text()
    assert "home-assistant" in seen.text("doors")
    old = {values["id"] for tag, values in seen.tags if tag == "section"
           and "old" in str(values.get("class")).split()}  # fmt: skip
    assert old == {"keep", "machines", "doors", "agent"}
    assert "Old: of " in seen.text("doors")


def test_a_guest_that_is_short_of_something_is_looked_at_before_it_is_ill(keep: Keep) -> None:
    data = well()
    data["health"]["samples"][-1].update(memory_free_percent=7, load=None)
    seen = shown(keep, data)
    assert "! well, short of memory" in seen.text("health")
    assert "load per core: not seen ? unknown" in seen.text("health")
    assert "! Look at this" in seen.text()
    data["health"]["verdict"] = "ill"
    assert "✕ ill, short of memory" in shown(keep, data).text("health")


@pytest.mark.parametrize("since", [{"since": "2026-11-20"}, {"failed": "2026-11-20"}])
def test_an_audits_drift_is_named_with_its_age(keep: Keep, since: dict[str, str]) -> None:
    data = well()
    data["audit"]["checks"]["host/file/x"] = {"state": "failed", "found": "mode 666", **since}
    text = shown(keep, data).text("audit")
    assert "✕ 1 differ" in text
    assert "host/file/x ✕ failed mode 666 2026-11-20" in text
    data["audit"]["checks"] = [{"name": "a/b/c", "state": "unknown", "found": "?"}]
    assert "? 1 cannot be told" in shown(keep, data).text("audit")


@pytest.mark.parametrize("verdict", ["green", "absent"])
def test_a_canary_that_is_silent_is_not_green(keep: Keep, verdict: str) -> None:
    data = well()
    data["canary"].update(verdict=verdict, t=NOW - 3600)
    seen = shown(keep, data)
    assert f"? {'no guest' if verdict == 'absent' else verdict}, but 1 h ago" in seen.text("canary")
    assert "Cannot tell" in seen.text()
    data["canary"].update(leaks=["lan"], verdict="red")
    assert "✕ red" in shown(keep, data).text("canary")


def test_an_old_audit_is_looked_at_again(keep: Keep) -> None:
    seen = shown(keep, well(), NOW + 30 * 86400)
    assert "! 3 as declared" in seen.text("audit")


def test_a_page_that_nobody_read_for_long_says_that_it_is_old(keep: Keep) -> None:
    seen = shown(keep, well(), NOW + 3600)
    assert "The last ask ended 1 h ago; the next is under way." in seen.text()
    assert "All is well" not in seen.text()
    assert ("meta", {"http-equiv": "refresh", "content": "2"}) in seen.tags


def test_the_timeline_has_what_became_of_the_keep(keep: Keep) -> None:
    data = well()
    data["events"].insert(0, {"t": NOW, "text": "health: ill: NanoClaw runs, but does nothing"})
    text = shown(keep, data).text("health")
    assert "health: ill: NanoClaw runs, but does nothing" in text
    assert "granted" not in text


def test_before_the_first_answer_the_page_looks_again_soon(keep: Keep) -> None:
    seen = Page(page(keep, Overview(), NOW, interval_s=30))
    assert ("meta", {"http-equiv": "refresh", "content": "2"}) in seen.tags
    assert "for the first time" in seen.text()


def test_a_page_can_stay_as_it_is(keep: Keep) -> None:
    found = overview(well())
    refreshing = Page(page(keep, found, NOW, interval_s=30))
    assert ("meta", {"http-equiv": "refresh", "content": "30"}) in refreshing.tags
    still = Page(page(keep, found, NOW, interval_s=30, still=True))
    assert not [tag for tag in still.tags if tag[1].get("http-equiv") == "refresh"]


POISON = "</td></section><script>x()</script><img src=x onerror='x()'>\"\u202e\x1b[31m"


def test_nothing_that_others_wrote_becomes_markup(keep: Keep) -> None:
    clean = shown(keep, well())
    seen = shown(keep, poisoned(well(), POISON))
    assert {tag for tag, _ in seen.tags} <= {tag for tag, _ in clean.tags}
    assert not [v for _, values in seen.tags for v in values if v.startswith("on")]
    assert "<script>x()</script>" in seen.text("events")
    markup = page(keep, overview(poisoned(well(), POISON)), NOW, interval_s=30)
    assert "\u202e" not in markup
    assert "\x1b" not in markup
    assert "<script" not in markup


@pytest.mark.parametrize("name", [source.name for source in SOURCES])
@pytest.mark.parametrize(
    "odd",
    [{}, [], {"doors": 3}, [1, "x", None], {"verdict": None, "layers": [{}], "checks": {"a": 1}},
     {"samples": [{"t": None, "load": 1e400}], "snapshots": [{"t": "x"}], "repairs": []}],
)  # fmt: skip
def test_json_of_another_version_takes_no_other_panel_with_it(
    keep: Keep, name: str, odd: Any
) -> None:
    seen = shown(keep, {**well(), name: odd})
    assert set(seen.texts) == {"", *(panel.name for panel in PANELS)}
    if name != "status":
        assert "4 CPU" in seen.text("keep")
    if name != "canary":
        assert "38 of what must not answer" in seen.text("canary")


def test_the_whole_page_needs_nothing_from_elsewhere(keep: Keep) -> None:
    markup = page(keep, overview(well()), NOW, interval_s=30)
    seen = Page(markup)
    outside = [v for _, values in seen.tags for k, v in values.items() if k in {"src", "srcset"}]
    assert outside == []
    hrefs = [str(values["href"]) for _, values in seen.tags if "href" in values]
    assert all(re.fullmatch(r"#[a-z]+|\.|\?still=1|icon\.svg", href) for href in hrefs)
    assert not [values for _, values in seen.tags if "style" in values]
