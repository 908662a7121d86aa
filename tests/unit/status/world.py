"""A host and its guest as SSH servers in this process; what the host's tools print is in files."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import pwd
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from clawkeep import keys, state, tart
from clawkeep.declaration import policy_of
from clawkeep.health.finding import Finding, Standing
from clawkeep.health.record import Record
from clawkeep.model import Guest, Keep, Link, Service
from clawkeep.policy import Door, Policy, openings
from clawkeep.render import anchor as rules
from clawkeep.status import Report, gather
from clawkeep.target import Target
from clawkeep.verdict import Verdict
from tests.unit.connectors import sshd

# `sudo -n sh -c SCRIPT`: pfctl is called by its path, and this machine has none.
SUDO = """#!/bin/sh
exec sh -c "$(printf '%s' "$4" | sed -e 's,/sbin/pfctl,pfctl,g' \
  -e "s,/opt/clawkeep/etc/backup,$SAYS/backup-plan,g" -e "s,/opt/clawkeep/[a-z]*,$SAYS,g" \
  -e "s,/var/run/clawkeep,$SAYS,g")"
"""
PFCTL = """#!/bin/sh
case "$*" in
"-s info") cat "$SAYS/info" ;;
"-sr") cat "$SAYS/main" ;;
"-sn") echo 'rdr-anchor "com.apple/*" all' ;;
"-v -s Interfaces") cat "$SAYS/skips" ;;
"-v -s Anchors") echo "  com.apple/vpn" ;;
"-a com.apple/vpn -sn") cat "$SAYS/vpn" ;;
*wall*) cat "$SAYS/wall" ;;
*) cat "$SAYS/anchor" ;;
esac
"""
TOOLS = {
    "sudo": SUDO,
    "pfctl": PFCTL,
    "launchctl": '#!/bin/sh\ncase "$*" in list) cat "$SAYS/jobs" ;; '
    '*guard) cat "$SAYS/guardjob" ;; *health) cat "$SAYS/healthjob" ;; '
    '*) cat "$SAYS/job" ;; esac\n',
    "lsof": '#!/bin/sh\ncat "$SAYS/listeners"\n',
    "ifconfig": '#!/bin/sh\ncat "$SAYS/interfaces"\n',
    "tart": '#!/bin/sh\nif [ "$1" = ip ]; then cat "$SAYS/ip"; else cat "$SAYS/vms"; fi\n',
}
# The package exports the function of the same name.
asked = importlib.import_module("clawkeep.status.gather")

LINK = Link.of("bridge100", "192.168.64.1", "24", "192.168.64.5")
INTERFACES = "bridge100: flags=8863<UP> mtu 1500\n\tinet 192.168.64.1 netmask 0xffffff00\n"
VMS = [{"Source": "local", "Name": "keep", "Disk": 50, "State": "running"}]


def policy(keep: Keep) -> Policy:
    """Return the policy that a converge as this very user writes."""
    name = pwd.getpwuid(os.getuid()).pw_name
    return policy_of(keep, owner=name, owner_uid=os.getuid(), owner_home=os.environ["HOME"], cas={})


def watched(ago_s: float = 5, layer: Finding | None = None) -> Record:
    """Return what a watcher has on record that looked a moment ago, and saw one layer."""
    at, found = time.time() - ago_s, layer or Finding("host", Verdict.WELL, "80 GB free")
    return Record(at, 98, standings={found.layer: Standing(found, at, at, found, 2, at)})


def rules_of(keep: Keep, *grants: Door) -> str:
    """Return what pfctl prints while the keep's doors, and some grants, are open."""
    now = openings(policy(keep), grants, now=time.time())
    return "\n".join(rules.printed(rules.anchor(now, LINK))) + "\n"


@dataclass
class World:
    """The host's and the guest's servers, and what the host's tools say."""

    folder: Path
    target: Target
    keep: Keep
    host: sshd.SSHServer
    guest: sshd.SSHServer

    def says(self, tool: str, text: str | None) -> None:
        if text is None:
            (self.folder / "says" / tool).unlink()
        else:
            (self.folder / "says" / tool).parent.mkdir(exist_ok=True)
            (self.folder / "says" / tool).write_text(text)

    def report(self) -> Report:
        return gather(self.keep, self.target, self.folder)


@contextlib.contextmanager
def web() -> Iterator[int]:
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = listener.accept()
                with sock:
                    sock.recv(1000)
                    sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")

    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()[1]
    listener.close()


@contextlib.contextmanager
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Start both servers, on a host where all is well."""
    (tmp_path / "bin").mkdir()
    for name, text in TOOLS.items():
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    monkeypatch.setenv("SAYS", f"{tmp_path}/says")
    monkeypatch.setenv("CLAWKEEP_STATE", f"{tmp_path}/state")
    monkeypatch.setattr(tart, "TART", f"{tmp_path}/bin/tart")
    question = asked._question
    monkeypatch.setattr(asked, "_question", lambda *about: question(*about) | {"host": "127.0.0.1"})
    with sshd.running() as host, sshd.running() as guest, web() as port:
        own = keys.ensure(tmp_path, "operator")
        host.keys.add(own.public_line.split()[1])
        known = tmp_path / "known_hosts"
        known.write_text(f"[127.0.0.1]:{host.port} {sshd.public_line(host.host_key)}")
        host.forwards = {("192.168.64.5", 22): ("127.0.0.1", guest.port)}
        target = Target("mini", "127.0.0.1", host.port, "me", str(own.private), str(known))
        folder = state.folder("mini", "keep")
        guest.keys.add(keys.ensure(folder, "x").public_line.split()[1])
        (folder / "known_hosts").write_text(f"keep {sshd.public_line(guest.host_key)}")
        service = Service.model_validate(
            {"name": "web", "port": port, "target": "10.0.30.5:8123", "kind": "http"}
        )
        keep = Keep(services=(service,), guest=Guest(name="keep"))
        world = World(tmp_path, target, keep, host, guest)
        (tmp_path / "says").mkdir()
        world.says("info", "Status: Enabled for 0 days 01:00:00\n")
        world.says("main", 'anchor "com.apple/*" all\n')
        world.says("anchor", rules_of(keep))
        world.says("wall", "\n".join(rules.printed(rules.wall())) + "\n")
        world.says("vpn", "nat on utun3 inet all -> (utun3)\n")
        world.says("skips", "ALL\nbridge100\nlo0 (skip)\n")
        world.says("policy.json", policy(keep).text())
        guard = {"pid": 7, "checked": time.time() - 5, "state": "open", "why": ""}
        world.says("guard.json", json.dumps(guard))
        world.says("events.jsonl", '{"t": "2026-11-21", "kind": "opened", "text": "open"}\n')
        world.says("interfaces", INTERFACES)
        world.says("jobs", "PID\tStatus\tLabel\n812\t0\tcom.nanoclaw.bridge.web\n")
        world.says("job", "com.nanoclaw.bridge.web = {\n\tpid = 812\n}\n")
        world.says("guardjob", "com.nanoclaw.guard = {\n\tpid = 99\n}\n")
        world.says("healthjob", "com.nanoclaw.health = {\n\tpid = 98\n}\n")
        world.says("health.json", watched().text())
        world.says("listeners", f"socat 812 x 5u IPv4 0 0t0 TCP 192.168.64.1:{port} (LISTEN)\n")
        world.says("ip", "192.168.64.5\n")
        world.says("vms", json.dumps(VMS))
        yield world
