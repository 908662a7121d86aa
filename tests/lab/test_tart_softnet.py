"""What gets out of a guest: with Softnet, without it, and when Softnet goes."""

import functools
import json
import subprocess
from collections.abc import Iterator

import pytest

from lab.lab import Lab
from tests.lab.tart_host import Running, TartHost, wait_for

pytestmark = pytest.mark.lab
GATEWAY = "192.168.64.1"
HOST = "10.0.10.2"
LAN = "10.0.30.99"
INTERNET = "93.184.215.14"
TIGHT = "--net-softnet-block=0.0.0.0/0 --net-softnet-allow=@host"
PROBE = """\
import socket, sys
kind, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
question = bytes.fromhex("000101000001000000000000") + b"\\x07example\\x03com\\0\\0\\1\\0\\1"
family = socket.AF_INET6 if ":" in address else socket.AF_INET
if kind == "tcp":
    socket.create_connection((address, port), 1).close()
else:
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.settimeout(1)
    s.sendto(question, (address, port))
    s.recv(512)
"""


@pytest.fixture(scope="module")
def host(lab: Lab) -> TartHost:
    host = TartHost.on(lab)
    host.clone("base")
    return host


@pytest.fixture
def vm(host: TartHost) -> Iterator[str]:
    host.clone("vm", "base")
    yield "vm"
    wait_for("the guest's end", lambda: not host.tart("delete vm").stderr.endswith("running\n"))


def reaches(run: Running, address: str, port: int, kind: str = "tcp") -> bool:
    """Probe from inside the guest. A probe that does not run fails the test."""
    python = "/System/Lab/python/bin/python3"
    done = run.guest(python, "-IS", "-c", PROBE, kind, address, str(port))
    last = done.stderr.strip().splitlines()[-1:] or [""]
    assert done.returncode == 0 or last[0].startswith(
        ("TimeoutError", "OSError", "ConnectionRefusedError")
    ), done.stderr
    return done.returncode == 0


def test_plain_nat_reaches_everything(host: TartHost, vm: str) -> None:
    with host.running(vm) as run:
        assert reaches(run, INTERNET, 443)
        assert reaches(run, GATEWAY, 22)
        assert reaches(run, LAN, 443)
        assert reaches(run, GATEWAY, 53, "udp")


def test_default_softnet_opens_internet_and_gateway_and_closes_the_lan(
    host: TartHost, vm: str
) -> None:
    with host.running(vm, "--net-softnet") as run:
        assert reaches(run, INTERNET, 443)
        assert reaches(run, GATEWAY, 22)
        assert reaches(run, GATEWAY, 53, "udp")
        assert not reaches(run, LAN, 443)
        assert not reaches(run, HOST, 22)


def test_block_all_allow_host_leaves_the_gateway_only(host: TartHost, vm: str) -> None:
    with host.running(vm, TIGHT) as run:
        assert reaches(run, GATEWAY, 22)
        assert not reaches(run, INTERNET, 443)
        assert not reaches(run, "8.8.8.8", 53, "udp")
        assert not reaches(run, LAN, 443)


def test_block_all_alone_cuts_the_hosts_ssh(host: TartHost, vm: str) -> None:
    with host.running(vm, "--net-softnet-block=0.0.0.0/0", booted=False) as run:
        facts = wait_for("the boot", lambda: _facts(run))
        wait_for("the agent", lambda: host.tart(f"exec {vm} true").returncode == 0)
        probe = ["/usr/bin/nc", "-z", "-G", "1", facts["ip"], "22"]
        assert host.lab.exec("host", probe).returncode != 0


def _facts(run: Running) -> dict[str, str] | None:
    path = f"/private/var/run/lab-guests/{run.vm}.json"
    done = run.host.lab.exec("host", ["cat", path])
    return run.facts() if done.returncode == 0 else None


