"""The panels of the audit, the doctor, the skills, and of what is silenced, late or left behind."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from clawkeep import declared
from clawkeep.model import Keep
from clawkeep.overview.sources import Answer
from clawkeep.page.document import page
from tests.unit.page.reader import Page
from tests.unit.page.said import NOW, overview, well

pytestmark = pytest.mark.usefixtures("project")


@pytest.fixture
def keep() -> Keep:
    return declared.keep()


def shown(keep: Keep, data: dict[str, Any]) -> Page:
    return Page(page(keep, overview(data), NOW, interval_s=30))


def test_what_is_accepted_stands_apart_with_its_reason(keep: Keep) -> None:
    text = shown(keep, well()).text("audit")
    assert "✓ 3 as declared, 1 accepted" in text
    assert "automatic updates 01000 until 2026-12-31: the image's own setting" in text
    assert "daily by alice@laptop" in text


def test_an_audit_that_does_not_come_is_bad_whatever_the_last_one_found(keep: Keep) -> None:
    data = well()
    data["scheduled"]["facts"]["overdue"] = True
    data["scheduled"]["problems"] = ["no audit has come for too long"]
    seen = shown(keep, data)
    assert "✕ overdue, 3 as declared" in seen.text("audit")
    assert "no audit has come for too long" in seen.text("audit")
    assert "Something is not well" in seen.text()


def test_an_audit_by_another_machine_is_shown_from_what_the_host_was_told(keep: Keep) -> None:
    data = well()
    del data["audit"]
    last = data["scheduled"]["facts"]["last"]
    found = overview(data)
    answers = {**(found.answers or {})}
    answers["audit"] = replace(found.of("audit"), error="`clawkeep audit` has not been run yet")

    def text() -> str:
        now = replace(found, answers=answers)
        return Page(page(keep, now, NOW, interval_s=30)).text("audit")

    assert "✓ well, 5 h ago" in text()
    last.update(verdict="bad", failed=1, found=["host/file/x: mode 666"])
    assert "✕ 1 differ, 5 h ago" in text()
    assert "host/file/x: mode 666" in text()


def test_the_doctor_names_what_is_not_ok_first_and_what_fixes_it(keep: Keep) -> None:
    data = well()
    assert "✓ 8 ok" in shown(keep, data).text("doctor")
    data["doctor"]["rows"][-1].update(verdict="needs a Mac", value="no GPU here")
    assert "Something" not in shown(keep, data).text()
    data["doctor"]["rows"][1].update(verdict="unknown", value="no answer", fix="take a Mac")
    data["doctor"]["rows"][2].update(verdict="bad", value="2.28.0", fix="clawkeep apply base")
    text = shown(keep, data).text("doctor")
    assert "✕ 1 bad, 1 not known, 1 for a Mac to show" in text
    order = [text.index(word) for word in ("2.28.0 clawkeep apply base", "take a Mac", "no GPU")]
    assert order == sorted(order)


def test_skills_say_what_was_proved_and_for_whom(keep: Keep) -> None:
    data = well()
    assert "✓ 2 proved" in shown(keep, data).text("skills")
    row = data["skills"]["skills"][0]
    row.update(verdict="ill", installed=False, proof="failed", evidence="401")
    text = shown(keep, data).text("skills")
    assert "✕ 1 of 2 not proved" in text
    assert "gh ✕ ill not installed, configured failed, 1 d 1 h ago 401 main" in text
    data["skills"].update(error="the guest does not run")
    assert "the guest does not run" in shown(keep, data).text("skills")


def test_what_nobody_waits_for_is_no_fault_until_it_has_come(keep: Keep) -> None:
    found = overview(well())
    answers = {**(found.answers or {}), "doctor": Answer(), "skills": Answer()}
    seen = Page(page(keep, replace(found, answers=answers), NOW, interval_s=30))
    assert "✓ All is well" in seen.text()
    assert "being asked" in seen.text("doctor")


def test_an_update_that_has_not_ended_is_said_beside_the_guest(keep: Keep) -> None:
    data = well()
    data["status"]["kept"]["update"] = {
        "name": "update", "verdict": "unknown", "label": "applying", "problems": [],
        "text": "not ended, applying for 3 h; clawkeep update resume ends it", "facts": {},
    }  # fmt: skip
    seen = shown(keep, data)
    assert "clawkeep update resume ends it" in seen.text("machines")
    assert "Cannot tell" in seen.text()


def test_a_snapshot_that_is_overdue_is_said_in_words(keep: Keep) -> None:
    data = well()
    words = "no daily snapshot was made: the last is of 2026-11-01"
    data["snapshot"].update(verdict="bad", problems=[words])
    assert words in shown(keep, data).text("snapshots")
    assert "daily at 04:30" in shown(keep, well()).text("snapshots")


def test_an_alert_that_is_silenced_is_shown_and_alarms_nobody(keep: Keep) -> None:
    data = well()
    row = {**data["alerts"]["standing"][0], "key": "backup-late", "severity": "critical",
           "text": "late", "evidence": "since Monday"}  # fmt: skip
    data["alerts"]["standing"].append(row)
    assert "✕ 1 stands" in shown(keep, data).text("alerts")
    assert "late since Monday" in shown(keep, data).text("alerts")
    for key in ("backup-late", "*"):
        data["alerts"]["silences"] = [{"key": key, "until": NOW + 60, "who": "me", "reason": "x"}]
        text = shown(keep, data).text("alerts")
        assert "✓ none stands" in text
        assert "late (silenced)" in text
