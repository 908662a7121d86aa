"""Grants on record: complete, clash-free, noted before they count, and gone for good."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from clawkeep.onhost import clock, grants, paths, vet, world
from clawkeep.policy import Door, PolicyError, grants_text
from tests.unit.onhost.conftest import POLICY, Host

DOOR = Door(
    "printer", 18631, "10.0.30.9", 631, since=1000.0, until=2000.0, who="alice", reason="to print"
)


@pytest.fixture(autouse=True)
def _noon(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: 1000.0)


def lines(path: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_grant_is_on_record_in_the_events_and_in_the_journal() -> None:
    grants.add(DOOR, POLICY)
    assert world.grants() == (DOOR,)
    [event] = lines(paths.EVENTS)
    assert {k: event[k] for k in ("kind", "name", "until", "who", "reason")} == {
        "kind": "granted",
        "name": "printer",
        "until": 2000.0,
        "who": "alice",
        "reason": "to print",
    }
    [entry] = lines(grants.JOURNAL)
    assert (entry["who"], entry["model"]) == ("alice", "d1")
    assert entry["did"] == "granted printer: :18631 -> 10.0.30.9:631: to print"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"name": "vault"}, "vault is a service of the allowlist already"),
        ({"port": 18022}, "port 18022 is that of nas, a service of the allowlist"),
        ({"name": "printer", "port": 1999}, "printer is a grant already"),
        ({"name": "other", "port": 18631}, "port 18631 is that of printer, a grant"),
    ],
)
def test_a_clash_changes_nothing(changes: dict[str, Any], why: str) -> None:
    grants.add(DOOR, POLICY)
    before = paths.GRANTS.read_text(), paths.EVENTS.read_text(), grants.JOURNAL.read_text()
    with pytest.raises(vet.UnfitError, match=why):
        grants.add(replace(DOOR, **changes), POLICY)
    after = paths.GRANTS.read_text(), paths.EVENTS.read_text(), grants.JOURNAL.read_text()
    assert after == before


def test_an_ended_grant_is_in_nobodys_way() -> None:
    paths.GRANTS.write_text(grants_text([replace(DOOR, until=999.0)]))
    grants.add(DOOR, POLICY)
    assert world.grants() == (DOOR,)


def test_there_is_an_end_to_the_number_of_grants() -> None:
    many = [replace(DOOR, name=f"d{n}", port=20000 + n) for n in range(grants.MOST)]
    paths.GRANTS.write_text(grants_text(many))
    with pytest.raises(vet.UnfitError, match="revoke one"):
        grants.add(DOOR, POLICY)


def test_a_grant_without_a_word_in_the_events_does_not_come_to_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("clawkeep.onhost.store.event", full)
    with pytest.raises(OSError, match="No space"):
        grants.add(DOOR, POLICY)
    assert world.grants() == ()


def test_a_revoked_grant_is_gone_with_a_word() -> None:
    grants.add(DOOR, POLICY)
    assert grants.remove("printer", POLICY, who="bob", why="revoked by hand") == DOOR
    assert world.grants() == ()
    assert lines(paths.EVENTS)[-1]["kind"] == "revoked"
    assert lines(paths.EVENTS)[-1]["who"] == "bob"
    assert grants.remove("printer", POLICY, who="bob", why="again") is None
    assert len(lines(paths.EVENTS)) == 2


def test_a_damaged_record_is_not_written_over() -> None:
    paths.GRANTS.write_text("{")
    with pytest.raises(PolicyError):
        grants.add(DOOR, POLICY)
    grants.settle()
    assert paths.GRANTS.read_text() == "{"


def test_settling_twice_says_it_once() -> None:
    paths.GRANTS.write_text(grants_text([replace(DOOR, until=1000.0)]))
    grants.settle()
    grants.settle()
    assert [event["kind"] for event in lines(paths.EVENTS)] == ["expired"]
    assert world.grants() == ()


def test_the_report_says_how_each_grant_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    overruled = replace(DOOR, name="vault", port=19000)
    ended = replace(DOOR, name="old", port=19001, until=1000.0)
    paths.GRANTS.write_text(grants_text([DOOR, overruled, ended]))
    states = {row["name"]: (row["state"], row["left_s"]) for row in grants.report()}
    assert states == {
        "printer": ("waiting", 1000),
        "vault": ("overruled", 1000),
        "old": ("ended", 0),
    }
    link = {"bridge": "bridge100", "gateway": "127.0.0.1", "prefix": "8", "guest": "127.0.0.2"}
    paths.LINK.write_text(json.dumps(link))
    monkeypatch.setattr(vet, "taken", lambda *_: False)
    assert grants.report()[0]["state"] == "deaf"
    monkeypatch.setattr(vet, "taken", lambda *_: True)
    assert grants.report()[0]["state"] == "open"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.9, "59 s"), (60, "1 min"), (7199, "1 h 59 min"), (604_800, "7 d")],
)
def test_a_time_to_go_is_said_in_two_units(seconds: float, text: str) -> None:
    assert grants.span(seconds) == text
