"""What was seen, and what it is called: from outside the guest, and from what the guest says."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawkeep.agent.facts import Facts
from clawkeep.agent.report import ILL, UNKNOWN, WELL
from clawkeep.health import judge_guest, judge_host
from clawkeep.health.causes import CAUSES, LAYERS
from clawkeep.health.finding import Finding, blamed
from clawkeep.health.judge_host import Seen
from clawkeep.health.plan import Plan, PlanError, Watched, parse
from clawkeep.nanoclaw.channel import Channel

UP = Seen(
    free=80 << 30, job="running", state="running", address="192.168.64.2", carried=True,
    ssh="SSH-2.0-OpenSSH_9.9", ssh_ms=20,
)  # fmt: skip
CUT_OFF = replace(UP, address="", carried=False, ssh="", ssh_ms=None)
DOWN = replace(UP, state="stopped", address="", carried=False, ssh="", ssh_ms=None)
NANOCLAW = Watched(
    "com.nanoclaw", local=True, channels=(Channel("discord", "up", holds=True),), users=("a1",)
)
NOW = 1_800_000_000.0


def outside(seen: Seen, inside: str | None = "", says: str = "192.168.64.2") -> dict[str, Finding]:
    return {each.layer: each for each in judge_host.findings(seen, inside, says)}


def cause(found: dict[str, Finding]) -> str:
    worst = blamed(found.values())
    return worst.cause if worst else ""


def test_a_keep_that_is_well() -> None:
    found = outside(UP)
    assert {each.verdict for each in found.values()} == {WELL}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("tart: The number of VMs exceeds the system limit", "slot-leaked"),
        ('tart: VZErrorDomain Code=-9 "Failed to generate keypair."', "keychain-locked"),
        ("tart: Error: No space left on device", "host-disk-full"),
        ("tart: Softnet failed: root privileges are required to run and passwordless sudo was not",
         "suid-lost"),
        ("the guest stays down: cut off: tcp 1.1.1.1 got through; deal with it", "guest-down"),
        ("tart: guest has stopped the virtual machine", "guest-down"),
        ("", "guest-down"),
    ],
)  # fmt: skip
def test_a_guest_that_does_not_start_is_down_for_the_reason_that_tart_gave(
    words: str, expected: str
) -> None:
    assert cause(outside(replace(DOWN, words=f"starting: tart run\n{words}"), None)) == expected


def test_old_words_of_a_guest_that_runs_mean_nothing() -> None:
    seen = replace(UP, words="tart: The number of VMs exceeds the system limit")
    assert cause(outside(seen)) == ""


@pytest.mark.parametrize(
    ("seen", "inside", "says", "expected"),
    [
        (replace(UP, free=1 << 30), "", "192.168.64.2", "host-disk-full"),
        (replace(UP, softnet="mode 750"), "", "192.168.64.2", "suid-lost"),
        (replace(DOWN, job="no session"), None, "", "no-session"),
        (replace(DOWN, job="absent"), None, "", "guest-off"),
        (replace(DOWN, job="absent", held=True), None, "", "guest-held"),
        (replace(DOWN, cut="a leak"), None, "", "guest-cut"),
        (replace(DOWN, starts=5), None, "", "guest-flapping"),
        (replace(UP, ssh="", ssh_error="refused"), "no answer", "", "guest-frozen"),
        (UP, "no answer", "", "agent-tool-mute"),
        (replace(UP, ssh="", ssh_error="refused"), "", "192.168.64.2", "sshd-dead"),
        (replace(CUT_OFF, address="169.254.3.4"), "", "169.254.3.4", "vmnet-wedge"),
        (CUT_OFF, "", "169.254.3.4", "vmnet-wedge"),
        (CUT_OFF, "", "", "no-address"),
        (replace(CUT_OFF, address="10.0.30.10"), "", "", "false-address"),
    ],
)  # fmt: skip
def test_each_fault_has_its_name(seen: Seen, inside: str | None, says: str, expected: str) -> None:
    assert cause(outside(seen, inside, says)) == expected


def test_a_wedge_needs_two_signals() -> None:
    """A guest that says 169.254 and is reached all the same has no wedge."""
    assert cause(outside(UP, says="169.254.3.4")) == ""


def test_both_places_that_are_taken_are_named() -> None:
    seen = replace(DOWN, words="The number of VMs exceeds the system limit", others=("a", "UTM"))
    found = outside(seen, None)["slots"]
    assert (found.cause, found.evidence) == ("slots-taken", "by a, UTM")


def facts(**parts: Any) -> Facts:
    """Return what a guest says in which all is well, but for `parts`."""
    path = "/opt/nanoclaw/releases/x"
    process = {
        "pid": 7, "age_s": 600, "program": f"{path}/dist/index.js", "cwd": path, "connections": 1,
    }  # fmt: skip
    line = {"t": NOW - 100, "state": "up", "text": "connected"}
    return Facts(
        {
            "now": NOW,
            "release": {"id": "x", "path": path, "skills": []},
            "job": {"label": "com.nanoclaw", "loaded": True, "pid": "7", "runs": "1"},
            "hosts": [process],
            "loop": {"ok": True, "ms": 20},
            "channel": {"ms": 3, "pid": 7},
            "log": {"signs": {"7": {"last": NOW, "channels": {"discord": line}}}},
            "results": {"last": [{"t": NOW - 5, "status": "success", "chars": 5}]},
            "breaker": {},
            "machine": {
                "disks": [{"path": "/", "free": 40 << 30, "total": 100 << 30}],
                "memory_free": 60, "load": 1.0, "cpus": 4,
            },
            **parts,
        }
    )  # fmt: skip


def inner(found: Facts, starts: int = 0, agent: Watched | None = NANOCLAW) -> dict[str, Finding]:
    return {each.layer: each for each in judge_guest.findings(found, agent, starts)}


def test_an_agent_that_is_well() -> None:
    found = inner(facts())
    assert {layer: each.verdict for layer, each in found.items()} == dict.fromkeys(
        ("job", "process", "loop", "channel", "credential", "disk", "memory", "load"), WELL
    ), found


GONE = {"label": "com.nanoclaw", "loaded": False}
IDLE = {"label": "com.nanoclaw", "loaded": True}
FULL = {"disks": [{"path": "/", "free": 1 << 20, "total": 50 << 30}], "memory_free": 60}


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"job": GONE, "hosts": [], "loop": None, "channel": None}, "job-missing"),
        ({"job": IDLE, "hosts": [], "loop": None, "channel": None}, "job-idle"),
        ({"loop": {"ok": False, "waited_s": 4}}, "loop-hung"),
        ({"channel": {"error": "refused"}}, "socket-dead"),
        ({"log": {"signs": {"7": {"last": NOW, "channels": {}}}}}, "channel-lost"),
        ({"results": {"last": [{"t": NOW, "text": "Not logged in · Please run /login"}]}},
         "credential-refused"),
        ({"machine": FULL}, "guest-disk-full"),
        ({"machine": FULL, "loop": {"ok": False, "waited_s": 4}}, "guest-disk-full"),
        ({"machine": {"disks": [], "memory_free": 1}}, "memory-short"),
        ({"machine": {"disks": [], "load": 40.0, "cpus": 4}}, "overloaded"),
    ],
)  # fmt: skip
def test_each_fault_inside_has_its_name(parts: dict[str, Any], expected: str) -> None:
    assert cause(inner(facts(**parts))) == expected


def test_a_nanoclaw_that_is_not_launchd_s_is_no_reason_to_restart() -> None:
    found = inner(facts(job={"label": "com.nanoclaw", "loaded": True, "pid": "8"}))
    assert found["process"].cause == "process-foreign"
    assert CAUSES["process-foreign"].repairs == ()


def test_one_that_starts_again_and_again_crashes() -> None:
    assert cause(inner(facts(), starts=5)) == "crash-loop"


def test_one_that_has_just_started_is_given_time() -> None:
    young = [{**facts().raw("hosts")[0], "age_s": 5}]
    found = inner(facts(hosts=young, loop={"ok": False, "waited_s": 4}))
    assert (found["loop"].verdict, cause(found)) == (UNKNOWN, "")


@pytest.mark.parametrize(
    ("attempt", "age_s", "waits_s"),
    [(2, 1, 0), (3, 4, 6), (5, 20, 100), (7, 1, 899), (99, 1, 899), (7, 901, 0), (7, -999, 0)],
)
def test_nanoclaw_s_own_wait_after_crashes_is_no_fault(
    attempt: int, age_s: float, waits_s: float
) -> None:
    """By its own schedule, 0 0 10 30 120 300 900 s; a guest that lies gains 15 minutes at most."""
    said = facts(breaker={"attempt": attempt, "t": NOW - age_s}, loop={"ok": False, "waited_s": 4})
    assert judge_guest.waiting(said) == waits_s
    assert cause(inner(said)) == ("" if waits_s else "loop-hung")


def test_without_an_agent_only_the_machine_counts() -> None:
    assert set(inner(facts(), agent=None)) == {"disk", "memory", "load"}


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=8,
)
PARTS = (
    "now", "release", "job", "hosts", "loop", "channel", "log", "results", "breaker", "machine",
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(PARTS), JSON))
def test_whatever_a_guest_says_it_is_read_and_printable(said: dict[str, Any]) -> None:
    data = json.loads(json.dumps(said))
    for base in ({}, {name: facts().raw(name) for name in PARTS}):
        for each in judge_guest.findings(Facts({**base, **data}), NANOCLAW, 0):
            assert each.layer in LAYERS
            assert (each.verdict is ILL) == bool(each.cause)
            assert (each.value + each.evidence).isprintable()


def test_the_plan_is_what_was_written() -> None:
    for plan in (Plan(), Plan(NANOCLAW)):
        assert parse(plan.text()) == plan


@pytest.mark.parametrize("text", ["", "[]", '{"format": 2, "agent": null}', '{"format": 1}'])
def test_a_plan_of_another_version_is_refused(text: str) -> None:
    with pytest.raises(PlanError, match=r"clawkeep apply operations"):
        parse(text)
