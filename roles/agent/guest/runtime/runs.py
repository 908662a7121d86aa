"""The folders of the runs. Who holds a run's lock is its supervisor, and lives.

The kernel gives a lock up with its holder, whatever ended it: no pid can be taken for another's.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from typing import Any

from roles.agent.guest.runtime import mirror
from roles.agent.guest.runtime.granted import Grants
from roles.agent.guest.runtime.journal import Journal
from roles.agent.guest.runtime.processes import ask_agent
from roles.agent.guest.runtime.pumps import Pumps
from roles.agent.guest.runtime.reclaim import reclaim
from roles.agent.guest.runtime.settings import NAME, Refused, Settings, account

#: Seconds after which a folder that never became a run is somebody's who was killed.
STALE_S = 60


class Lock:
    """An advisory lock on a file of ours; a fork shares it with its parent."""

    def __init__(self, path: str, create: bool = True) -> None:
        flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0)
        self.descriptor = os.open(path, flags, 0o600)

    def take(self, exclusive: bool = True, wait: bool = False) -> bool:
        """Take the lock, or change its kind; False when another holds it."""
        kind = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
        try:
            fcntl.flock(self.descriptor, kind | (0 if wait else fcntl.LOCK_NB))
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Let go; a fork that shares the lock keeps it."""
        os.close(self.descriptor)


class Run:
    """One run's folder, and what stands in its run.json."""

    def __init__(self, settings: Settings, name: str, facts: dict[str, Any]) -> None:
        self.settings, self.name, self.facts = settings, name, facts
        self.root = settings.runs + "/" + name

    @property
    def agent(self) -> str:
        """The user that the agent runs as."""
        return str(self.facts["agent"])

    @property
    def journal(self) -> Journal:
        """Where its lines go."""
        return Journal(self.settings, self.name, str(self.facts["group"]))

    def pumps(self) -> Pumps:
        """Return the carriers between NanoClaw's folder and the run's."""
        user = account(self.agent)
        host = f"{self.settings.data}/ipc/{self.facts['group']}"
        pumps = Pumps(host, self.root + "/ipc", user.pw_uid, user.pw_gid)
        pumps.refused = lambda path, why: self.journal.write("ipc", path=path, why=why)
        return pumps

    def agent_process(self) -> dict[str, int] | None:
        """Return the agent's pid and start, None while there is none yet."""
        try:
            with open(self.root + "/agent.json", encoding="utf-8") as file:
                return dict(json.load(file))
        except (OSError, ValueError):
            return None

    def reclaim(self) -> None:
        """Make plain where NanoClaw writes among the agent's files."""
        facts, group = self.facts, account(self.agent).pw_gid
        try:
            names = reclaim(facts["group_folder"], facts["claude"], facts["release"], group)
        except OSError as error:
            self.journal.write("not plain", why=str(error))
            return
        if names:
            self.journal.write("put aside", names=names)

    def mirror(self, grants: Grants) -> None:
        """Have the group's skills be those that the release and the operator's list say."""
        facts, allowed = self.facts, tuple(self.facts["skills"])
        whose = (str(facts["group"]), account(self.agent).pw_gid)
        try:
            trees = mirror.wanted(grants, allowed, facts["release"])
            done = mirror.mirror(self.settings, facts["claude"], whose, trees)
        except OSError as error:
            self.journal.write("skills", why=str(error))
            return
        if any(done):
            self.journal.write("skills", **done._asdict())

    def finish(self, users: Lock) -> bool:
        """End what is left of the run and remove it; its lock must be held.

        `users` is the lock of the agent's user: alone, all that user runs is ended, also what
        left the agent's process group; another run of it beside, and only the group is. Returns
        False, and leaves the run to the next call, when something could not be removed.
        """
        alone = users.take(exclusive=True)
        failed = ask_agent(self.agent, "__end", self.name, "all" if alone else "group")
        users.take(exclusive=False)
        if not failed:
            with contextlib.suppress(OSError, Refused):
                self.pumps().finish()
            self.reclaim()
            remove_tree(self.root)
        if os.path.lexists(self.root):
            self.journal.write("leftover", why=failed or "not all could be removed")
            return False
        return True


def remove_tree(path: str) -> None:
    """Remove what can be removed of a folder."""
    import shutil  # noqa: PLC0415 - slow to load, and no agent waits for it here

    shutil.rmtree(path, ignore_errors=True)


def users_lock(settings: Settings, agent: str) -> Lock:
    """Return the lock that all runs of an agent user share, not taken yet."""
    return Lock(f"{settings.runs}/.{agent}.lock")


def publish(settings: Settings, name: str, folder: str) -> None:
    """Give a folder that is made its name: from now on it is a run. Raises Refused."""
    try:
        os.rename(folder, settings.runs + "/" + name)
    except OSError:
        remove_tree(folder)
        raise Refused(f'Conflict. The container name "/{name}" is already in use.') from None


def living(settings: Settings) -> list[Run]:
    """Return the runs whose supervisor lives, by name; end and remove all others."""
    found = []
    for name in sorted(os.listdir(settings.runs)):
        path = settings.runs + "/" + name
        if name.startswith(".new-"):
            _clear_unborn(path)
        elif NAME.fullmatch(name) and os.path.isdir(path):
            run = _living(settings, name)
            if run is not None:
                found.append(run)
    return found


def find(settings: Settings, name: str) -> Run:
    """Return a run that lives. Raises Refused as docker says it."""
    for run in living(settings):
        if run.name == name:
            return run
    raise Refused(f"Error response from daemon: No such container: {name}", status=1)


def _living(settings: Settings, name: str) -> Run | None:
    path = settings.runs + "/" + name
    try:
        lock = Lock(path + "/lock", create=False)
    except OSError:  # it went away meanwhile
        return None
    with contextlib.closing(lock):
        dead = lock.take()
        try:
            with open(path + "/run.json", encoding="utf-8") as file:
                run = Run(settings, name, json.load(file))
        except (OSError, ValueError):
            if dead:
                remove_tree(path)
            return None
        if not dead:
            return run
        run.journal.write("reaped")
        with contextlib.closing(users_lock(settings, run.agent)) as users:
            return None if run.finish(users) else run


def _clear_unborn(path: str) -> None:
    with contextlib.suppress(OSError):
        if time.time() - os.stat(path).st_mtime > STALE_S:
            remove_tree(path)


def folders_of(settings: Settings) -> Iterator[str]:
    """Yield the folders above a run's mounts that an agent must be able to pass through."""
    yield from (settings.state, settings.groups, settings.data, settings.data + "/sessions")
