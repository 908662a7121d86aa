"""Doors for a time, on a whole keep: opened, used, revoked under way, ended by the clock."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.lab.doors import gateway, get, receiving
from tests.lab.guarding import is_open, wait
from tests.lab.keep import Built
from tests.lab.lan import FEED_PORTS, feed
from tests.recording import Faults

pytestmark = [pytest.mark.lab, pytest.mark.slow]

HOST = "/opt/clawkeep/bin/clawkeep"
STRAY = "10.0.30.99:80"
STRAY_SAYS = "the host nobody may reach\n"
ANCHOR = "com.apple/000.clawkeep"


@pytest.fixture(scope="module")
def keep(keep: Built) -> Iterator[Built]:
    with feed(keep.lab):
        yield keep


def grants(keep: Built) -> dict[str, dict[str, Any]]:
    data = json.loads(keep.clawkeep("grants", "--json").stdout)
    return {row["name"]: row for row in data["grants"]}


def allow(
    keep: Built, name: str, target: str, port: int, span: str = "10m", *more: str
) -> subprocess.CompletedProcess[str]:
    return keep.clawkeep(
        "allow", name, target, "--port", str(port), "--for", span, "--reason", "a test", *more
    )


TRACES = f"""
pfctl -a {ANCHOR} -sr | grep -q "svc-$1\\"" && echo rule
launchctl list | grep -q "com.nanoclaw.bridge.$1$" && echo job
[ -e "/Library/LaunchDaemons/com.nanoclaw.bridge.$1.plist" ] && echo plist
lsof -nP "-iTCP:$2" | grep -q socat && echo socket
grep -q "\\"name\\": \\"$1\\"" /opt/clawkeep/var/grants.json && echo record
true"""


def traces(keep: Built, name: str, port: int) -> set[str]:
    """Return everything that a door leaves on the host while it is open."""
    done = keep.lab.exec("host", ["/bin/sh", "-c", TRACES, "sh", name, str(port)])
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def all_gone(keep: Built, name: str, port: int) -> bool:
    return traces(keep, name, port) == set()


def whole(keep: Built, name: str, port: int) -> bool:
    return traces(keep, name, port) == {"rule", "job", "plist", "socket", "record"}


def events(keep: Built, name: str) -> list[str]:
    """Return the kinds of a door's events, in order."""
    found = [
        json.loads(line)
        for line in keep.host("cat /opt/clawkeep/var/events.jsonl").stdout.splitlines()
    ]
    return [event["kind"] for event in found if event.get("name") == name]


def test_a_grant_opens_at_once_and_ends_by_the_clock(keep: Built) -> None:
    assert get(keep, 19080) == "curl 7"
    done = allow(keep, "brief", STRAY, 19080, "20s", "--kind", "http")
    assert (done.returncode, done.stdout) == (
        0,
        f"brief is open for 20s: {gateway(keep)}:19080\n",
    ), done.stderr
    assert f"curl http://{gateway(keep)}:19080/" in done.stderr
    assert get(keep, 19080) == STRAY_SAYS
    assert grants(keep)["brief"]["state"] == "open"
    assert whole(keep, "brief", 19080)
    time.sleep(grants(keep)["brief"]["left_s"])
    wait("the end of the grant", lambda: all_gone(keep, "brief", 19080), 15)
    assert get(keep, 19080) == "curl 7"
    assert events(keep, "brief") == ["granted", "expired"]
    journal = keep.host("grep brief /opt/clawkeep/journal.jsonl").stdout.splitlines()
    assert [json.loads(line)["did"].split(":")[0] for line in journal] == [
        "granted brief",
        "expired brief",
    ]
    assert json.loads(journal[0])["did"].endswith(f":19080 -> {STRAY}: a test")
    assert " as operator" in json.loads(journal[0])["who"]


def test_revoking_cuts_a_transfer_and_no_other(keep: Built) -> None:
    one, other = FEED_PORTS
    for name, port in (("one", one), ("other", other)):
        assert allow(keep, name, f"10.0.30.99:{port}", port).returncode == 0
    with receiving(keep, one) as cut, receiving(keep, other) as untouched:
        assert keep.clawkeep("revoke", "one").returncode == 0
        assert all_gone(keep, "one", one)
        wait("the end of the transfer", lambda: cut.ended, 10)
        before = untouched.received()
        wait("more of the other transfer", lambda: untouched.received() > before + 20_000, 15)
        assert not untouched.ended
    assert get(keep, one) == "curl 7"
    assert keep.clawkeep("revoke", "other").returncode == 0
    assert events(keep, "one") == ["granted", "revoked"]


@pytest.mark.parametrize("name", ["vaultwarden", "nobody"])
def test_only_a_grant_can_be_revoked(keep: Built, name: str) -> None:
    done = keep.clawkeep("revoke", name)
    assert done.returncode == 1
    words = {"vaultwarden": "take it out of allowlist.yml", "nobody": "there is no grant 'nobody'"}
    assert words[name] in done.stderr


