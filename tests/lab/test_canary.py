"""The canary on a real keep: green, and red or degraded for each reason that it exists for."""

from __future__ import annotations

import json

import pytest

from clawkeep.render.anchor import ANCHOR, WALL
from roles.network.canary import DAEMON, LABEL
from tests.lab.attacks.stands import TART
from tests.lab.canaries import broken, on_host, unwatched
from tests.lab.guarding import wait
from tests.lab.keep import GUEST, Built

pytestmark = pytest.mark.lab

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
    proxy_up(keep)
    return unwatched(keep)


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


@pytest.mark.slow
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
        wait("a result", lambda: keep.host("test -s /var/run/clawkeep/canary.json").returncode == 0)
    finally:
        keep.host(f"launchctl bootout system/{LABEL}")
    text = keep.host("cat /var/run/clawkeep/canary.json").stdout
    assert json.loads(text)["verdict"] == "green"


def proxy_up(keep: Built) -> None:
    listens = "lsof -nP -iTCP@192.168.64.1:3128 -sTCP:LISTEN"
    wait("the proxy", lambda: keep.host(listens).returncode == 0, 20)


@pytest.mark.slow
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
    running = f"{TART} list --format json"
    wait("the guest's end", lambda: '"running"' not in keep.host(running).stdout, 40)
    result, status = on_host(keep)
    assert (result["verdict"], status, result["leaks"]) == ("absent", 2, [])
    assert result["notes"] == [f"{GUEST} is not running"]
    done = keep.clawkeep("canary")
    assert done.returncode == 2
    assert "absent" in done.stderr
