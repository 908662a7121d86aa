"""Attacks on what is open: proxies and bridges that shall lead elsewhere, flows that shall live on.

The control of each is in the same test: the same request where nothing holds it, the flow that
nobody ended, the door that the flood was not aimed at.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest

from lab.lab import Lab
from tests.lab.attacks import stands
from tests.lab.attacks.requests import NOBODY, REQUESTS, Request, ask
from tests.lab.attacks.stands import TART, Stand, host
from tests.lab.attacks.table import AS_THE_KEEP, Attack
from tests.lab.conftest import unique_name
from tests.lab.guarding import wait
from tests.lab.keep import GUEST, Built
from tests.lab.probes import Probe, probe
from tests.lab.streams import Stream

pytestmark = [pytest.mark.lab, pytest.mark.slow]

GATEWAY = "192.168.64.1"
ADDRESS = "192.168.64.2"
HOME = "Home Assistant"
PROXY = f"http://{GATEWAY}:3128"
NAMES = ["example.com", "download.example", "rebind.example", "flip.example"]
LASTING = "  - {name: lasting, port: 18123, target: '10.0.30.5:8123', kind: http}\n"
ENDING = "  - {name: ending, port: 19001, target: '10.0.30.5:8123', kind: http}\n"
NARROW = "  - {name: narrow, port: 19002, target: '10.0.30.5:8123', kind: http, "
NARROW += "max_connections: 4}\n"
TO_NOBODY = f"ip daddr {NOBODY}"
STREAM = "/stream?seconds=120"
DOWNLOAD = "https://download.example/slow?seconds=120&rate=2000"
KNOCKS = {"to": GATEWAY, "port": 19002, "times": 2000}
HALF_OPEN = Attack("half-open connections", "knock", KNOCKS, "host", "tcp dport 19002")
#: Runs in the guest: 40 connections that say nothing, until its standard input ends.
SILENT = """
import socket, sys, time
held = []
for _ in range(40):
    s = socket.socket()
    s.setblocking(False)
    s.connect_ex(("192.168.64.1", 19002))
    held.append(s)
time.sleep(1)
print(len(held), flush=True)
sys.stdin.read()
"""
OPEN_FILES = "lsof -nP -iTCP:19002 | grep -c socat"


def declare(built: Built, services: str, names: list[str]) -> None:
    """Write the allowlist and the egress of the project."""
    built.allowlist(f"services:\n{services}")
    egress = {"mode": "domains", "domains": names, "http": True}
    with (built.project / "group_data" / "all.py").open("a") as file:
        file.write(f"egress = {egress!r}\n")


@pytest.fixture(scope="module")
def keep(keep: Built) -> Built:
    declare(keep, LASTING + ENDING + NARROW, NAMES)
    keep.converge()
    return keep


@pytest.fixture(scope="module")
def permissive() -> Iterator[Lab]:
    """A lab without Clawkeep, where a proxy on the gateway allows everything."""
    lab = Lab.up(unique_name("proxy"))
    try:
        stands.plain_guest(lab)
        stands.open_proxy(lab)
        yield lab
    finally:
        lab.down()


@pytest.fixture(scope="module")
def answers(keep: Built, permissive: Lab) -> dict[str, dict[str, str]]:
    """What came back of every request, by where it was sent."""
    with permissive.arrivals("lan", TO_NOBODY) as there:
        control = ask(permissive, "plain", 3128)
        assert there.packets > 0
    with keep.lab.arrivals("lan", TO_NOBODY) as here:
        found = {"the keep's proxy": ask(keep.lab, GUEST, 3128),
                 "a bridge": ask(keep.lab, GUEST, 18123)}  # fmt: skip
        assert here.packets == 0
    return {"control": control, **found}


def stream(keep: Built, port: int) -> Stream:
    """Let the guest receive for two minutes through a door."""
    return Stream.of_url(keep.lab, GUEST, f"http://{GATEWAY}:{port}{STREAM}")


def said(keep: Built, port: int) -> str:
    """Return what a door's target says to the guest."""
    return keep.guest(f"curl -s -m 3 --noproxy '*' http://{GATEWAY}:{port}/").stdout.strip()


def assert_the_others_work(keep: Built) -> None:
    assert HOME in said(keep, 18123)
    assert (
        keep.guest(f"curl -s -m 10 -x {PROXY} http://example.com/").stdout == "lab: example.com\n"
    )
    ssh = f"nc -z -w 3 {ADDRESS} 22"
    assert host(keep.lab, ssh, check=False).returncode == 0


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: request.name)
def test_no_request_is_led_elsewhere(answers: dict[str, dict[str, str]], request_: Request) -> None:
    name, shows = request_.name, request_.shows
    assert shows in answers["control"][name]
    for where in ("the keep's proxy", "a bridge"):
        answer = answers[where][name]
        assert answer.startswith("HTTP/1.1 "), answer
        assert shows not in answer


def test_a_name_that_changes_its_address_is_not_followed(keep: Built, permissive: Lab) -> None:
    """Each query is answered otherwise: what was judged must be what is connected to."""
    fetch = f"curl -s -m 5 -x {PROXY} http://flip.example/; sleep 0.6"
    fetch = f"for i in 1 2 3 4 5 6 7 8; do {fetch}; done"
    with permissive.arrivals("lan", TO_NOBODY) as there:
        permissive.exec("guest:plain", ["/bin/sh", "-c", fetch])
        assert there.packets > 0
    with keep.lab.arrivals("lan", TO_NOBODY) as here:
        keep.guest(fetch)
        assert here.packets == 0


