"""What is seen in the guest, and what it means: each verdict with the change that turns it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawkeep.agent.facts import Facts
from clawkeep.agent.judge import Declared, rows
from clawkeep.agent.report import Report, Row, span
from clawkeep.nanoclaw.profile import Channel
from clawkeep.verdict import Verdict

NOW = 1_795_132_800.0
RELEASE = "/opt/nanoclaw/releases/b8cf30830b8a-01234567"
DISCORD = Channel(
    "discord", connected="Discord bot connected", lost="Discord client error", holds=True
)
COMMIT = "b8cf30830b8adc33d75537521b68023d16a51547"
SOURCE = {"profile": "v1.2", "repository": "https://github.com/x/y.git", "commit": COMMIT}
SKILL = {"branch": "skill/discord", "commit": "c" * 40}
DECLARED = Declared("com.nanoclaw", (DISCORD,), True, SOURCE, (SKILL,))


def facts() -> dict[str, Any]:
    """What `probe.py` finds where all is well."""
    return {
        "now": NOW,
        "release": {"id": "b8cf30830b8a-01234567", "current": RELEASE, **SOURCE,
                    "skills": [{**SKILL, "repository": "https://github.com/x/y.git"}]},
        "job": {"label": "com.nanoclaw", "loaded": True, "state": "running", "pid": "812",
                "last_exit_code": "(never exited)", "runs": "1"},
        "log_job": {"label": "com.nanoclaw.logs", "loaded": True, "pid": "800"},
        "channel": {"pid": 812, "ms": 3},
        "hosts": [{"pid": 812, "parent": 1, "uid": 502, "age_s": 3600, "cwd": RELEASE,
                   "program": f"{RELEASE}/dist/index.js", "command": "node …",
                   "connections": 2}],
        "loop": {"ok": True, "ms": 412},
        "log": {
            "bytes": 2_500_000, "checked": NOW - 7, "flood": 0.0,
            "flow": [[int(NOW // 60) - 3, 120_000, 900], [int(NOW // 60) - 200, 10**9, 9]],
            "signs": {"812": {"first": NOW - 3600, "last": NOW - 60, "banner": NOW - 3588,
                              "channels": {
                "discord": {"state": "up", "t": NOW - 3590, "text": "Discord bot connected"}}}},
        },
        "results": {"credentials_changed": NOW - 90_000, "last": [
            {"t": NOW - 60, "event": "result", "name": "nanoclaw-main-1", "group": "main",
             "status": "success", "chars": 5, "text": "Hello"}]},
        "ipc": {"waiting": 0, "oldest_s": 0.0, "errors": 0, "newest_error_s": None},
        "database": {"messages": 2000, "check": "ok"},
        "queue": {"waiting": 0, "oldest": None, "tasks": 2, "due": 0},
        "runs": {"running": [{"Names": "nanoclaw-main-1", "User": "claw-agent", "Pid": 900,
                              "Status": "Up 35 seconds"}], "count": 1, "left": []},
        "strays": [],
    }  # fmt: skip


def judged(found: dict[str, Any], declared: Declared = DECLARED) -> dict[str, Row]:
    return {row.name: row for row in rows(Facts(found), declared)}


def test_where_all_is_well_every_row_is_and_says_why() -> None:
    report = Report("nanoclaw-vm", "v1.2", tuple(rows(Facts(facts()), DECLARED)))
    assert {row.verdict for row in report.rows} == {Verdict.WELL}
    assert [row.name for row in report.rows] == [
        "release", "job", "process", "instance", "banner", "loop", "channel local",
        "channel discord", "credential", "database", "queue", "ipc errors", "runtime", "agents",
        "orphans", "logs",
    ]  # fmt: skip
    assert report.verdict == 0
    lines = list(report.lines())
    assert lines[2] == f"well     process            pid 812, up 1 h        {RELEASE}"
    assert 'connected              "Discord bot connected" (59 min 50 s ago)' in lines[7]
    assert "2.5 MB, +0.12 MB/h" in lines[-1]


Change = Callable[[dict[str, Any]], object]

ILL, UNKNOWN = Verdict.BAD, Verdict.UNKNOWN
CHANGES: list[tuple[str, str, Verdict, Change]] = [
    ("another commit", "release", ILL, lambda f: f["release"].update(commit="d" * 40)),
    ("another repository", "release", ILL, lambda f: f["release"].update(repository="x")),
    ("another profile", "release", ILL, lambda f: f["release"].update(profile="v1.1")),
    ("a skill less", "release", ILL, lambda f: f["release"]["skills"].clear()),
    ("another skill", "release", ILL, lambda f: f["release"]["skills"][0].update(commit="e")),
    ("nothing activated", "release", UNKNOWN, lambda f: f.update(release={"error": "ENOENT"})),
    ("no job", "job", ILL, lambda f: f["job"].update(loaded=False)),
    ("between two starts", "job", ILL,
     lambda f: (f["job"].pop("pid"), f["job"].update(last_exit_code="1"))),
    ("launchctl fails", "job", UNKNOWN, lambda f: f.update(job={"error": "OSError: x"})),
    ("no process", "process", ILL, lambda f: f.update(hosts=[])),
    ("another release", "process", ILL, lambda f: f["release"].update(current=RELEASE + "x")),
    ("another folder", "process", ILL, lambda f: f["hosts"][0].update(cwd="/Users/claw")),
    ("folder not seen", "process", UNKNOWN, lambda f: f["hosts"][0].update(cwd="")),
    ("started by hand", "process", ILL, lambda f: f["job"].update(pid="813")),
    ("just started", "process", UNKNOWN, lambda f: f["hosts"][0].update(age_s=59)),
    ("no release on record", "process", UNKNOWN, lambda f: f.update(release={"error": "x"})),
    ("ps fails", "process", UNKNOWN, lambda f: f.update(hosts={"error": "OSError: ps"})),
    ("two instances", "instance", ILL,
     lambda f: f["hosts"].append({**f["hosts"][0], "pid": 999})),
    ("no banner", "banner", ILL, lambda f: f["log"]["signs"]["812"].pop("banner")),
    ("no banner yet", "banner", UNKNOWN,
     lambda f: (f["log"]["signs"]["812"].pop("banner"), f["hosts"][0].update(age_s=100))),
    ("banner of an earlier process of that pid", "banner", ILL,
     lambda f: f["hosts"][0].update(age_s=3500)),
    ("banner of another process", "banner", UNKNOWN,
     lambda f: f["log"].update(signs={"7": f["log"]["signs"]["812"]})),
    ("banner, and no process", "banner", ILL, lambda f: f.update(hosts=[])),
    ("no process, so no loop", "loop", ILL, lambda f: f.update(hosts=[], loop=None)),
    ("loop stands", "loop", ILL, lambda f: f.update(loop={"ok": False, "waited_s": 5})),
    ("loop not tried", "loop", UNKNOWN, lambda f: f.update(loop=None)),
    ("no socket", "channel local", ILL, lambda f: f.update(channel={"error": "ENOENT"})),
    ("another's socket", "channel local", ILL, lambda f: f["channel"].update(pid=5)),
    ("never connected", "channel discord", ILL,
     lambda f: f["log"]["signs"]["812"].update(channels={})),
    ("not connected yet", "channel discord", UNKNOWN,
     lambda f: (f["log"]["signs"].clear(), f["hosts"][0].update(age_s=90))),
    ("connected before the last start", "channel discord", ILL,
     lambda f: f["hosts"][0].update(age_s=3500)),
    ("another process was connected", "channel discord", UNKNOWN,
     lambda f: f["log"].update(signs={"7": f["log"]["signs"]["812"]})),
    ("lost a minute ago", "channel discord", ILL,
     lambda f: f["log"]["signs"]["812"]["channels"]["discord"].update(state="down", t=NOW - 60)),
    ("lost an hour ago", "channel discord", UNKNOWN,
     lambda f: f["log"]["signs"]["812"]["channels"]["discord"].update(state="down", t=NOW - 3580)),
    ("lost without a word", "channel discord", ILL,
     lambda f: f["hosts"][0].update(connections=0)),
    ("connections not seen", "channel discord", UNKNOWN,
     lambda f: f["hosts"][0].update(connections=None)),
    ("log not read", "channel discord", UNKNOWN, lambda f: f.update(log={"error": "ENOENT"})),
    ("not logged in", "credential", ILL,
     lambda f: f["results"]["last"][0].update(text="Not logged in · Please run /login")),
    ("no credit", "credential", ILL,
     lambda f: f["results"]["last"][0].update(text="Credit balance is too low")),
    ("wrong key", "credential", ILL, lambda f: f["results"]["last"].append(
        {"t": NOW - 5, "status": "error", "chars": 40, "text": "Invalid API key · Fix it"})),
    ("other credentials since", "credential", UNKNOWN,
     lambda f: f["results"].update(credentials_changed=NOW - 30)),
    ("nothing asked", "credential", UNKNOWN, lambda f: f["results"].update(last=[])),
    ("only failures of another kind", "credential", UNKNOWN, lambda f: f["results"].update(
        last=[{"t": NOW, "status": "error", "chars": 9, "text": "it failed"}])),
    ("no database", "database", ILL,
     lambda f: f.update(database={"error": "OperationalError: unable to open database file"})),
    ("no database, but a text", "database", ILL,
     lambda f: f.update(database={"error": "DatabaseError: file is not a database"})),
    ("database locked", "database", UNKNOWN,
     lambda f: f.update(database={"error": "OperationalError: database is locked"})),
    ("database damaged", "database", ILL,
     lambda f: f["database"].update(check="*** in database main ***")),
    ("files wait", "queue", ILL, lambda f: f["ipc"].update(waiting=3, oldest_s=11)),
    ("messages wait", "queue", ILL,
     lambda f: f["queue"].update(waiting=1, oldest="2026-11-19T23:54:00.000Z")),
    ("queue not read", "queue", UNKNOWN, lambda f: f.update(queue={"error": "OperationalError"})),
    ("errors today", "ipc errors", ILL, lambda f: f["ipc"].update(errors=1, newest_error_s=80_000)),
    ("no folder of errors", "ipc errors", UNKNOWN, lambda f: f.update(ipc={"error": "ENOENT"})),
    ("runtime fails", "runtime", ILL, lambda f: f.update(runs={"error": "OSError: status 125"})),
    ("runtime fails, so", "agents", UNKNOWN,
     lambda f: f.update(runs={"error": "OSError: status 125"})),
    ("run left over", "agents", ILL, lambda f: f["runs"].update(left=["nanoclaw-main-0"])),
    ("orphan", "orphans", ILL, lambda f: f.update(strays=[
        {"pid": 7, "user": "claw-agent", "command": "node", "age_s": 9}])),
    ("log job dead", "logs", ILL, lambda f: f["log"].update(checked=NOW - 91)),
    ("flood", "logs", ILL, lambda f: f["log"].update(flood=NOW - 300)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("row", "verdict", "change"), [c[1:] for c in CHANGES], ids=[c[0] for c in CHANGES]
)
def test_one_thing_that_is_wrong_turns_its_row_and_the_whole(
    row: str, verdict: Verdict, change: Change
) -> None:
    found = facts()
    change(found)
    assert judged(found)[row].verdict is verdict
    assert Report("g", "v1.2", tuple(judged(found).values())).verdict != 0


def test_old_errors_stay_counted_and_are_no_illness() -> None:
    found = facts()
    found["ipc"].update(errors=2, newest_error_s=90_000)
    assert judged(found)["ipc errors"].verdict is Verdict.WELL
    assert judged(found)["ipc errors"].value == "2 files"


def test_an_answer_that_only_speaks_of_logins_is_an_answer() -> None:
    found = facts()
    found["results"]["last"][0].update(text=None, chars=4000)
    assert judged(found)["credential"].verdict is Verdict.WELL


def test_a_banner_proves_nothing() -> None:
    found = facts()
    found["hosts"] = []
    found["log"]["signs"]["812"]["channels"] = {}
    assert judged(found)["process"].verdict is Verdict.BAD


def test_a_log_level_that_hides_the_signs_leaves_the_loop_as_the_banners_proof() -> None:
    quiet, found = replace(DECLARED, quiet="warn"), facts()
    found["log"]["signs"] = {}
    assert judged(found, quiet)["banner"].verdict is Verdict.WELL
    assert judged(found, quiet)["channel discord"].verdict is Verdict.UNKNOWN
    found["loop"] = {"ok": False, "waited_s": 5}
    assert judged(found, quiet)["banner"].verdict is Verdict.UNKNOWN


def test_what_is_certainly_ill_comes_before_what_is_not_known() -> None:
    found = facts()
    found.update(loop=None, hosts=[])
    assert Report("g", "v1.2", tuple(judged(found).values())).verdict is Verdict.BAD
    assert Report("g", "v1.2", error="no SSH").verdict is Verdict.UNKNOWN
    assert Report("g", "v1.2", error="stopped", unreached=Verdict.BAD).verdict is Verdict.BAD
    assert list(Report("g", "v1.2", error="no SSH").lines()) == [
        "unknown  guest              g: no SSH"
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda each: (
        st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=5), each, max_size=3)
    ),
    max_leaves=6,
)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    found = [path] if path else []
    if isinstance(value, dict | list):
        for name, each in inside:
            found += (
                _paths(each, (*path, name)) if isinstance(each, dict | list) else [(*path, name)]
            )
    return found


@given(st.data())
def test_whatever_a_hostile_guest_says_is_judged_and_printed_without_control_characters(
    data: st.DataObject,
) -> None:
    found = copy.deepcopy(facts())
    for _ in range(data.draw(st.integers(1, 4))):
        path = data.draw(st.sampled_from(_paths(found)))
        inner: Any = found
        for name in path[:-1]:
            inner = inner[name]
        inner[path[-1]] = data.draw(JSON | st.just("\x1b[2J\x07"))
    report = Report("g", "v1.2", tuple(rows(Facts(found), DECLARED)))
    assert len(report.rows) == 16
    text = "".join(report.lines())
    assert text.isprintable()
    json.dumps(report.as_json(), allow_nan=False)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.6, "1 min"), (61, "1 min 1 s"), (3600, "1 h"), (90_061, "1 d 1 h")],
)
def test_a_span_is_told_in_two_units(seconds: float, text: str) -> None:
    assert span(seconds) == text
