"""`clawkeep audit` before and around the machines: what it needs, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clawkeep import cli
from clawkeep.audit import tell
from clawkeep.audit.check import Check, Machine, Outcome, State
from clawkeep.audit.report import Report
from clawkeep.target import Target

CHECK = Check(Machine.HOST, "file", "/f", "root:wheel 644")


@pytest.fixture
def audited(
    project: Path, monkeypatch: pytest.MonkeyPatch, checkout: Path
) -> list[tuple[State, ...]]:
    """Each call is one audit, with the state of its one check."""
    states: list[tuple[State, ...]] = []
    (project / "roles").symlink_to(checkout / "roles")
    monkeypatch.setenv("CLAWKEEP_STATE", str(project / "state"))
    monkeypatch.setattr("clawkeep.cli.here.target", lambda: Target("mac"))
    monkeypatch.setattr(tell, "ended", lambda *_: None)

    def audit(*_: object, **__: object) -> Report:
        rows = tuple(Outcome(CHECK, state, "mode 777") for state in states.pop(0))
        return Report("mac", "vm", "T", 1.0, 2, rows, {}, ("host/file//g",))

    monkeypatch.setattr("clawkeep.audit.run.audit", audit)
    return states


@pytest.fixture
def checkout() -> Path:
    return Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("state", "status"), [(State.PASSED, 0), (State.FAILED, 1), (State.UNKNOWN, 2)]
)
def test_the_exit_status(
    audited: list[tuple[State, ...]], state: State, status: int,
    capsys: pytest.CaptureFixture[str], tmp_path: Path,
) -> None:  # fmt: skip
    audited.append((state,))
    junit = tmp_path / "a.xml"
    assert cli.main(["audit", "--json", "--junit", str(junit)]) == status
    out, err = capsys.readouterr()
    assert json.loads(out)["checks"][0]["state"] == state
    assert "round trips" in err
    assert 'name="/f"' in junit.read_text()


def test_junit_that_cannot_be_written_is_said(
    audited: list[tuple[State, ...]], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    audited.append((State.PASSED,))
    assert cli.main(["audit", "--junit", str(tmp_path / "none" / "a.xml")]) == 2
    assert "No such file or directory" in capsys.readouterr().err


def test_without_a_host_nobody_can_tell(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["audit"]) == 2
    assert "no Mac is named" in capsys.readouterr().err


def test_a_host_that_does_not_answer_is_unknown(
    project: Path, checkout: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (project / "roles").symlink_to(checkout / "roles")
    monkeypatch.setenv("CLAWKEEP_STATE", str(project / "state"))
    monkeypatch.setenv("CLAWKEEP_HOST", "me@127.0.0.1:1")
    assert cli.main(["audit"]) == 2
    out, _ = capsys.readouterr()
    assert "no SSH" in out
    journal = next((project / "state").rglob("audits.jsonl"))
    assert json.loads(journal.read_text())["verdict"] == "unknown"


def test_on_a_schedule_nothing_is_said_of_what_stays(
    audited: list[tuple[State, ...]], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    audited += [(State.FAILED,), (State.FAILED,)]
    assert cli.main(["audit", "--scheduled"]) == 1
    assert "FIXED  host file /g" in capsys.readouterr().out
    monkeypatch.setattr(Report, "changed", property(lambda _: False))
    assert cli.main(["audit", "--scheduled"]) == 1
    assert capsys.readouterr() == ("", "")


def test_a_host_that_stays_away_is_said_once_to_whoever_scheduled_it(
    project: Path, checkout: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (project / "roles").symlink_to(checkout / "roles")
    monkeypatch.setenv("CLAWKEEP_STATE", str(project / "state"))
    monkeypatch.setenv("CLAWKEEP_HOST", "me@127.0.0.1:1")
    assert cli.main(["audit", "--scheduled"]) == 2
    assert "no SSH" in capsys.readouterr().out
    assert cli.main(["audit", "--scheduled"]) == 2
    assert capsys.readouterr().out == ""
    assert cli.main(["audit"]) == 2
    assert "no SSH" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "state", "status"),
    [
        ((), State.PASSED, 0),
        (("--scheduled",), State.PASSED, 2),
        (("--scheduled",), State.FAILED, 1),
        (("--only", "f", "--scheduled"), State.PASSED, 0),
    ],
)
def test_a_result_that_the_host_does_not_take_is_said(
    audited: list[tuple[State, ...]], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], state: State, status: int,
) -> None:  # fmt: skip
    def refuse(*_: object) -> None:
        raise tell.NotTakenError("mac: it keeps no results; clawkeep apply base")

    monkeypatch.setattr(tell, "ended", refuse)
    audited.append((state,))
    assert cli.main(["audit", *words]) == status
    said = "the result is not on the host: mac: it keeps no results; clawkeep apply base"
    assert (said in capsys.readouterr().err) == ("--only" not in words)


def test_what_is_accepted_wrongly_ends_the_audit_before_it_begins(
    audited: list[tuple[State, ...]], project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "audit.yml").write_text("accepted:\n  - check: a/b/c\n    untl: x\n")
    assert cli.main(["audit"]) == 2
    assert "audit.yml:3:5: unknown key 'untl'; did you mean 'until'?" in capsys.readouterr().err
    assert audited == []