@pytest.mark.slow
def test_the_longer_prefix_wins_and_block_wins_a_tie(host: TartHost, vm: str) -> None:
    options = (
        f"--net-softnet-allow=10.0.30.0/24,{INTERNET}/32 "
        f"--net-softnet-block=10.0.30.99/32,{INTERNET}/32"
    )
    with host.running(vm, options) as run:
        assert reaches(run, "10.0.30.10", 443)
        assert not reaches(run, LAN, 443)
        assert not reaches(run, INTERNET, 443)


@pytest.mark.slow
def test_a_repeated_option_keeps_the_last_value_only(host: TartHost, vm: str) -> None:
    options = f"{TIGHT} --net-softnet-allow=10.0.30.99/32 --net-softnet-allow=@host"
    with host.running(vm, options) as run:
        assert reaches(run, GATEWAY, 22)
        assert not reaches(run, LAN, 443)


def test_ipv6_passes_plain_nat_and_not_softnet(host: TartHost, vm: str) -> None:
    show = ["/System/Lab/linux/sbin/ip", "-6", "-o", "addr", "show", "dev", "bridge100"]
    for options, passes in (("", True), ("--net-softnet", False)):
        with host.running(vm, options) as run:
            shown = wait_for("fe80", lambda: _settled(host, show))
            gateway = f"{shown.split()[3].partition('/')[0]}%en0"
            wait_for("the guest's fe80", functools.partial(_has_link_local, run))
            assert reaches(run, gateway, 22) is passes


def _has_link_local(run: Running) -> bool:
    show = ("/System/Lab/linux/sbin/ip", "-6", "-o", "addr", "show", "dev", "en0")
    return "fe80" in (text := run.guest(*show).stdout) and "tentative" not in text


def _settled(host: TartHost, show: list[str]) -> str:
    text = host.lab.exec("host", show).stdout
    return text if text and "tentative" not in text else ""


def test_a_forged_source_does_not_leave(host: TartHost, vm: str) -> None:
    with host.running(vm, "--net-softnet") as run:
        ip = "/System/Lab/linux/sbin/ip"
        assert reaches(run, INTERNET, 443)
        run.guest(ip, "addr", "add", "192.168.64.77/24", "dev", "en0")
        route = ["route", "replace", "default", "via", GATEWAY, "src", "192.168.64.77"]
        assert run.guest(ip, *route).returncode == 0
        assert not reaches(run, INTERNET, 443)
        run.guest(ip, "route", "replace", "default", "via", GATEWAY)
        run.guest(ip, "addr", "del", "192.168.64.77/24", "dev", "en0")
        assert reaches(run, INTERNET, 443)
        run.guest(ip, "link", "set", "en0", "address", "02:00:00:00:00:99")
        run.guest(ip, "route", "replace", "default", "via", GATEWAY)
        assert not reaches(run, INTERNET, 443)


@pytest.mark.slow
def test_guests_do_not_see_each_other_unless_everything_is_allowed(host: TartHost, vm: str) -> None:
    host.clone("second", "base")
    try:
        for options, seen in (("--net-softnet", False), ("--net-softnet-allow=0.0.0.0/0", True)):
            with host.running(vm, options) as one, host.running("second", options) as two:
                assert reaches(one, two.facts()["ip"], 22) is seen
    finally:
        host.tart("delete second")


def test_a_cidr_without_length_ends_the_run(host: TartHost, vm: str) -> None:
    done = host.tart(f"run {vm} --no-graphics --net-softnet-allow=192.168.64.1")
    assert done.returncode == 1
    assert "invalid value '192.168.64.1' for '--allow" in done.stderr
    assert 'RuntimeFailed(why: "Softnet process terminated prematurely")' in done.stderr


def test_the_death_of_softnet_is_the_end_of_the_vm(host: TartHost, vm: str) -> None:
    with host.running(vm, "--net-softnet") as run:
        host.lab.exec("host", ["/System/Lab/linux/bin/pkill", "-KILL", "-f", "softnet.*--vm-fd"])
        assert run.process.wait(10) == 1
        assert run.output().endswith(
            'RuntimeFailed(why: "Softnet process terminated prematurely")\n'
        )


