"""One bridge: it leads where its target is now, never back to the host, and not after its end."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address

import pytest

from clawkeep.link import Link
from clawkeep.onhost import bridge, clock, paths, vet, world
from clawkeep.policy import Door
from tests.unit.onhost.conftest import POLICY, Host

LINK = Link.of("bridge100", "192.168.64.1", "24", "192.168.64.2")
VAULT = Door("vault", 18443, "vault.lan", 443)
# TEST-NET addresses: no machine has them.
GOOD, OTHER, BACK = "192.0.2.10", "192.0.2.11", "127.0.0.1"


@dataclass
class World:
    """What the name resolves to at each look, and what was started with it."""

    answers: list[set[str] | None]
    started: list[str] = field(default_factory=list)
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def addresses(self, _name: str) -> frozenset[IPv4Address]:
        # The last answer ends the grant, so that a test cannot hang.
        found = self.answers.pop(0) if self.answers else None
        if found is None:
            raise OSError("no such name")
        return frozenset(map(IPv4Address, found))

    def argv(self, door: Door, link: Link, target: IPv4Address) -> tuple[str, ...]:
        self.started.append(str(target))
        return ("/bin/sleep", "60")

    def popen(self, *command: object, **options: object) -> subprocess.Popen[bytes]:
        assert not [one for one in self.running if one.poll() is None], "two listeners at a time"
        self.running.append(POPEN(*command, **options))  # type: ignore[call-overload]
        return self.running[-1]


POPEN = subprocess.Popen


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A world whose grants end as soon as there is nothing left to see."""
    made = World([])
    monkeypatch.setattr(vet, "addresses", made.addresses)
    monkeypatch.setattr(bridge, "bridge_argv", made.argv)
    monkeypatch.setattr("subprocess.Popen", made.popen)
    monkeypatch.setattr(bridge, "RESOLVE_S", 0)
    monkeypatch.setattr(bridge, "RETRY_S", 0.01)
    monkeypatch.setattr(bridge, "POLL_S", 0.005)
    monkeypatch.setattr(clock, "now", lambda: 0.0 if made.answers else 99.0)
    yield made
    for process in made.running:
        process.kill()
        process.wait()


def keep(looks: World, *answers: set[str] | None) -> int | None:
    """Run a bridge while its name resolves to one answer after the other."""
    looks.answers = list(answers)
    keeper = bridge._Keeper(replace(VAULT, until=50.0), LINK)
    target = keeper.first_target()
    return keeper.run(target) if target else None


def test_socat_is_given_an_address_and_ends_with_the_grant(looks: World) -> None:
    assert keep(looks, {GOOD}, {GOOD}) == 0
    assert looks.started == [GOOD]


def test_a_name_that_moves_is_followed(looks: World) -> None:
    assert keep(looks, {GOOD}, {GOOD}, {OTHER}, {OTHER}) == 0
    assert looks.started == [GOOD, OTHER]


def test_one_of_several_addresses_is_kept(looks: World) -> None:
    keep(looks, {GOOD}, {GOOD, OTHER}, {OTHER, GOOD}, {OTHER})
    assert looks.started == [GOOD, OTHER]


def test_a_name_that_does_not_resolve_for_a_while_stays_where_it_was(looks: World) -> None:
    keep(looks, {GOOD}, None, None, {GOOD})
    assert looks.started == [GOOD]


def test_a_name_that_comes_to_mean_the_host_closes_the_door_until_it_does_not(
    looks: World, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(looks, {GOOD}, {BACK}, {BACK}, {GOOD, BACK}, {OTHER}, {OTHER})
    assert looks.started == [GOOD, OTHER]
    said = capsys.readouterr().err
    assert "target vault.lan is 127.0.0.1: the host's own loopback" in said
    assert said.count("loopback") == 1


@pytest.mark.parametrize("back", [BACK, "192.168.64.1", "192.168.64.9"])
def test_a_door_that_leads_back_from_the_start_never_opens(looks: World, back: str) -> None:
    assert keep(looks, {back}, {back}, {GOOD, back}) is None
    assert looks.started == []


def test_a_socat_that_ends_ends_the_bridge(looks: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge, "bridge_argv", lambda *_: ("/bin/sh", "-c", "exit 3"))
    assert keep(looks, *[{GOOD}] * 500) == 1


@pytest.fixture
def executed(host: Host, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The command that the bridge becomes."""
    found: list[str] = []

    def become(_program: str, command: tuple[str, ...], _env: dict[str, str]) -> None:
        found.extend(command)
        raise SystemExit(7)

    monkeypatch.setattr("os.execve", become)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    return found


def test_a_service_at_an_address_becomes_socat_itself(
    host: Host, executed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    target = Door("nas", 18022, GOOD, 22, kind="ssh")
    paths.POLICY.write_text(replace(POLICY, doors=(target,)).text())
    paths.LINK.write_text(world.link_text(LINK))
    with pytest.raises(SystemExit, match="7"):
        bridge.main(["nas"])
    assert executed[0] == "/opt/homebrew/bin/socat"
    assert executed[-1] == f"TCP4:{GOOD}:22,connect-timeout=10,keepalive"


def test_a_damaged_record_of_grants_closes_no_service(
    host: Host, executed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    target = Door("nas", 18022, GOOD, 22, kind="ssh")
    paths.POLICY.write_text(replace(POLICY, doors=(target,)).text())
    paths.LINK.write_text(world.link_text(LINK))
    paths.GRANTS.write_text("{")
    with pytest.raises(SystemExit, match="7"):
        bridge.main(["nas"])
    executed.clear()
    assert bridge.main(["granted"]) == 1
    assert executed == []


def test_nothing_is_waited_for_when_there_is_no_such_door(
    host: Host, executed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    paths.LINK.write_text(world.link_text(LINK))
    assert bridge.main(["stray"]) == 0
    assert "no such door" in capsys.readouterr().err
    assert executed == []


def test_a_door_with_more_in_it_than_a_door_is_refused(
    host: Host, executed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    evil = Door("nas", 18022, "10.0.0.1:22,fork!!EXEC:/bin/sh", 22)
    paths.POLICY.write_text(replace(POLICY, doors=(evil,)).text())
    paths.LINK.write_text(world.link_text(LINK))
    assert bridge.main(["nas"]) == 1
    assert "neither a host name nor an IPv4 address" in capsys.readouterr().err
    assert executed == []


def test_a_bridge_waits_for_a_guest(
    host: Host, executed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            paths.LINK.write_text(world.link_text(LINK))

    monkeypatch.setattr("time.sleep", sleep)
    assert bridge.main(["stray"]) == 0
    assert len(waits) == 3


@pytest.mark.parametrize("arguments", [[], ["a", "b"]])
def test_a_bridge_is_called_with_one_name(arguments: list[str]) -> None:
    assert bridge.main(arguments) == 64
