"""What an audit says, and how it compares with those before."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as Xml

from clawkeep.audit.check import Check, Machine, Outcome, State
from clawkeep.audit.history import History
from clawkeep.audit.report import Report
from clawkeep.verdict import Verdict

T1, T2, T3, T4 = (f"2026-11-2{n}T00:00:00+00:00" for n in range(1, 5))


def outcome(name: str, state: State, found: str = "it") -> Outcome:
    return Outcome(Check(Machine.HOST, "file", name, "root:wheel 644"), state, found)


def audited(folder: Path, at: str, *outcomes: Outcome, error: str = "") -> Report:
    history = History.read(folder)
    drift, fixed = history.compare(outcomes, at)
    history.write(outcomes, drift, at)
    return Report("mac", "vm", at, 1.0, 3, outcomes, drift, fixed, error)


def test_drift_is_new_then_old_then_fixed(tmp_path: Path) -> None:
    audited(tmp_path, T1, outcome("/a", State.PASSED))
    new = audited(tmp_path, T2, outcome("/a", State.FAILED, "mode 777"))
    assert list(new.lines()) == [
        f"DRIFT  host file /a: expected root:wheel 644; found mode 777; new, last seen well {T1}"
    ]
    old = audited(tmp_path, T3, outcome("/a", State.FAILED, "mode 666"))
    assert next(iter(old.lines())).endswith(f"found mode 666; since {T2}, last seen well {T1}")
    assert "new" not in old.summary()
    fixed = audited(tmp_path, T4, outcome("/a", State.PASSED))
    assert list(fixed.lines()) == ["FIXED  host file /a"]
    assert (fixed.verdict, "1 well again" in fixed.summary()) == (Verdict.WELL, True)


def test_what_nobody_could_tell_is_no_drift_that_was_mended(tmp_path: Path) -> None:
    audited(tmp_path, T1, outcome("/a", State.FAILED))
    unknown = audited(tmp_path, T2, outcome("/a", State.UNKNOWN, "no answer"))
    assert (unknown.fixed, unknown.verdict) == ((), Verdict.UNKNOWN)
    assert "cannot tell: no answer" in next(unknown.lines())
    again = audited(tmp_path, T3, outcome("/a", State.FAILED))
    assert f"since {T1}" in next(again.lines())
    audited(tmp_path, T3, outcome("/a", State.UNKNOWN))
    assert audited(tmp_path, T4, outcome("/a", State.PASSED)).fixed == ("host/file//a",)


def test_a_part_of_the_checks_leaves_the_others_as_they_were(tmp_path: Path) -> None:
    audited(tmp_path, T1, outcome("/a", State.FAILED), outcome("/b", State.PASSED))
    audited(tmp_path, T2, outcome("/b", State.PASSED))
    again = audited(tmp_path, T3, outcome("/a", State.FAILED))
    assert f"since {T1}" in next(again.lines())


def test_results_are_private_and_a_damaged_file_is_as_good_as_none(tmp_path: Path) -> None:
    audited(tmp_path, T1, outcome("/a", State.FAILED))
    file = tmp_path / "audit.json"
    assert file.stat().st_mode & 0o777 == 0o600
    for text in ("{", "[]", '{"format": 1, "checks": {"host/file//a": 7}}', '{"format": 9}'):
        file.write_text(text)
        assert audited(tmp_path, T2, outcome("/a", State.FAILED)).drift["host/file//a"].new
    file.write_text('{"format": 1, "checks": {"host/file//a": {"failed": "T"}}}')
    assert not audited(tmp_path, T3, outcome("/a", State.FAILED)).drift["host/file//a"].new


def test_verdicts() -> None:
    def verdict(*states: State, error: str = "") -> Verdict:
        rows = tuple(outcome(str(n), state) for n, state in enumerate(states))
        return Report("m", "vm", T1, 1, 1, rows, {}, (), error).verdict

    assert verdict(State.PASSED) is Verdict.WELL
    assert verdict(State.PASSED, State.UNKNOWN) is Verdict.UNKNOWN
    assert verdict(State.UNKNOWN, State.FAILED) is Verdict.BAD
    assert verdict() is Verdict.UNKNOWN
    assert verdict(State.PASSED, error="gone") is Verdict.UNKNOWN


def test_many_that_cannot_be_told_for_one_reason_are_one_line(tmp_path: Path) -> None:
    rows = [outcome(f"/{n}", State.UNKNOWN, "vm is stopped") for n in range(9)]
    lines = list(audited(tmp_path, T1, *rows).lines())
    assert lines == ["?      host: 9 checks cannot be told: vm is stopped"]


def test_junit_is_read_by_a_parser_whatever_a_machine_said(tmp_path: Path) -> None:
    report = audited(
        tmp_path, T1, outcome("/a", State.PASSED), outcome("/b<&>", State.FAILED, "\x00]]>\x1b"),
        outcome("/c", State.UNKNOWN),
    )  # fmt: skip
    root = Xml.fromstring(report.junit())
    (suite,) = root.findall("testsuite")
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "1", "1")
    assert [case.get("name") for case in suite] == ["/a", "/b<&>", "/c"]
    assert [len(case.findall("failure")) for case in suite] == [0, 1, 0]
    assert len(suite.findall("testcase/error")) == 1


def test_json_names_what_expected_found_and_since(tmp_path: Path) -> None:
    audited(tmp_path, T1, outcome("/a", State.PASSED))
    (row,) = audited(tmp_path, T2, outcome("/a", State.FAILED, "mode 777")).as_json()["checks"]
    assert row == {
        "name": "host/file//a", "machine": "host", "kind": "file", "target": "/a",
        "state": "failed", "expected": "root:wheel 644", "found": "mode 777",
        "accepted": None, "since": T2,
        "last_well": T1, "new": True,
    }  # fmt: skip
