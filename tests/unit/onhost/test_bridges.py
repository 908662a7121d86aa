"""The bridges follow what is open: each loaded, each with what holds now, and no other."""

from __future__ import annotations

import json
import os
import pwd
from dataclasses import replace

import pytest

from clawkeep.link import Link
from clawkeep.onhost import bridges, clock, jobs, paths, world
from clawkeep.policy import BRIDGE_LABEL, Door, Openings, grants_text
from tests.unit.onhost.conftest import POLICY, Host

LINK = Link.of("bridge100", "192.168.64.1", "24", "192.168.64.2")
MOVED = Link.of("bridge101", "192.168.65.1", "24", "192.168.65.2")
OPEN = Openings(doors=POLICY.doors)
VAULT, NAS = "com.nanoclaw.bridge.vault", "com.nanoclaw.bridge.nas"


def test_every_open_door_gets_its_job(host: Host) -> None:
    assert bridges.refresh(POLICY, OPEN, LINK) == [
        "bridge vault was loaded",
        "bridge nas was loaded",
    ]
    assert set(host.loaded) == {VAULT, NAS}


@pytest.mark.parametrize("link", [LINK, None])
def test_nothing_new_starts_no_program(host: Host, link: Link | None) -> None:
    bridges.refresh(POLICY, OPEN, link)
    host.calls.clear()
    assert bridges.refresh(POLICY, OPEN, link) == []
    assert host.calls == []


def test_another_target_restarts_this_bridge_alone(host: Host) -> None:
    bridges.refresh(POLICY, OPEN, LINK)
    host.verbs()
    vault, nas = POLICY.doors
    other = Openings(doors=(vault, replace(nas, target_host="10.0.30.21")))
    assert bridges.refresh(POLICY, other, LINK) == ["bridge nas was started anew"]
    assert host.verbs() == [f"kickstart -k system/{NAS}"]


@pytest.mark.parametrize("link", [MOVED, None, replace(LINK, guest=LINK.guest + 1)])
def test_another_link_restarts_them_all(host: Host, link: Link | None) -> None:
    bridges.refresh(POLICY, OPEN, LINK)
    host.verbs()
    assert len(bridges.refresh(POLICY, OPEN, link)) == 2
    assert sorted(host.verbs()) == [f"kickstart -k system/{NAS}", f"kickstart -k system/{VAULT}"]


def test_a_door_that_is_no_longer_open_loses_its_job(host: Host) -> None:
    bridges.refresh(POLICY, OPEN, LINK)
    only = Openings(doors=POLICY.doors[:1])
    assert bridges.refresh(POLICY, only, LINK) == ["bridge nas was removed"]
    assert set(host.loaded) == {VAULT}
    assert list(json.loads(bridges.STARTED.read_text())) == ["vault"]


def test_a_job_of_nobody_goes_also_when_its_files_are_gone(host: Host) -> None:
    bridges.refresh(POLICY, OPEN, LINK)
    host.loaded["com.nanoclaw.bridge.stray"] = b""
    bridges.STARTED.unlink()
    assert "bridge stray was removed" in bridges.refresh(POLICY, OPEN, LINK)
    assert set(host.loaded) == {VAULT, NAS}


def test_a_job_that_somebody_booted_out_comes_back_with_the_next_change(host: Host) -> None:
    bridges.refresh(POLICY, OPEN, LINK)
    del host.loaded[NAS]
    assert "bridge nas was loaded" in bridges.refresh(POLICY, OPEN, MOVED)


def test_a_job_that_somebody_booted_out_comes_back_when_no_mark_is_trusted(host: Host) -> None:
    bridges.refresh(POLICY, OPEN, LINK)
    del host.loaded[NAS]
    assert bridges.refresh(POLICY, OPEN, LINK) == []
    jobs.forget_unloaded(BRIDGE_LABEL)
    assert bridges.refresh(POLICY, OPEN, LINK) == ["bridge nas was loaded"]


def test_after_a_boot_nobody_is_believed_to_run_with_what_holds_now(host: Host) -> None:
    bridges.refresh(POLICY, OPEN, LINK)
    bridges.STARTED.unlink()
    assert len(bridges.refresh(POLICY, OPEN, LINK)) == 2


def test_a_run_that_failed_is_done_again(host: Host) -> None:
    host.refusals = 99
    with pytest.raises(RuntimeError, match="bootstrap"):
        bridges.refresh(POLICY, OPEN, LINK)
    host.refusals = 0
    assert len(bridges.refresh(POLICY, OPEN, LINK)) == 2


def test_an_ended_grant_is_dropped_for_good(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: 100.0)
    ended = Door("old", 19000, "10.0.30.9", 80, until=100.0, who="me", reason="r")
    stands = Door("new", 19001, "10.0.30.9", 80, until=101.0, who="me", reason="r")
    paths.GRANTS.write_text(grants_text([ended, stands]))
    bridges.refresh(POLICY, OPEN, LINK)
    assert world.grants() == (stands,)
    [event] = [json.loads(line) for line in paths.EVENTS.read_text().splitlines()]
    assert (event["kind"], event["name"]) == ("expired", "old")


PS = """  10   {uid} Ss   /opt/homebrew/bin/socat -d -d -lf /x -lpbridge-nas TCP4-LISTEN:1 TCP4:2
  11   {uid} S    /opt/homebrew/bin/socat -d -d -lf /x -lpbridge-nas TCP4-LISTEN:1 TCP4:2
  12   {uid} Z    (socat) -lpbridge-nas
  13     0 S    /opt/homebrew/bin/socat -lpbridge-nas
  14   {uid} S    /opt/homebrew/bin/socat -lpbridge-nas-two TCP4-LISTEN:1 TCP4:2
  15   {uid} Ss   /opt/clawkeep/python/bin/python3 -I /opt/clawkeep/bin/clawkeep bridge nas
  16   {uid} Ss   /opt/clawkeep/python/bin/python3 -I /opt/clawkeep/bin/clawkeep bridge vault
  17   {uid} Ss   /opt/clawkeep/python/bin/python3 -I /opt/clawkeep/bin/clawkeep proxy
"""


def test_a_bridges_processes_are_the_bridge_users_own_living_ones(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = PS.format(uid=pwd.getpwnam("nobody").pw_uid)
    monkeypatch.setattr(world, "run", lambda command: host._done(command, 0, table))
    assert bridges.processes("nobody", ["nas"]) == {10, 11, 15}
    assert bridges.processes("nobody", ["nas", "vault"]) == {10, 11, 15, 16}
    assert bridges.processes("no-such-user", ["nas"]) == set()


def test_connections_that_survive_their_job_are_killed(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    bridges.refresh(POLICY, OPEN, LINK)
    alive, killed = {4711}, []

    def kill(pid: int, number: int) -> None:
        killed.append((pid, number))
        alive.discard(pid)

    monkeypatch.setattr(os, "kill", kill)
    monkeypatch.setattr(
        bridges, "processes", lambda user, names: set(alive) if "nas" in names else set()
    )
    bridges.refresh(POLICY, Openings(doors=POLICY.doors[:1]), LINK)
    assert killed == [(4711, 9)]


def test_a_process_that_does_not_die_is_an_error(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    bridges.refresh(POLICY, OPEN, LINK)
    ticks = iter(range(99))
    monkeypatch.setattr(os, "kill", lambda pid, number: None)
    monkeypatch.setattr("time.monotonic", lambda: float(next(ticks)))
    monkeypatch.setattr(bridges, "processes", lambda *_: {4711})
    with pytest.raises(RuntimeError, match="do not end"):
        bridges.refresh(POLICY, Openings(), LINK)
