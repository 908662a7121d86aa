"""What a guest's root can do to its network, and what the host's own tools then show.

The guest is on plain NAT without rules: here every packet of an attack must come through, so that
"nothing came through" in a test of isolation means something.
"""

import subprocess
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.lab import Lab
from tests.lab.frames import ADVERTISE, FRAME, RAW
from tests.lab.tart_host import Running, TartHost, wait_for

pytestmark = pytest.mark.lab

MAC = "7e:6f:2a:11:c0:01"
ANCHOR = """\
pass in quick on bridge100 inet proto tcp from any to 192.168.64.1 port 7777 label "door"
block return in quick on bridge100 inet all label "deny4"
"""


@pytest.fixture(scope="module")
def vm(lab: Lab) -> Iterator[Running]:
    host = TartHost.on(lab)
    host.clone("v")
    with host.running("v") as running:
        wait_for("the agent", lambda: host.tart("exec v true").returncode == 0)
        yield running


def root(vm: Running, script: str) -> subprocess.CompletedProcess[str]:
    """Run a script as the guest's root the way the operator would: `tart exec … sudo …`.

    The agent's PATH has no /sbin.
    """
    return vm.host.tart(f"exec v sudo /bin/sh -c 'PATH=$PATH:/sbin; {script}'")


def python(vm: Running, code: str, *words: str) -> None:
    done = vm.guest("/usr/bin/python3", "-c", code, *words)
    assert done.returncode == 0, done.stderr


def on_host(vm: Running, script: str, stdin: str | None = None) -> str:
    done = vm.host.lab.exec("host", ["/bin/sh", "-c", script], input=stdin)
    assert done.returncode == 0, done.stderr
    return done.stdout


def counters(vm: Running) -> dict[str, int]:
    """The link line of `netstat -bI bridge100`, by column."""
    heading, link, *_ = on_host(vm, "netstat -bI bridge100").splitlines()
    assert heading.split()[:3] == ["Name", "Mtu", "Network"]
    return dict(zip(heading.split()[4:], map(int, link.split()[4:]), strict=True))


def test_root_comes_through_the_agent(vm: Running) -> None:
    assert root(vm, "id -un").stdout == "root\n"


def test_a_forged_source_address_goes_out_in_a_frame_of_ones_own(vm: Running) -> None:
    root(vm, "ping -c 1 192.168.64.1")
    with (
        vm.host.lab.arrivals("host", "ip saddr 192.168.64.222 udp dport 4001") as forged,
        vm.host.lab.arrivals("host", "ether saddr 02:00:00:00:00:99") as strange,
    ):
        python(vm, FRAME, MAC, "192.168.64.222", "192.168.64.1", "8", "1")
        assert (forged.packets, strange.packets) == (1, 0)
        python(vm, FRAME, "02:00:00:00:00:99", "192.168.64.222", "192.168.64.1", "8", "1")
        assert (forged.packets, strange.packets) == (2, 1)


def test_fragments_of_ones_own_come_through_to_the_lan_and_the_internet(vm: Running) -> None:
    root(vm, "ping -c 1 192.168.64.1")
    lab, address = vm.host.lab, str(vm.facts()["ip"])
    with (
        lab.arrivals("lan", "ip daddr 10.0.30.99 meta l4proto udp") as lan,
        lab.arrivals("internet", "ip daddr 203.0.113.9 meta l4proto udp") as internet,
    ):
        python(vm, FRAME, MAC, address, "10.0.30.99", "64", "4")
        python(vm, FRAME, MAC, address, "203.0.113.9", "64", "4")
        # The host puts a datagram together before it looks at it, and sends it whole.
        assert (lan.packets, internet.packets) == (1, 1)


def test_any_ip_protocol_can_be_sent(vm: Running) -> None:
    address = str(vm.facts()["ip"])
    with vm.host.lab.arrivals("lan", "ip protocol 47 ip daddr 10.0.30.99") as tunnel:
        python(vm, RAW, "47", address, "10.0.30.99")
        assert tunnel.packets == 1


