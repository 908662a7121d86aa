"""The looks at what concerns the network: listeners, processes of the bridges, rules, reach."""

from __future__ import annotations

import json
import re
import shlex

from testinfra.host import Host

from clawkeep import survey
from clawkeep.audit.darwin.socket import Listener
from clawkeep.audit.looks import CannotTellError, Expected, Seen, few, look
from clawkeep.link import Link
from clawkeep.policy import Door, Policy
from clawkeep.render import anchor as render
from clawkeep.render.plist import CLAWKEEP

SEALED = ("/System/", "/usr/bin/", "/usr/sbin/", "/usr/libexec/", "/bin/", "/sbin/", "/usr/lib/")
"""Where macOS's own programs are, on a volume that cannot be changed."""

ANYBODYS = re.compile(r"nc|perl[0-9.]*|ruby|tclsh[0-9.]*|expect|osascript|.*sh|socat")
"""Programs that listen for whoever runs them. macOS's Python is not on that volume."""

RULE_WIDTH = 90

DECOYS = re.compile(rf"{re.escape(CLAWKEEP)} canary\b")
"""The canary's own targets, there for the seconds in which it looks."""


@look("listener")
def listener(host: Host, expected: Expected) -> Seen:
    """Judge that the declared program's user, and nobody else, listens at an address."""
    at = (expected["host"], expected["port"])
    found = [one for one in host.socket.listeners("tcp") if (one.host, one.port) == at]
    others = [one for one in found if one.user != expected["user"]]
    if not found:
        return False, "nothing listens"
    return not others, few(others or sorted({f"{one.command}, {one.user}" for one in found}))


@look("listeners")
def listeners(host: Host, expected: Expected) -> Seen:
    """Judge that nothing else listens, but for what macOS's own programs do.

    A program counts as macOS's own by where its file is (`lsof` says that), and when it does not
    listen on anybody's behalf. `known` are `host:port` of what is declared, to which come grants;
    `users` are those whose listeners are their own business.
    """
    doors = granted(host, expected)
    known = {*expected["known"], *(f"{expected['gateway']}:{door.port}" for door in doors)}
    found: list[Listener] = host.socket.listeners("tcp")
    pids = ",".join(str(pid) for pid in sorted({one.pid for one in found}))
    programs = _programs(host, pids) if pids else {}
    if found and not programs:
        raise CannotTellError("lsof names no programs")
    runs = {one["pid"]: one["args"] for one in host.process.filter()}
    extra = [
        one
        for one in found
        if f"{one.host}:{one.port}" not in known
        and one.user not in expected.get("users", ())
        and not one.host.startswith("127.")
        and one.host != "::1"
        and one.pid in runs  # else it ended meanwhile
        and not (one.user == "root" and DECOYS.search(runs[one.pid]))
        and not _of_macos(programs.get(one.pid, ""))
    ]
    return not extra, few(extra) or f"{len(found)} sockets, none beyond those"


def _programs(host: Host, pids: str) -> dict[int, str]:
    """Return each process's program; the first of its texts is the program itself (lsof(8))."""
    programs: dict[int, str] = {}
    pid = 0
    for line in host.run_expect([0, 1], f"lsof -a -p {pids} -d txt -Fn").stdout.splitlines():
        if line.startswith("p"):
            pid = int(line[1:])
        elif line.startswith("n"):
            programs.setdefault(pid, line[1:])
    return programs


def _of_macos(program: str) -> bool:
    name = program.rpartition("/")[2]
    return program.startswith(SEALED) and not ANYBODYS.fullmatch(name)


@look("process")
def process(host: Host, expected: Expected) -> Seen:
    """Judge that there is a process that `find` finds, and that the argv of all of them is `args`.

    Both are patterns, looked for in the argv; `user`, where it is given, must run them.
    """
    every = host.process.filter()
    found = [one for one in every if re.search(expected["find"], one["args"])]
    if not found:
        return False, "no such process"
    user = expected.get("user")
    for one in found:
        if not re.search(expected["args"], one["args"]):
            return False, f"pid {one['pid']} runs {one['args'][-160:]}"
        if user and one["user"] != user:
            return False, f"pid {one['pid']} is {one['user']}'s"
    return True, f"pid {found[0]['pid']} of {found[0]['user']}"


@look("vm")
def vm(host: Host, expected: Expected) -> Seen:
    """Judge state and size of a VM."""
    one = host.tart_vm(expected["name"], owner=expected["owner"])
    if one.state != expected["state"]:
        return False, one.state
    if "size" in expected:
        size = [one.size.cpu, one.size.memory_mb, one.size.disk_gb]
        words = f"{one.state}, {size[0]} CPU, {size[1]} MB, {size[2]} GB"
        return size == list(expected["size"]), words
    return True, one.state


