"""`clawkeep allow`: opens one door for a time, and returns when it is open; or leaves none.

Everything is checked here once more, whatever the operator's side has checked. The grant is put on
record before anything opens: a run that is killed leaves either nothing, or a whole grant with its
end, which the guard opens and closes like any other.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace

from clawkeep.link import Link
from clawkeep.onhost import clock, enforce, grants, store, vet, world
from clawkeep.onhost.situation import Record, situation
from clawkeep.policy import Door, Policy, PolicyError

LISTEN_S = 15
IDLE_S = 3600


def parser() -> argparse.ArgumentParser:
    """Return the host's own command line of the verb."""
    made = argparse.ArgumentParser(
        prog="clawkeep allow",
        description="Open a door for a time.",
        epilog="exit status: 0 open, 1 not opened (nothing has changed)\n\nexample: sudo clawkeep "
        "allow printer 10.0.30.9:631 --port 18631 --for 2h --reason 'print the report'",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("name", help="what the door is called")
    made.add_argument("target", help="where it leads: host:port, as the host reaches it")
    made.add_argument("--port", type=int, required=True, help="port on the gateway")
    made.add_argument("--for", dest="span", required=True, help="90s, 15m, 2h or 1d; at most 7d")
    made.add_argument("--reason", required=True, help="why; for those who read the journal")
    made.add_argument("--kind", choices=vet.KINDS, default="tcp", help="what answers there")
    made.add_argument("--server-name", help="tls only: the name on the certificate")
    made.add_argument("--who", default="", help="who asks, where sudo's user says too little")
    made.add_argument("--json", action="store_true", help="say what was opened as JSON")
    return made


def main(arguments: Sequence[str]) -> int:
    """Run as `allow NAME TARGET --port N --for 2h --reason TEXT`: 0 open, 1 not (and why)."""
    options = parser().parse_args(arguments)
    if os.geteuid() != 0:
        sys.stderr.write("clawkeep allow: only root may open a door; run it with sudo\n")
        return 1
    try:
        span = vet.seconds(options.span)
        door, link = _open(vet.door(_door(options)), span)
    except (vet.UnfitError, PolicyError, OSError, RuntimeError) as error:
        sys.stderr.write(f"clawkeep allow: {error}; nothing was opened\n")
        return 1
    if options.json:
        print(json.dumps({"gateway": str(link.gateway), **asdict(door)}))
    else:
        print(f"{door.name} is open for {options.span}: {link.gateway}:{door.port}")
    sys.stderr.write(f"{way(door, link)}\n")
    return 0


def _door(options: argparse.Namespace) -> Door:
    host, port = vet.target(options.target)
    server_name = options.server_name and options.server_name.lower()
    if options.kind == "tls":
        server_name = server_name or host
    return Door(
        name=options.name,
        port=options.port,
        target_host=host,
        target_port=port,
        kind=options.kind,
        server_name=server_name,
        idle_s=None if options.kind == "ssh" else IDLE_S,
        who=asking(options.who),
        reason=vet.line(options.reason, "reason"),
    )


def asking(claimed: str) -> str:
    """Return who asks: what the operator's side claims, and the user that sudo knows."""
    known = os.environ.get("SUDO_USER") or "root"
    return f"{vet.line(claimed, 'who')} as {known}" if claimed else known


def _open(wanted: Door, span: int) -> tuple[Door, Link]:
    """Put the grant on record and open it; when it does not open, take it back.

    Its time begins when it goes on record. Names are resolved before the lock is held: a resolver
    that hangs must not keep the guard from closing; the bridge itself looks again.
    """
    link = world.link()
    if link is None:
        raise vet.UnfitError("no guest is being served now, so no door can open")
    if why := vet.astray(wanted.target_host, link):
        raise vet.UnfitError(why)
    with store.locked():
        policy = world.policy()
        if why := grants.clashing(wanted, policy, ()):
            raise vet.UnfitError(why)
        if vet.taken(link.gateway, wanted.port) and not _granted(wanted.port):
            raise vet.UnfitError(f"something else listens at {link.gateway}:{wanted.port} already")
        since = clock.now()
        door = replace(wanted, since=since, until=since + span)
        grants.add(door, policy)
    try:
        with store.locked():
            record = enforce.bring(situation())
        _is_open(door, record)
        _listens(door, link)
    except BaseException as error:
        _take_back(door, policy, str(error) or type(error).__name__)
        raise
    return door, link


def _granted(port: int) -> bool:
    """Whether the port is a grant's, so that the error to show is another."""
    return any(grant.port == port for grant in world.grants())


def _is_open(door: Door, record: Record) -> None:
    if record.state != "open" or door.name not in record.doors:
        raise vet.UnfitError(f"the rules were not brought in force: {enforce.said(record)}")


def _listens(door: Door, link: Link) -> None:
    deadline = time.monotonic() + LISTEN_S
    while not vet.taken(link.gateway, door.port):
        if door.until is not None and clock.now() >= door.until:
            raise vet.UnfitError("it ended before it was open")
        if time.monotonic() > deadline:
            raise vet.UnfitError(f"its bridge does not listen after {LISTEN_S} s")
        time.sleep(0.05)


def _take_back(door: Door, policy: Policy, why: str) -> None:
    with store.locked():
        grants.remove(door.name, policy, who=door.who, why=f"could not be opened: {why}")
        enforce.bring(situation())


def way(door: Door, link: Link) -> str:
    """Say how the guest reaches a granted door; its /etc/hosts does not know the name."""
    at = f"{link.gateway}:{door.port}"
    match door.kind:
        case "tls":
            name = door.server_name or door.target_host
            return f"in the guest: curl --connect-to {name}:443:{at} https://{name}/"
        case "http":
            return f"in the guest: curl http://{at}/"
        case "ssh":
            return f"in the guest: ssh -p {door.port} -o HostKeyAlias={door.name} {link.gateway}"
    return f"in the guest: connect to {at}"
