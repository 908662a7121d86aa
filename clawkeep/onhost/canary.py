"""`clawkeep canary`: one run of the canary on the host, by hand or every half minute.

It takes no part in enforcement and holds none of its locks; what it finds lies in `paths.CANARY`
for the guard. It looks for the guest itself instead of reading what the guard believes. A scheduled
run asks the declared services only every few minutes (`turns`), one by hand always.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from clawkeep import ifconfig, tart
from clawkeep.canary import around, ask, counters, turns
from clawkeep.canary.decoys import DecoyError, Trap
from clawkeep.canary.judge import ABSENT, RED, Result, Witness, judge, unable
from clawkeep.canary.plan import plan
from clawkeep.canary.probe import Plan, Surroundings
from clawkeep.link import Link
from clawkeep.onhost import clock, maintenance, paths, sock, store, vet, world
from clawkeep.onhost.plain import plain
from clawkeep.onhost.scene import NoGuestError, Scene, scene
from clawkeep.onhost.situation import opened_now
from clawkeep.policy import PROXY_PORT, RESOLVER_PORT, Openings, Policy, PolicyError
from clawkeep.render.anchor import ANCHOR, WALL

LOCK = paths.RUN / "canary.lock"
PROGRAM = Path(__file__).parents[1] / "canary/inside.py"

DEADLINE_S = 20
"""How long a whole run may take."""

GUEST_S = 8
RUNS = 2
"""A run during which what is open changed is run once more, after `SETTLE_S` seconds."""

SETTLE_S = 1.0

CHECK_S = 12.0
"""How long the guard may take to bring in force what has just changed."""

#: Sends the program to the guest and returns what it printed.
Way = Callable[[str], str]


def main(arguments: Sequence[str]) -> int:
    """Run as `canary [--json] [--scheduled|--converse|--last]`; see `clawkeep canary --help`."""
    options = _parser().parse_args(arguments)
    if os.geteuid() != 0:
        sys.stderr.write("clawkeep canary: must run as root; use sudo\n")
        return 77
    if options.last:
        return _show_last()
    if options.scheduled:
        store.limit_errors()
    signal.signal(signal.SIGALRM, _too_late)
    signal.alarm(DEADLINE_S)
    try:
        with _alone(wait=not options.scheduled) as alone:
            if not alone:
                return 0
            via = "ssh" if options.converse else "agent"
            result, data = _timed(via, scheduled=options.scheduled)
    except OSError as error:  # Waited too long for another run, or nothing can be written.
        sys.stderr.write(f"clawkeep canary: {plain(str(error))}\n")
        return 2
    finally:
        signal.alarm(0)
    if options.json or options.converse:
        sys.stdout.write(json.dumps(data) + "\n")
    elif not options.scheduled:
        sys.stdout.writelines(f"{plain(line, 400)}\n" for line in _summary(result))
    return 0 if options.scheduled else result.status


def _timed(via: str, *, scheduled: bool) -> tuple[Result, dict[str, Any]]:
    """Run once, leave the result for the guard, and return it, also as JSON values."""
    started = time.monotonic()
    last = _last()
    try:
        result, more = _run(via, last if scheduled else {})
    except (OSError, subprocess.SubprocessError) as error:
        result, more = unable(f"{type(error).__name__}: {error}"), {"via": via}
    result = _on_purpose(result)
    ms = round((time.monotonic() - started) * 1000)
    data = result.as_data(t=clock.now(), ms=ms, **more)
    _record(data, last.get("verdict"))
    return result, data


def _on_purpose(result: Result) -> Result:
    """Return what it means that a guest does not answer while a snapshot or an update ends it.

    A leak stays one. The guard takes both for a canary that could not look; only nobody is called.
    """
    work = maintenance.current()
    if work is None or result.verdict != RED or result.leaks:
        return result
    return replace(result, verdict=ABSENT, unable=(), notes=(work.reason, *result.unable))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="clawkeep canary",
        description="Probe from inside the guest what must answer and what must not.",
        epilog="exit status: 0 green; 1 a leak, or something declared does not answer; 2 cannot "
        "tell (also: no guest runs); 77 not root\n\nexample: sudo clawkeep canary --json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument("--scheduled", action="store_true", help="for launchd: say nothing, exit 0")
    ways.add_argument(
        "--converse",
        action="store_true",
        help="print the program for the guest as one line of JSON, and read from stdin what it "
        "printed there: for a guest whose agent does not answer",
    )
    ways.add_argument("--last", action="store_true", help="run nothing: the last result as JSON")
    return parser


def _too_late(_number: int, _frame: object) -> None:
    raise TimeoutError(f"the run did not end in {DEADLINE_S} s")


@contextlib.contextmanager
def _alone(*, wait: bool) -> Iterator[bool]:
    """Hold the canary's own lock; two runs at once would take each other's counts for their own."""
    paths.RUN.mkdir(mode=0o755, parents=True, exist_ok=True)
    handle = os.open(LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            alone = True
        except BlockingIOError:
            alone = False
        yield alone
    finally:
        os.close(handle)


def _run(via: str, last: Mapping[str, Any]) -> tuple[Result, dict[str, Any]]:
    """Run; `last` is the result that says which services were asked, {} to ask them all."""
    more: dict[str, Any] = {"via": via, "guest": None, "gateway": None, "services": None}
    try:
        policy = world.policy()
        found = scene(policy)
        more |= {"guest": str(found.link.guest), "gateway": str(found.link.gateway)}
        way = _converse(more["guest"]) if via == "ssh" else _through_agent(policy)
        for attempt in range(RUNS):
            openings = opened_now()
            marked = turns.mark(openings, found.link)
            services = turns.due(last, marked, clock.now())
            fresh = {"of": marked, "t": clock.now()}
            more["services"] = fresh if services is None else last["services"]
            result = _probe(openings, found, way, services)
            changed = openings != opened_now()
            again = changed or _reloaded(result) or _settling(result, found.link)
            if attempt or via == "ssh" or not again:
                break
            _settle()
        if changed:
            # What was a door a moment ago, or became one, is no leak; that nobody can tell is red.
            why = "what is open changed during the run"
            leaks = () if _settling(result, found.link) else result.leaks
            result = replace(result, verdict=RED, leaks=leaks, unable=(*result.unable, why))
    except NoGuestError as error:
        return Result(ABSENT, notes=(str(error),)), more
    except (PolicyError, ifconfig.LinkError, tart.TartError, DecoyError) as error:
        return unable(str(error)), more
    return result, more


def _settle() -> None:
    """Have the guard bring in force what the files say now: what outlasts that is a leak.

    A busy host can take seconds from a new policy to its rules. Without a guard nobody does.
    """
    time.sleep(SETTLE_S)
    with contextlib.suppress(sock.AskError, OSError):
        sock.ask({"ask": "check"}, timeout_s=CHECK_S)


def _reloaded(result: Result) -> bool:
    return not result.leaks and any("loaded anew" in why for why in result.unable)


def _settling(result: Result, link: Link) -> bool:
    """Tell whether all that leaked may have been a door a moment ago.

    A window or a grant ends in the files first and in pf within a second or two; what stands open
    in a second run is a leak. No door has a port below 1024, and decoys never were one.
    """
    doors = re.compile(rf"gateway {re.escape(str(link.gateway))}:(\d+)/(?:tcp|udp):")
    ports = [found and int(found[1]) for found in map(doors.match, result.leaks)]
    return bool(ports) and all(port is not None and port >= 1024 for port in ports)


def _probe(openings: Openings, found: Scene, way: Way, services: Collection[str] | None) -> Result:
    """Have the probes run while decoys stand and pf counts, and judge."""
    link = found.link
    host = around.addresses(found.interfaces, link)
    router = around.router(world.run(["/sbin/route", "-n", "get", "default"]).stdout)
    # A name may come to mean the host or loopback: no bridge leads there, and from inside the guest
    # those addresses are the guest's own.
    targets = tuple(
        (address, port)
        for address, port in around.targets(openings.doors)
        if vet.leads_back(IPv4Address(address), link) is None
    )
    taken = {*(door.port for door in openings.doors), PROXY_PORT, RESOLVER_PORT}
    with Trap(link, host.gateway6, taken) as trap:
        surroundings = Surroundings(
            decoys=trap.ports,
            own=host.own,
            gateway6=host.gateway6,
            # 443 of a server may be a door: its SSH is not.
            lan=tuple(dict.fromkeys((*router, *(address for address, _ in targets)))),
            guests=found.guests,
            targets=targets,
        )
        asked = plan(openings, link, surroundings, secrets.token_hex(16), services=services)
        before = _counted(link)
        answer = way(_program(asked))
        after = _counted(link)
        touched = trap.touched
    return judge(asked, answer, Witness(counters.grown(before, after), touched))


def _counted(link: Link) -> dict[str, int]:
    texts = (world.run(["/sbin/pfctl", "-a", name, "-vsr"]).stdout for name in (ANCHOR, WALL))
    each = [counters.counted(text, link.bridge) for text in texts]
    return {label: sum(e.get(label, 0) for e in each) for label in {*each[0], *each[1]}}


def _program(asked: Plan) -> str:
    return f"{PROGRAM.read_text(encoding='utf-8')}\nmain({json.dumps(asked.questions)!r})\n"


def _through_agent(policy: Policy) -> Way:
    command = [tart.TART, "exec", "-i", policy.guest, "/usr/bin/python3", "-I", "-"]

    def way(program: str) -> str:
        return ask.as_owner(policy, command, program, GUEST_S)

    return way


def _converse(guest: str) -> Way:
    """Let whoever called us run the program in the guest: over SSH, with a key that we lack."""

    def way(program: str) -> str:
        sys.stdout.write(json.dumps({"guest": guest, "program": program}) + "\n")
        sys.stdout.flush()
        return sys.stdin.read(ask.MAX_ANSWER)

    return way


def _last() -> dict[str, Any]:
    """Return the result before this one, {} when there is none that can be read."""
    try:
        data = json.loads(store.read(paths.CANARY) or "{}")
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def _show_last() -> int:
    """Print the result of the last run, whoever asked for it; 2 when there is none."""
    if data := _last():
        sys.stdout.write(json.dumps(data) + "\n")
        return 0
    sys.stderr.write("clawkeep canary: it has not run since the Mac started\n")
    return 2


def _record(data: dict[str, Any], before: str | None) -> None:
    """Leave the result for the guard, and note a change of the verdict."""
    store.write(paths.CANARY, json.dumps(data) + "\n")
    if data["verdict"] != before:
        kind = "leak" if data["leaks"] else "canary"
        why = [*data["leaks"], *data["unable"], *data["failed"]][:3]
        text = f"the canary is {data['verdict']}" + (f": {'; '.join(why)}" if why else "")
        store.event(kind, plain(text), verdict=data["verdict"], before=before)


def _summary(result: Result) -> Iterator[str]:
    yield f"{result.verdict}: {len(result.probes)} probes"
    for what, lines in (
        ("leak", result.leaks),
        ("cannot tell", result.unable),
        ("does not answer", result.failed),
        ("not asked", result.notes),
    ):
        yield from (f"  {what}: {line}" for line in lines)
