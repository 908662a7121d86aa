"""The canary on a real keep: green, and red or degraded for each reason that it exists for.

The guard would repair what these tests break, so it is off here; it has tests of its own.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from clawkeep.canary.judge import Witness, judge
from clawkeep.canary.plan import plan
from clawkeep.canary.probe import Decoys, Surroundings
from clawkeep.link import Link
from clawkeep.onhost.canary import PROGRAM
from clawkeep.policy import Openings
from clawkeep.render.anchor import ANCHOR, WALL
from lab.lab import Lab
from roles.network.canary import DAEMON, LABEL
from tests.lab.conftest import LabStarter
from tests.lab.keep import GUEST, Built

pytestmark = pytest.mark.lab

TART = "sudo -u operator -H /opt/homebrew/bin/tart"
AGENT_SOCKET = "/System/Lab/vsock/8080"
PYTHON = "/System/Lab/python/bin/python3"


#: The proxy is up, too: one converge for all tests.
BY_NAME = """
egress = {"mode": "domains", "domains": ["api.anthropic.com"]}
host |= {"packages": ["socat", "squid"]}
"""


@pytest.fixture(scope="module")
def keep(keep: Built) -> Built:
    values = keep.project / "group_data" / "all.py"
    values.write_text(values.read_text() + BY_NAME)
    keep.converge()
    for job in ("guard", "canary"):
        keep.host(f"launchctl bootout system/com.nanoclaw.{job}")
    proxy_up(keep)
    return keep


def on_host(keep: Built) -> tuple[dict[str, Any], int]:
    """Run the host's verb as root; its result and exit status."""
    done = keep.host("/opt/clawkeep/bin/clawkeep canary --json")
    assert done.stdout, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    assert json.loads(keep.host("cat /var/run/clawkeep/canary.json").stdout) == result
    return result, done.returncode


@contextmanager
def broken(keep: Built, script: str) -> Iterator[None]:
    """Break something on the host, and have pf as it was afterwards."""
    repair = (
        f"pfctl -E; pfctl -f /etc/pf.conf; pfctl -a {ANCHOR} -f /opt/clawkeep/etc/anchor.conf && "
        f"pfctl -a {WALL} -f /opt/clawkeep/etc/wall.conf"
    )
    done = keep.host(script)
    assert done.returncode == 0, done.stderr
    try:
        yield
    finally:
        done = keep.host(repair)
        assert done.returncode == 0, done.stderr


def test_a_keep_as_declared_is_green(keep: Built) -> None:
    result, status = on_host(keep)
    assert (result["verdict"], status) == ("green", 0), result
    assert (result["leaks"], result["unable"], result["failed"]) == ([], [], [])
    answered = {p["name"] for p in result["probes"] if p["outcome"] == "answered"}
    assert answered == {
        "door vaultwarden",
        "door home-assistant",
        "door kubernetes",
        "door truenas-ssh",
        "proxy to api.anthropic.com",
    }
    assert result["counters"]["clawkeep-deny4"] > 15
    # Three seconds on an idle machine; here others use the cores, too.
    assert result["ms"] < 10_000
    print(f"{len(result['probes'])} probes in {result['ms']} ms")


def test_the_operator_sees_the_same(keep: Built) -> None:
    done = keep.clawkeep("canary")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["PROBE", "EXPECTED", "GOT", "MS", "EVIDENCE"]
    assert any(line.startswith("ok") and "door vaultwarden" in line for line in lines)
    assert "green: " in done.stderr
    assert "reached by agent" in done.stderr
    data = json.loads(keep.clawkeep("canary", "--json").stdout)
    assert (data["verdict"], data["via"]) == ("green", "agent")


def test_without_root_it_says_so(keep: Built) -> None:
    done = keep.host("sudo -u operator /opt/clawkeep/bin/clawkeep canary")
    assert (done.returncode, done.stdout) == (77, "")
    assert "root" in done.stderr


FLUSHED = {
    "both anchors are empty": f"pfctl -a {ANCHOR} -F rules; pfctl -a {WALL} -F rules",
    "pf is disabled": "pfctl -d",
    "the main ruleset evaluates no anchor": "pfctl -F rules",
}


