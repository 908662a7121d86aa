"""The proxy's job: there exactly while something is open by name, told or started anew."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace

import pytest

from clawkeep.link import Link
from clawkeep.onhost import addresses, jobs, paths, proxy, vet, world
from clawkeep.policy import Openings
from tests.unit.onhost.conftest import POLICY, Host

LINK = Link.of("bridge100", "192.168.64.1", "24", "192.168.64.2")
OPEN = Openings(domains=("a.example", "b.example"))


@pytest.fixture
def mac(host: Host, monkeypatch: pytest.MonkeyPatch) -> Host:
    """A host with a squid that finds no fault unless `faults` say so."""
    moved = replace(
        proxy.PROXY, conf=host.folder / "squid.conf", told_file=host.folder / "proxy.json"
    )
    monkeypatch.setattr(proxy, "PROXY", moved)
    monkeypatch.setattr(proxy, "RESOLVERS", host.folder / "resolv.conf")
    monkeypatch.setattr(proxy, "problem", lambda _conf, _user: None)
    monkeypatch.setattr(proxy, "HEAR_S", 0)
    monkeypatch.setattr(vet, "taken", lambda _address, _port: True)

    def restart(labels: Iterable[str]) -> None:
        host.calls.extend(["launchctl", "kickstart", "-k", f"system/{label}"] for label in labels)

    monkeypatch.setattr(jobs, "restart", restart)
    return host


def refresh(openings: Openings, link: Link | None = LINK) -> list[str]:
    return proxy.refresh(POLICY, openings, link)


def told(mac: Host) -> list[str]:
    """Return what launchctl was told to change, and forget it."""
    verbs = ("bootstrap", "bootout", "kickstart", "kill")
    found = [" ".join(call[1:]) for call in mac.calls if call[1:] and call[1] in verbs]
    mac.calls.clear()
    return found


def test_nothing_open_by_name_starts_nothing(mac: Host) -> None:
    assert refresh(Openings()) == []
    assert refresh(OPEN, None) == []
    assert mac.calls == []


def test_it_is_started_with_what_is_open_as_the_unprivileged_user(mac: Host) -> None:
    assert refresh(OPEN) == ["the proxy was started: 2 domains"]
    assert "acl listed dstdomain -n a.example b.example" in proxy.PROXY.conf.read_text()
    plist = mac.loaded[proxy.PROXY.label].decode()
    assert "<key>UserName</key>\n\t<string>nobody</string>" in plist
    assert "192.168" not in plist


def test_a_second_look_starts_no_program(mac: Host) -> None:
    refresh(OPEN)
    mac.calls.clear()
    assert refresh(OPEN) == []
    assert mac.calls == []


@pytest.mark.parametrize(
    "more",
    [
        replace(OPEN, domains=("a.example", "b.example", "c.example")),
        replace(OPEN, window=("ghcr.io",)),
        replace(OPEN, http=True),
        replace(OPEN, report=True),
    ],
)
def test_what_is_added_cuts_nobody_off_and_what_is_removed_does(mac: Host, more: Openings) -> None:
    refresh(OPEN)
    told(mac)
    assert refresh(more)[0].startswith("the proxy was told what is new")
    assert told(mac) == [f"kill SIGHUP system/{proxy.PROXY.label}"]
    assert refresh(OPEN)[0].startswith("the proxy was started anew")
    assert told(mac) == [f"kickstart -k system/{proxy.PROXY.label}"]


def test_another_link_is_another_proxy(mac: Host) -> None:
    refresh(OPEN)
    told(mac)
    other = Link.of("bridge101", "192.168.65.1", "24", "192.168.65.2")
    refresh(OPEN, other)
    assert told(mac) == [f"kickstart -k system/{proxy.PROXY.label}"]
    assert "http_port 192.168.65.1:3128" in proxy.PROXY.conf.read_text()


def test_other_resolvers_are_told_to_it(mac: Host) -> None:
    refresh(OPEN)
    told(mac)
    proxy.RESOLVERS.write_text("nameserver 10.0.10.1\n")
    refresh(OPEN)
    assert told(mac) == [f"kill SIGHUP system/{proxy.PROXY.label}"]


def test_it_ends_with_the_guest_and_leaves_nothing_to_serve(mac: Host) -> None:
    refresh(OPEN)
    assert refresh(OPEN, None) == ["the proxy was ended: nothing is open by name"]
    assert mac.loaded == {}
    assert not proxy.PROXY.conf.exists()
    assert refresh(OPEN, None) == []


def test_a_configuration_that_squid_refuses_never_replaces_the_other(
    mac: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    refresh(OPEN)
    before = proxy.PROXY.conf.read_text()
    told(mac)
    monkeypatch.setattr(proxy, "problem", lambda _conf, _user: "line 7: no")
    with pytest.raises(RuntimeError, match="line 7: no"):
        refresh(replace(OPEN, domains=(*OPEN.domains, "c.example")))
    assert proxy.PROXY.conf.read_text() == before
    assert told(mac) == []
    assert [p.name for p in mac.folder.iterdir() if "check" in p.name] == []
    assert json.loads(paths.EVENTS.read_text())["kind"] == "refused"


def test_what_was_removed_is_closed_even_when_squid_refuses_the_rest(
    mac: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    refresh(OPEN)
    monkeypatch.setattr(proxy, "problem", lambda _conf, _user: "line 7: no")
    with pytest.raises(RuntimeError, match="line 7: no"):
        refresh(replace(OPEN, domains=("a.example",)))
    assert mac.loaded == {}
    assert not proxy.PROXY.conf.exists()


def test_one_that_was_killed_before_squid_heard_is_finished(
    mac: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    refresh(OPEN)
    told(mac)

    def killed(_labels: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("clawkeep.onhost.jobs.restart", killed)
        with pytest.raises(KeyboardInterrupt):
            refresh(replace(OPEN, domains=("a.example",)))
    assert refresh(replace(OPEN, domains=("a.example",)))[0].startswith(
        "the proxy was started anew"
    )
    assert told(mac) == [f"kickstart -k system/{proxy.PROXY.label}"]


def test_squid_waits_for_the_configuration_of_this_boot(
    mac: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Link.of("bridge100", "127.0.0.1", "24", "127.0.0.2")
    refresh(OPEN, here)
    assert not proxy.PROXY.ready()  # there is no link.json
    paths.LINK.write_text(world.link_text(here))
    assert proxy.PROXY.ready()
    proxy.PROXY.conf.write_text(proxy.PROXY.conf.read_text() + "http_access allow all\n")
    assert not proxy.PROXY.ready()
    refresh(OPEN, here)
    assert proxy.PROXY.ready()
    # A reboot empties the folder in which it is on record what squid was told.
    proxy.PROXY.told_file.unlink()
    assert not proxy.PROXY.ready()


def test_squid_waits_for_the_gateway(mac: Host) -> None:
    refresh(OPEN)
    paths.LINK.write_text(world.link_text(LINK))
    assert not proxy.PROXY.ready()


@pytest.mark.parametrize(
    ("line", "networks"),
    [
        ("\tinet 10.0.10.2 netmask 0xffffff00 broadcast 10.0.10.255", ("10.0.10.0/24",)),
        ("\tinet 100.64.0.1 --> 100.64.0.1 netmask 0xffffffff", ("100.64.0.1/32",)),
        ("\tinet6 fe80::1%lo0 prefixlen 64 scopeid 0x1", ("fe80::/64",)),
        ("\tinet6 2a00:1::5 prefixlen 64 autoconf secured", ("2a00:1::/64",)),
        ("\tinet 10.0.10.2", ()),
        ("\tinet x netmask 0xffffff00", ()),
        ("\tinet 10.0.10.2 netmask", ()),
        ("\tinet 1.2.3.4 netmask 0x0", ()),
        ("\tether 96:ad:04:f7:17:87", ()),
    ],
)
def test_the_hosts_networks_are_read_from_ifconfig(line: str, networks: tuple[str, ...]) -> None:
    assert addresses.networks(f"en0: flags=8863<UP> mtu 1500\n{line}\n") == networks


def test_a_network_of_the_host_is_never_reached(mac: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "en0: flags\n\tinet 93.184.215.9 netmask 0xfffffff0\n"
    monkeypatch.setattr(world, "run", lambda command: mac._done(command, 0, text))
    refresh(OPEN)
    assert " 93.184.215.0/28" in proxy.PROXY.conf.read_text()