def test_softnet_must_be_in_path(host: TartHost, vm: str) -> None:
    tart = "/opt/homebrew/bin/tart"
    done = host.sh(f"PATH=/usr/bin:/bin:/usr/sbin:/sbin {tart} run {vm} --net-softnet")
    assert (done.returncode, done.stderr) == (
        1,
        'Error: InitializationFailed(why: "softnet not found in PATH")\n',
    )


def test_softnet_needs_suid_root_or_sudo_without_password(host: TartHost, vm: str) -> None:
    real = host.sh("readlink -f $(which softnet)").stdout.strip()
    rule = "/private/etc/sudoers.d/operator"
    host.lab.exec("host", ["mv", rule, "/private/etc/operator.rule"], check=True)
    try:
        done = host.tart(f"run {vm} --no-graphics --net-softnet")
        assert done.returncode == 1
        assert (
            "root privileges are required to run and passwordless sudo was not available"
            in done.stderr
        )
        host.lab.exec("host", ["/bin/sh", "-c", f"chown root {real}; chmod u+s {real}"])
        with host.running(vm, "--net-softnet") as run:
            assert reaches(run, GATEWAY, 22)
    finally:
        host.lab.exec("host", ["mv", "/private/etc/operator.rule", rule], check=True)
        host.lab.exec("host", ["/bin/sh", "-c", f"chmod u-s {real}; chown operator {real}"])


@pytest.mark.slow
def test_softnet_shortens_all_leases(host: TartHost, vm: str) -> None:
    with host.running(vm, "--net-softnet"):
        leases = host.sh("cat /var/db/dhcpd_leases; date +%s").stdout
    ends, now = int(leases.partition("lease=")[2].split()[0], 16), int(leases.split()[-1])
    assert 500 < ends - now <= 600


LAUNCHER = """\
import json, os, socket, subprocess, sys
ours, theirs = socket.socketpair()
os.set_inheritable(theirs.fileno(), True)
options = ["--no-graphics", sys.argv[2], "--net-softnet-control-fd", str(theirs.fileno())]
run = subprocess.Popen(["tart", "run", sys.argv[1], *options], pass_fds=[theirs.fileno()])
theirs.close()
lines = ours.makefile("rw")
for request in sys.stdin:
    lines.write(request)
    lines.flush()
    print(lines.readline(), end="", flush=True)
run.wait()
"""


@pytest.mark.slow
def test_the_control_channel_replaces_the_rules_of_a_running_guest(host: TartHost, vm: str) -> None:
    python = "/System/Lab/python/bin/python3 -IS -c"
    script = f"{python} '{LAUNCHER}' {vm} --net-softnet-block=0.0.0.0/0"
    process = subprocess.Popen(
        host.command(script), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    run = Running(host, vm, process)
    try:
        wait_for("the boot", lambda: _facts(run))
        wait_for("the agent", lambda: host.tart(f"exec {vm} true").returncode == 0)
        assert not reaches(run, INTERNET, 443)
        params = {"allow": [f"{INTERNET}/32"], "block": ["0.0.0.0/0"]}
        request = {"jsonrpc": "2.0", "id": 1, "method": "softnet.policy.set", "params": params}
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["result"] == params
        assert reaches(run, INTERNET, 443)
        assert not reaches(run, GATEWAY, 22)
    finally:
        host.tart(f"stop {vm}")
        process.communicate(timeout=10)


@pytest.mark.slow
def test_a_host_only_guest_reaches_the_host_and_nothing_else(host: TartHost, vm: str) -> None:
    with host.running(vm, "--net-host") as run:
        assert run.facts()["ip"].startswith("192.168.128.")
        assert reaches(run, "192.168.128.1", 22)
        assert not reaches(run, INTERNET, 443)
        assert not reaches(run, LAN, 443)
