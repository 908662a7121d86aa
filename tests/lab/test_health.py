"""The watcher on a whole keep: it sees what is planted, mends what it may, and says the rest."""

from __future__ import annotations

import json
import time

import pytest

from clawkeep.health.causes import CAUSES
from tests.lab.agent_keep import JOB, ROOT, AgentKeep
from tests.lab.faults import (
    WATCHER,
    Fault,
    grown,
    messages,
    named,
    settle,
    standing,
    suffer,
    well,
)
from tests.lab.guarding import events, guest_is_up, happened, is_open, read, wait
from tests.lab.keep import GUEST
from tests.lab.planted import FAULTS, HUNG, NANOCLAW, VM
from tests.recording import Faults

pytestmark = pytest.mark.lab


def looks(agent: AgentKeep) -> dict[str, str]:
    """Have the watcher look now; return the verdicts of the layers."""
    done = agent.built.clawkeep("health", "--json", "--now")
    report = json.loads(done.stdout)
    assert done.returncode == {"well": 0, "ill": 1, "unknown": 2}[report["verdict"]]
    return {row["layer"]: row["verdict"] for row in report["layers"]}


@pytest.fixture(scope="module")
def agent(agent: AgentKeep) -> AgentKeep:
    """Have it answer once: before that nobody can tell whether its credential is taken."""
    assert agent.answer("hello") == "You said: hello (turn 1)"
    agent.built.host("touch -t 202001010000 /opt/clawkeep/journal.jsonl")
    return agent


def test_a_keep_that_is_well_is_well_layer_by_layer(agent: AgentKeep) -> None:
    wait("a look that sees all", lambda: set(looks(agent).values()) == {"well"}, 60)
    began = time.monotonic()
    done = agent.built.clawkeep("health")
    assert time.monotonic() - began < 10
    assert done.returncode == 0, done.stdout
    assert [line.split()[1] for line in done.stdout.splitlines()[:15]] == [
        "watcher", "host", "slots", "guest", "address", "ssh", "inside", "job", "process", "loop",
        "channel", "credential", "disk", "memory", "load",
    ]  # fmt: skip
    report = agent.built.status()["health"]
    assert (report["verdict"], report["watcher"]["problem"]) == ("well", "")


def test_a_job_that_is_gone_is_loaded_again(agent: AgentKeep) -> None:
    noted = len(events(agent.built))
    agent.guest(f"launchctl bootout {JOB}")
    wait("its detection", lambda: looks(agent)["job"] == "ill", 40)
    wait("its repair", lambda: happened(agent.built, "repair", "job: done", noted), 40)
    assert agent.pid() != ""


@pytest.mark.slow
def test_an_agent_that_hangs_is_found_and_mended_without_anybody(
    agent: AgentKeep, faults: Faults
) -> None:
    suffer(agent, HUNG, faults)
    assert agent.answer("hello").startswith("You said: hello")


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.cause)
def test_each_fault_is_called_by_its_name_and_mended_where_that_is_ours(
    agent: AgentKeep, fault: Fault, faults: Faults
) -> None:
    suffer(agent, fault, faults)
    assert agent.answer("hello").startswith("You said: hello")


@pytest.mark.slow
def test_nanoclaw_s_circuit_breaker_is_waited_for(agent: AgentKeep, faults: Faults) -> None:
    """Its fourth start in an hour waits 30 s: that is no fault, and no repair cuts it short."""
    settle(agent)
    noted = len(events(agent.built))
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(time.time() + 15))
    state = json.dumps({"attempt": 4, "timestamp": stamp})
    path = f"{ROOT}/state/data/circuit-breaker.json"
    agent.guest(f"echo '{state}' > {path}; chown claw {path}; kill -STOP {NANOCLAW}")
    began = time.time()
    wait("the wait to be seen", lambda: "waits" in seen_loop(agent), 60)
    wait("the repair", lambda: happened(agent.built, "repair", "process: done", noted), 180)
    (repair,) = [e for e in events(agent.built)[noted:] if e["kind"] == "repair"]
    assert repair["cause"] == "loop-hung"
    waited = time.time() - began
    assert waited > 45
    agent.guest(f"rm -f {path}")
    wait("health", lambda: well(agent), 120)
    words = "its own wait (circuit breaker) is seen, and no repair cuts it short"
    faults.show("agent", "it hangs while it waits after crashes", words, "process", mended_s=waited)


def seen_loop(agent: AgentKeep) -> str:
    found = standing(agent).standings.get("loop")
    return found.last.value if found else ""


