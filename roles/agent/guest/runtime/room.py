"""The folder, the rights and the environment that one run gets."""

from __future__ import annotations

import contextlib
import json
import os
import time
from typing import Any

from roles.agent.guest.runtime import access, handover, inside, mounts, reclaim, runs
from roles.agent.guest.runtime.arguments import RunArguments
from roles.agent.guest.runtime.granted import Grants
from roles.agent.guest.runtime.settings import Refused, Settings, account

#: What an agent may get of the credentials' file.
CREDENTIALS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN")
#: Programs of skills come first: some are wrappers that know the run's files.
PATH = "/usr/local/clawkeep/bin:/opt/homebrew/bin:/usr/bin:/bin:/usr/sbin:/sbin"
SHELLS = ("/bin/zsh", "/bin/bash", "/bin/sh")
#: Services of a login session that would act, or tell, for whoever is in it.
SESSION_SERVICES = ("com.apple.pasteboard.1", "com.apple.coreservices.appleevents")
IPC = ("ipc/messages", "ipc/tasks", "ipc/input", "ipc/tools")
#: Bytes that a pipe surely holds before anybody reads it.
ENVIRONMENT_LIMIT = 8192


class Room:
    """A run's folder before it has its name, and the lock on it."""

    def __init__(self, run: runs.Run, folder: str, lock: runs.Lock) -> None:
        self.run, self.folder, self.lock = run, folder, lock


def environment(settings: Settings, arguments: RunArguments, agent: str) -> dict[str, str]:
    """Return all that the agent's environment holds; nothing is inherited unless it is named."""
    root = f"{settings.runs}/{arguments.name}"
    temporary = root + "/tmp"  # noqa: S108 - the run's own
    found = {name: os.environ[name] for name in settings.env if name in os.environ}
    said = {name: value for name, value in arguments.env if value is not None}
    found.update((name, value) for name, value in said.items() if name in settings.env)
    if settings.inject:
        found.update(_credentials(settings))
    found.update(
        PATH=os.path.dirname(settings.node) + ":" + PATH,
        HOME=root + "/home",
        TMPDIR=temporary,
        # Claude Code keeps to itself what it would share with every user in /tmp.
        CLAUDE_CODE_TMPDIR=temporary,
        CLAUDE_TMPDIR=temporary,
        USER=agent,
        LOGNAME=agent,
        SHELL=next(shell for shell in SHELLS if os.path.exists(shell)),
        LANG=found.get("LANG", "en_US.UTF-8"),
    )
    if settings.limits.memory_mb:
        found["NODE_OPTIONS"] = f"--max-old-space-size={settings.limits.memory_mb}"
    if len(json.dumps(found)) >= ENVIRONMENT_LIMIT:
        raise Refused(f"the agent's environment is larger than {ENVIRONMENT_LIMIT} bytes")
    return found


def _credentials(settings: Settings) -> dict[str, str]:
    path = settings.state + "/credentials"
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        with open(descriptor, encoding="utf-8") as file:
            open_to_others = os.fstat(descriptor).st_mode & 0o077
            value = json.load(file)
    except (OSError, ValueError) as error:
        # Not a decoder's words: they may quote the credential.
        why = error.strerror if isinstance(error, OSError) else "no JSON"
        raise Refused(f"{path}: {why}") from None
    if open_to_others or not isinstance(value, dict) or not value.keys() <= set(CREDENTIALS):
        raise Refused(f"{path}: must be 0600 and hold only {', '.join(CREDENTIALS)}")
    return {name: str(secret) for name, secret in value.items()}


def open_up(settings: Settings, plan: mounts.Plan, group: int) -> None:
    """Give the agent's group access to the group's files, and let it pass to them."""
    for folder in runs.folders_of(settings):
        access.passable(folder)
    for link in plan.links:
        if link.place in ("group", "home/.claude"):
            if link.place != "group":
                access.passable(os.path.dirname(link.source), group)
            leave = reclaim.LOGS if link.place == "group" else ""
            access.grant(link.source, access.for_agent(group), leave)
        elif link.place == "global":
            access.grant(link.source, access.for_all(group if link.writable else None))


