"""Where an attacker stands: behind nothing, behind one layer, or behind both.

Nothing and Softnet alone are guests of a lab without Clawkeep; pf alone is a guest without Softnet
on a keep's host. The kernel of both hosts is made careless first, so that what holds is the layer
and not a check that a Mac's kernel may not have (lab/facts/tart.md).
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator, Sequence, Set
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.lab import Lab
from tests.lab.attacks.table import Attack
from tests.lab.tart_host import wait_for

SOURCE = Path(__file__).with_name("guest.py").read_text()
BREW = "NONINTERACTIVE=1 HOMEBREW_NO_AUTO_UPDATE=1 /opt/homebrew/bin/brew"
TART = "sudo -u operator -H /opt/homebrew/bin/tart"
IMAGE = "ghcr.io/cirruslabs/macos-sequoia-base"
BRIDGE = "bridge100"
#: A packet that has been sent is through, or not, long before this.
SETTLE_S = 0.3
#: The flags of a keep without egress; test_attacks.py compares them with the renderer's.
SOFTNET = "--net-softnet-block=0.0.0.0/0 --net-softnet-allow=@host"

#: What Linux refuses by itself, and the crowds whose packets it would not receive.
CARELESS = f"""
import os, socket, sys
for name, value in (("accept_source_route", 1), ("accept_local", 1), ("route_localnet", 1),
                    ("rp_filter", 0)):
    for interface in ("all", "{BRIDGE}"):
        with open("/proc/sys/net/ipv4/conf/%s/%s" % (interface, name), "w") as file:
            file.write(str(value))
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for group in ("224.0.0.251", "239.255.255.250"):
    member = socket.inet_aton(group) + socket.inet_aton("192.168.64.1")
    s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
s6 = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
member = socket.inet_pton(socket.AF_INET6, "ff02::fb")
member += socket.if_nametoindex("{BRIDGE}").to_bytes(4, sys.byteorder)
s6.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, member)
print("careless", flush=True)
sys.stdin.read()
"""


@dataclass(frozen=True)
class Stand:
    """A guest of a lab whose root attacks."""

    lab: Lab
    vm: str

    def send(self, attacks: Sequence[Attack]) -> None:
        """Send all of them as the guest's root, who must be able to."""
        wanted = {attack.name: (attack.sends, attack.arguments) for attack in attacks}
        words = ["/usr/bin/python3", "-c", SOURCE]
        done = self.lab.exec(f"guest:{self.vm}", words, input=json.dumps(wanted), timeout=120)
        assert done.returncode == 0, done.stderr
        errors = {name: error for name, error in json.loads(done.stdout).items() if error}
        assert not errors

    def arrived(self, attacks: Sequence[Attack], passing: Set[str]) -> dict[str, int]:
        """Attack, and return how many packets came through; those of `passing` are waited for."""
        with ExitStack() as stack:
            seen = {
                attack.name: stack.enter_context(self.lab.arrivals(attack.place, attack.match))
                for attack in attacks
            }
            self.send(attacks)
            deadline = time.monotonic() + 5
            missing = [attack for attack in attacks if attack.name in passing]
            while missing and time.monotonic() < deadline:
                missing = [a for a in missing if seen[a.name].packets < a.least]
            time.sleep(SETTLE_S)
            return {name: counter.packets for name, counter in seen.items()}


def host(lab: Lab, script: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a script on a lab's host as root."""
    done = lab.exec("host", ["/bin/sh", "-c", script])
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def run_guest(lab: Lab, source: str, name: str, flags: str = "", *, mac_of: str = "") -> Stand:
    """Clone and run a guest by hand, as somebody does who does not know of Clawkeep.

    With the hardware address of the guest `mac_of`, its lease makes it the same address, too.
    """
    host(lab, f"{TART} clone {source} {name} && {TART} set {name} --random-mac")
    if mac_of:
        vms = "/Users/operator/.tart/vms"
        read = "plutil -extract macAddress raw " + vms
        swap = f"s/$({read}/{name}/config.json)/$({read}/{mac_of}/config.json)/"
        host(lab, f'sed -i "" "{swap}" {vms}/{name}/config.json')
    path = "/opt/homebrew/bin:/usr/bin:/bin:/usr/sbin:/sbin"
    run = f"sudo -u operator -H env PATH={path} tart run --no-graphics {flags} {name}"
    host(lab, f"launchctl asuser 501 {run} >/dev/null 2>&1 &")
    ask = f"{TART} ip {name} --resolver=agent"
    wait_for(f"{name}'s agent", lambda: not host(lab, ask, check=False).returncode, 60)
    return Stand(lab, name)


def unguarded(lab: Lab) -> tuple[Stand, Stand]:
    """Install tart on a fresh lab and run two guests: behind nothing, and behind Softnet alone."""
    install(lab, "openai/tools/tart", "openai/tools/softnet")
    softnet = "$(readlink -f /opt/homebrew/bin/softnet)"
    host(lab, f"chown root {softnet}; chmod u+s {softnet}")
    return run_guest(lab, IMAGE, "plain"), run_guest(lab, IMAGE, "soft", SOFTNET)


@contextmanager
def careless(lab: Lab) -> Iterator[None]:
    """Let the host's kernel take what it would refuse by itself, while a guest runs."""
    process = subprocess.Popen(
        lab.command("host", ["/System/Lab/python/bin/python3", "-c", CARELESS]),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "careless\n"
        yield
    finally:
        process.communicate("")


def gateway6(lab: Lab) -> str:
    """Return the gateway's link-local address, without its zone."""
    lines = host(lab, f"ifconfig {BRIDGE}").stdout.splitlines()
    return next(line for line in lines if "inet6 fe80" in line).split()[1].split("%")[0]


def plain_guest(lab: Lab) -> Stand:
    """Install tart on a fresh lab and run one guest behind nothing."""
    install(lab, "openai/tools/tart", "openai/tools/softnet")
    return run_guest(lab, IMAGE, "plain")


def install(lab: Lab, *formulae: str) -> None:
    """Install formulae as the host's user."""
    names = " ".join(formulae)
    script = f"{BREW} trust --formula {names}; {BREW} install {names}"
    host(lab, f"sudo -u operator -H sh -c '{script}'")


def open_proxy(lab: Lab) -> None:
    """Run a squid that allows everything on the gateway, where the keep's would be."""
    install(lab, "squid")
    lines = (
        "http_port 192.168.64.1:3128", "http_access allow all", "cache deny all",
        "positive_dns_ttl 1 second", "negative_dns_ttl 1 second", "pid_filename none",
        "access_log none", "cache_log /tmp/open/log",
    )  # fmt: skip
    conf = "\\n".join((*lines, ""))
    host(lab, f"mkdir -p /tmp/open; chown operator /tmp/open; printf '{conf}' > /tmp/open/conf")
    squid = "/opt/homebrew/sbin/squid -N -f /tmp/open/conf"
    host(lab, f"cd /tmp/open; sudo -u operator {squid} >/dev/null 2>&1 &")
    listens = "lsof -nP -iTCP:3128 -sTCP:LISTEN"
    wait_for("squid", lambda: not host(lab, listens, check=False).returncode, 30)