def test_half_open_connections_exhaust_nothing(keep: Built) -> None:
    """The guest never answers the bridge's SYN-ACK; its own pf sees to that."""
    quiet = "block drop out quick proto tcp from any to any port 19002 flags R/R"
    assert keep.guest(f"echo '{quiet}' | pfctl -f - && pfctl -e").returncode == 0
    try:
        Stand(keep.lab, GUEST).send([HALF_OPEN])
        half = host(keep.lab, "netstat -an -p tcp | grep 19002 | grep -c SYN_RCVD").stdout
        assert int(half) >= 1  # The control: it has arrived.
        assert_the_others_work(keep)
        assert int(host(keep.lab, OPEN_FILES).stdout) < 20
    finally:
        keep.guest("pfctl -d; pfctl -F all")
    wait("the door that was flooded", lambda: HOME in said(keep, 19002), 30)


def test_silent_connections_fill_one_door_only(keep: Built) -> None:
    """More than `max_connections` that say nothing: the rest wait, and other doors do not."""
    command = keep.lab.command(f"guest:{GUEST}", ["/usr/bin/python3", "-c", SILENT])
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as crowd:
        assert crowd.stdout is not None
        assert crowd.stdout.readline() == b"40\n"
        assert said(keep, 19002) == ""  # The control: it is full.
        assert_the_others_work(keep)
        assert int(host(keep.lab, OPEN_FILES).stdout) < 20
        crowd.communicate(b"")
    wait("the door that was full", lambda: HOME in said(keep, 19002), 30)


def test_a_revoked_grant_ends_its_flow(keep: Built) -> None:
    port = ["--port", "19003", "--for", "10m", "--reason", "attack"]
    assert keep.clawkeep("allow", "brief", "10.0.30.5:8123", *port).returncode == 0
    with stream(keep, 18123) as other, stream(keep, 19003) as flow:
        assert keep.clawkeep("revoke", "brief").returncode == 0
        wait("the end of its flow", lambda: flow.ended, 3)
        assert other.goes_on()


def test_what_is_no_longer_declared_ends_its_flows(keep: Built) -> None:
    """One converge takes away a service and a domain."""
    with (
        stream(keep, 18123) as other,
        stream(keep, 19001) as flow,
        Stream.of_url(keep.lab, GUEST, DOWNLOAD, PROXY) as tunnel,
    ):
        declare(keep, LASTING + NARROW, [name for name in NAMES if name != "download.example"])
        keep.converge("--data", "phase=network")
        wait("the service's flow", lambda: flow.ended, 3)
        wait("the domain's tunnel", lambda: tunnel.ended, 3)
        assert other.goes_on()


def test_a_closed_window_ends_its_flows(keep: Built) -> None:
    hold = "/opt/clawkeep/bin/clawkeep window hold --for 5m --domains download.example"
    command = keep.lab.command("host", ["/bin/sh", "-c", hold])
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as window:
        assert window.stdout is not None
        assert window.stdout.readline().startswith(b"open ")
        with (
            stream(keep, 18123) as other,
            Stream.of_url(keep.lab, GUEST, DOWNLOAD, PROXY) as tunnel,
        ):
            assert tunnel.goes_on()
            window.communicate(b"")
            wait("the end of the tunnel", lambda: tunnel.ended, 10)
            assert other.goes_on()
    # The proxy starts anew, so that no tunnel is left; then it refuses the name.
    fetch = f"curl -sS -m 5 -x {PROXY} {DOWNLOAD}"
    wait("a refusal", lambda: "response 403" in keep.guest(fetch).stderr, 20)


def test_another_guest_at_the_same_address_inherits_nothing(keep: Built) -> None:
    """The last test: the keep's guest stays down. The other is run by hand, without Softnet."""
    doors: dict[str, Probe] = {str(port): ("tcp", [GATEWAY, port]) for port in (18123, 19002, 3128)}
    assert probe(keep.lab, GUEST, doors) == dict.fromkeys(doors, True)
    assert Stand(keep.lab, GUEST).arrived([AS_THE_KEEP], {AS_THE_KEEP.name})[AS_THE_KEEP.name]
    with stream(keep, 18123) as flow:
        assert keep.clawkeep("vm", "stop").returncode == 0
        wait("the end of its flow", lambda: flow.ended, 5)
    heir = stands.run_guest(keep.lab, f"{GUEST}-base", "heir", mac_of=GUEST)
    assert host(keep.lab, f"{TART} ip heir --resolver=agent").stdout.strip() == ADDRESS
    assert probe(keep.lab, "heir", doors) == dict.fromkeys(doors, False)
    assert heir.arrived([AS_THE_KEEP], set())[AS_THE_KEEP.name] == 0
    assert ADDRESS not in host(keep.lab, "pfctl -ss").stdout.replace(f"{ADDRESS}:22", "")
    listening = json.loads(keep.clawkeep("bridges", "--json").stdout)["bridges"]
    assert [row["name"] for row in listening if row["listening"]] == []
