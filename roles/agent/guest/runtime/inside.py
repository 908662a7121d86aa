"""What runs as an agent's user, by sudo: here its start.

None of it has more rights than the agent itself, and what it reads was written by NanoClaw's
user into a folder that the agent cannot write.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import select
import stat
import time
from typing import Any

from roles.agent.guest.runtime import handover
from roles.agent.guest.runtime.settings import Limits, Refused, Settings, account, named

#: Seconds in which the supervisor must have said the environment.
START_S = 10
#: Entries of a read-only mount that are looked at; more need macOS's sandbox to be sure.
LOOKED_AT = 20_000
ENVIRONMENT, STARTED = "/environment", "/started"
SANDBOX = "/usr/bin/sandbox-exec"


def start(settings: Settings, name: str) -> int:
    """Become the agent of a run; returns only by raising Refused."""
    root, facts = run_of(settings, name)
    environment = _environment(root)
    _say_started(root)
    os.umask(0o007)
    # sudo may have made us a leader already.
    with contextlib.suppress(PermissionError):
        os.setsid()
    sandboxed = bool(facts["sandbox"])
    for path in facts["writable"]:
        if not os.access(path, os.R_OK | os.W_OK):
            raise Refused(f"{path}: {facts['agent']} cannot write it")
    for path in facts["read_only"]:
        # The release was looked at as a whole when it was checked.
        _must_be_read_only(path, whole=not sandboxed and path != facts["release"])
    try:
        handover.take(root, root + "/home")
    except OSError as error:
        raise Refused(f"{root}/{handover.FOLDER}: {error}") from None
    _move_session(facts["group_folder"], root + "/home/.claude/projects")
    os.chdir(facts["group_folder"])
    _limit(Limits(*facts["limits"]))
    command = [facts["node"], facts["program"]]
    if sandboxed:
        command = [SANDBOX, "-f", root + "/sandbox.sb", *command]
    try:
        os.execve(command[0], command, environment)  # noqa: S606 - no shell wanted
    except FileNotFoundError:
        raise Refused(f"{command[0]}: no such program", status=127) from None
    except OSError as error:
        raise Refused(f"{command[0]}: {error.strerror}", status=126) from None


def run_of(settings: Settings, name: str) -> tuple[str, dict[str, Any]]:
    """Return a run's folder and facts, when we are its agent's user. Raises Refused."""
    root = settings.runs + "/" + named(name)
    try:
        with open(root + "/run.json", encoding="utf-8") as file:
            owner = os.fstat(file.fileno()).st_uid
            facts = json.load(file)
    except (OSError, ValueError) as error:
        raise Refused(f"{root}: {error}") from None
    if owner != account(settings.user).pw_uid:
        raise Refused(f"{root}/run.json: is not {settings.user}'s")
    agent = str(facts["agent"])
    if agent not in settings.agents or os.getuid() in (0, owner):
        raise Refused(f"{name}: {agent} is no agent user")
    if (os.getuid(), os.geteuid()) != (account(agent).pw_uid,) * 2:
        raise Refused(f"{name}: only {agent} may do this")
    return root, dict(facts)


def _environment(root: str) -> dict[str, str]:
    """Read the environment from a named pipe: sudo passes no descriptor, and a file would stay."""
    descriptor = os.open(root + ENVIRONMENT, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    data, until = b"", time.monotonic() + START_S
    try:
        if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            raise Refused(f"{root}{ENVIRONMENT}: is no pipe")
        while not data.endswith(b"\n"):
            left = until - time.monotonic()
            if left <= 0 or not select.select([descriptor], [], [], left)[0]:
                raise Refused("the supervisor did not say the environment")
            with contextlib.suppress(BlockingIOError):
                data += os.read(descriptor, 1 << 16)
    finally:
        os.close(descriptor)
    return {str(key): str(value) for key, value in json.loads(data).items()}


def _say_started(root: str) -> None:
    """Tell the supervisor our pid; when it is gone, nobody would ever end us."""
    try:
        descriptor = os.open(root + STARTED, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError as error:
        raise Refused(f"the supervisor does not listen: {error.strerror}") from None
    with open(descriptor, "w", encoding="ascii") as pipe:
        pipe.write(f"{os.getpid()}\n")


def _must_be_read_only(path: str, whole: bool) -> None:
    if not os.access(path, os.R_OK):
        raise Refused(f"{path}: the agent cannot read it; give its group access")
    if os.access(path, os.W_OK):
        raise Refused(f"{path}: is read-only for the agent, and it could write it")
    if not whole or not os.path.isdir(path):
        return
    looked = 0
    for folder, folders, files in os.walk(path):
        for name in folders + files:
            looked += 1
            inner = f"{folder}/{name}"
            if not os.path.islink(inner) and os.access(inner, os.W_OK):
                raise Refused(f"{inner}: is read-only for the agent, and it could write it")
        if looked > LOOKED_AT:
            raise Refused(f"{path}: too much to prove that the agent can write none of it")


def _move_session(folder: str, projects: str) -> None:
    """Give the conversations that were had in a container to the folder that the agent is in.

    Claude Code finds them by its working folder, with what is no letter or digit as a hyphen;
    early versions turned only the slashes. Under another name they would be lost without a word
    (reference/nanoclaw.md §2.3).
    """
    old = projects + "/-workspace-group"
    if not os.path.isdir(old) or os.path.islink(old):
        return
    import shutil  # noqa: PLC0415 - slow to load, and needed once in a group's life

    for key in {re.sub(r"[^a-zA-Z0-9]", "-", folder), folder.replace("/", "-")}:
        new, beside = f"{projects}/{key}", f"{projects}/.{key}.{os.getpid()}"
        if os.path.lexists(new):
            continue
        try:
            shutil.copytree(old, beside, symlinks=True)
            os.rename(beside, new)
        except (OSError, shutil.Error) as error:
            shutil.rmtree(beside, ignore_errors=True)
            raise Refused(
                f"{old}: cannot be copied, the conversation would be lost: {error}"
            ) from None


def _limit(limits: Limits) -> None:
    wanted = {
        resource.RLIMIT_CPU: limits.cpu_s,
        resource.RLIMIT_NOFILE: limits.files,
        resource.RLIMIT_NPROC: limits.processes,
        resource.RLIMIT_CORE: 0,
    }
    for kind, value in wanted.items():
        if value is not None:
            hard = resource.getrlimit(kind)[1]
            most = value if hard == resource.RLIM_INFINITY else min(value, hard)
            # The first tells the process that its time is over, the second ends it.
            over = 5 if kind == resource.RLIMIT_CPU and most < hard - 5 else 0
            resource.setrlimit(kind, (most, most + over))