def test_router_advertisements_reach_the_host(vm: Running) -> None:
    # A fresh link-local address is tentative for a second.
    ready = "! grep -q tentative <(/System/Lab/linux/bin/ip -6 addr show dev en0)"
    wait_for("an address", lambda: vm.guest("/bin/bash", "-c", ready).returncode == 0)
    with vm.host.lab.arrivals("host", "icmpv6 type nd-router-advert") as seen:
        python(vm, ADVERTISE)
        wait_for("the advertisement", lambda: seen.packets == 1)


def test_an_alias_is_a_second_address_that_works(vm: Running) -> None:
    add = "ifconfig en0 alias 192.168.64.150 netmask 255.255.255.255"
    assert root(vm, add).returncode == 0
    try:
        with vm.host.lab.arrivals("host", "ip saddr 192.168.64.150") as seen:
            root(vm, "ping -c 1 -S 192.168.64.150 192.168.64.1")
            assert seen.packets == 1
    finally:
        assert root(vm, "ifconfig en0 -alias 192.168.64.150").returncode == 0
    assert "192.168.64.150" not in root(vm, "ifconfig en0").stdout
    assert root(vm, "ifconfig en0 inet6 fd00::5 prefixlen 64 alias").returncode == 0
    assert "\tinet6 fd00::5 prefixlen 64 \n" in root(vm, "ifconfig en0").stdout
    assert root(vm, "ifconfig en0 inet6 fd00::5 -alias").returncode == 0
    assert "fd00::5" not in root(vm, "ifconfig en0").stdout


@pytest.mark.parametrize("word", ["ether", "lladdr"])
def test_the_hardware_address_can_be_changed(vm: Running, word: str) -> None:
    other = "02:00:00:00:00:42"
    try:
        assert root(vm, f"ifconfig en0 {word} {other}").returncode == 0
        with vm.host.lab.arrivals("host", f"ether saddr {other}") as seen:
            root(vm, "ping -c 1 192.168.64.1")
            assert seen.packets >= 1
    finally:
        root(vm, f"ifconfig en0 ether {MAC}")
    assert f"\tether {MAC}\n" in root(vm, "ifconfig en0").stdout


def test_routes_can_be_added_changed_and_deleted(vm: Running) -> None:
    added = root(vm, "route -n add -net 10.0.30.0/24 192.168.64.1")
    assert added.stdout == "add net 10.0.30.0/24: gateway 192.168.64.1\n"
    again = root(vm, "route -n add -net 10.0.30.0/24 192.168.64.1")
    assert again.stdout.endswith(": File exists\n")
    assert root(vm, "route delete -net 10.0.30.0/24").returncode == 0
    assert root(vm, "route delete -net 10.0.30.0/24").stdout.endswith(": not in table\n")
    try:
        assert root(vm, "route change default 192.168.64.77").returncode == 0
        assert "gateway: 192.168.64.77\n" in root(vm, "route -n get default").stdout
    finally:
        root(vm, "route delete default; route add default 192.168.64.1")
    assert root(vm, "route add default 10.9.9.9").stdout.endswith(": Network is unreachable\n")
    assert root(vm, "route add -inet6 default fe80::1%en0").returncode == 0
    assert "default" in root(vm, "netstat -rn -f inet6").stdout
    assert root(vm, "route delete -inet6 default fe80::1%en0").returncode == 0


def test_the_route_comes_back_with_the_interface(vm: Running) -> None:
    root(vm, "ifconfig en0 down; ifconfig en0 up")

    assert "gateway: 192.168.64.1\n" in root(vm, "route -n get default").stdout
    assert root(vm, "curl -sS -m 5 http://example.com/").stdout == "lab: example.com\n"


