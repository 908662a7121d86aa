"""What is left of an audit on the host: numbers, the first findings, and how bad it is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from clawkeep.audit import note, tell
from clawkeep.audit.check import Check, Machine, Outcome, State
from clawkeep.audit.report import Report
from clawkeep.remote import Outcome as Said
from clawkeep.target import Target

MAC = Target("mac")


class Session:
    def __init__(self, _target: Target) -> None: ...

    def close(self) -> None: ...


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    calls: list[list[str]] = []

    def on_host(_session: object, words: Sequence[str], _s: float = 0) -> Said:
        calls.append(list(words))
        return Said(0, "", "")

    monkeypatch.setattr(tell, "HostSession", Session)
    monkeypatch.setattr(tell, "on_host", on_host)
    return calls


def outcome(machine: Machine, target: str, state: State, found: str = "x") -> Outcome:
    return Outcome(Check(machine, "file", target, "as declared"), state, found)


def left(sent: list[list[str]], *outcomes: Outcome, error: str = "") -> dict[str, Any]:
    tell.ended(MAC, Report("mac", "vm", "T", 1.0, 2, outcomes, {}, (), error))
    (words,) = sent
    assert words[:2] == ["audit", "note"]
    found: dict[str, Any] = json.loads(words[2])
    note.checked({**found, "t": 5.0})  # The host takes it.
    return found


def test_numbers_and_the_worst_first(sent: list[list[str]]) -> None:
    found = left(
        sent,
        outcome(Machine.HOST, "/a", State.PASSED),
        outcome(Machine.GUEST, "/b", State.UNKNOWN, "no answer"),
        outcome(Machine.HOST, "/c", State.FAILED, "mode 666 \x1b[2J"),
        outcome(Machine.HOST, "/d", State.ACCEPTED),
    )
    counts = [found[name] for name in ("passed", "failed", "unknown", "accepted")]
    assert (counts, found["verdict"], found["severity"]) == ([1, 1, 1, 1], "bad", "warning")
    assert found["found"] == ["host/file//c: mode 666 ?[2J", "guest/file//b: no answer"]


def test_a_broken_promise_is_critical_and_comes_first(sent: list[list[str]]) -> None:
    promise = outcome(Machine.KEEP, "internet", State.FAILED)
    found = left(sent, outcome(Machine.HOST, "/c", State.FAILED), promise)
    assert (found["severity"], found["found"][0]) == ("critical", "keep/file/internet: x")


def test_a_promise_that_nobody_could_tell_is_none_that_is_broken(sent: list[list[str]]) -> None:
    found = left(sent, outcome(Machine.KEEP, "internet", State.UNKNOWN))
    assert (found["severity"], found["verdict"]) == ("warning", "unknown")


def test_of_many_findings_the_first_are_named(sent: list[list[str]]) -> None:
    many = [outcome(Machine.HOST, f"/{n}", State.FAILED, "y" * 900) for n in range(300)]
    found = left(sent, *many)
    assert (found["failed"], len(found["found"])) == (300, note.FEW)
    assert len(sent[0][2]) < 5000