@pytest.mark.slow
def test_a_watcher_that_is_killed_is_back_and_has_forgotten_nothing(
    agent: AgentKeep, faults: Faults
) -> None:
    settle(agent)
    before = standing(agent)
    began = time.time()
    agent.built.host(f"launchctl kill SIGKILL system/{WATCHER}")
    wait("another look", lambda: standing(agent).pid not in {0, before.pid}, 60)
    back = round(time.time() - began, 1)
    assert standing(agent).ladder.well_since == before.ladder.well_since
    faults.show(
        "watcher", "it is killed (SIGKILL)", "what it knew is on disk", "launchd", mended_s=back
    )


@pytest.mark.slow
def test_a_watcher_that_is_gone_is_said_by_everybody_else(agent: AgentKeep, faults: Faults) -> None:
    plist = f"/Library/LaunchDaemons/{WATCHER}.plist"
    agent.built.host(f"launchctl bootout system/{WATCHER}")
    try:
        done = agent.built.clawkeep("health")
        assert done.returncode == 1
        assert "nobody watches" in done.stderr
        assert "nobody watches" in agent.built.clawkeep("status").stdout
    finally:
        agent.built.host(f"launchctl bootstrap system {plist}")
    words = "`clawkeep health` and `status`: nobody watches (an alert follows: health-mute)"
    faults.show("watcher", "its job is booted out", words, "the operator")


@pytest.mark.slow
def test_a_guest_that_ends_again_and_again_is_left_down(agent: AgentKeep, faults: Faults) -> None:
    settle(agent)
    noted, began = len(events(agent.built)), time.time()
    cut = f"host: sudo -u operator -H /opt/homebrew/bin/tart stop {GUEST} --timeout 1"
    held, starts = 0.0, 0
    while not held:
        assert time.time() - began < 300
        agent.built.host(cut.removeprefix("host: "))
        starts += 1
        if happened(agent.built, "repair", "hold: its job", noted):
            held = time.time() - began
        time.sleep(1)
    assert agent.built.host(f"launchctl print {VM}").returncode != 0
    wait("its name", lambda: named(agent) == "guest-held", 90)
    done = agent.built.clawkeep("health")
    assert done.returncode == 1
    assert "clawkeep apply base" in done.stdout
    agent.built.converge("--data", "phase=base")
    agent.built.host("touch -t 202001010000 /opt/clawkeep/journal.jsonl")
    wait("health", lambda: well(agent), 240)
    faults.show(
        "guest-ends",
        "it ends again and again (tart stop)",
        f"{CAUSES['guest-flapping'].words}; after {starts} ends nobody starts it any more",
        "left down, and said",
        detected_s=held,
    )


@pytest.mark.slow
def test_a_nanoclaw_that_is_killed_is_launchd_s_business(agent: AgentKeep, faults: Faults) -> None:
    settle(agent)
    wait("a NanoClaw that is no longer young", lambda: grown(agent), 120)
    agent.guest(f"rm -f {ROOT}/state/data/circuit-breaker.json")
    before, noted, old = messages(agent), len(events(agent.built)), agent.pid()
    began = time.time()
    agent.guest(f"kill -9 {old}")
    wait("another process", lambda: agent.pid() not in {"", old}, 60)
    assert agent.answer("hello").startswith("You said: hello")
    back = time.time() - began
    looked = standing(agent).at
    wait("two looks at it", lambda: standing(agent).at > looked + 35, 120)
    assert not [e for e in events(agent.built)[noted:] if e["kind"] in {"repair", "gave-up"}]
    assert well(agent)
    lost = before - messages(agent)
    assert lost <= 0
    words = "nothing: it is back before it counts; no repair beside launchd's"
    faults.show("agent", "it is killed (SIGKILL)", words, "launchd", mended_s=back, lost=0)


@pytest.mark.slow
def test_a_guest_that_crashes_is_back_with_its_doors(agent: AgentKeep, faults: Faults) -> None:
    """tart says exit status 0 for it, and launchd would leave the job be by that alone."""
    settle(agent)
    before, noted = messages(agent), len(events(agent.built))
    facts = json.loads(read(agent.built, f"/private/var/run/lab-guests/{GUEST}.json"))
    began = time.time()
    agent.built.host(f"kill -9 {facts['pid']}")
    wait("its end", lambda: happened(agent.built, "closed", "", noted), 60)
    seen = time.time() - began
    wait("its doors", lambda: guest_is_up(agent.built) and is_open(agent.built), 120)
    wait("its agent", agent.pid, 60)
    back = time.time() - began
    log = read(agent.built, f"/Users/operator/Library/Logs/clawkeep/{GUEST}.log")
    said = [line for line in log.splitlines() if "due to error" in line]
    assert said
    wait("health", lambda: well(agent), 120)
    assert not [e for e in events(agent.built)[noted:] if e["kind"] == "repair"]
    assert messages(agent) >= before
    faults.show(
        "guest-ends",
        "it crashes",
        "tart's words on record: " + said[-1].partition(" ")[2].partition(" Domain")[0],
        "launchd",
        detected_s=seen,
        mended_s=back,
        lost=0,
    )