def test_neighbours_can_be_read_written_and_forgotten(vm: Running) -> None:
    root(vm, "ping -c 1 192.168.64.1")
    assert "? (192.168.64.1) at " in root(vm, "arp -an").stdout
    root(vm, "arp -s 192.168.64.9 2:0:0:0:0:9")
    shown = root(vm, "arp -an").stdout
    assert "? (192.168.64.9) at 2:0:0:0:0:9 on en0 ifscope permanent [ethernet]\n" in shown
    assert root(vm, "arp -d 192.168.64.9").stdout == "192.168.64.9 (192.168.64.9) deleted\n"
    assert "192.168.64.9" not in root(vm, "arp -an").stdout
    root(vm, "ndp -s fe80::9%en0 2:0:0:0:0:9")
    assert "fe80::9%en0 " in root(vm, "ndp -an").stdout


@pytest.mark.parametrize(
    "attempt",
    ["/System/Lab/linux/bin/mount -t tmpfs none /Volumes",
     "/System/Lab/linux/bin/mount -o remount,rw /System/Lab/mac",
     "/System/Lab/linux/bin/mknod /tmp/disk b 8 0",
     "/System/Lab/linux/bin/nsenter -t 1 -m -n true && echo in; touch /System/Lab/mac/x",
     "echo 1 > /proc/sys/kernel/sysrq; echo c > /proc/sysrq-trigger"],
)  # fmt: skip
def test_root_of_a_guest_cannot_leave_it(vm: Running, attempt: str) -> None:
    done = root(vm, f"{attempt}")

    assert done.returncode != 0
    assert not Path(__file__).resolve().parents[2].joinpath("lab/mac/x").exists()
    # The positive control: the same root may write where a guest may.
    assert root(vm, "touch /Volumes/t && rm /Volumes/t").returncode == 0


def test_netstat_counts_what_the_bridge_carries(vm: Running) -> None:
    before = counters(vm)

    root(vm, "ping -c 4 -i 0.2 -s 1000 192.168.64.1")

    after = counters(vm)
    assert list(after) == ["Ipkts", "Ierrs", "Ibytes", "Opkts", "Oerrs", "Obytes", "Coll"]
    assert after["Ipkts"] - before["Ipkts"] >= 4
    assert after["Ibytes"] - before["Ibytes"] >= 4 * 1028
    assert after["Opkts"] - before["Opkts"] >= 4
    assert on_host(vm, "netstat -ibn -I bridge100").splitlines()[0].split()[-1] == "Coll"
    assert "Ibytes" not in on_host(vm, "netstat -I bridge100")
    assert len(on_host(vm, "netstat -I nothing0").splitlines()) == 1


def test_forwarding_is_on_while_a_guest_shares_and_cuts_it_off_when_unset(vm: Running) -> None:
    fetch = "curl -sS -m 2 http://example.com/"
    assert on_host(vm, "sysctl -n net.inet.ip.forwarding") == "1\n"
    assert root(vm, fetch).returncode == 0
    try:
        said = on_host(vm, "sysctl -w net.inet.ip.forwarding=0")
        assert said == "net.inet.ip.forwarding: 1 -> 0\n"
        assert root(vm, fetch).returncode != 0
    finally:
        on_host(vm, "sysctl -w net.inet.ip.forwarding=1")
    assert root(vm, fetch).returncode == 0


