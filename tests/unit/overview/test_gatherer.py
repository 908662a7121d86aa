"""What is kept: the last good answer with its age, asked no more often than it must be."""

from __future__ import annotations

import importlib
import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clawkeep import declared, state
from clawkeep.doctor.report import Report as DoctorReport
from clawkeep.overview.facts import rows
from clawkeep.overview.gatherer import Gatherer, gather
from clawkeep.overview.sources import SOURCES, STATUS, Answer, Overview, Source
from clawkeep.remote import Outcome
from clawkeep.status import Door, GuestState, Report
from clawkeep.target import Target
from clawkeep.transport import TransportError

gatherer_module = importlib.import_module("clawkeep.overview.gatherer")
aside_module = importlib.import_module("clawkeep.overview.aside")
SOURCES_BY_NAME = {source.name: source for source in SOURCES}

HOST = Target("mac")


class Host:
    """A host that says what a test wants; `away` is why it does not answer."""

    def __init__(self) -> None:
        self.away = ""
        self.asked: list[list[str]] = []
        self.says: dict[str, Outcome] = {}
        self.doctors = 0
        self.patient = threading.Event()
        self.patient.set()
        self.more: Callable[[Any], Any] = lambda report: report

    def status(self, *_: Any) -> Any:
        door = Door("nas", ":10022", "10.0.20.10:22")
        return self.more(Report("mac", GuestState("keep"), (door,), host_error=self.away or None))

    def ask(self, _: Any, sources: list[Source]) -> dict[str, Outcome]:
        if self.away:
            raise TransportError(self.away)
        self.asked.append([source.name for source in sources])
        return {s.name: self.says.get(s.name, Outcome(0, "{}", "")) for s in sources}

    def doctor(self, *_: Any) -> Any:
        self.doctors += 1
        self.patient.wait(5)
        if self.away:
            raise TransportError(self.away)
        return DoctorReport("mac", "keep", ())

    def close(self) -> None:
        pass


