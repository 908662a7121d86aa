"""Grants on record: doors that somebody opened for a time, and `clawkeep grants`, which lists them.

The file is root's. Whoever changes it holds the host's lock, and says so first, in the events and
in the journal: there must be no change without a word, while a word without its change does no
harm.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from clawkeep.onhost import clock, paths, store, vet, world
from clawkeep.policy import Door, Policy, PolicyError, grants_text

#: What each converge has changed, and what was opened by hand between them.
JOURNAL = paths.ROOT / "journal.jsonl"
MOST = 50


def add(door: Door, policy: Policy) -> None:
    """Put a grant on record. Call with the lock held. Raises PolicyError, UnfitError, OSError."""
    standing = tuple(old for old in world.grants() if not _over(old, clock.now()))
    if clash := clashing(door, policy, standing):
        raise vet.UnfitError(clash)
    if len(standing) >= MOST:
        raise vet.UnfitError(f"there are {MOST} grants already; revoke one")
    _note("granted", door, f"{door.name}: :{door.port} -> {door.target}: {door.reason}", policy)
    store.write(paths.GRANTS, grants_text((*standing, door)))


def remove(name: str, policy: Policy, *, who: str, why: str) -> Door | None:
    """Take a grant off the record; return it, None when there was none. Call with the lock held.

    Raises PolicyError, OSError.
    """
    granted = world.grants()
    gone = next((door for door in granted if door.name == name), None)
    if gone is not None:
        _note("revoked", gone, f"{name}: {why}", policy, who=who)
        store.write(paths.GRANTS, grants_text(door for door in granted if door.name != name))
    return gone


def settle() -> None:
    """Drop the grants that have ended, for good. Call with the lock held. Raises OSError.

    An ended grant that stayed on record would begin again when somebody sets the clock back.
    """
    moment = clock.now()
    try:
        granted = world.grants()
        policy = world.policy()
    except (PolicyError, UnicodeDecodeError):
        return
    ended = [door for door in granted if _over(door, moment)]
    for door in ended:
        _note("expired", door, f"{door.name}: :{door.port} -> {door.target}", policy)
    if ended:
        store.write(paths.GRANTS, grants_text(door for door in granted if door not in ended))


def clashing(door: Door, policy: Policy, granted: Sequence[Door]) -> str | None:
    """Say which door already has the name or the port of a new one, None when none has."""
    for others, what in ((policy.doors, "a service of the allowlist"), (granted, "a grant")):
        for other in others:
            if other.name == door.name:
                return f"{door.name} is {what} already"
            if other.port == door.port:
                return f"port {door.port} is that of {other.name}, {what}"
    return None


def _over(door: Door, moment: float) -> bool:
    return door.until is None or moment >= door.until


def _note(kind: str, door: Door, text: str, policy: Policy, *, who: str = "") -> None:
    """Write an event and a line of the journal."""
    by = who or door.who
    store.event(kind, text, name=door.name, until=door.until, who=by, reason=door.reason)
    line = {
        "t": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "who": by,
        "model": policy.digest,
        "machine": socket.gethostname(),
        "did": f"{kind} {text}",
    }
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open(JOURNAL, flags, 0o644)
    try:
        os.write(handle, f"{json.dumps(line)}\n".encode())
    finally:
        os.close(handle)


def report() -> list[dict[str, Any]]:
    """Return every grant on record and how it stands. Raises PolicyError, OSError."""
    moment = clock.now()
    policy = world.policy()
    link = world.link()
    rows = []
    for door in world.grants():
        if _over(door, moment):
            state = "ended"
        elif clashing(door, policy, ()):
            state = "overruled"  # by a service that the allowlist has got since
        elif link is None:
            state = "waiting"  # for a guest
        else:
            state = "open" if vet.taken(link.gateway, door.port) else "deaf"
        left = max(0, int((door.until or 0) - moment))
        keys = ("name", "port", "kind", "server_name", "since", "until", "who", "reason")
        values = {key: value for key, value in asdict(door).items() if key in keys}
        rows.append({**values, "target": door.target, "left_s": left, "state": state})
    return rows


def span(seconds: float) -> str:
    """Return a time to go in its two largest units, such as `1 h 59 min`."""
    rest = int(seconds)
    parts = []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"


def main(arguments: Sequence[str]) -> int:
    """Run as `grants [--json]`: 0, or 2 when the record cannot be read."""
    parser = argparse.ArgumentParser(
        prog="clawkeep grants",
        description="List the doors that are open for a time.",
        epilog="exit status: 0, 2 cannot tell; example: clawkeep grants --json",
    )
    parser.add_argument("--json", action="store_true", help="as JSON")
    options = parser.parse_args(arguments)
    try:
        rows = report()
    except (PolicyError, OSError) as error:
        sys.stderr.write(f"clawkeep grants: {error}\n")
        return 2
    if options.json:
        print(json.dumps({"grants": rows}, indent=2))
        return 0
    for row in rows:
        print(
            f"{row['name']}: :{row['port']} -> {row['target']} ({row['kind']}), {row['state']}, "
            f"{span(row['left_s'])} left; {row['who']}: {row['reason']}"
        )
    if not rows:
        sys.stderr.write("no grants\n")
    return 0