@pytest.mark.parametrize(
    ("target", "port", "why"),
    [
        ("10.0.10.2:22", 19081, "is the host itself"),
        ("back.lan:22", 19081, "back.lan is 127.0.0.1, the host's own loopback"),
        ("gone.invalid:22", 19081, "does not resolve on the host"),
        ("10.0.30.5:8123,fork", 19081, "no valid port"),
        ("192.168.64.1:22", 19081, "in the guest's own network"),
        (STRAY, 18123, "is that of home-assistant"),
        (STRAY, 3128, "reserved for Clawkeep's own egress proxy"),
        (STRAY, 22, "a bridge cannot have port 22"),
    ],
)
def test_the_host_trusts_nobody(keep: Built, target: str, port: int, why: str) -> None:
    keep.host("grep -q back.lan /etc/hosts || echo 127.0.0.1 back.lan >> /etc/hosts")
    before = keep.host("cat /opt/clawkeep/var/grants.json /opt/clawkeep/var/events.jsonl").stdout
    done = keep.host(f"{HOST} allow evil {target} --port {port} --for 1h --reason x")
    assert done.returncode == 1
    assert why in done.stderr
    assert "nothing was opened" in done.stderr
    after = keep.host("cat /opt/clawkeep/var/grants.json /opt/clawkeep/var/events.jsonl").stdout
    assert after == before


@pytest.mark.parametrize(
    "verb", ["allow x 10.0.30.99:80 --port 19082 --for 1h --reason x", "revoke x", "bridges"]
)
def test_only_root_changes_a_door(keep: Built, verb: str) -> None:
    done = keep.host(f"sudo -u operator {HOST} {verb}")
    assert done.returncode in {1, 2}
    assert "only root" in done.stderr


def test_two_at_once_both_open_and_of_two_for_one_port_only_one(keep: Built) -> None:
    wanted = [("left", 19083), ("right", 19084), ("first", 19085), ("second", 19085)]
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda one: allow(keep, one[0], STRAY, one[1]), wanted))
    status = {name: each.returncode for (name, _), each in zip(wanted, done, strict=True)}
    assert (status["left"], status["right"]) == (0, 0), [each.stderr for each in done]
    assert sorted((status["first"], status["second"])) == [0, 1]
    names = {name for name, code in status.items() if code == 0}
    assert grants(keep).keys() == names
    assert [get(keep, port) for port in (19083, 19084, 19085)] == [STRAY_SAYS] * 3
    for name in names:
        keep.clawkeep("revoke", name)


def test_a_converge_leaves_a_grant_and_its_transfer_alone(keep: Built) -> None:
    port = FEED_PORTS[0]
    assert allow(keep, "stays", f"10.0.30.99:{port}", port).returncode == 0
    with receiving(keep, port) as transfer:
        keep.converge("--data", "phase=network")
        before = transfer.received()
        wait("more of the transfer", lambda: transfer.received() > before, 15)
        assert not transfer.ended
    assert whole(keep, "stays", port)
    assert keep.clawkeep("revoke", "stays").returncode == 0


@pytest.mark.parametrize("after_s", [0.05, 0.15, 0.3, 0.45, 0.6, 0.9])
def test_a_run_killed_at_any_moment_leaves_no_half_a_door(keep: Built, after_s: float) -> None:
    command = (
        f"echo $$ > /tmp/half; exec {HOST} allow half {STRAY} --port 19086 --for 1h --reason x"
    )
    running = subprocess.Popen(
        keep.lab.command("host", ["/bin/sh", "-c", command]),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    )
    time.sleep(after_s)
    keep.host("kill -9 $(cat /tmp/half)")
    running.wait(timeout=20)
    wait(
        "a whole door, or none",
        lambda: all_gone(keep, "half", 19086) or whole(keep, "half", 19086),
        30,
    )
    if whole(keep, "half", 19086):
        assert get(keep, 19086) == STRAY_SAYS
        assert keep.clawkeep("revoke", "half").returncode == 0
    assert all_gone(keep, "half", 19086)
    wait("an open keep", lambda: is_open(keep), 30)


def test_a_grant_survives_a_reboot_with_its_end(keep: Built) -> None:
    assert allow(keep, "lasting", STRAY, 19087, "5m").returncode == 0
    until = grants(keep)["lasting"]["until"]
    keep.lab.reboot()
    wait("the guest", lambda: keep.host("test -e /var/run/clawkeep/link.json").returncode == 0, 60)
    wait("the door", lambda: whole(keep, "lasting", 19087), 30)
    assert get(keep, 19087) == STRAY_SAYS
    assert grants(keep)["lasting"]["until"] == until


def test_a_clock_set_back_does_not_lengthen_a_grant(keep: Built, faults: Faults) -> None:
    """To a host that has seen ten minutes later than now, its clock has been set back."""
    assert grants(keep)["lasting"]["state"] == "open"
    seen = json.dumps({"t": time.time() + 600})
    keep.host(f"echo '{seen}' > /opt/clawkeep/var/clock.json")
    wait("the end of the grant", lambda: all_gone(keep, "lasting", 19087), 20)
    assert events(keep, "lasting")[-1] == "expired"
    # And one that is given under such a clock lasts as long as it should.
    assert allow(keep, "short", STRAY, 19088, "20s").returncode == 0
    assert get(keep, 19088) == STRAY_SAYS
    wait("the end of the grant", lambda: all_gone(keep, "short", 19088), 35)
    says = "a grant that was to have ended ends; a new one lasts as long as it should"
    faults.show("clock", "it is set back by ten minutes", says, "the guard")
