"""The verdict of a status, and its two forms."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from clawkeep.agent import report as agents
from clawkeep.status import Door, GuardState, GuestState, Report, Verdict

GUEST = GuestState(
    "keep", "running", "192.168.64.5", "agent", ssh_ms=120, host_key="as pinned", error=None
)
DOOR = Door(
    "vault",
    "192.168.64.1:18443",
    "v.example:443",
    job="running",
    listening=True,
    probe=True,
    evidence="TLSv1.3, certificate for v.example",
    ms=12,
)
GUARD = GuardState("open", 5, last_event="2026-11-21 opened: open", proof="proved")
WELL = Report("mini", GUEST, (DOOR, replace(DOOR, name="nas")), anchor="in force", guard=GUARD)


def test_all_is_well_only_when_everything_is() -> None:
    assert WELL.verdict is Verdict.WELL
    assert int(WELL.verdict) == 0


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({"probe": False}, Verdict.BAD),
        ({"job": "absent"}, Verdict.BAD),
        ({"job": "absent", "probe": None}, Verdict.BAD),
        ({"listening": False}, Verdict.BAD),
        ({"listening": False, "probe": True}, Verdict.BAD),
        ({"probe": None}, Verdict.UNKNOWN),
        ({"job": "unknown"}, Verdict.UNKNOWN),
        ({"job": "loaded"}, Verdict.UNKNOWN),
        ({"listening": None}, Verdict.UNKNOWN),
        ({"job": "unknown", "listening": None, "probe": None}, Verdict.UNKNOWN),
    ],
)
def test_a_door_is_well_only_when_bridge_listener_and_service_are(
    change: dict[str, Any], verdict: Verdict
) -> None:
    assert replace(DOOR, **change).verdict is verdict
    assert replace(WELL, doors=(DOOR, replace(DOOR, **change))).verdict is verdict


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({"anchor": "absent"}, Verdict.BAD),
        ({"anchor": "off"}, Verdict.BAD),
        ({"anchor": "cut"}, Verdict.BAD),
        ({"anchor": "closed"}, Verdict.BAD),
        ({"guard": replace(GUARD, state="not running")}, Verdict.BAD),
        ({"guard": replace(GUARD, state="silent")}, Verdict.BAD),
        ({"guard": replace(GUARD, state="failed")}, Verdict.BAD),
        ({"guard": replace(GUARD, state="cut")}, Verdict.BAD),
        ({"guard": GuardState()}, Verdict.UNKNOWN),
        ({"anchor": "unknown"}, Verdict.UNKNOWN),
        ({"host_error": "no SSH"}, Verdict.UNKNOWN),
        ({"guest": replace(GUEST, state="stopped")}, Verdict.BAD),
        ({"guest": replace(GUEST, state="absent")}, Verdict.BAD),
        ({"guest": replace(GUEST, state="suspended")}, Verdict.UNKNOWN),
        ({"guest": replace(GUEST, state="unknown")}, Verdict.UNKNOWN),
        ({"guest": replace(GUEST, ssh_ms=None, error="refused")}, Verdict.UNKNOWN),
        ({"doors": ()}, Verdict.WELL),
    ],
)
def test_a_keep_is_well_only_when_host_anchor_and_guest_are(
    change: dict[str, Any], verdict: Verdict
) -> None:
    assert replace(WELL, **change).verdict is verdict


def test_what_is_certainly_bad_counts_more_than_what_is_not_known() -> None:
    doors = (replace(DOOR, probe=None), replace(DOOR, probe=False))
    assert replace(WELL, doors=doors, anchor="unknown").verdict is Verdict.BAD


def test_a_host_that_cannot_be_asked_tells_nothing_about_its_doors() -> None:
    assert replace(WELL, host_error="x", anchor="absent").verdict is Verdict.UNKNOWN


def test_the_json_form_is_plain_data_with_words_for_verdicts() -> None:
    data = json.loads(json.dumps(replace(WELL, doors=(DOOR,)).as_json()))
    assert data == {
        "host": "mini",
        "guest": {
            "name": "keep",
            "state": "running",
            "address": "192.168.64.5",
            "resolver": "agent",
            "ssh_ms": 120,
            "host_key": "as pinned",
            "error": None,
        },
        "doors": [
            {
                "name": "vault",
                "listen": "192.168.64.1:18443",
                "target": "v.example:443",
                "job": "running",
                "listening": True,
                "probe": True,
                "evidence": "TLSv1.3, certificate for v.example",
                "ms": 12,
                "verdict": "well",
            }
        ],
        "anchor": "in force",
        "host_error": None,
        "guard": {
            "state": "open",
            "age_s": 5,
            "why": "",
            "last_event": "2026-11-21 opened: open",
            "proof": "proved",
        },
        "granted": [],
        "agent": None,
        "health": None,
        "kept": {},
        "verdict": "well",
    }


def test_the_lines_stand_in_columns() -> None:
    doors = (
        DOOR,
        replace(DOOR, name="nas", listen=":18022", target="10.0.0.9:22", probe=False, ms=None,
                evidence="no SSH banner: ''"),
        replace(DOOR, name="gone", job="absent", listening=False, probe=None, evidence="", ms=None),
        replace(DOOR, name="deaf", listening=False, probe=None, evidence="", ms=None),
        replace(DOOR, name="who-knows", job="unknown", listening=None, probe=None, evidence="",
                ms=None),
    )  # fmt: skip
    granted = ("extra :20001 -> 10.0.30.9:80",)
    assert list(replace(WELL, doors=doors, granted=granted).lines()) == [
        "HOST    mini                     reached",
        "ANCHOR  com.apple/000.clawkeep   in force",
        "GUARD   com.nanoclaw.guard       open, last check 5 s ago",
        "EVENT   the last one             2026-11-21 opened: open",
        (
            "GUEST   keep                     running, 192.168.64.5 by agent, "
            "ssh 120 ms, host key as pinned"
        ),
        "GRANT   extra                    :20001 -> 10.0.30.9:80",
        (
            "DOOR    vault                    192.168.64.1:18443 -> v.example:443  ok    "
            "TLSv1.3, certificate for v.example 12 ms"
        ),
        (
            "DOOR    nas                      :18022 -> 10.0.0.9:22                bad   "
            "no SSH banner: ''"
        ),
        "DOOR    gone                     192.168.64.1:18443 -> v.example:443  down  -",
        "DOOR    deaf                     192.168.64.1:18443 -> v.example:443  deaf  -",
        "DOOR    who-knows                192.168.64.1:18443 -> v.example:443  ?     -",
    ]


def test_a_keep_that_cannot_be_reached_still_has_its_lines() -> None:
    report = Report("mini", GuestState("keep"), (), host_error="mini: no SSH: timed out")
    assert list(report.lines()) == [
        "HOST    mini                     mini: no SSH: timed out",
        "ANCHOR  com.apple/000.clawkeep   unknown",
        "GUARD   com.nanoclaw.guard       unknown",
        "GUEST   keep                     unknown, no address, not entered",
    ]


ROWS = (
    agents.Row("loop", Verdict.UNKNOWN, "not seen"),
    agents.Row("process", Verdict.WELL, "pid 7"),
    agents.Row("orphans", Verdict.BAD, "2 processes"),
)


@pytest.mark.parametrize(
    ("agent", "verdict", "words"),
    [
        (agents.Report("keep", "v1.2", ROWS), Verdict.BAD,
         "ill: orphans 2 processes, loop not seen"),
        (agents.Report("keep", "v1.2", ROWS[:2]), Verdict.UNKNOWN, "unknown: loop not seen"),
        (agents.Report("keep", "v1.2", ROWS[1:2]), Verdict.WELL, "well"),
        (agents.Report("keep", "v1.2", error="no SSH"), Verdict.UNKNOWN, "unknown: no SSH"),
    ],
)  # fmt: skip
def test_the_agent_is_part_of_it_where_one_is_declared(
    agent: agents.Report, verdict: Verdict, words: str
) -> None:
    report = replace(WELL, agent=agent)
    assert report.verdict is verdict
    assert f"AGENT   v1.2                     {words}" in list(report.lines())
    assert (
        json.loads(json.dumps(report.as_json()))["agent"]["verdict"]
        == words.split(":", maxsplit=1)[0]
    )
    assert WELL.as_json()["agent"] is None
    assert not [line for line in WELL.lines() if line.startswith("AGENT")]
