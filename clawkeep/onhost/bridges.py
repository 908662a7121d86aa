"""The bridges' jobs on the host: exactly those of the open doors, each with what holds now.

A bridge's job is constant; gateway, guest and target are looked up when it starts. So what each one
was started with is remembered here, and a bridge is started anew when that is no longer so.
"""

from __future__ import annotations

import json
import os
import pwd
import signal
import time
from collections.abc import Collection, Mapping

from clawkeep.link import Link
from clawkeep.onhost import grants, jobs, paths, store, world
from clawkeep.policy import BRIDGE_LABEL, Door, Openings, Policy
from clawkeep.render.bridge import process_mark
from clawkeep.render.plist import bridge_daemon

#: Door name -> what its bridge was started with. Gone at each boot, as the processes are.
STARTED = paths.RUN / "bridges.json"
END_S = 5


def refresh(policy: Policy, openings: Openings, link: Link | None) -> list[str]:
    """Make the bridges' jobs match what is open; return what was changed, in sentences.

    To be called with the host's lock held, after the rules are in force and link.json is written
    or removed. Without a guest the jobs stay and wait for one; a door that is no longer open loses
    its job, its processes and its connections. Starts no program when nothing has changed.
    Raises OSError, RuntimeError.
    """
    doors = {door.name: door for door in openings.doors}
    wanted = {name: started_with(door, link) for name, door in doors.items()}
    plists = {BRIDGE_LABEL + name: bridge_daemon(name, policy.bridge_user) for name in doors}
    grants.settle()
    known = started()
    stale = jobs.on_disk(BRIDGE_LABEL) - plists.keys()
    if known == wanted and not stale and all(jobs.current(*job) for job in plists.items()):
        return []
    loaded = jobs.listed(BRIDGE_LABEL)
    said = [_remove(policy, label) for label in sorted((stale | loaded.keys()) - plists.keys())]
    fresh = [job for job in plists.items() if job[0] not in loaded or not jobs.current(*job)]
    for label, plist in fresh:
        jobs.load(label, plist)
    said += [f"bridge {label.removeprefix(BRIDGE_LABEL)} was loaded" for label, _ in fresh]
    other = sorted(
        name
        for name, values in wanted.items()
        if known.get(name) != values and BRIDGE_LABEL + name not in dict(fresh)
    )
    # launchd ends the group of a job that it kills; not to rely on that costs one look.
    _end_processes(policy, other)
    jobs.restart(BRIDGE_LABEL + name for name in other)
    said += [f"bridge {name} was started anew" for name in other]
    store.write(STARTED, json.dumps(wanted, indent=1, sort_keys=True) + "\n")
    return said


def started_with(door: Door, link: Link | None) -> str:
    """Return all that a bridge depends on, as one text: another text, another start."""
    where = f"{link.gateway} {link.guest} {link.network}" if link else "no guest"
    return (
        f"{where} :{door.port} -> {door.target} idle {door.idle_s} max {door.max_connections} "
        f"until {door.until}"
    )


def started() -> Mapping[str, str]:
    """Return with what each bridge was last started, by its name. Raises OSError."""
    try:
        known = json.loads(store.read(STARTED) or "{}")
    except ValueError:
        return {}
    return known if isinstance(known, dict) else {}


def last_start() -> tuple[int, int]:
    """Return what differs as soon as we have started a bridge anew; zeros before any.

    A guest that goes and comes back has its bridges started with the same words again.
    """
    try:
        facts = os.stat(STARTED)
    except FileNotFoundError:
        return 0, 0
    return facts.st_ino, facts.st_mtime_ns


def started_again() -> None:
    """Note that a bridge was started anew with what it had. Raises OSError."""
    store.write(STARTED, store.read(STARTED) or "{}\n")


def _remove(policy: Policy, label: str) -> str:
    """Have nothing left of a bridge: its job, then its processes; a socket dies with them."""
    jobs.unload(label)
    name = label.removeprefix(BRIDGE_LABEL)
    _end_processes(policy, [name])
    return f"bridge {name} was removed"


def _end_processes(policy: Policy, names: Collection[str]) -> None:
    """Kill every process that is left of some bridges, their connections among them.

    Only those of the bridge user: anybody may call a process of his own like that.
    """
    deadline = time.monotonic() + END_S
    while names and (found := processes(policy.bridge_user, names)):
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        if time.monotonic() > deadline:
            raise RuntimeError(f"bridges {', '.join(names)}: {sorted(found)} do not end")
        time.sleep(0.02)


def processes(user: str, names: Collection[str]) -> set[int]:
    """Return the pids of some doors' bridges and of their connections. Raises OSError."""
    try:
        uid = str(pwd.getpwnam(user).pw_uid)
    except KeyError:
        return set()
    done = world.run(["/bin/ps", "-axww", "-o", "pid=,uid=,stat=,command="])
    marks = {process_mark(name) for name in names}
    found = set()
    for row in done.stdout.splitlines():
        columns = row.split(None, 3)
        if len(columns) < 4 or columns[1] != uid or columns[2].startswith("Z"):
            continue
        words = columns[3].split()
        waiting = words[-2:-1] == ["bridge"] and words[-1] in names
        if waiting or not marks.isdisjoint(words):
            found.add(int(columns[0]))
    return found
