"""Days of a keep, compressed by the lab's clock: jumps to what is scheduled, and past it."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from clawkeep.backup import keys
from lab.clock import Clock
from lab.services import hooks
from tests.lab.agent_keep import AgentKeep
from tests.lab.guarding import guest_is_up, is_open, read, wait
from tests.lab.keep import GUEST, Built

ZONE = ZoneInfo("Europe/Berlin")
BACKUP_AT, SNAPSHOT_AT = dt.time(3, 15), dt.time(4, 30)
DAY = dt.timedelta(days=1)
STORE = "/Volumes/Backup/keep"
SHELF = "/opt/clawkeep/var/snapshots"
KEEP, VERIFY_DAYS = 7, 3
RETENTION = {"last": 1, "daily": 3, "weekly": 2, "monthly": 1}
DECLARED = f"""
backup = {{"key": "env:BACKUP_KEY", "folder": {STORE!r}, "test_days": 3, "keep": {RETENTION!r}}}
snapshots = {{"at": "04:30", "keep": {KEEP}, "verify_days": {VERIFY_DAYS}}}
alerts = [
    {{"hook": "discord", "url": "env:DISCORD_HOOK", "per_hour": 3600}},
    {{"hook": "ping", "url": "env:PING_HOOK", "every": "10s"}},
]
"""
CANARY = "/private/var/run/clawkeep/canary.json"
HIGH = 61000
"""The guest's port of the first day's own connection; each day has its own."""


def midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), ZONE)


def changes(after: dt.date, count: int) -> list[dt.date]:
    """Return the next days on which the clocks are changed."""
    found: list[dt.date] = []
    day = after
    while len(found) < count:
        if midnight(day).utcoffset() != midnight(day + DAY).utcoffset():
            found.append(day)
        day += DAY
    return found


@dataclass
class Holiday:
    """A keep, and what has been made while its operator was away.

    `snapshots` and `backups` are all that were ever made, in order; `talked` the guest's ports.
    """

    agent: AgentKeep
    clock: Clock
    snapshots: list[str] = field(default_factory=list)
    backups: list[str] = field(default_factory=list)
    talked: list[int] = field(default_factory=list)

    def now(self) -> dt.datetime:
        """Return the time on the keep's clock, local."""
        return dt.datetime.fromtimestamp(self.clock.now(), ZONE)

    def sleep_until(self, when: dt.datetime) -> None:
        """Have the Mac sleep; it wakes at this moment."""
        self.clock.sleep(when.timestamp() - self.clock.now())

    def next(self, time: dt.time, *, seconds: float = 0) -> None:
        """Sleep until it is this time of the day the next time, give or take some seconds."""
        now = self.now()
        when = dt.datetime.combine(now.date(), time, ZONE) + dt.timedelta(seconds=seconds)
        self.sleep_until(when if when > now else when + DAY)

    def tick(self, job: str = "snapshots") -> None:
        """Have a job look now: launchd has it do so each minute, asleep or not."""
        self.host(f"launchctl kickstart system/com.nanoclaw.{job}")
        wait(f"the job {job}", lambda: not self.runs(job), 200)

    def runs(self, job: str) -> bool:
        said = self.host(f"launchctl print system/com.nanoclaw.{job}")
        return "\tstate = running" in said

    def idle(self) -> None:
        """Wait until no scheduled job runs, and the guest is in its keep."""
        for job in ("backup", "snapshots"):
            wait(f"the end of {job}", lambda job=job: not self.runs(job), 300)  # type: ignore[misc]
        wait("the guest", lambda: guest_is_up(self.agent.built), 120)
        wait("the doors", lambda: is_open(self.agent.built), 120)

    def new(self) -> tuple[int, int]:
        """Return how many backups and snapshots are new since this was asked last."""
        stored = sorted(set(self.host(f"ls {STORE}/manifests").split()) - set(self.backups))
        records = self.records()
        made = sorted(set(records) - set(self.snapshots), key=lambda n: int(records[n]["number"]))
        self.backups += stored
        self.snapshots += made
        return len(stored), len(made)

    def records(self) -> dict[str, dict[str, Any]]:
        """Return the records of the snapshots that are there, by name."""
        text = self.host(f"for f in {SHELF}/records/*.json; do cat $f | tr -d '\\n'; echo; done")
        found = (json.loads(line) for line in text.splitlines() if line.startswith("{"))
        return {record["name"]: record for record in found}

    def talk(self) -> None:
        """Have the guest use a door, from a port that it uses once."""
        port = HIGH + len(self.talked)
        wait("the guest", lambda: guest_is_up(self.agent.built), 120)
        said = self.agent.guest(
            f"curl -sS --local-port {port} -m 10 -o /dev/null -w '%{{http_code}}' "
            "http://192.168.64.1:18123/"
        )
        assert said == "200"
        self.talked.append(port)

    def wait_for_canary(self) -> None:
        """Wait until a run of the canary that begins now, or later, is green."""
        before = self.canary().get("t")
        self.host("launchctl kickstart system/com.nanoclaw.canary")
        wait("a canary", lambda: self.canary().get("t") != before, 60)
        wait("a green one", lambda: self.canary()["verdict"] == "green", 90)

    def canary(self) -> dict[str, Any]:
        """Return its last result."""
        found: dict[str, Any] = json.loads(read(self.agent.built, CANARY) or "{}")
        return found

    def host(self, script: str) -> str:
        done = self.agent.built.host(script)
        return done.stdout

    def boots(self) -> int:
        """Return how often the guest was started so far."""
        calls = (call["argv"] for call in self.agent.built.lab.calls())
        return sum(words[1:2] == ["run"] and GUEST in words for words in calls)


