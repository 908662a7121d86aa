"""A status from end to end: SSH to a host, SSH through it into its guest, real probes there."""

from __future__ import annotations

import json
import socket
import time
from dataclasses import replace
from pathlib import Path

import pytest

from clawkeep import state
from clawkeep.model import Agent
from clawkeep.policy import Door, grants_text
from clawkeep.render import anchor as rules
from clawkeep.status import Verdict
from clawkeep.target import Target
from tests.unit.connectors import sshd
from tests.unit.status.world import VMS, World, asked, policy, rules_of


def test_rules_that_are_not_the_declared_ones_are_seen(world: World) -> None:
    world.says("anchor", f"pass in quick on bridge100 inet all\n{rules_of(world.keep)}")
    report = world.report()
    assert (report.verdict, report.anchor) == (Verdict.BAD, "differs")


def test_a_wall_that_is_gone_is_seen_although_the_doors_are_as_declared(world: World) -> None:
    world.says("wall", "")
    report = world.report()
    assert (report.verdict, report.anchor) == (Verdict.BAD, "differs")


@pytest.mark.parametrize(
    ("tool", "text"),
    [
        ("vpn", "rdr pass on bridge100 inet all -> 127.0.0.1\n"),
        ("skips", "ALL\nbridge100 (skip)\n"),
    ],
)
def test_what_takes_packets_past_the_rules_is_seen(world: World, tool: str, text: str) -> None:
    assert world.report().anchor == "in force"
    world.says(tool, text)
    report = world.report()
    assert (report.verdict, report.anchor) == (Verdict.BAD, "differs")


def test_a_policy_that_is_not_the_declared_one_is_seen(world: World) -> None:
    other = replace(policy(world.keep), digest="another")
    world.says("policy.json", other.text())
    report = world.report()
    assert (report.verdict, report.anchor) == (Verdict.BAD, "differs")


def test_a_grant_is_a_door_like_the_declared_ones_until_it_ends(world: World) -> None:
    grant = Door("extra", 20001, "10.0.30.9", 80, until=time.time() + 60, reason="a look")
    world.says("grants.json", grants_text([grant]))
    assert world.report().anchor == "differs"
    world.says("anchor", rules_of(world.keep, grant))
    world.says("jobs", "812\t0\tcom.nanoclaw.bridge.web\n813\t0\tcom.nanoclaw.bridge.extra\n")
    report = world.report()
    assert (report.verdict, report.anchor) == (Verdict.WELL, "in force")
    assert report.granted == ("extra :20001 -> 10.0.30.9:80",)
    world.says("grants.json", grants_text([replace(grant, until=time.time() - 1)]))
    assert world.report().anchor == "differs"


def test_a_guest_that_was_cut_off_is_not_well(world: World) -> None:
    world.says("cut.json", '{"cause": "leak", "why": "1.1.1.1 answered"}')
    world.says("anchor", "\n".join(rules.printed(rules.kill_switch())) + "\n")
    report = world.report()
    assert (report.verdict, report.anchor) == (Verdict.BAD, "cut")


@pytest.mark.parametrize(
    ("guard", "job", "state"),
    [
        ({"checked": 5, "state": "open"}, "pid = 812", "open"),
        ({"checked": 600, "state": "open"}, "pid = 812", "silent"),
        ({"checked": 5, "state": "open"}, "", "not running"),
        ({"checked": 5, "state": "failed"}, "pid = 812", "failed"),
        ({}, "pid = 812", "silent"),
    ],
)
def test_a_guard_that_does_not_guard_is_not_well(
    world: World, guard: dict[str, object], job: str, state: str
) -> None:
    if isinstance(ago := guard.get("checked"), int):
        guard = guard | {"checked": time.time() - ago}
    world.says("guard.json", json.dumps(guard))
    world.says("guardjob", f"\t{job}\n")
    report = world.report()
    assert report.guard.state == state
    assert (report.verdict is Verdict.BAD) == (state != "open")


def test_an_anchor_without_doors_is_closed_and_not_well(world: World) -> None:
    world.says("anchor", "\n".join(rules.printed(rules.deny_all())) + "\n")
    report = world.report()
    assert (report.verdict, report.anchor) == (Verdict.BAD, "closed")


def test_a_door_that_is_no_longer_declared_is_seen(world: World) -> None:
    world.says("jobs", "812\t0\tcom.nanoclaw.bridge.web\n813\t0\tcom.nanoclaw.bridge.old\n")
    report = world.report()
    assert report.verdict is Verdict.BAD
    assert [(door.name, door.job) for door in report.doors][1:] == [("old", "undeclared")]


def test_a_keep_in_which_all_is_well(world: World) -> None:
    report = world.report()
    assert (report.verdict, report.anchor, report.host_error) == (Verdict.WELL, "in force", None)
    guest = report.guest
    assert (guest.state, guest.address, guest.resolver) == ("running", "192.168.64.5", "agent")
    assert guest.ssh_ms is not None
    [door] = report.doors
    assert door.listen == f"192.168.64.1:{world.keep.services[0].port}"
    assert (door.job, door.listening, door.probe) == ("running", True, True)
    assert door.evidence == "HTTP/1.1 200 OK"


def test_the_probes_travel_on_stdin_and_the_guest_is_entered_once(world: World) -> None:
    world.report()
    assert world.guest.commands == ["/usr/bin/python3 -I -"]
    assert world.guest.attempts == ["key admin"]
    assert len(world.host.commands) == 2