def make(
    settings: Settings,
    arguments: RunArguments,
    plan: mounts.Plan,
    agent: str,
    program: str,
    grants: Grants,
) -> Room:
    """Make a run's folder under another name; `runs.publish` makes it a run. Raises Refused."""
    user = account(agent)
    links = {link.place: link for link in plan.links}
    facts: dict[str, Any] = {
        "agent": agent,
        "group": plan.folder,
        "main": plan.main,
        "skills": list(grants.of(plan.folder, plan.main)),
        "group_folder": links["group"].source,
        "claude": links["home/.claude"].source,
        "release": os.path.dirname(os.path.dirname(os.path.dirname(program))),
        "global": links["global"].source if plan.writes_global else None,
        "image": arguments.image,
        "supervisor": os.getpid(),
        "started": int(time.time()),
        "node": settings.node,
        "program": program,
        "limits": list(settings.limits),
        "sandbox": settings.sandbox and os.path.exists(inside.SANDBOX),
        "writable": [link.source for link in plan.links if link.writable],
        "read_only": [link.source for link in plan.links if not link.writable],
    }
    run = runs.Run(settings, arguments.name, facts)
    folder = f"{settings.runs}/.new-{arguments.name}.{os.getpid()}"
    try:
        os.mkdir(folder, 0o700)
        lock = runs.Lock(folder + "/lock")
        lock.take()
        _furnish(folder, plan, user.pw_gid)
        _hand_over(run, folder, grants, user.pw_gid)
        with open(folder + "/run.json", "w", encoding="utf-8") as file:
            json.dump(facts, file)
        if facts["sandbox"]:
            with open(folder + "/sandbox.sb", "w", encoding="utf-8") as file:
                file.write(sandbox_profile(settings, run.root, facts))
        for name, mode in (("run.json", 0o640), ("sandbox.sb", 0o640), ("", 0o710)):
            with contextlib.suppress(FileNotFoundError):
                os.chown(f"{folder}/{name}", -1, user.pw_gid)
                os.chmod(f"{folder}/{name}", mode)
    except OSError as error:
        runs.remove_tree(folder)
        raise Refused(f"{folder}: {error.strerror or error}") from None
    return Room(run, folder, lock)


def _furnish(folder: str, plan: mounts.Plan, group: int) -> None:
    """Make a run's folders, links and pipes: the agent's own to write, the others to look at."""
    seen = {os.path.dirname(link.place) for link in plan.links if "/" in link.place} - {"home"}
    parents = {parent for place in seen for parent in _prefixes(place)}
    ours = ["ipc", *sorted(parents)] + (["config"] if plan.config else [])
    for path, mode in (
        *((path, 0o750) for path in ours),
        *((path, 0o2770) for path in ("home", "tmp", *IPC)),
    ):
        os.makedirs(f"{folder}/{path}", exist_ok=True)
        os.chown(f"{folder}/{path}", -1, group)
        os.chmod(f"{folder}/{path}", mode)
    for link in plan.links:
        os.symlink(link.source, f"{folder}/{link.place}")
    for name, mode in ((inside.ENVIRONMENT, 0o640), (inside.STARTED, 0o620)):
        os.mkfifo(folder + name, 0o600)
        os.chown(folder + name, -1, group)
        os.chmod(folder + name, mode)
    if plan.config:
        name = "/trusted-users.json"
        with contextlib.suppress(FileNotFoundError), open(plan.config + name, "rb") as known:
            descriptor = os.open(folder + "/config" + name, os.O_WRONLY | os.O_CREAT, 0o600)
            with open(descriptor, "wb") as file:
                file.write(known.read())
                os.fchown(descriptor, -1, group)
                os.fchmod(descriptor, 0o640)


def _hand_over(run: runs.Run, folder: str, grants: Grants, group: int) -> None:
    """Lay out what the run's skills give it; what is missing is noted, and keeps no agent."""
    # Two skills may need the same file: both their doors' settings stand in one.
    files = {file["path"]: file for name in run.facts["skills"]
             for file in grants.skills[name].files}  # fmt: skip
    if not files:
        return
    home = account(run.settings.user).pw_dir
    for why in handover.stage(home, files.values(), folder, run.root + "/home", group):
        run.journal.write("not given", why=why)


def _prefixes(place: str) -> list[str]:
    parts = place.split("/")
    return ["/".join(parts[: index + 1]) for index in range(len(parts))]


def sandbox_profile(settings: Settings, run: str, facts: dict[str, Any]) -> str:
    """Return a profile for sandbox-exec: Unix's own permissions once more, by the kernel's hand.

    And what those do not know: on a Mac anybody may give another name to a file that he cannot
    read, and sudo leaves an agent in the login session of NanoClaw's user, whose pasteboard,
    applications and launchd would answer it.
    """
    secret = [settings.state + name for name in ("/.env", "/credentials", "/store", "/logs")]
    own = [*facts["writable"], *(f"{run}/{name}" for name in ("home", "tmp", "ipc"))]
    lines = ["(version 1)", "(allow default)", "(deny file-link)"]
    lines += [f"(allow file-link (subpath {_quoted(path)}))" for path in own]
    lines += [
        f"(deny file-write* (subpath {_quoted(path)}))"
        for path in [*facts["read_only"], settings.releases]
    ]
    lines += [f"(deny file-read* file-write* (subpath {_quoted(path)}))" for path in secret]
    lines += ["(deny appleevent-send)", "(deny job-creation)"]
    lines += [f"(deny mach-lookup (global-name {_quoted(name)}))" for name in SESSION_SERVICES]
    return "\n".join(lines) + "\n"


def _quoted(path: str) -> str:
    return '"' + path.replace("\\", "\\\\").replace('"', '\\"') + '"'
