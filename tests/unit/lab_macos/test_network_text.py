"""What ifconfig, route, arp, netstat, sysctl and killall say, from given facts."""

from typing import Any

import pytest

from lab.mac.macos import ifconfig, killall, links, route, sysctl

BRIDGE: dict[str, Any] = {
    "ifindex": 19,
    "ifname": "bridge100",
    "flags": ["BROADCAST", "MULTICAST", "UP", "LOWER_UP"],
    "mtu": 1500,
    "operstate": "UP",
    "address": "b2:be:83:52:6e:64",
    "linkinfo": {"info_kind": "bridge"},
    "addr_info": [
        {
            "family": "inet",
            "local": "192.168.64.1",
            "prefixlen": 24,
            "broadcast": "192.168.64.255",
            "scope": "global",
        },
        {"family": "inet6", "local": "fe80::1", "prefixlen": 64, "scope": "link"},
    ],
}
MEMBER: dict[str, Any] = {
    "ifindex": 18,
    "ifname": "vmenet0",
    "master": "bridge100",
    "flags": ["BROADCAST", "MULTICAST", "UP", "LOWER_UP"],
    "mtu": 1500,
    "operstate": "UP",
    "address": "c2:8d:76:cd:df:14",
    "addr_info": [],
}
LOOPBACK: dict[str, Any] = {
    "ifindex": 1,
    "ifname": "lo",
    "flags": ["LOOPBACK", "UP", "LOWER_UP"],
    "mtu": 65536,
    "operstate": "UNKNOWN",
    "addr_info": [{"family": "inet", "local": "127.0.0.1", "prefixlen": 8, "scope": "host"}],
}


def test_a_bridge_names_its_members_as_bsd_does() -> None:
    assert ifconfig.text_of(BRIDGE, [BRIDGE, MEMBER]).splitlines() == [
        "bridge100: flags=8a63<UP,BROADCAST,SMART,RUNNING,ALLMULTI,SIMPLEX,MULTICAST> mtu 1500",
        "\tether b2:be:83:52:6e:64",
        "\tinet 192.168.64.1 netmask 0xffffff00 broadcast 192.168.64.255",
        "\tinet6 fe80::1%bridge100 prefixlen 64 scopeid 0x13 ",
        "\tConfiguration:",
        "\t\tid 0:0:0:0:0:0 priority 0 hellotime 0 fwddelay 0",
        "\t\tmaxage 0 holdcnt 0 proto stp maxaddr 100 timeout 1200",
        "\t\troot id 0:0:0:0:0:0 priority 0 ifcost 0 port 0",
        "\t\tipfilter disabled flags 0x0",
        "\tmember: vmenet0 flags=10803<LEARNING,DISCOVER,PRIVATE,CSUM>",
        "\t        ifmaxaddr 0 port 18 priority 0 path cost 0",
        "\tnd6 options=201<PERFORMNUD,DAD>",
        "\tmedia: autoselect",
        "\tstatus: active",
    ]


def test_the_loopback_is_lo0() -> None:
    assert ifconfig.text_of(LOOPBACK, [LOOPBACK]).splitlines()[:3] == [
        "lo0: flags=8049<UP,LOOPBACK,RUNNING,MULTICAST> mtu 16384",
        "\toptions=1203<RXCSUM,TXCSUM,TXSTATUS,SW_TIMESTAMP>",
        "\tinet 127.0.0.1 netmask 0xff000000",
    ]


def test_an_absent_interface_does_not_exist(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(links, "interfaces", lambda: [LOOPBACK])
    assert ifconfig.main(["ifconfig", "bridge100"]) == 1
    assert capsys.readouterr().err == "ifconfig: interface bridge100 does not exist\n"
    assert ifconfig.main(["ifconfig", "-l"]) == 0
    assert capsys.readouterr().out == "lo0\n"


def test_the_default_route_reads_as_on_a_mac(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = {"dev": "en0", "gateway": "10.0.10.1"}
    monkeypatch.setattr(links, "default_route", lambda: found)
    assert route.main(["/sbin/route", "-n", "get", "default"]) == 0
    assert capsys.readouterr().out.splitlines()[:6] == [
        "   route to: default",
        "destination: default",
        "       mask: default",
        "    gateway: 10.0.10.1",
        "  interface: en0",
        "      flags: <UP,GATEWAY,DONE,STATIC,PRCLONING,GLOBAL>",
    ]


def test_no_default_route_is_not_in_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(links, "default_route", lambda: None)
    assert route.main(["route", "-n", "get", "default"]) == 1
    assert capsys.readouterr().err == "route: writing to routing socket: not in table\n"


def test_arp_leaves_out_leading_zeros() -> None:
    entry = {"dst": "192.168.64.2", "dev": "bridge100", "lladdr": "0a:00:27:00:0c:04"}
    assert route.arp_line(entry) == (
        "? (192.168.64.2) at a:0:27:0:c:4 on bridge100 ifscope [bridge]"
    )


def test_an_unknown_oid_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert sysctl.main(["sysctl", "-n", "hw.cpufrequency"]) == 1
    assert capsys.readouterr().err == "sysctl: unknown oid 'hw.cpufrequency'\n"


def test_sysctl_reads_by_name_or_value(capsys: pytest.CaptureFixture[str]) -> None:
    assert sysctl.main(["sysctl", "kern.osproductversion"]) == 0
    assert sysctl.main(["sysctl", "-n", "kern.ostype"]) == 0
    assert capsys.readouterr().out == "kern.osproductversion: 15.7.1\nDarwin\n"


def test_boot_time_has_its_seconds_in_the_fourth_word() -> None:
    fields = sysctl.boot_time().split()
    assert fields[:3] == ["{", "sec", "="]
    assert fields[3].rstrip(",").isdigit()


def test_sysctl_writes_nothing_but_forwarding(capsys: pytest.CaptureFixture[str]) -> None:
    assert sysctl.main(["sysctl", "-w", "hw.ncpu=64"]) == 1
    assert capsys.readouterr().err == "sysctl: oid 'hw.ncpu' is read only\n"


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["/opt/homebrew/bin/socat", "-d"], ("socat", "socat")),
        (["/System/Lab/python/bin/python3", "-IS", "/usr/libexec/opendirectoryd"],
         ("python3", "opendirectoryd", "socat")),
        (["/bin/dash", "/usr/local/bin/job", "x"], ("dash", "job", "socat")),
    ],
)  # fmt: skip
def test_killall_knows_programs_and_scripts_by_name(
    arguments: list[str], names: tuple[str, ...]
) -> None:
    assert killall.names_of(arguments, "socat") == names


def test_killall_of_nobody_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert killall.main(["killall", "no-such-process-in-the-lab"]) == 1
    assert capsys.readouterr().err == "No matching processes belonging to you were found\n"


def test_killall_without_a_name_is_a_usage_error() -> None:
    assert killall.main(["killall", "-9"]) == 1
