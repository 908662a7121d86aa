"""The Mac's clock is wrong: set back while a grant runs, years ahead, and put right again."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.lab.agent_keep import AgentKeep
from tests.lab.doors import get
from tests.lab.guarding import RUN, events, is_open, read, wait
from tests.lab.holiday import SNAPSHOT_AT, Holiday, begun, posts
from tests.lab.keep import Built
from tests.recording import Faults

pytestmark = [pytest.mark.lab, pytest.mark.slow]

HOUR, DAY = 3600, 86_400
STRAY, STRAY_SAYS = "10.0.30.99:80", "the host nobody may reach\n"
CLOSED = "curl 7"
Y2038 = 2**31
CLOCKS = "/var/run/clawkeep/clock.json /opt/clawkeep/var/clock.json"


@pytest.fixture(scope="module")
def away(clocked: AgentKeep) -> Holiday:
    return begun(clocked)


@pytest.fixture(scope="module")
def keep(away: Holiday) -> Built:
    return away.agent.built


def allow(keep: Built, name: str, port: int, span: str) -> None:
    done = keep.clawkeep(
        "allow", name, STRAY, "--port", str(port), "--for", span, "--kind", "http",
        "--reason", "a test",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def left(keep: Built, name: str) -> float:
    data = json.loads(keep.clawkeep("grants", "--json").stdout)
    return float(next(row["left_s"] for row in data["grants"] if row["name"] == name))


def test_a_day_back_lengthens_no_grant(away: Holiday, keep: Built) -> None:
    allow(keep, "brief", 19080, "40s")
    began = time.monotonic()
    assert get(keep, 19080) == STRAY_SAYS
    away.clock.forward(-DAY)
    # The door stands for the rest of its time: it is neither lengthened nor cut short.
    assert get(keep, 19080) == STRAY_SAYS
    assert 0 < left(keep, "brief") <= 40
    wait("its end", lambda: get(keep, 19080) == CLOSED, 60)
    assert 30 < time.monotonic() - began < 55
    away.clock.forward(DAY)


def test_an_hour_ahead_ends_a_grant_at_once_and_no_other(away: Holiday, keep: Built) -> None:
    allow(keep, "short", 19081, "10m")
    allow(keep, "long", 19082, "1d")
    away.clock.forward(HOUR)
    wait("its end", lambda: get(keep, 19081) == CLOSED, 20)
    assert get(keep, 19082) == STRAY_SAYS
    assert left(keep, "long") == pytest.approx(23 * HOUR, abs=120)
    assert keep.clawkeep("revoke", "long").returncode == 0


def test_a_sleep_counts_for_a_grant(away: Holiday, keep: Built, faults: Faults) -> None:
    allow(keep, "asleep", 19083, "10m")
    assert get(keep, 19083) == STRAY_SAYS
    away.clock.sleep(HOUR)
    began = time.monotonic()
    wait("its end", lambda: get(keep, 19083) == CLOSED, 20)
    mended = time.monotonic() - began
    says = "a grant whose time passed in it ends at the wake"
    faults.show("clock", "the Mac sleeps for an hour", says, "the guard", mended_s=mended)


def all_work(away: Holiday) -> None:
    """See every daemon do something now, by the keep's clock."""
    # What is due by that clock comes first, as its snapshot has the guest down.
    away.tick()
    away.idle()
    keep, now = away.agent.built, away.clock.now()
    assert abs(float(away.agent.guest("date +%s")) - now) < 5
    wait("the doors", lambda: is_open(keep), 120)
    wait("the guard's check", lambda: noted(keep, f"{RUN}/guard.json", "checked") > now, 60)
    away.wait_for_canary()
    assert away.agent.answer("well?").startswith("You said: well?")
    wait("the watcher's look", lambda: well(keep), 120)
    away.talk()
    told = len(posts(away))
    keep.host(f"/opt/clawkeep/bin/clawkeep alert raise clock-{told} 'is it told?'")
    wait("the alert", lambda: "is it told?" in "".join(posts(away)[told:]), 60)
    keep.host(f"/opt/clawkeep/bin/clawkeep alert clear clock-{told}")
    wait("its end", lambda: over(posts(away)[told:]), 60)
    for words in (("backup", "create"), ("snapshot", "create")):
        done = keep.clawkeep(*words, "--json")
        assert done.returncode == 0, done.stderr
    away.idle()
    (row,) = [row for row in rows(away) if row["peer"].endswith(f":{away.talked[-1]}")]
    assert row["time"] == pytest.approx(away.clock.now(), abs=300)
    # Pulled by the host's job, with its line's own date.
    said = keep.clawkeep("logs", "bridges", "--since", "10m", "--json").stdout
    assert any(f":{away.talked[-1]} " in line for line in said.splitlines())


def over(said: list[str]) -> bool:
    return any("OVER" in text and "is it told?" in text for text in said)


def well(keep: Built) -> bool:
    data = json.loads(keep.clawkeep("health", "--json").stdout)
    # Others work on this machine: its load is not what is looked at.
    return bool(data["verdict"] == "well" or data["cause"] == "overloaded")


def rows(away: Holiday) -> list[dict[str, Any]]:
    """Return the rows of the guest's own connections, of a month before the keep's clock."""
    said = away.agent.built.clawkeep(
        "traffic", "--json", "--limit", "2000", "--since", "30d", "--service", "home-assistant"
    )
    found: list[dict[str, Any]] = json.loads(said.stdout)
    return [row for row in found if int(row["peer"].rpartition(":")[2]) in away.talked]


def noted(keep: Built, path: str, key: str) -> float:
    return float(json.loads(read(keep, path) or "{}").get(key, 0))


def test_all_works_before_and_after_2038_and_when_it_is_put_right(
    away: Holiday, keep: Built, faults: Faults
) -> None:
    all_work(away)
    right = away.clock.offset
    away.clock.set(Y2038 - 5)
    wait("the last second of 31 bits", lambda: away.clock.now() > Y2038, 20)
    all_work(away)
    away.clock.forward(right - away.clock.offset)
    all_work(away)
    # An hour of a wrong clock takes a day of the journal along, and not all that came before.
    ports = sorted(int(row["peer"].rpartition(":")[2]) for row in rows(away))
    assert ports == away.talked
    assert not {"stopped", "leak"} & {event["kind"] for event in events(keep)}
    # The daily snapshot is for the wall's time of day again.
    away.new()
    away.next(SNAPSHOT_AT, seconds=-20)
    away.tick()
    assert away.new()[1] == 0
    away.next(SNAPSHOT_AT, seconds=1)
    away.tick()
    away.idle()
    assert away.new()[1] == 1
    says = "every daemon works before, then, and when it is put right"
    faults.show("clock", "it passes 2038, and is put right", says)


def test_the_hosts_own_clock_is_put_right_as_the_manual_says(away: Holiday, keep: Built) -> None:
    ahead = float(json.loads(read(keep, "/opt/clawkeep/var/clock.json"))["t"])
    assert ahead > Y2038 > away.clock.now()
    keep.host(f"rm -f {CLOCKS}; sync")
    keep.lab.reboot()
    all_work(away)
    right = float(json.loads(read(keep, "/opt/clawkeep/var/clock.json"))["t"])
    assert right == pytest.approx(away.clock.now(), abs=600)
    allow(keep, "after", 19084, "10m")
    assert get(keep, 19084) == STRAY_SAYS
