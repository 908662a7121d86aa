"""What a healthy host says when it is asked, and how to spoil it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from clawkeep.explain.host import Host
from clawkeep.explain.sides import declared_policy
from clawkeep.link import EXAMPLE
from clawkeep.model import Keep
from clawkeep.policy import Openings, openings
from clawkeep.render.anchor import ANCHOR, WALL, anchor, wall
from clawkeep.survey import PARTS, Survey

NOW = 1_000_000
SHARING = "com.apple.internet-sharing/shared_v4"
MAIN = (
    'scrub-anchor "com.apple/*" all fragment reassemble\n'
    'scrub-anchor "com.apple.internet-sharing" all fragment reassemble\n'
    'anchor "com.apple/*" all\n'
    'anchor "com.apple.internet-sharing" all\n'
)
INTERFACES = """\
lo0: flags=8049<UP,LOOPBACK,RUNNING,MULTICAST> mtu 16384
	inet 127.0.0.1 netmask 0xff000000
en0: flags=8863<UP,BROADCAST,SMART,RUNNING,SIMPLEX,MULTICAST> mtu 1500
	inet6 fe80::cc1:a3ff:fe00:2%en0 prefixlen 64 scopeid 0x2
	inet 10.0.10.2 netmask 0xffffff00 broadcast 10.0.10.255
bridge100: flags=8a63<UP,BROADCAST,SMART,RUNNING,ALLMULTI,SIMPLEX,MULTICAST> mtu 1500
	inet 192.168.64.1 netmask 0xffffff00 broadcast 192.168.64.255
	member: vmenet0 flags=10803<LEARNING,DISCOVER,PRIVATE,CSUM>
"""
RUN = (
    "/usr/bin/python3 -I /opt/clawkeep/bin/clawkeep supervise nanoclaw-vm -- "
    "/opt/homebrew/bin/tart run --net-softnet-allow=0.0.0.0/0 nanoclaw-vm\n"
    "/opt/homebrew/Cellar/tart/libexec/tart.app/Contents/MacOS/tart run --net-softnet-allow=@host "
    "other-vm\n"
    "/opt/homebrew/Cellar/tart/libexec/tart.app/Contents/MacOS/tart run --no-graphics "
    "--net-softnet-block=0.0.0.0/0 --net-softnet-allow=@host --dir=a:/Users/me/my files:ro "
    "nanoclaw-vm\n"
)
LSOF = """\
COMMAND PID USER   FD   TYPE  DEVICE SIZE/OFF NODE NAME
launchd   1 root    7u  IPv4 2049971      0t0  TCP *:22 (LISTEN)
socat   310 _clawkeep 5u  IPv4 2052881      0t0  TCP 192.168.64.1:18443 (LISTEN)
socat   311 _clawkeep 5u  IPv4 2052882      0t0  TCP 192.168.64.1:18022 (LISTEN)
squid   312 _clawkeep 9u  IPv4 2052883      0t0  TCP 192.168.64.1:3128 (LISTEN)
python3 313 me       5u  IPv4 2052884      0t0  TCP 127.0.0.1:16443 (LISTEN)
"""


def keep(**values: Any) -> Keep:
    services = [
        {"name": "vault", "port": 18443, "target": "vault.example.net:443", "kind": "tls"},
        {"name": "nas", "port": 18022, "target": "10.0.30.20:22", "kind": "ssh"},
        {"name": "kube", "port": 16443, "target": "10.0.40.100:6443", "kind": "tcp"},
    ]
    return Keep.model_validate({"services": services, **values})


def opened(declared: Keep) -> Openings:
    return openings(declared_policy(declared), now=NOW)


def host(declared: Keep, **changes: Any) -> Host:
    """What the host of a converged keep says, but for `changes`: parts of the survey, or fields."""
    said = dict.fromkeys(PARTS, "") | {
        "now": str(NOW),
        "policy": declared_policy(declared).text(),
        "info": "Status: Enabled for 0 days 00:00:07           Debug: Urgent\n",
        "main": MAIN,
    }
    said |= {name: changes.pop(name) for name in PARTS if name in changes}
    found = Host(
        survey=Survey(said),
        anchors={
            "com.apple": 'anchor "200.AirDrop/*" all\n',
            ANCHOR: anchor(opened(declared), EXAMPLE),
            WALL: wall(),
            "com.apple.internet-sharing": 'anchor "shared_v4" all\n',
            SHARING: "pass on en0 all flags any keep state\n"
            "pass on bridge100 all flags any keep state\n",
        },
        interfaces=INTERFACES,
        processes=RUN,
        listening=LSOF,
        running=True,
        address="192.168.64.2",
    )
    return replace(found, **changes)
