"""The socat command of a bridge."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from ipaddress import IPv4Address

from clawkeep.link import Link
from clawkeep.policy import Door
from clawkeep.render.bridge import bridge_argv, bridge_log

LINK = Link.of("bridge100", "192.168.64.1", "24", "192.168.64.7")
VAULT = Door("vaultwarden", 18443, "vault.lan", 443, kind="tls", idle_s=3600)
ADDRESS = IPv4Address("10.0.30.10")


def test_a_bridge_listens_on_the_gateway_for_the_guest_only_and_leads_to_an_address() -> None:
    assert bridge_argv(VAULT, LINK, ADDRESS) == (
        "/opt/homebrew/bin/socat",
        "-d",
        "-d",
        "-lu",
        "-b",
        "65536",
        "-lf",
        "/var/log/clawkeep/bridge-vaultwarden.log",
        "-lpbridge-vaultwarden",
        "-T",
        "3600",
        (
            "TCP4-LISTEN:18443,bind=192.168.64.1,reuseaddr,fork,forever,interval=5,"
            "max-children=64,range=192.168.64.7/32,keepalive"
        ),
        "TCP4:10.0.30.10:443,connect-timeout=10,keepalive",
    )


def test_silent_ssh_sessions_are_never_closed() -> None:
    assert "-T" not in bridge_argv(replace(VAULT, idle_s=None), LINK, ADDRESS)


def test_declared_limits_are_those_of_the_bridge() -> None:
    argv = bridge_argv(replace(VAULT, idle_s=90, max_connections=3), LINK, ADDRESS)
    assert argv[argv.index("-T") + 1] == "90"
    assert ",max-children=3," in argv[-2]


def test_socat_and_its_log_lie_where_told() -> None:
    argv = bridge_argv(VAULT, LINK, ADDRESS, socat="/usr/bin/socat", log_dir="/tmp/x")
    assert argv[0] == "/usr/bin/socat"
    log = argv[argv.index("-lf") + 1]
    assert log == "/tmp/x/bridge-vaultwarden.log" == bridge_log("vaultwarden", "/tmp/x")


def test_the_host_renders_it_without_the_model() -> None:
    program = (
        "import sys, clawkeep.render.plist, clawkeep.onhost.bridges, clawkeep.onhost.allow\n"
        "wrong = [m for m in sys.modules if m.startswith(('clawkeep.model', 'pydantic'))]\n"
        "sys.exit(', '.join(wrong) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