@pytest.mark.parametrize("script", FLUSHED.values(), ids=FLUSHED.keys())
def test_rules_that_are_not_enforced_are_seen_in_packets(keep: Built, script: str) -> None:
    with broken(keep, script):
        result, status = on_host(keep)
    assert (result["verdict"], status) == ("red", 1)
    leaks = "\n".join(result["leaks"])
    for what in (
        "gateway 192.168.64.1:22/tcp",
        "DNS of the gateway 192.168.64.1:53/udp",
        "gateway 192.168.64.1/icmp: echo reply",
        "internet by name example.com",
        # The host's own witnesses: no word of the guest is needed.
        "decoy on the gateway, TCP: reached from 192.168.64.2",
        "decoy on the gateway, UDP: reached from 192.168.64.2",
    ):
        assert what in leaks, leaks
    # Softnet still stands.
    assert "1.1.1.1" not in leaks
    assert "10.0.10.2" not in leaks
    events = keep.host("tail -n 1 /opt/clawkeep/var/events.jsonl").stdout
    assert json.loads(events)["kind"] == "leak"
    assert on_host(keep)[0]["verdict"] == "green"


def test_an_emptied_doors_anchor_leaks_nothing_behind_the_wall(keep: Built) -> None:
    with broken(keep, f"pfctl -a {ANCHOR} -F rules"):
        result, status = on_host(keep)
    assert (result["verdict"], status, result["leaks"]) == ("degraded", 1, [])
    assert len(result["failed"]) == 5


def test_a_hole_made_by_hand_is_a_leak_with_its_port(keep: Built) -> None:
    hole = "pass in quick on bridge100 inet proto tcp from any to any port = 8080 flags S/SA"
    listener = "python3 -m http.server --bind 192.168.64.1 8080 >/dev/null 2>&1 & echo $!"
    rules = f"(echo '{hole} keep state'; cat /opt/clawkeep/etc/anchor.conf) > /tmp/hole"
    pid = keep.host(listener).stdout.strip()
    try:
        with broken(keep, f"{rules}; pfctl -a {ANCHOR} -f /tmp/hole"):
            result, status = on_host(keep)
    finally:
        keep.host(f"kill {pid}")
    assert (result["verdict"], status) == ("red", 1)
    assert result["leaks"] == ["gateway 192.168.64.1:8080/tcp: connected"]


LIAR = r"""#!/System/Lab/python/bin/python3
import json, re, sys
plan = json.loads(eval(re.search(r"^main\((.*)\)$", sys.stdin.read(), re.M)[1]))
open_kinds = {"tls", "http", "ssh", "tcp"}
rows = [{"nonce": p["nonce"], "answered": p.get("data", p["what"] in open_kinds),
         "evidence": "refused", "ms": 1} for p in plan["probes"]]
print(json.dumps({"nonce": plan["nonce"], "results": rows}))
"""


@contextmanager
def lying(keep: Built) -> Iterator[None]:
    """Put in the guest, as its root may, a program that says what we want to hear."""
    path = "/usr/bin/python3"
    done = keep.lab.exec(
        f"guest:{GUEST}",
        ["/bin/sh", "-c", f"rm {path} && cat > {path} && chmod 755 {path}"],
        input=LIAR,
    )
    assert done.returncode == 0, done.stderr
    try:
        yield
    finally:
        assert keep.guest(f"rm {path} && ln -s {PYTHON} {path}").returncode == 0


def test_a_guest_that_lies_is_not_believed_without_the_counters(keep: Built) -> None:
    with lying(keep):
        closed, status = on_host(keep)
        with broken(keep, "pfctl -d"):
            open_, _ = on_host(keep)
    for result in (closed, open_):
        assert (result["verdict"], result["leaks"], result["failed"]) == ("red", [], [])
        assert "not confirmed" in result["unable"][0]
    assert status == 2
    assert on_host(keep)[0]["verdict"] == "green"


@contextmanager
def without_agent(keep: Built) -> Iterator[None]:
    assert keep.guest(f"mv {AGENT_SOCKET} {AGENT_SOCKET}.away").returncode == 0
    try:
        yield
    finally:
        assert keep.guest(f"mv {AGENT_SOCKET}.away {AGENT_SOCKET}").returncode == 0


def test_without_the_agent_the_host_cannot_tell_and_the_operator_goes_by_ssh(
    keep: Built,
) -> None:
    with without_agent(keep):
        alone, status = on_host(keep)
        done = keep.clawkeep("canary", "--json")
        with broken(keep, f"pfctl -a {ANCHOR} -F rules; pfctl -a {WALL} -F rules"):
            leaking = keep.clawkeep("canary", "--json")
    assert (alone["verdict"], status, alone["reached"]) == ("red", 2, False)
    assert "control socket" in alone["unable"][0], alone["unable"]
    result = json.loads(done.stdout)
    assert (result["verdict"], result["via"], done.returncode) == ("green", "ssh", 0), done.stderr
    assert "trying SSH" in done.stderr
    assert json.loads(leaking.stdout)["leaks"]
    assert leaking.returncode == 1


