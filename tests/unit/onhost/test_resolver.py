"""The resolver: there exactly while the policy says so, and never with what dnsmasq refuses."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest

from clawkeep.link import Link
from clawkeep.onhost import jobs, paths, resolver, vet, world
from clawkeep.policy import Door, Openings
from tests.unit.onhost.conftest import POLICY, Host

LINK = Link.of("bridge100", "192.168.64.1", "24", "192.168.64.2")
VAULT = Door("vault", 18443, "10.0.30.10", 443, "tls", guest_name="vault.lan")
OPEN = Openings(doors=(VAULT,), resolver=True)


@pytest.fixture
def mac(host: Host, monkeypatch: pytest.MonkeyPatch) -> Host:
    """A host with a dnsmasq that finds no fault and listens at once."""
    moved = replace(
        resolver.RESOLVER,
        conf=host.folder / "dnsmasq.conf",
        told_file=host.folder / "resolver.json",
    )
    monkeypatch.setattr(resolver, "RESOLVER", moved)
    monkeypatch.setattr(resolver, "problem", lambda _conf, _user: None)
    monkeypatch.setattr(vet, "taken", lambda _address, _port: True)

    def restart(labels: Iterable[str]) -> None:
        host.calls.extend(["launchctl", "kickstart", "-k", f"system/{label}"] for label in labels)

    monkeypatch.setattr(jobs, "restart", restart)
    return host


def refresh(openings: Openings = OPEN, link: Link | None = LINK) -> list[str]:
    return resolver.refresh(POLICY, openings, link)


def test_without_a_decision_for_it_or_without_a_guest_nothing_is_started(mac: Host) -> None:
    assert refresh(replace(OPEN, resolver=False)) == []
    assert refresh(OPEN, None) == []
    assert mac.calls == []


def test_it_knows_the_names_and_is_the_unprivileged_users(mac: Host) -> None:
    assert refresh() == ["the resolver was started: 1 names"]
    assert "host-record=vault.lan,192.168.64.1\n" in resolver.RESOLVER.conf.read_text()
    plist = mac.loaded[resolver.RESOLVER.label].decode()
    assert "<key>UserName</key>\n\t<string>nobody</string>" in plist
    assert "192.168" not in plist


def test_a_second_look_starts_no_program(mac: Host) -> None:
    refresh()
    mac.calls.clear()
    assert refresh() == []
    assert mac.calls == []


@pytest.mark.parametrize(
    ("openings", "link"),
    [
        (replace(OPEN, doors=()), LINK),
        (replace(OPEN, doors=(VAULT, replace(VAULT, name="b", guest_name="b.lan"))), LINK),
        (OPEN, Link.of("bridge101", "192.168.65.1", "24", "192.168.65.2")),
    ],
)
def test_other_names_or_another_gateway_start_it_anew(
    mac: Host, openings: Openings, link: Link
) -> None:
    refresh()
    mac.verbs()
    refresh(openings, link)
    assert mac.verbs() == [f"kickstart -k system/{resolver.RESOLVER.label}"]


@pytest.mark.parametrize(
    ("openings", "link"), [(replace(OPEN, resolver=False), LINK), (OPEN, None)]
)
def test_it_ends_and_leaves_nothing_to_answer(
    mac: Host, openings: Openings, link: Link | None
) -> None:
    refresh()
    assert refresh(openings, link) == ["the resolver was ended"]
    assert mac.loaded == {}
    assert not resolver.RESOLVER.conf.exists()
    assert refresh(openings, link) == []


def test_what_dnsmasq_refuses_is_not_put_in_place_and_the_old_answers_end(
    mac: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    refresh()
    monkeypatch.setattr(resolver, "problem", lambda _conf, _user: "bad option at line 3")
    with pytest.raises(RuntimeError, match="dnsmasq refuses its configuration: bad option"):
        refresh(replace(OPEN, doors=()))
    assert mac.loaded == {}
    assert not resolver.RESOLVER.conf.exists()
    assert '"refused"' in paths.EVENTS.read_text()


def test_a_run_that_died_before_dnsmasq_heard_it_is_finished(mac: Host) -> None:
    refresh()
    resolver.RESOLVER.told_file.write_text(
        json.dumps(json.loads(resolver.RESOLVER.told_file.read_text()) | {"heard": False})
    )
    mac.verbs()
    assert refresh() == ["the resolver was started anew: 1 names"]
    assert mac.verbs() == [f"kickstart -k system/{resolver.RESOLVER.label}"]


def test_one_that_does_not_listen_is_said(mac: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver, "LISTEN_S", 0)
    monkeypatch.setattr(vet, "taken", lambda _address, _port: False)
    assert refresh()[0].endswith("does not listen yet, see /var/log/clawkeep/resolver.err.log")


@pytest.fixture
def waiting(mac: Host, monkeypatch: pytest.MonkeyPatch) -> Callable[[], bool]:
    """Tells whether the job would go on waiting; the gateway is a loopback address."""
    link = Link.of("bridge100", "127.0.0.1", "24", "127.0.0.2")
    refresh(OPEN, link)
    monkeypatch.setattr(world, "link", lambda: link)
    return lambda: not resolver.RESOLVER.ready()


def test_the_job_waits_for_the_configuration_of_this_boot(waiting: Callable[[], bool]) -> None:
    assert not waiting()
    told = resolver.RESOLVER.told_file.read_text()
    # /var/run is emptied at a boot, what was configured before it stays.
    resolver.RESOLVER.told_file.unlink()
    assert waiting()
    resolver.RESOLVER.told_file.write_text(told)
    resolver.RESOLVER.conf.write_text("# edited\n")
    assert waiting()


def test_the_job_waits_for_a_guest_and_for_its_gateway(
    waiting: Callable[[], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = Link.of("bridge100", "192.0.2.1", "24", "192.0.2.2")
    for found in (None, absent):
        monkeypatch.setattr(world, "link", lambda found=found: found)
        assert waiting()


def test_it_is_never_root_that_becomes_dnsmasq(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert resolver.main([]) == 1
    assert "never runs as root" in capsys.readouterr().err
    assert resolver.main(["more"]) == 64