@pytest.fixture
def host(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    made = Host()
    monkeypatch.setenv("CLAWKEEP_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(gatherer_module, "gather_status", made.status)
    monkeypatch.setattr(gatherer_module, "HostSession", lambda _: made)
    monkeypatch.setattr(gatherer_module, "ask_host", made.ask)
    monkeypatch.setattr(aside_module, "doctor", made.doctor)
    return made


def ask(last: Overview) -> Overview:
    return gather(declared.keep(), HOST, Path())(last)


def test_every_source_is_asked_and_what_is_slow_to_change_less_often(host: Host) -> None:
    first = ask(Overview())
    named = {source.name for source in SOURCES if not source.aside}
    assert named <= set(first.answers or {})
    assert first.of("grants").data == {}
    assert [door["name"] for door in rows(first.of(STATUS).data, "doors")] == ["nas"]
    second = ask(first)
    assert "backup" in host.asked[0]
    assert "backup" not in host.asked[1]
    assert "grants" in host.asked[1]
    assert second.of("backup") == first.of("backup")
    # A clock that was set back asks again.
    future = replace(first.of("backup"), asked=time.time() + 9999)
    ask(replace(first, answers={**(first.answers or {}), "backup": future}))
    assert "backup" in host.asked[2]


def until(gather_: Callable[[Overview], Overview], found: Overview, name: str) -> Overview:
    """Ask until a source that nobody waits for has answered."""
    end = time.monotonic() + 10
    while found.of(name).asked is None and time.monotonic() < end:
        time.sleep(0.01)
        found = gather_(found)
    return found


def test_nobody_waits_for_what_takes_long_and_it_is_asked_once_at_a_time(host: Host) -> None:
    host.patient.clear()
    gather_ = gather(declared.keep(), HOST, Path())
    began = time.monotonic()
    second = gather_(gather_(Overview()))
    assert time.monotonic() - began < 4
    assert (second.of("doctor").asked, host.doctors) == (None, 1)
    host.patient.set()
    third = until(gather_, second, "doctor")
    assert third.of("doctor").data["verdict"] == "unknown"
    gather_(third)
    assert host.doctors == 1  # It is young.
    assert SOURCES_BY_NAME["skills"].absent(until(gather_, third, "skills").of("skills"))


def test_what_breaks_aside_is_an_error_of_its_own_and_is_asked_again(host: Host) -> None:
    gather_ = gather(declared.keep(), HOST, Path())
    found = until(gather_, gather_(Overview()), "doctor")
    host.away = "mac: no SSH"
    old = replace(found.of("doctor"), asked=0.0)
    found = gather_(replace(found, answers={**(found.answers or {}), "doctor": old}))
    end = time.monotonic() + 10
    while not found.of("doctor").error and time.monotonic() < end:
        time.sleep(0.01)
        found = gather_(found)
    assert "no SSH" in found.of("doctor").error
    assert found.of("doctor").data == old.data


def test_a_figure_that_is_asked_for_once_starts_nothing_aside(host: Host) -> None:
    found = gather(declared.keep(), HOST, Path(), aside=False)(Overview())
    assert (host.doctors, found.of("doctor").asked) == (0, None)


def test_a_host_that_is_away_leaves_the_last_answers_with_their_age(host: Host) -> None:
    first = ask(Overview())
    host.away = "mac: no SSH"
    second = ask(first)
    assert second.error == "mac: no SSH"
    for name in (STATUS, "grants", "events"):
        assert second.of(name).data == first.of(name).data
        assert second.of(name).at == first.of(name).at
        assert second.of(name).error == "mac: no SSH"
    host.away = ""
    third = ask(second)
    assert (third.error, third.of("grants").error) == ("", "")
    assert (third.of("grants").at or 0) > (first.of("grants").at or 0)


def test_an_error_is_made_fit_to_be_shown_and_asked_again_at_once(host: Host) -> None:
    host.says["backup"] = Outcome(2, "", "bad \x1b[31m thing")
    first = ask(Overview())
    assert first.of("backup").error == "bad ?[31m thing"
    host.says["backup"] = Outcome(0, '{"verdict": 0}', "")
    second = ask(first).of("backup")
    assert (second.data, second.error) == ({"verdict": 0}, "")


def test_an_answer_that_was_cut_off_is_an_error(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gatherer_module, "ask_host", lambda *_: {})
    assert "cut off" in ask(Overview()).of("grants").error


def test_the_last_audit_is_read_from_where_it_is_kept(host: Host) -> None:
    source = next(source for source in SOURCES if source.name == "audit")
    assert source.absent(ask(Overview()).of("audit"))
    path = state.folder("mac", declared.keep().guest.name) / "audit.json"
    path.write_text(json.dumps({"at": "x"}))
    assert ask(Overview()).of("audit").data == {"at": "x"}
    path.write_text("{")
    damaged = ask(Overview()).of("audit")
    assert damaged.error
    assert not source.absent(damaged)


def test_the_health_is_what_the_status_says_of_it(host: Host) -> None:
    source = next(source for source in SOURCES if source.name == "health")
    first = ask(Overview())
    assert source.absent(first.of("health"))

    class WithHealth:
        def __init__(self, report: Report) -> None:
            self.report = report

        def as_json(self) -> dict[str, Any]:
            return {**self.report.as_json(), "health": {"verdict": "well"}}

    host.more = WithHealth
    second = ask(first)
    assert second.of("health").data == {"verdict": "well"}
    host.away = "mac: no SSH"
    third = ask(second)
    assert third.of("health").data == {"verdict": "well"}
    assert third.of("health").error == "mac: no SSH"
    assert not source.absent(third.of("health"))


def test_a_gather_that_breaks_shows_what_was_known_and_goes_on() -> None:
    rounds = []

    def breaks(last: Overview) -> Overview:
        rounds.append(1)
        if len(rounds) == 2:
            raise RuntimeError("a bug")
        return Overview("mac", {STATUS: Answer({}, 1.0, "", 1.0)}, 1.0, time.time())

    made = Gatherer(breaks, 0.05)
    made.start()
    try:
        assert made.read(5).error == ""
        end = time.monotonic() + 5
        while "a bug" not in (seen := made.read(0.1)).error and time.monotonic() < end:
            pass
        assert "RuntimeError: a bug" in seen.of(STATUS).error
        assert seen.of(STATUS).data == {}
        while made.read(0.1).error and time.monotonic() < end:
            pass
        assert made.read().error == ""
    finally:
        assert made.stop()


def test_what_nobody_has_asked_for_long_is_marked_as_old(monkeypatch: pytest.MonkeyPatch) -> None:
    go, rounds = threading.Event(), []

    def hangs(_: Overview) -> Overview:
        rounds.append(1)
        if len(rounds) > 1:
            go.wait(20)
        return Overview("mac", {STATUS: Answer({}, 1.0, "", 1.0)}, 1.0, time.time())

    made = Gatherer(hangs, 30)
    made.start()
    assert made.read(5).of(STATUS).error == ""
    # As after a night in which this machine slept, and a host that hangs now.
    asleep = time.time() + 30_000
    monkeypatch.setattr("clawkeep.overview.gatherer.time.time", lambda: asleep)
    seen = made.read(0.2)
    assert seen.of(STATUS).error == seen.error == "the last ask ended 8 h 20 min ago"
    assert seen.of(STATUS).data == {}
    go.set()
    assert made.read(5).of(STATUS).error == ""
    assert made.stop(5)


def test_readers_never_wait_longer_than_they_said_and_ending_does_not_hang() -> None:
    go = threading.Event()

    def hangs(last: Overview) -> Overview:
        go.wait(20)
        return last

    made = Gatherer(hangs, 30)
    made.start()
    began = time.monotonic()
    assert made.read(0.2) == Overview()
    assert time.monotonic() - began < 2
    assert made.stop(0.1) is False
    go.set()
    assert made.stop(5) is True