@look("rules")
def rules(host: Host, expected: Expected) -> Seen:
    """Judge one part of what pf enforces, by pf's own words.

    `enabled`; `evaluated`: the main ruleset still comes to our anchors; `doors` and `wall`: exactly
    these rules, grants and window on record included; `proof`: exactly what is open passes,
    whatever the rules look like and whoever put others before them.
    """
    found = survey.parse(host.run(survey.SCRIPT).stdout)
    if not found.asked:
        raise CannotTellError("pfctl did not answer")
    part, seen = expected["part"], found.seen
    if part == "enabled":
        return seen.enabled, "enabled" if seen.enabled else "pf is disabled"
    if part == "evaluated":
        well = seen.referenced
        return (
            well,
            "evaluated" if well else "the main ruleset has no line for com.apple/* any more",
        )
    policy: Policy = expected["policy"]
    link: Link = expected["link"]
    if part == "proof":
        wrong = found.wrong(policy, link)
        return not wrong, few(wrong, 2) or "exactly what is declared passes"
    if part == "doors":
        have, text = seen.doors, render.anchor(found.openings(policy), link)
    else:
        have, text = seen.wall, render.wall()
    return _same(have, render.printed(text))


def _same(have: tuple[str, ...], want: tuple[str, ...]) -> Seen:
    more = [rule for rule in have if rule not in want]
    less = [rule for rule in want if rule not in have]
    words = [
        f"beyond that: {few(_clipped(more), 2)}" if more else "",
        f"missing: {few(_clipped(less), 2)}" if less else "",
        "in another order" if have != want and not more and not less else "",
    ]
    return have == want, "; ".join(w for w in words if w) or f"{len(have)} rules"


def _clipped(rules: list[str]) -> list[str]:
    return [rule if len(rule) <= RULE_WIDTH else f"{rule[: RULE_WIDTH - 1]}…" for rule in rules]


def granted(host: Host, expected: Expected) -> tuple[Door, ...]:
    """Return the doors that are open by a grant on record; none where no policy is expected."""
    if "policy" not in expected:
        return ()
    found = survey.parse(host.run(survey.SCRIPT).stdout)
    return tuple(d for d in found.openings(expected["policy"]).doors if d.until is not None)


@look("grants")
def grants(host: Host, expected: Expected) -> Seen:
    """Judge that what is open by a grant ends, and says who opened it and why."""
    found = survey.parse(host.run(survey.SCRIPT).stdout)
    if not found.asked:
        raise CannotTellError("the host's records cannot be read")
    doors = granted(host, expected)
    bad = [one.name for one in doors if not (one.who and one.reason)]
    words = [f"{one.name} :{one.port} by {one.who} ({one.reason})" for one in doors]
    damage = found.damage
    return not bad and not damage, few([*damage, *bad] or words) or "nothing is granted"


@look("share")
def share(host: Host, expected: Expected) -> Seen:
    """Judge whether the guest can write a shared folder; root asks, whom only `:ro` stops."""
    path = shlex.quote(expected["path"])
    word = host.run(
        f"if [ ! -d {path} ]; then echo absent; elif [ -w {path} ]; then echo writable; "
        "else echo read-only; fi"
    ).stdout.strip()
    return word == expected["is"], word


REACH = """/usr/bin/python3 -I -c 'import concurrent.futures, json, socket, sys
def reach(one):
    try:
        socket.create_connection((one[0], one[1]), 2).close()
        return True
    except OSError:
        return False
with concurrent.futures.ThreadPoolExecutor(32) as pool:
    print(json.dumps(list(pool.map(reach, json.loads(sys.argv[1])))))' %s"""
"""Runs on the guest's own Python 3.9; all at once, so that it takes two seconds and not twenty."""


@look("reach")
def reach(host: Host, expected: Expected) -> Seen:
    """Judge, by trying it in the guest, that some addresses are reached and others are not.

    `every` is all that any check wants tried. Those that must be reached are the control: a guest
    that reaches nothing proves nothing.
    """
    every = [list(one) for one in expected["every"]]
    answers = json.loads(host.check_output(REACH, json.dumps(every)))
    if len(answers) != len(every):
        raise CannotTellError("the guest answered otherwise than asked")
    reached = [one for one, hit in zip(every, answers, strict=True) if hit]
    leaks = [_at(one) for one in expected["closed"] if list(one) in reached]
    if leaks:
        return False, f"reached {few(leaks)}"
    if not any(list(one) in reached for one in expected["open"]):
        raise CannotTellError("nothing at all is reached, not even a door: that proves nothing")
    return True, f"{len(expected['closed'])} refused; a door, tried likewise, was reached"


def _at(one: list[object]) -> str:
    return f"{one[0]}:{one[1]}"
