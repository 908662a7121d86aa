"""How each kind of check is looked at: testinfra's modules, and what was found in words.

A look returns whether all is as expected and what there is. It may raise anything: what cannot be
read is unknown, never a pass.
"""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from testinfra.host import Host

from clawkeep import survey

Expected = Mapping[str, Any]
Seen = tuple[bool, str]
Look = Callable[[Host, Expected], Seen]


class CannotTellError(Exception):
    """The machine's answer says nothing; the text says what it was."""


LOOKS: dict[str, Look] = {}


def look(kind: str) -> Callable[[Look], Look]:
    """Register the look of a kind."""

    def registered(function: Look) -> Look:
        LOOKS[kind] = function
        return function

    return registered


@look("file")
@look("folder")
@look("secret")
def path(host: Host, expected: Expected) -> Seen:
    """Judge type, mode, owner, group and hash; `all` are the paths that are looked at with it."""
    every: list[str] = list(expected["all"])
    at = expected["path"]
    found = host.files.look(every).get(at)
    if found is None:
        return False, "not there"
    wrong = []
    if found.kind != expected["type"]:
        wrong.append(f"a {found.kind.lower()}")
    if found.mode != expected["mode"]:
        wrong.append(f"mode {found.mode}")
    if found.user != expected.get("user", found.user):
        wrong.append(f"owner {found.user}")
    if found.group != expected.get("group", found.group):
        wrong.append(f"group {found.group}")
    digest = expected.get("sha256")
    if digest and found.kind == expected["type"]:
        hashes = host.files.sha256(every)
        if at not in hashes:
            raise CannotTellError("it could not be read")
        if hashes[at] != digest:
            wrong.append(f"other content ({hashes[at][:12]}, expected {digest[:12]})")
    return not wrong, ", ".join(wrong) or "as expected"


@look("nothing-else")
def nothing_else(host: Host, expected: Expected) -> Seen:
    """Judge that nothing lies in folders but what is named; names may be patterns."""
    known = expected["known"]
    extra = [
        one
        for one in host.files.below(*expected["folders"])
        if not any(fnmatch.fnmatchcase(one, pattern) for pattern in known)
    ]
    return not extra, few(extra) or "nothing else"


@look("lines")
def lines(host: Host, expected: Expected) -> Seen:
    """Judge that a file has exactly these lines, such as keys; or, with `mark`, of the marked ones.

    Comments and empty lines do not count.
    """
    done = host.run("cat %s", expected["path"])
    if done.rc != 0:
        return False, "not there"
    mark = expected.get("mark")
    found = [line.strip() for line in done.stdout.splitlines()]
    found = [one for one in found if one and (mark in one if mark else not one.startswith("#"))]
    wanted: list[str] = list(expected["lines"])
    more = [one for one in found if one not in wanted]
    less = [one for one in wanted if one not in found]
    words = [
        f"beyond that: {_short(more)}" if more else "",
        f"missing: {_short(less)}" if less else "",
    ]
    return not more and not less, "; ".join(w for w in words if w) or f"{len(found)} as expected"


@look("job")
def job(host: Host, expected: Expected) -> Seen:
    """Judge that a job is loaded, with the argv of its plist, enabled, and running if it stays."""
    session = expected.get("session")
    domain = f"gui/{host.user(session).uid}" if session else "system"
    service = host.service(f"{domain}/{expected['label']}")
    if not service.exists:
        return False, "not loaded"
    wrong = []
    arguments = service.arguments
    if arguments is None:
        raise CannotTellError("launchctl does not say what it runs")
    if not _fits(arguments, expected["arguments"]):
        wrong.append(f"loaded with other arguments: {few(arguments)}")
    if not service.is_enabled:
        wrong.append("disabled: it is gone after the next boot")
    if expected["stays"] and not service.is_running:
        wrong.append(f"not running, last exit code {service.last_exit_code}")
    pid = f", pid {service.pid}" if service.pid else ""
    return not wrong, "; ".join(wrong) or f"loaded{pid}"


def _fits(found: tuple[str, ...], patterns: list[str]) -> bool:
    """Compare argvs word by word; where a word of ours has a NUL, anything may stand."""
    if len(found) != len(patterns):
        return False
    return all(
        one == want or ("\0" in want and _between(one, *want.split("\0", 1)))
        for one, want in zip(found, patterns, strict=True)
    )


def _between(word: str, begin: str, end: str) -> bool:
    return len(word) > len(begin + end) and word.startswith(begin) and word.endswith(end)


@look("jobs")
def jobs(host: Host, expected: Expected) -> Seen:
    """Judge that launchd has no job of our names that is not declared, and no folder its plist."""
    prefix = expected["prefix"]
    words = host.check_output(expected["list"]).split()
    loaded = {word for word in words if word.startswith(prefix)}
    names = (path.rpartition("/")[2] for path in host.files.below(*expected["folders"]))
    loaded |= {name.removesuffix(".plist") for name in names if name.startswith(prefix)}
    extra = sorted(loaded - {*expected["labels"], *granted(host, expected)})
    return not extra, few(extra) or f"{len(loaded)} jobs, none beyond those"


