"""The watcher: what it writes down before it acts, what holds it up, what outlives its death."""

from __future__ import annotations

import json
import os
import stat
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from clawkeep.agent.facts import Facts
from clawkeep.alerts import Event
from clawkeep.canary import ask
from clawkeep.health import record
from clawkeep.health.judge_host import Seen
from clawkeep.health.plan import Plan, Watched
from clawkeep.health.record import Record
from clawkeep.onhost import (
    alert_health,
    health,
    health_look,
    health_repair,
    maintenance,
    paths,
    store,
)
from clawkeep.onhost.health import Watcher
from clawkeep.onhost.health_look import Eyes, Starts
from clawkeep.policy import Policy
from tests.unit.health.test_judges import DOWN, UP, facts
from tests.unit.onhost.conftest import POLICY

PLAN = Plan(Watched("com.nanoclaw", local=True))
HUNG = {"loop": {"ok": False, "waited_s": 4}}


@dataclass
class Keep(Eyes):
    """A keep that is as it is told; it goes by its own clock."""

    moment: float = 1_800_000_000.0
    seen: Seen = UP
    says: Facts | None = field(default_factory=facts)
    done: list[str] = field(default_factory=list)

    def outside(self, policy: Policy, now: float, *, held: bool) -> Seen:
        return self.seen

    def ask(self, policy: Policy, plan: Plan) -> tuple[Facts | None, str]:
        return self.says, "" if self.says else "no answer"

    def act(self, action: str, policy: Policy, plan: Plan) -> str:
        on_disk = record.parse(store.read(paths.HEALTH))
        assert on_disk is not None
        assert action in on_disk.ladder.tried, "it acted before that was written down"
        self.done.append(action)
        return "done"

    def watcher(self) -> Watcher:
        return Watcher(self, self.ask, self.act, lambda: self.moment)

    def watch(self, watcher: Watcher, seconds: float) -> None:
        until = self.moment + seconds
        while self.moment < until:
            self.moment += watcher.step()


@pytest.fixture
def keep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Keep:
    for name in ("POLICY", "WATCHED", "HEALTH", "EVENTS", "WINDOW", "CUT", "LOCK"):
        monkeypatch.setattr(paths, name, tmp_path / name.lower())
    monkeypatch.setattr(maintenance, "FILE", tmp_path / "maintenance.json")
    monkeypatch.setattr(health, "JOURNAL", tmp_path / "journal.jsonl")
    health.JOURNAL.write_text("")
    long_ago = time.time() - 3600
    os.utime(health.JOURNAL, (long_ago, long_ago))
    paths.POLICY.write_text(POLICY.text())
    paths.WATCHED.write_text(PLAN.text())
    return Keep()


def events(kind: str) -> list[dict[str, Any]]:
    text = store.read(paths.EVENTS) or ""
    return [e for e in map(json.loads, text.splitlines()) if e["kind"] == kind]


def on_disk() -> Record:
    found = record.parse(store.read(paths.HEALTH))
    assert found is not None
    return found


def test_a_keep_that_is_well_is_left_alone(keep: Keep) -> None:
    keep.watch(keep.watcher(), 600)
    assert (keep.done, events("health"), on_disk().verdict) == ([], [], 0)
    assert len(on_disk().samples) > 10
    assert stat.S_IMODE(paths.HEALTH.stat().st_mode) == 0o600


def test_an_agent_that_hangs_is_known_and_restarted_within_a_minute(keep: Keep) -> None:
    watcher = keep.watcher()
    keep.watch(watcher, 60)
    began = keep.moment
    keep.says = facts(**HUNG)
    while not keep.done:
        keep.moment += watcher.step()
    assert keep.done == ["process"]
    assert keep.moment - began < 60
    (ill,) = events("health")
    assert ill["cause"] == "loop-hung"
    keep.says = facts()
    keep.watch(watcher, 120)
    assert events("health")[-1]["text"] == "over: NanoClaw runs, but does nothing"
    assert on_disk().verdict == 0


def test_an_agent_that_hangs_for_good_ends_in_an_alert(keep: Keep) -> None:
    keep.says = facts(**HUNG)
    keep.watch(keep.watcher(), 7200)
    assert keep.done == ["process", "job", "guest", "guest"]
    assert len(events("repair")) == 4
    assert len(events("gave-up")) == 1
    found = {event.key: event for event in alert_health.conditions(on_disk(), 0, "watch")}
    assert found["health-stopped"].severity == "critical"
    assert isinstance(found["health-loop-hung"], Event)


def test_a_watcher_that_is_killed_after_each_look_repairs_no_more_often(keep: Keep) -> None:
    keep.says = facts(**HUNG)
    for _ in range(200):
        keep.moment += keep.watcher().step()
    assert keep.done == ["process", "job", "guest", "guest"]


def test_a_watcher_that_is_killed_before_it_could_act_does_not_act_twice(keep: Keep) -> None:
    keep.says = facts(**HUNG)
    watcher = keep.watcher()

    def killed(*_: object) -> str:
        raise SystemExit

    watcher.act = killed
    with pytest.raises(SystemExit):
        keep.watch(watcher, 120)
    keep.watch(keep.watcher(), 30)
    assert keep.done == []
    assert on_disk().ladder.tried == ("process",)