def begun(agent: AgentKeep) -> Holiday:
    """Have everything scheduled on a keep in Berlin, four days before the clocks are changed.

    All has run once, and nothing is wrong.
    """
    built = agent.built
    built.host("systemsetup -settimezone Europe/Berlin; mkdir -p /Volumes/Backup")
    built.lab.reboot()
    wait("the doors", lambda: is_open(built), 120)
    built.environment |= {
        "TZ": "Europe/Berlin",
        "BACKUP_KEY": keys.new_key(),
        "DISCORD_HOOK": f"https://discord.com{hooks.DISCORD}",
        "PING_HOOK": f"https://hc-ping.com/{hooks.CHECK}",
    }
    agent.without += DECLARED
    agent.declare()
    built.converge()
    clock = built.lab.clock
    today = dt.datetime.fromtimestamp(clock.now(), ZONE).date()
    away = Holiday(agent, clock)
    away.sleep_until(midnight(changes(today + 5 * DAY, 1)[0] - 4 * DAY) + dt.timedelta(hours=12))
    away.tick()
    wait("the first backup", lambda: away.new()[0] + len(away.backups), 60)
    away.idle()
    away.new()
    assert agent.answer("hello") == "You said: hello (turn 1)"
    away.wait_for_canary()
    wait("quiet", lambda: not standing(away), 120)
    # The first time a day of the agent's log is asked for, and later all that is new. Ten days pass
    # here within a few of that job's minutes.
    built.host("launchctl kickstart system/com.nanoclaw.hostlogs")
    wait("the agent's log", lambda: '"source": "agent"' in logs(built), 60)
    return away


def logs(built: Built) -> str:
    """Return what the host has of all logs, as JSON, a line each."""
    return built.clawkeep("logs", "--since", "30d", "--json").stdout


def standing(away: Holiday) -> list[str]:
    """Return the keys of the alerts that stand, but of this machine's load: others work on it."""
    data = json.loads(away.agent.built.clawkeep("alert", "list", "--json").stdout)
    return [a["key"] for a in data["standing"] if a["key"] != "health-overloaded"]


def posts(away: Holiday) -> list[str]:
    """Return what arrived at the operator's channel, likewise."""
    visits = away.agent.built.lab.visits()
    texts = [visit["text"] for visit in visits if visit.get("hook") == "discord"]
    return [text for text in texts if "health-overloaded" not in text]


def doubled(lines: Iterable[str]) -> list[str]:
    return [line for line, count in Counter(lines).items() if count > 1]