def test_an_agent_that_hangs_is_not_waited_for(keep: Built) -> None:
    script = (
        f"rm /usr/bin/python3 && printf '#!/bin/sh\\nsleep 60\\n' > /usr/bin/python3 && {CHMOD}"
    )
    assert keep.guest(script).returncode == 0
    started = time.monotonic()
    try:
        result, status = on_host(keep)
    finally:
        keep.guest(f"rm /usr/bin/python3; ln -s {PYTHON} /usr/bin/python3")
    assert (result["verdict"], status) == ("red", 2)
    assert time.monotonic() - started < 20
    left = keep.host("pgrep -f 'tart exec -i'").stdout
    assert left == "", "tart lives on"


CHMOD = "chmod 755 /usr/bin/python3"


def test_a_service_that_is_down_degrades_and_is_no_leak(keep: Built) -> None:
    change = ["/usr/sbin/ip", "addr", "del", "10.0.30.5/32", "dev", "lo"]
    keep.lab.exec("lan", change, check=True)
    try:
        result, status = on_host(keep)
    finally:
        change[2] = "add"
        keep.lab.exec("lan", change, check=True)
    assert (result["verdict"], status, result["leaks"]) == ("degraded", 1, [])
    assert [failure.split(":")[0] for failure in result["failed"]] == ["door home-assistant"]


def test_another_guest_is_among_what_must_be_silent(keep: Built) -> None:
    keep.host(f"{TART} clone {GUEST}-base neighbour; {TART} set neighbour --random-mac")
    keep.host(f"launchctl asuser 501 {TART} run --no-graphics neighbour >/dev/null 2>&1 &")
    try:
        deadline = time.monotonic() + 20
        while not keep.host(f"{TART} ip neighbour --resolver=agent").stdout:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        result, _ = on_host(keep)
    finally:
        keep.host(f"{TART} stop neighbour --timeout 1")
    names = [p["name"] for p in result["probes"] if p["name"].startswith("guest ")]
    assert len(names) == 2
    assert (result["verdict"], result["notes"]) == ("green", [])


def test_two_at_once_wait_for_each_other_and_a_scheduled_one_does_not(keep: Built) -> None:
    verb = "/opt/clawkeep/bin/clawkeep canary"
    both = f"{verb} --json > /tmp/one & sleep 0.3; {verb} --scheduled; echo $?; wait; cat /tmp/one"
    first, _, rest = keep.host(both).stdout.partition("\n")
    assert first == "0"
    one = json.loads(rest)
    assert one["verdict"] == "green"
    # The scheduled one left it to the other.
    assert json.loads(keep.host("cat /var/run/clawkeep/canary.json").stdout) == one
    assert keep.host(f"{verb} --json & {verb} --json & wait").stdout.count('"green"') == 2


def test_it_runs_by_itself(keep: Built) -> None:
    path = f"/Library/LaunchDaemons/{LABEL}.plist"
    keep.lab.exec("host", ["/bin/sh", "-c", f"cat > {path}"], input=DAEMON.decode(), check=True)
    keep.host("rm -f /var/run/clawkeep/canary.json")
    try:
        done = keep.host(f"launchctl bootstrap system {path}")
        assert done.returncode == 0, done.stderr
        assert "run interval = 30" in keep.host(f"launchctl print system/{LABEL}").stdout
        deadline = time.monotonic() + 20
        while not (text := keep.host("cat /var/run/clawkeep/canary.json").stdout):
            assert time.monotonic() < deadline, keep.host(f"cat /var/log/{LABEL}.log").stdout
            time.sleep(0.3)
    finally:
        keep.host(f"launchctl bootout system/{LABEL}")
    assert json.loads(text)["verdict"] == "green"


def proxy_up(keep: Built) -> None:
    deadline = time.monotonic() + 20
    while keep.host("lsof -nP -iTCP@192.168.64.1:3128 -sTCP:LISTEN").returncode:
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_the_proxy_serves_what_is_declared_and_a_careless_one_is_a_leak(keep: Built) -> None:
    declared, _ = on_host(keep)
    # Started by hand: the job refuses a configuration that is not its own.
    keep.host("launchctl bootout system/com.nanoclaw.proxy")
    down, _ = on_host(keep)
    allow = "s/^http_access deny .*/http_access allow all/"
    keep.host(
        f"sed '{allow}' /opt/clawkeep/etc/squid.conf > /tmp/careless.conf; cd /; "
        "sudo -u _clawkeep /opt/homebrew/sbin/squid -N -f /tmp/careless.conf >/dev/null 2>&1 &"
    )
    proxy_up(keep)
    open_, status = on_host(keep)
    assert declared["verdict"] == "green", declared
    proxied = [p for p in declared["probes"] if p["name"].startswith("proxy to ")]
    assert [p["name"] for p in proxied if p["outcome"] == "answered"] == [
        "proxy to api.anthropic.com"
    ]
    assert (open_["verdict"], status) == ("red", 1)
    assert {leak.split(":")[0] for leak in open_["leaks"]} >= {
        "proxy to an address",
        "proxy to the gateway's SSH",
        "proxy to a bridged service",
        "proxy to example.com (undeclared)",
    }
    assert (down["verdict"], down["leaks"]) == ("degraded", [])
    assert [failure.split(":")[0] for failure in down["failed"]] == ["proxy to api.anthropic.com"]


