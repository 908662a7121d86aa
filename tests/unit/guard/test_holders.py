"""A port of a door that somebody else has: the guest must not meet a stranger there."""

from __future__ import annotations

import pwd
import subprocess
from ipaddress import IPv4Address
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawkeep.onhost import clock, holders, paths, world
from clawkeep.onhost.holders import Holder
from clawkeep.policy import PROXY_PORT, RESOLVER_PORT, EgressPolicy, Window
from tests.unit.guard.host import GUEST, NAS, VAULT, Host

OURS = 300
LSOF = """p812
csocat
u300
f6
n192.168.64.1:18443
p77
cpython3
u501
f3
n*:18022
f4
n127.0.0.1:8000
"""


@pytest.fixture
def mac(opened: Host, monkeypatch: pytest.MonkeyPatch) -> Host:
    """A host with two doors, and with the bridge user that its policy names."""
    opened.declare(doors=(NAS, VAULT))
    known = pwd.getpwnam

    def getpwnam(name: str) -> Any:
        return SimpleNamespace(pw_uid=OURS) if name == "_clawkeep" else known(name)

    monkeypatch.setattr(pwd, "getpwnam", getpwnam)
    return opened


def listens(local: str, uid: int, pid: int = 77, command: str = "python3") -> str:
    return f"p{pid}\nc{command}\nu{uid}\nf3\nn{local}\n"


def test_lsof_tells_who_listens_where() -> None:
    assert list(holders.listeners(LSOF)) == [
        Holder(812, "socat", 300, "192.168.64.1:18443"),
        Holder(77, "python3", 501, "*:18022"),
        Holder(77, "python3", 501, "127.0.0.1:8000"),
    ]


@given(st.text())
def test_no_lsof_hurts_the_reader(text: str) -> None:
    assert all(isinstance(one.pid, int) for one in holders.listeners(text))


@pytest.mark.parametrize(
    ("lines", "strange"),
    [
        ("", False),
        (listens("192.168.64.1:18022", OURS), False),
        (listens("192.168.64.1:18022", 501), True),
        (listens("192.168.64.1:18022", 0), True),
        (listens("*:18022", 501), True),
        (listens("*:18022", OURS), False),
        # The kernel prefers the gateway's own listener.
        (listens("*:18022", 501) + listens("192.168.64.1:18022", OURS), False),
        (listens("*:18022", OURS) + listens("192.168.64.1:18022", 501), True),
        (listens("127.0.0.1:18022", 501), False),
        (listens("192.168.64.1:1802", 501) + listens("10.0.10.2:18022", 501), False),
    ],
)
def test_who_is_met_at_the_gateway_counts(mac: Host, lines: str, strange: bool) -> None:
    mac.listeners = lines
    found = holders.foreign(IPv4Address("192.168.64.1"), [18022], "_clawkeep")
    assert set(found) == ({18022} if strange else set())


def test_a_door_whose_port_somebody_else_has_stays_shut_and_the_others_open(mac: Host) -> None:
    mac.listeners = listens("*:18022", 501)
    guard = mac.guard()
    assert guard.record.state == "open"
    assert "svc-vault" in mac.doors
    assert "svc-nas" not in mac.doors
    [said] = mac.events("damaged")
    assert said.startswith("door nas: 192.168.64.1:18022 is held by python3 (pid 77, user ")
    assert guard.record.problems == (said,)
    mac.listeners = ""
    mac.pass_time(guard, 31)
    assert "svc-nas" in mac.doors


def test_our_own_bridges_are_nobody_else(mac: Host) -> None:
    mac.listeners = listens("192.168.64.1:18022", OURS) + listens("192.168.64.1:18443", OURS)
    guard = mac.guard()
    assert guard.record.doors == ("nas", "vault")
    assert mac.events("damaged") == []


def test_one_who_takes_the_port_of_a_dead_bridge_is_found_and_cut_off(mac: Host) -> None:
    guard = mac.guard()
    mac.listeners = listens("192.168.64.1:18022", 501)
    mac.pass_time(guard, 31)
    assert "svc-nas" not in mac.doors
    assert mac.pf.killed == [GUEST, f"0.0.0.0/0 {GUEST}"]
    mac.pass_time(guard, 90)
    assert len(mac.pf.killed) == 2
    assert mac.events("changed") == ["doors: -nas"]


def test_the_proxys_and_the_resolvers_ports_are_doors_too(mac: Host) -> None:
    now = clock.now()
    paths.WINDOW.write_text(Window(("a.example",), now + 900, now, "me").text())
    mac.declare(dns="resolver", egress=EgressPolicy("domains", domains=("b.example",)))
    guard = mac.guard()
    assert "clawkeep-proxy" in mac.doors
    assert "clawkeep-resolver" in mac.doors
    for port, label in ((PROXY_PORT, "proxy"), (RESOLVER_PORT, "resolver")):
        mac.listeners = listens(f"*:{port}", 501, command="ev\x1b[2Jil")
        guard.check("again")
        assert f"clawkeep-{label}" not in mac.doors
        assert "ev?[2Jil" in guard.record.problems[0]
    mac.listeners, mac.udp = "", listens(f"*:{RESOLVER_PORT}", 501)
    guard.check("again")
    assert "clawkeep-resolver" not in mac.doors
    mac.udp = ""
    guard.check("again")
    assert "clawkeep-resolver" in mac.doors


@pytest.mark.parametrize("how", ["hangs", "errs"])
def test_while_nobody_can_tell_nothing_new_opens_and_nothing_closes(
    mac: Host, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    mac.declare(doors=(NAS,))
    guard = mac.guard()
    run = world.run

    def broken(command: list[str], **options: Any) -> Any:
        if command[0].endswith("lsof"):
            if how == "hangs":
                raise subprocess.TimeoutExpired("lsof", 20)
            return SimpleNamespace(returncode=1, stdout="", stderr="lsof: illegal option\n")
        return run(command, **options)

    monkeypatch.setattr(world, "run", broken)
    mac.declare(doors=(NAS, VAULT))
    mac.pass_time(guard, 1)
    assert guard.record.doors == ("nas",)
    assert "nobody can tell who listens there: vault" in guard.record.problems[0]
    assert mac.pf.killed == []
    monkeypatch.setattr(world, "run", run)
    mac.pass_time(guard, 31)
    assert len(guard.record.doors) == 2