def test_nothing_is_mended_while_somebody_works_on_the_guest(keep: Keep) -> None:
    keep.seen, keep.says = DOWN, None
    with maintenance.doing("a snapshot"):
        keep.watch(keep.watcher(), 1800)
        assert keep.done == []
        assert on_disk().hold == "a snapshot is being done"
    keep.watch(keep.watcher(), 60)
    assert keep.done == ["guest"]


def test_nothing_is_mended_while_a_converge_is_at_work_or_the_guard_has_cut(keep: Keep) -> None:
    keep.says = facts(**HUNG)
    health.JOURNAL.write_text("{}\n")
    keep.watch(keep.watcher(), 300)
    assert (keep.done, on_disk().hold) == ([], "a converge is at work")
    paths.CUT.write_text("damaged, so it stands")
    keep.watch(keep.watcher(), 300)
    assert (keep.done, on_disk().hold) == ([], "the guard has cut the guest off")


def test_what_somebody_else_has_just_mended_is_not_mended_again(keep: Keep) -> None:
    keep.says = facts(**HUNG)
    watcher = keep.watcher()
    with maintenance.doing("a repair by hand"):
        keep.watch(watcher, 120)
        assert on_disk().verdict == 1
    keep.says = facts()
    keep.watch(watcher, 300)
    assert (keep.done, on_disk().verdict) == ([], 0)


def test_a_host_without_a_policy_is_unknown(keep: Keep) -> None:
    paths.POLICY.unlink()
    keep.watcher().step()
    assert on_disk().verdict == 2
    assert "policy" in on_disk().says


@pytest.mark.parametrize("text", ["", "[]", "{", '{"format": 1}', "\0"])
def test_a_damaged_record_is_begun_anew(keep: Keep, text: str) -> None:
    paths.HEALTH.write_text(text)
    keep.watcher().step()
    assert on_disk().verdict == 0


def test_a_watcher_that_is_silent_is_an_alert(
    keep: Keep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alert_health, "JOB", tmp_path / "job.plist")
    assert list(alert_health.conditions(None, 1e9, "watch")) == []
    alert_health.JOB.touch()
    (mute,) = alert_health.conditions(None, 181, "watch")
    assert (mute.key, mute.severity) == ("health-mute", "critical")


def test_starts_are_counted_by_launchd_s_counter_and_ours_are_no_accident() -> None:
    starts = Starts(900)
    assert [starts.note(t, runs) for t, runs in ((0, 3), (30, 5), (60, 5), (90, 6))] == [0, 2, 2, 3]
    starts.forgive()
    assert starts.note(120, 7) == 3
    assert starts.note(950, None) == 1
    assert starts.note(960, 1) == 1  # Loaded anew: it counts from the beginning.


def test_the_supervisor_s_last_words_are_its_own(tmp_path: Path) -> None:
    owner = Policy(**{**{f: getattr(POLICY, f) for f in POLICY.__slots__},
                      "owner_home": str(tmp_path)})  # fmt: skip
    log = tmp_path / "Library/Logs/clawkeep/keep.log"
    log.parent.mkdir(parents=True)
    log.write_text(
        "2026-11-21T20:00:00Z starting: tart run\n2026-11-21T20:00:01Z tart: old words\n"
        "root:secret\n2026-11-21T20:00:02Z starting: tart run\n"
        "2026-11-21T20:00:03Z tart: The number of VMs exceeds the system limit\n"
    )
    assert health_look.last_words(owner).splitlines() == [
        "starting: tart run", "tart: The number of VMs exceeds the system limit",
    ]  # fmt: skip
    log.unlink()
    (tmp_path / "secret").write_text("2026-11-21T20:00:03Z secret\n")
    log.symlink_to(tmp_path / "secret")
    assert health_look.last_words(owner) == ""


def test_a_guest_that_never_answers_is_not_waited_for(
    keep: Keep, monkeypatch: pytest.MonkeyPatch
) -> None:
    for said in ("", "Error: no agent\n", "\n@[1]\n", "\n@" + "[" * 100_000):
        monkeypatch.setattr(ask, "as_owner", lambda *_, said=said: said)
        found, why = health_look.inside(POLICY, PLAN)
        assert found is None
        assert why
        assert health_repair.do("process", POLICY, PLAN).startswith("not done")


def test_starts_that_were_refused_and_those_of_long_ago_are_no_flapping(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A keychain that was locked for minutes must not have the guest left down once it is open."""
    told: dict[str, Any] = {"runs": 0, "state": "stopped", "words": "Failed to generate keypair"}
    monkeypatch.setattr(health_look, "_job", lambda _: ("loaded", told["runs"]))
    monkeypatch.setattr(health_look, "_vms", lambda _: (told["state"], ()))
    monkeypatch.setattr(health_look, "_address", lambda _: "")
    monkeypatch.setattr(health_look, "last_words", lambda _: told["words"])
    monkeypatch.setattr(paths, "CUT", tmp_path / "cut.json")
    eyes, counted = Eyes(), []
    for look in range(20):
        told["runs"] += 3
        if look == 10:
            told["words"] = "tart: guest has stopped the virtual machine"
        counted.append(eyes.outside(POLICY, 30.0 * look, held=False).starts)
    assert counted[:10] == [0] * 10
    assert counted[10:12] == [3, 6]
    told["state"] = "running"
    assert eyes.outside(POLICY, 610.0, held=False).starts > 0
    assert eyes.outside(POLICY, 800.0, held=False).starts == 0