def granted(host: Host, expected: Expected) -> frozenset[str]:
    """Return the labels of doors that are open by a grant on record."""
    if "policy" not in expected:
        return frozenset()
    found = survey.parse(host.run(survey.SCRIPT).stdout)
    doors = found.openings(expected["policy"]).doors
    return frozenset(door.label for door in doors if door.until is not None)


@look("user")
def user(host: Host, expected: Expected) -> Seen:
    """Judge shell, home and membership."""
    account = host.user(expected["user"])
    if not account.exists:
        return False, "no such user"
    wrong = [
        f"{key} {getattr(account, key)}"
        for key in ("shell", "home")
        if key in expected and getattr(account, key) != expected[key]
    ]
    if "password" in expected and account.has_password != expected["password"]:
        wrong.append("has a password" if account.has_password else "has no password")
    if "group" in expected and account.gid != host.group(expected["group"]).gid:
        wrong.append(f"its group is number {account.gid}")
    return not wrong, ", ".join(wrong) or f"uid {account.uid}"


@look("group")
def group(host: Host, expected: Expected) -> Seen:
    """Judge that a group has exactly these members."""
    found = host.group(expected["group"])
    if not found.exists:
        return False, "no such group"
    members, wanted = set(found.members), set(expected["members"])
    extra, less = sorted(members - wanted), sorted(wanted - members)
    words = [f"beyond that: {few(extra)}" if extra else "", f"missing: {few(less)}" if less else ""]
    return not extra and not less, "; ".join(w for w in words if w) or few(sorted(members))


@look("users")
def users(host: Host, expected: Expected) -> Seen:
    """Judge that nobody has an account for people (number 500 and above) who is not declared."""
    rows = (line.split() for line in host.check_output("dscl . -list /Users UniqueID").splitlines())
    people = {row[0] for row in rows if len(row) == 2 and 500 <= int(row[1]) < 2**31}
    extra = sorted(people - set(expected["known"]))
    return not extra, few(extra) or few(sorted(people))


@look("formula")
def formula(host: Host, expected: Expected) -> Seen:
    """Judge that a formula is installed and linked, from its tap, and new enough."""
    one = host.formula(expected["formula"])
    if not one.is_installed:
        return False, "not installed"
    version = one.version
    if version is None:
        return False, f"/opt/homebrew/opt/{one.name} leads to no keg of it"
    wrong = []
    if version not in one.installed()[one.name]:
        wrong.append(f"{version}, which has no receipt")
    if (tap := expected.get("tap")) and one.tap != tap:
        wrong.append(f"from {one.tap or 'nowhere'}")
    if (least := expected.get("least")) and numbers(version) < numbers(least):
        wrong.append(version)
    return not wrong, ", ".join(wrong) or f"{version} of {one.tap or '?'}"


def numbers(version: str) -> tuple[int, ...]:
    """Return a version's numbers, to be compared."""
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("_")[0]))


@look("prints")
def prints(host: Host, expected: Expected) -> Seen:
    """Judge what a command that only reads prints, line by line or against a pattern."""
    done = host.run(expected["command"])
    text = done.stdout.strip()
    if "status" in expected and done.rc != expected["status"]:
        return False, f"exit status {done.rc}"
    if "pattern" in expected:
        return bool(re.fullmatch(expected["pattern"], text)), text or "nothing"
    missing = [one for one in expected.get("has", ()) if one not in text.splitlines()]
    return not missing, f"not {few(missing)}" if missing else (expected.get("well") or text)


@look("release")
def release(host: Host, expected: Expected) -> Seen:
    """Judge that the active release was built from the declaration and not changed since."""
    try:
        said = json.loads(host.check_output(expected["command"]))
        active = str(said["active"].get("id"))
        record = said["releases"].get(active, {})
        changed = [str(one) for one in said["dirty"]]
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise CannotTellError(f"its program did not answer: {error!r}") from error
    if not record:
        return False, "no release is active"
    if record.get("spec") != expected["spec"]:
        return False, f"{active} was built from another declaration"
    return not changed, f"{active} was changed: {few(changed)}" if changed else active


def few(words: Any, most: int = 4) -> str:
    """Return the first of many, and how many more there are."""
    every = [str(word) for word in words]
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more


def _short(found: list[str]) -> str:
    """Name lines, keys by the words that a person knows them by: their type and comment."""
    shown = []
    for one in found:
        words = one.split()
        is_key = len(words) > 1 and words[1].startswith("AAAA")
        shown.append(
            f"{words[0]} …{words[1][-12:]} {' '.join(words[2:])}".strip() if is_key else one
        )
    return few(shown)