def test_without_a_guest_there_is_nothing_to_tell(keep: Built) -> None:
    keep.host("launchctl bootout gui/501/com.nanoclaw.vm")
    deadline = time.monotonic() + 40
    while '"running"' in keep.host(f"{TART} list --format json").stdout:
        assert time.monotonic() < deadline
        time.sleep(0.3)
    result, status = on_host(keep)
    assert (result["verdict"], status, result["leaks"]) == ("absent", 2, [])
    assert result["notes"] == [f"{GUEST} is not running"]
    done = keep.clawkeep("canary")
    assert done.returncode == 2
    assert "absent" in done.stderr


def sh(lab: Lab, script: str) -> subprocess.CompletedProcess[str]:
    return lab.exec("host", ["/bin/sh", "-c", script])


@pytest.fixture
def unguarded(start_lab: LabStarter) -> Lab:
    """A guest as `tart run` runs it without Clawkeep: neither Softnet nor an anchor."""
    lab = start_lab()
    brew = "NONINTERACTIVE=1 HOMEBREW_NO_AUTO_UPDATE=1 /opt/homebrew/bin/brew"
    tools = "openai/tools/tart openai/tools/softnet"
    sh(lab, f"sudo -u operator -H sh -c '{brew} trust --formula {tools}; {brew} install {tools}'")
    sh(lab, f"{TART} clone ghcr.io/cirruslabs/macos-sequoia-base plain")
    sh(lab, f"launchctl asuser 501 {TART} run --no-graphics plain >/dev/null 2>&1 &")
    deadline = time.monotonic() + 30
    while not sh(lab, f"{TART} ip plain --resolver=agent").stdout:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return lab


def test_every_kind_of_forbidden_probe_can_succeed_where_nothing_forbids(unguarded: Lab) -> None:
    """The control of all the silences above."""
    interfaces = sh(unguarded, "ifconfig bridge100").stdout
    gateway6 = next(line for line in interfaces.splitlines() if "inet6 fe80" in line).split()[1]
    link = Link.of("bridge100", "192.168.64.1", "24", "192.168.64.2")
    around = Surroundings(
        decoys=Decoys(22, 53),
        own=("10.0.10.2",),
        gateway6=gateway6.partition("%")[0],
        lan=("10.0.30.99",),
        targets=(("10.0.30.5", 8123), ("10.0.30.10", 443), ("10.0.30.20", 22)),
    )
    asked = plan(Openings(), link, around, "0123456789abcdef" * 2)
    program = f"{PROGRAM.read_text()}\nmain({json.dumps(asked.questions)!r})\n"
    answered: set[str] = set()
    # A probe has little time: on a busy machine an answer may come in a later run.
    for _ in range(3):
        done = unguarded.exec("guest:plain", ["/usr/bin/python3", "-I", "-"], input=program)
        result = judge(asked, done.stdout, Witness({}))
        answered |= {row.name for row in result.probes if row.outcome == "answered"}
    assert answered >= {
        "gateway 192.168.64.1:53/tcp",
        "DNS of the gateway 192.168.64.1:53/udp",
        "gateway 192.168.64.1/icmp",
        "host 10.0.10.2:22/tcp",
        "host 10.0.10.2/icmp",
        "internet 1.1.1.1:443/tcp",
        "internet 8.8.8.8:443/tcp",
        "DNS of the internet 1.1.1.1:53/udp",
        "DNS of the internet 1.1.1.1:53/tcp",
        "internet 1.1.1.1/icmp",
        "internet by name example.com",
        "LAN 10.0.30.99:22/tcp",
        "LAN 10.0.30.99:80/tcp",
        "LAN 10.0.30.99/icmp",
        "bridged service directly 10.0.30.5:8123/tcp",
        "bridged service directly 10.0.30.10:443/tcp",
        "bridged service directly 10.0.30.20:22/tcp",
        f"gateway over IPv6 {around.gateway6}:22/tcp",
    }, sorted(answered)
    assert result.verdict == "red"
