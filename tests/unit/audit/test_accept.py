"""audit.yml: what is known is shown apart until its day; what holds the guest never is."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

from clawkeep.audit import accept
from clawkeep.audit.accept import Accepted
from clawkeep.audit.check import Check, Machine, Outcome, State
from clawkeep.audit.history import History
from clawkeep.audit.report import Report
from clawkeep.config import ConfigError
from clawkeep.verdict import Verdict

TODAY = date(2026, 11, 21)
NAME = "guest/prints/automatic updates"
UPDATES = Check(Machine.GUEST, "prints", "automatic updates", "off")
KNOWN = f"""\
accepted:
  - check: {NAME}
    found: "1, not 0 (pid *)"
    until: "2026-12-31"
    because: the image's own setting, until the next image
"""
FOUND = "1, not 0 (pid 812)"


def outcome(state: State = State.FAILED, found: str = FOUND) -> Outcome:
    return Outcome(UPDATES, state, found)


def known(text: str = KNOWN, today: date = TODAY) -> Accepted:
    return accept.parse(text, "audit.yml", today)


def reported(
    folder: Path, one: Outcome, at: str = "T1", rows: Accepted | None = None
) -> tuple[Report, Outcome]:
    rows = rows or known()
    (ended,) = rows.applied([one])
    history = History.read(folder)
    drift, fixed = history.compare([ended], at)
    history.write([ended], drift, at)
    notices = tuple(rows.notices([UPDATES], [ended]))
    return Report("mac", "vm", at, 1.0, 2, (ended,), drift, fixed, "", notices), ended


def test_a_known_finding_is_shown_apart_and_is_not_red(tmp_path: Path) -> None:
    report, _ = reported(tmp_path, outcome())
    assert report.verdict is Verdict.WELL
    (line,) = report.lines()
    assert line.startswith(f"KNOWN  guest prints automatic updates: expected off; found {FOUND}")
    assert line.endswith("accepted until 2026-12-31: the image's own setting, until the next image")
    assert "1 accepted" in report.summary()
    assert (report.changed, report.count(State.PASSED)) == (False, 0)
    (row,) = report.as_json()["checks"]
    assert (row["state"], row["accepted"][:16]) == ("accepted", "until 2026-12-31")


def test_junit_has_it_as_skipped_with_the_reason(tmp_path: Path) -> None:
    report, _ = reported(tmp_path, outcome())
    (suite,) = Xml.fromstring(report.junit().encode())
    counts = {key: suite.get(key) for key in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "1", "failures": "0", "errors": "0", "skipped": "1"}
    skipped = suite.find("testcase/skipped")
    assert skipped is not None
    assert "until the next image" in str(skipped.get("message"))


@pytest.mark.parametrize(
    ("one", "today", "state"),
    [
        (outcome(), TODAY, State.ACCEPTED),
        (outcome(), date(2026, 12, 31), State.ACCEPTED),
        (outcome(), date(2027, 1, 1), State.FAILED),
        (outcome(found="1, not 0 (pid 9), and more"), TODAY, State.FAILED),
        (outcome(found="2"), TODAY, State.FAILED),
        (outcome(State.UNKNOWN), TODAY, State.UNKNOWN),
        (outcome(State.PASSED), TODAY, State.PASSED),
    ],
)
def test_only_what_was_found_is_accepted_and_only_until_its_day(
    one: Outcome, today: date, state: State
) -> None:
    (ended,) = Accepted(known().rows, today).applied([one])
    assert ended.state is state


def test_after_its_day_it_is_red_again_and_new_and_its_place_is_said(tmp_path: Path) -> None:
    reported(tmp_path, outcome(), "T1")
    reported(tmp_path, outcome(), "T2")
    over = Accepted(known().rows, date(2027, 1, 1))
    report, _ = reported(tmp_path, outcome(), "T3", over)
    assert (report.verdict, report.changed) == (Verdict.BAD, True)
    assert report.drift[NAME].since == "T1"
    assert report.notices == (f"audit.yml:2:5: {NAME} was accepted until 2026-12-31; that is over",)
    report, _ = reported(tmp_path, outcome(), "T4", over)
    assert not report.changed


def test_what_is_accepted_and_then_mended_is_well_again(tmp_path: Path) -> None:
    reported(tmp_path, outcome())
    report, _ = reported(tmp_path, outcome(State.PASSED), "T2")
    assert report.fixed == (NAME,)
    assert report.notices == (f"audit.yml:2:5: {NAME} is as declared; this is needed no more",)


def test_a_name_that_no_check_has_accepts_nothing_and_is_said(tmp_path: Path) -> None:
    rows = known(KNOWN.replace("automatic", "autmatic"))
    report, ended = reported(tmp_path, outcome(), rows=rows)
    assert ended.state is State.FAILED
    assert "did you mean 'guest/prints/automatic updates'?" in report.notices[0]


PROMISED = Check(Machine.KEEP, "policy", "operator", "…", {"on": ["host/group/admin"]})


def test_what_a_promise_rests_on_cannot_be_accepted() -> None:
    rows = known(KNOWN.replace(NAME, "host/group/admin"))
    rows.allowed([UPDATES])
    with pytest.raises(ConfigError, match=r"audit.yml:2:5: check: host/group/admin cannot be"):
        rows.allowed([UPDATES, PROMISED])


@pytest.mark.parametrize(
    "name",
    [
        "host/rules/all rules", "guest/reach/internet", "host/grants/doors open for a time",
        "keep/policy/internet", "host/job/com.nanoclaw.guard", "host/process/softnet",
        "host/file//opt/clawkeep/lib/clawkeep/onhost/guard.py", "host/job/com.nanoclaw.canary",
        "host/file//opt/clawkeep/libexec/softnet", "host/prints/softnet is Homebrew's",
        "host/nothing-else//opt/clawkeep/bin", "host/formula/softnet",
    ],
)  # fmt: skip
def test_isolation_cannot_be_accepted(name: str) -> None:
    with pytest.raises(ConfigError, match=r"audit.yml:2:12: check: .* what holds the guest"):
        known(KNOWN.replace(NAME, name))


def changed(line: str, new: str) -> str:
    assert line in KNOWN
    return KNOWN.replace(line, new)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (changed('"2026-12-31"', '"2027-06-01"'), "4:12: until: at most 90 days ahead"),
        (changed('"2026-12-31"', '"soon"'), "4:12: until: 'soon' is no day"),
        (changed('"2026-12-31"', "2026-12-31"), "4:12: YAML reads 2026-12-31"),
        (changed('    until: "2026-12-31"\n', ""), "2:5: key `until` is missing"),
        (changed("because", "becuase"), "5:5: unknown key 'becuase'; did you mean 'because'?"),
        (changed("the image's own setting, until the next image", "ok"), "5:14: because: a reason"),
        (changed('"1, not 0 (pid *)"', '"*"'), "3:12: found: at least 4 letters"),
        (changed("accepted:", "acepted:"), "1:1: unknown key 'acepted'"),
        ("accepted: yes please", "1:11: accepted: a list is expected here"),
        ("- a", "1:1: a mapping with the key `accepted`"),
        ("accepted:\n  - a", "2:5: a mapping with check, found, until, because"),
        (KNOWN + KNOWN.partition("\n")[2], "6:5: the same is accepted at audit.yml:2:5"),
        (changed(FOUND[:8], "1,\u202e not 0"), "3:15: character U+202E cannot be seen"),
    ],
)
def test_a_mistake_is_named_with_its_place(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        known(text)
    assert f"audit.yml:{said}" in str(caught.value)


def test_every_mistake_is_named_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        known(changed('"2026-12-31"', '"soon"').replace("found", "fund"))
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize("text", ["", "# nothing\n", "accepted:\n", "accepted: []\n"])
def test_there_need_be_none(text: str, tmp_path: Path) -> None:
    assert accept.load(tmp_path, TODAY) == Accepted()
    (tmp_path / "audit.yml").write_text(text)
    assert accept.load(tmp_path, TODAY).rows == ()


def test_ninety_days_are_enough() -> None:
    last = TODAY + timedelta(days=90)
    assert known(changed("2026-12-31", str(last))).rows[0].until == last
