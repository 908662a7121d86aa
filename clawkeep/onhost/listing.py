"""`clawkeep bridges`: every bridge, its job, its listener and its live connections.

And who else has its port: such a door stays shut (`holders`).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from clawkeep.link import Link
from clawkeep.onhost import census, clock, holders, jobs, paths, world
from clawkeep.onhost.grants import span
from clawkeep.onhost.plain import plain
from clawkeep.onhost.situation import opened_now
from clawkeep.policy import BRIDGE_LABEL, Door, PolicyError
from clawkeep.render.bridge import bridge_log

#: A dead connection's socket may stay for a while; it is no connection any more.
ENDED = {"LISTEN", "TIME_WAIT", "CLOSED", "CLOSE"}


def report() -> dict[str, Any]:
    """Return the state of every bridge that should be there, and the labels of any other.

    Raises PolicyError, OSError, RuntimeError, TimeoutExpired.
    """
    policy = world.policy()
    doors = opened_now().doors
    link = world.link()
    ports = [door.port for door in doors]
    held = holders.foreign(link.gateway, ports, policy.bridge_user) if link else {}
    loaded = jobs.listed(BRIDGE_LABEL)
    # lsof exits 1 when it finds nothing.
    done = world.run(
        ["/usr/sbin/lsof", "-nP", "-a", "-iTCP", "-u", policy.bridge_user, "-F", "pnT"]
    )
    if done.returncode not in {0, 1}:
        raise RuntimeError(f"lsof: {done.stderr.strip()}")
    sockets = list(census.sockets(done.stdout))
    return {
        "gateway": str(link.gateway) if link else None,
        "bridges": [
            {**_bridge(door, link, loaded, sockets), "held_by": _holder(held.get(door.port))}
            for door in doors
        ],
        "others": sorted(loaded.keys() - {door.label for door in doors}),
    }


def _bridge(
    door: Door, link: Link | None, loaded: dict[str, int | None], sockets: list[census.Socket]
) -> dict[str, Any]:
    at = f"{link.gateway}:{door.port}" if link else ""
    own = [socket for socket in sockets if socket.local == at]
    listener = next((socket for socket in own if socket.state == "LISTEN"), None)
    lines, whole = census.tail(paths.LOGS / os.path.basename(bridge_log(door.name)))
    log = census.read_log(lines, listener.pid if listener else None, whole=whole)
    errors, _ = census.tail(paths.LOGS / f"bridge-{door.name}.err.log")
    return {
        "name": door.name,
        "port": door.port,
        "target": door.target,
        "until": door.until,
        "job": "loaded" if door.label in loaded else "absent",
        "pid": loaded.get(door.label),
        "listening": listener.local if listener else None,
        "connections": [
            _connection(socket.peer, log.since.get(socket.peer))
            for socket in own
            if socket.peer and socket.state not in ENDED
        ],
        "accepted": log.accepted,
        "accepted_is_minimum": not log.whole,
        "last_error": log.error or None,
        "last_words": census.last_words(errors) or None,
    }


def _holder(holder: holders.Holder | None) -> dict[str, Any] | None:
    """Return who has a door's port in the place of its bridge."""
    return {**asdict(holder), "said": str(holder)} if holder else None


def _connection(peer: str, since: float | None) -> dict[str, Any]:
    """Return one live connection. Its bytes are not known: socat counts none at `-d -d`."""
    age = max(0, int(time.time() - since)) if since else None
    return {"peer": peer, "since": since, "age_s": age, "bytes": None}


def lines(data: dict[str, Any]) -> list[str]:
    """Return the report for people."""
    shown = []
    for row in data["bridges"]:
        until = f", granted for {span(row['until'] - clock.now())} more" if row["until"] else ""
        where = row["listening"] or f"not listening (job {row['job']})"
        live = len(row["connections"])
        least = "at least " if row["accepted_is_minimum"] else ""
        shown.append(
            f"{row['name']}: {where} -> {row['target']}{until}; {live} live, "
            f"{least}{row['accepted']} accepted"
        )
        shown += [
            f"    {one['peer']}" + (f" for {span(one['age_s'])}" if one["age_s"] else "")
            for one in row["connections"]
        ]
        said = row["last_error"] or ""
        if not row["listening"] and row["last_words"]:
            said = row["last_words"]
        if row["held_by"]:
            shown.append(f"    shut: its port is held by {row['held_by']['said']}")
        if said:
            shown.append(f"    last error: {said}")
    shown += [f"{label}: nobody declared it" for label in data["others"]]
    return [plain(line, 400) for line in shown]


def verdict(data: dict[str, Any]) -> int:
    """Return 0 when exactly the bridges that should listen do, and nobody else, 1 otherwise."""
    deaf = [row for row in data["bridges"] if not row["listening"] or row["held_by"]]
    return 1 if deaf or data["others"] else 0


def main(arguments: Sequence[str]) -> int:
    """Run as `bridges [--json]`: 0 all listen, 1 one does not or is not declared, 2 cannot tell."""
    parser = argparse.ArgumentParser(
        prog="clawkeep bridges",
        description="Show every bridge, its listener and its live connections.",
        epilog="exit status: 0 all listen, 1 one does not, somebody else has its port, or one is "
        "there that nobody declared, 2 cannot tell; example: sudo clawkeep bridges --json",
    )
    parser.add_argument("--json", action="store_true", help="as JSON")
    options = parser.parse_args(arguments)
    if os.geteuid() != 0:
        sys.stderr.write("clawkeep bridges: only root sees others' sockets; run it with sudo\n")
        return 2
    try:
        data = report()
    except (PolicyError, OSError, RuntimeError, subprocess.SubprocessError) as error:
        sys.stderr.write(f"clawkeep bridges: {plain(str(error))}\n")
        return 2
    if options.json:
        print(json.dumps(data, indent=2))
    else:
        for line in lines(data):
            print(line)
    return verdict(data)