def test_a_rule_counts_states_are_listed_by_the_guests_address_and_can_be_killed(
    vm: Running,
) -> None:
    address = str(vm.facts()["ip"])
    try:
        on_host(vm, "pfctl -a com.apple/000.t -f - 2>/dev/null", ANCHOR)
        server = "socat TCP-LISTEN:7777,bind=192.168.64.1,reuseaddr,fork EXEC:cat"
        vm.host.sh("HOMEBREW_NO_AUTO_UPDATE=1 brew install socat", check=True)
        bridge = subprocess.Popen(vm.host.command(f"exec {server}"))
        wait_for("socat", lambda: "7777" in on_host(vm, "netstat -an -p tcp"))
        held = subprocess.Popen(
            vm.host.lab.command("guest:v", ["/usr/bin/nc", "192.168.64.1", "7777"]),
            stdin=subprocess.PIPE,
        )
        wait_for("the state", lambda: f"{address}:" in on_host(vm, "pfctl -ss 2>/dev/null"))
        with vm.host.lab.arrivals("host", "icmp type echo-request") as pings:
            root(vm, "ping -c 2 -i 0.2 -t 1 192.168.64.1; nc -z -w 1 192.168.64.1 22")
            assert pings.packets == 0

        shown = on_host(vm, "pfctl -a com.apple/000.t -vsr 2>/dev/null")
        door, deny = (numbers(part) for part in shown.split("block return in quick"))
        assert door["Packets"] >= 3
        assert door["States"] == 1
        assert deny["Evaluations"] >= deny["Packets"] >= 3
        assert deny["States"] == 0
        live = on_host(vm, "lsof -nP -a -c socat -iTCP -sTCP:ESTABLISHED")
        assert f"192.168.64.1:7777->{address}:" in live
        assert "1 sources and 1 destinations" in on_host(
            vm, f"pfctl -k {address} -k 192.168.64.1 2>&1"
        )
        assert ":7777" not in on_host(vm, "pfctl -ss 2>/dev/null")
        held.terminate()
        bridge.terminate()
        held.wait(10)
        bridge.wait(10)
    finally:
        on_host(vm, "pfctl -a com.apple/000.t -F all 2>/dev/null")


def numbers(text: str) -> dict[str, int]:
    """The counters of one rule in `pfctl -vsr`."""
    line = next(line for line in text.splitlines() if "Evaluations" in line)
    words = line.strip(" []").split()
    return {
        name.rstrip(":"): int(value) for name, value in zip(words[::2], words[1::2], strict=True)
    }


def test_ps_tells_parent_user_and_start_and_cuts_no_name(vm: Running) -> None:
    script = "dscl . -create /Users/_clawkeep_bridge UniqueID 477"
    script += "; dscl . -create /Users/_clawkeep_bridge PrimaryGroupID 20"
    on_host(vm, script)
    sleeper = vm.host.lab.command("host", ["/bin/sleep", "30"], user="_clawkeep_bridge")
    with subprocess.Popen(sleeper) as process:
        try:
            wait_for("sleep", lambda: "sleep 30" in on_host(vm, "ps -Ao command"))
            found = on_host(vm, "ps -Ao pid,ppid,user,lstart,command | grep '[s]leep 30'")
        finally:
            process.kill()
    pid, parent, user, _weekday, _month, _day, _time, year, *command = found.split()
    assert (user, command) == ("_clawkeep_bridge", ["/bin/sleep", "30"])
    assert int(pid) > int(parent)
    assert year.isdigit()
    assert on_host(vm, "pgrep -P 1").split()
    heading = on_host(vm, "ps -Ao pid,ppid,user,lstart,command").splitlines()[0]
    assert heading.split() == ["PID", "PPID", "USER", "STARTED", "COMMAND"]


def test_the_anchor_of_the_system_is_listed_with_its_children(vm: Running) -> None:
    on_host(vm, "pfctl -a com.apple/000.t -f - 2>/dev/null", textwrap.dedent(ANCHOR))
    try:
        assert "  com.apple\n" in on_host(vm, "pfctl -s Anchors 2>/dev/null")
        assert on_host(vm, "pfctl -a com.apple -s Anchors 2>/dev/null") == "  com.apple/000.t\n"
        assert 'anchor "200.AirDrop/*" all {' in on_host(
            vm, "pfctl -a 'com.apple/*' -sr 2>/dev/null"
        )
    finally:
        on_host(vm, "pfctl -a com.apple/000.t -F all 2>/dev/null")