@pytest.mark.parametrize(
    ("tool", "text", "verdict"),
    [
        ("job", "", Verdict.BAD),
        ("job", "com.nanoclaw.bridge.web = {\n\tstate = not running\n}\n", Verdict.UNKNOWN),
        ("listeners", "socat 9 x 5u IPv4 0 0t0 TCP 192.168.64.1:9999 (LISTEN)\n", Verdict.BAD),
        ("info", "Status: Disabled\n", Verdict.BAD),
        ("main", 'anchor "com.apple.internet-sharing/*" all\n', Verdict.BAD),
        ("anchor", "", Verdict.BAD),
        ("vms", "[]", Verdict.BAD),
        ("vms", json.dumps([VMS[0] | {"State": "stopped"}]), Verdict.BAD),
        ("vms", "", Verdict.UNKNOWN),
        ("vms", "VM list", Verdict.UNKNOWN),
        ("ip", "", Verdict.UNKNOWN),
    ],
)
def test_one_thing_that_is_not_well_is_seen(
    world: World, tool: str, text: str, verdict: Verdict
) -> None:
    world.says(tool, text)
    assert world.report().verdict is verdict


def test_a_stopped_guest_has_no_address_though_a_lease_is_left(world: World) -> None:
    world.says("vms", json.dumps([VMS[0] | {"State": "stopped"}]))
    guest = world.report().guest
    assert (guest.state, guest.address) == ("stopped", None)


def test_a_service_that_does_not_answer_is_bad_whatever_its_bridge_does(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asked, "PROBE_TIMEOUT_S", 0.3)
    service = world.keep.services[0].model_copy(update={"kind": "ssh"})
    world.keep = world.keep.model_copy(update={"services": (service,)})
    [door] = world.report().doors
    assert (door.job, door.listening, door.probe) == ("running", True, False)
    assert door.verdict is Verdict.BAD


def test_a_host_without_sudo_cannot_tell(world: World) -> None:
    (world.folder / "bin" / "sudo").write_text("#!/bin/sh\necho no >&2; exit 1\n")
    report = world.report()
    assert (report.verdict, report.anchor) == (Verdict.UNKNOWN, "unknown")
    assert report.doors[0].job == "unknown"
    assert report.doors[0].listening is None


def test_a_guest_whose_probes_do_not_run_cannot_tell(world: World) -> None:
    world.guest.broken = True
    report = world.report()
    assert report.verdict is Verdict.UNKNOWN
    assert "the probes did not answer" in str(report.guest.error)
    assert report.doors[0].probe is None


def test_a_guest_with_another_host_key_is_not_entered(world: World) -> None:
    pin = state.folder("mini", "keep") / "known_hosts"
    pin.write_text(f"keep {sshd.public_line(sshd.new_key())}")
    report = world.report()
    assert report.verdict is Verdict.UNKNOWN
    assert "no SSH at 192.168.64.5" in str(report.guest.error)
    assert world.guest.attempts == []


def test_a_guest_whose_key_is_not_pinned_is_not_entered(world: World) -> None:
    (state.folder("mini", "keep") / "known_hosts").unlink()
    assert "no host key is pinned" in str(world.report().guest.error)
    assert world.guest.attempts == []


def test_a_host_with_another_host_key_is_not_entered(world: World) -> None:
    known = Path(str(world.target.known_hosts))
    known.write_text(f"[127.0.0.1]:{world.host.port} {sshd.public_line(sshd.new_key())}")
    report = world.report()
    assert report.verdict is Verdict.UNKNOWN
    assert "mini: no SSH" in str(report.host_error)
    assert world.host.attempts == []


def test_a_host_that_does_not_answer_is_said_and_its_doors_are_listed(world: World) -> None:
    world.host.close()
    report = world.report()
    assert report.verdict is Verdict.UNKNOWN
    assert "mini: no SSH" in str(report.host_error)
    assert [door.name for door in report.doors] == ["web"]


def test_this_machine_can_be_the_host(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "clawkeep.transport._dial",
        lambda *_: socket.create_connection(("127.0.0.1", world.guest.port)),
    )
    folder = state.folder("@local", "keep")
    for name in ("id_ed25519", "known_hosts"):
        (folder / name).write_bytes((state.folder("mini", "keep") / name).read_bytes())
    world.target = Target("@local")
    assert world.report().verdict is Verdict.WELL


def test_an_agent_that_cannot_be_asked_is_unknown_and_the_doors_are_judged_as_ever(
    world: World,
) -> None:
    assert world.report().agent is None
    world.keep = world.keep.model_copy(update={"agent": Agent()})
    world.says("policy.json", policy(world.keep).text())
    report = world.report()
    assert report.agent is not None
    assert (report.agent.verdict, report.verdict) == (Verdict.UNKNOWN, Verdict.UNKNOWN)
    assert report.doors[0].verdict is Verdict.WELL
    assert report.guest.well


def test_an_agent_in_a_guest_that_does_not_run_is_not_well(world: World) -> None:
    world.keep = world.keep.model_copy(update={"agent": Agent()})
    world.says("vms", json.dumps([VMS[0] | {"State": "stopped"}]))
    report = world.report()
    assert report.agent is not None
    assert "does not run" in report.agent.error
    assert report.agent.verdict is Verdict.UNKNOWN
    assert report.verdict is Verdict.BAD
