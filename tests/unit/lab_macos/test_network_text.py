"""What ifconfig, route, arp, netstat, sysctl and killall say, from given facts."""

from typing import Any

import pytest

from lab.mac.macos import ifconfig, killall, links, neighbours, netstat, route, sysctl

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
    assert neighbours.arp_line(entry) == (
        "? (192.168.64.2) at a:0:27:0:c:4 on bridge100 ifscope [bridge]"
    )


COUNTS = {
    "rx_packets": 1200, "rx_errors": 0, "rx_bytes": 98765, "tx_packets": 7, "tx_errors": 1,
    "tx_bytes": 420,
}  # fmt: skip


def test_netstats_columns_stand_where_a_mac_has_them() -> None:
    head = netstat.heading(in_bytes=True)
    link, address, link_local = netstat.lines_of(BRIDGE, COUNTS, in_bytes=True)

    expected = "Name       Mtu   Network       Address            Ipkts Ierrs     Ibytes    Opkts"
    assert head == f"{expected} Oerrs     Obytes  Coll"
    shown = "bridge100  1500  <Link#19>   b2:be:83:52:6e:64     1200     0      98765        7"
    assert link == f"{shown}     1        420     0"
    shown = "bridge100  1500  192.168.64    192.168.64.1        1200     -      98765        7"
    assert address == f"{shown}     -        420     -"
    assert link_local.split()[2:4] == ["fe80::1", "fe80:13::1"]


def test_netstat_without_b_has_no_bytes_and_marks_what_is_down() -> None:
    down = {**MEMBER, "flags": ["BROADCAST", "MULTICAST"]}

    assert "bytes" not in netstat.heading(in_bytes=False)
    assert netstat.lines_of(down, COUNTS, in_bytes=False)[0].split() == [
        "vmenet0*", "1500", "<Link#18>", "c2:8d:76:cd:df:14", "1200", "0", "7", "1", "0",
    ]  # fmt: skip


def test_the_loopback_has_no_hardware_address_in_netstat() -> None:
    link, address = netstat.lines_of(LOOPBACK, COUNTS, in_bytes=False)

    assert link.split()[:4] == ["lo0", "16384", "<Link#1>", "1200"]
    assert address.split()[:4] == ["lo0", "16384", "127", "127.0.0.1"]


@pytest.mark.parametrize(
    ("words", "said", "asked"),
    [
        (["-net", "10.0.30.0/24", "192.168.64.1"], "net 10.0.30.0/24: gateway 192.168.64.1",
         ["-4", "route", "add", "10.0.30.0/24", "via", "192.168.64.1"]),
        (["10.0.30.99", "192.168.64.1"], "host 10.0.30.99: gateway 192.168.64.1",
         ["-4", "route", "add", "10.0.30.99/32", "via", "192.168.64.1"]),
        (["-net", "10.0.0.0", "-netmask", "255.0.0.0", "-interface", "lo0"], "net 10.0.0.0",
         ["-4", "route", "add", "10.0.0.0/8", "dev", "lo"]),
        (["-inet6", "default", "fe80::1%en0"], "net default: gateway fe80::1%en0",
         ["-6", "route", "add", "default", "via", "fe80::1", "dev", "en0"]),
    ],
)  # fmt: skip
def test_route_add_says_what_it_added(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    said: str,
    asked: list[str],
) -> None:
    commands: list[list[str]] = []

    def change(*asked_of_ip: str) -> str:
        commands.append(list(asked_of_ip))
        return ""

    monkeypatch.setattr("lab.mac.macos.route.is_root", lambda: True)
    monkeypatch.setattr(links, "change", change)

    assert route.route(["-n", "add", *words]) == 0

    assert capsys.readouterr().out == f"add {said}\n"
    assert commands == [asked]


def test_route_refuses_an_address_that_is_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("lab.mac.macos.route.is_root", lambda: True)

    assert route.route(["add", "-net", "nonsense", "10.0.0.1"]) == 68
    assert capsys.readouterr().err == "route: bad address: nonsense\n"


def test_ndp_names_the_zone_of_a_link_local_neighbour() -> None:
    line = neighbours.ndp_line({"dst": "fe80::9", "dev": "en0", "lladdr": "02:00:00:00:00:09"})

    assert line.split()[:3] == ["fe80::9%en0", "2:0:0:0:0:9", "en0"]


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
        (["/System/Lab/stand-in", "launchd.launchctl", "/bin/launchctl", "list"],
         ("stand-in", "launchctl", "socat")),
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
