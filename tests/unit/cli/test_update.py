"""`clawkeep update` as it is typed: its exit statuses, and what it refuses before it begins."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from clawkeep import cli
from clawkeep.cli import update as verb
from clawkeep.model import Keep
from clawkeep.target import NoTargetError, Target
from clawkeep.updates import Plan, Update, journal, work
from clawkeep.updates.journal import Entry
from clawkeep.updates.work import RolledBackError
from connectors.turn import BusyError

JQ = Update("brew", "jq", "1.8.1", "1.8.2", "patch")
GIT = Update("brew", "git", "2.52.0", "3.0.0", "major")
ENTRY = Entry(journal.APPLYING, "vm-1", "me@here", 1.0, "update to jq 1.8.2")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """What there is: the plan, the journal, and what was done."""
    there: dict[str, Any] = {"plan": Plan("vm"), "journal": None, "did": []}

    class Host:
        def __init__(self, keep: Keep, target: Target) -> None:
            self.keep, self.target = keep, target

        def journal(self) -> Entry | None:
            found: Entry | None = there["journal"]
            return found

        @contextmanager
        def turn(self, what: str) -> Iterator[None]:
            if there.get("busy"):
                raise BusyError("a converge, by you@there (pid 7) is at work")
            there["did"].append(f"turn {what}")
            yield
            there["did"].append("over")

        def clear(self, what: str) -> None:
            there["did"].append(what)

    def apply(_: Host, chosen: Sequence[Update], who: str, say: work.Say) -> None:
        there["did"].append([one.ref for one in chosen])
        if there.get("red"):
            raise RolledBackError("rolled back to vm-1: no longer runs: opt/jq/bin/jq")

    monkeypatch.setattr("clawkeep.declared.keep", Keep)
    monkeypatch.setattr(verb, "target", lambda: Target("mac", state=str(tmp_path)))
    monkeypatch.setattr(verb, "DeclaredKeep", Host)
    monkeypatch.setattr(verb, "gather", lambda keep, target: there["plan"])
    monkeypatch.setattr(work, "apply", apply)
    return there


@pytest.mark.parametrize(
    ("plan", "status"),
    [(Plan("vm"), 0), (Plan("vm", (GIT,)), 2), (Plan("vm", (), ("brew: no answer",)), 2)],
)
def test_a_plan_says_by_its_status_whether_there_is_something(
    world: dict[str, Any], capsys: pytest.CaptureFixture[str], plan: Plan, status: int
) -> None:
    world["plan"] = plan
    assert cli.main(["update", "plan", "--json"]) == status
    said = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in said["updates"]] == [u.name for u in plan.updates]
    # A look locks nobody out.
    assert world["did"] == []


def test_apply_takes_all_but_majors(world: dict[str, Any]) -> None:
    world["plan"] = Plan("vm", (JQ, GIT))
    assert cli.main(["update", "apply"]) == 0
    assert cli.main(["update", "apply", "--major", "brew:git"]) == 0
    first, second = (
        ["turn apply", refs, "over"] for refs in (["brew:jq"], ["brew:jq", "brew:git"])
    )
    assert world["did"] == [*first, *second]


def test_while_others_are_at_work_nothing_is_asked_or_done(
    world: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    world |= {"plan": Plan("vm", (JQ,)), "busy": True}
    assert cli.main(["update", "apply"]) == 75
    assert "you@there (pid 7) is at work" in capsys.readouterr().err
    assert world["did"] == []


def test_what_was_undone_is_no_success(
    world: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    world |= {"plan": Plan("vm", (JQ,)), "red": True}
    assert cli.main(["update", "apply"]) == 1
    assert "no longer runs" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("plan", "status"), [(Plan("vm", (GIT,)), 0), (Plan("vm", (), ("brew: no answer",)), 1)]
)
def test_nothing_to_apply(world: dict[str, Any], plan: Plan, status: int) -> None:
    world["plan"] = plan
    assert cli.main(["update", "apply"]) == status
    assert world["did"] == ["turn apply", "over"]


def test_what_is_under_way_comes_first(
    world: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    world |= {"journal": ENTRY, "plan": Plan("vm", (JQ,))}
    assert cli.main(["update", "status"]) == 1
    assert "vm-1" in capsys.readouterr().out
    assert cli.main(["update", "apply"]) == 1
    assert "update resume" in capsys.readouterr().err
    assert cli.main(["update", "resume", "--forget"]) == 0
    assert "forgotten by" in world["did"][-2]


def test_no_host_is_an_error(world: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> Target:
        raise NoTargetError("no lab is up")

    monkeypatch.setattr(verb, "target", nobody)
    assert cli.main(["update", "plan"]) == 1
