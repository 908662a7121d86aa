"""The tool server: does for agents what only NanoClaw's user may, in its login session.

Calendar, Reminders and the voice answer to whoever sits in the session, and to nobody else. An
agent lays a request into `ipc/tools` of its run, `<id>.json` with `skill`, `verb` and `args`, and
finds the answer beside it, `<id>.answer.json`. Who asks is told by whose run the folder is in:
its run.json, which the runtime wrote, says which group that is and what it was granted; the
operator's list must say so still. A launchd job of the session, `com.nanoclaw.tools`.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import os
import re
import shutil
import sys
import threading
import time
from collections import deque
from typing import Any

from roles.agent.guest.runtime import granted, pumps, runs, settings
from roles.agent.guest.runtime.settings import Refused, Settings, account
from roles.agent.guest.runtime.toolcalls import BadCallError, perform, values

FOLDER = "ipc/tools"
EVERY_S = 0.25
REQUEST_BYTES = 64 << 10
#: Calls of one agent user in a minute, and calls at the same time, of all and of one run.
PER_MINUTE, AT_ONCE = 30, 8
#: Files of one folder that one look sees: an agent that fills it keeps nobody else waiting.
LOOKED_AT = 200
_WORD = re.compile(r"[a-z_]{1,32}")
_REQUEST = re.compile(r"([A-Za-z0-9]{1,64})\.json")


class Server:
    """Serves the runs of one guest."""

    def __init__(self, known: Settings, grants: str = granted.PATH, owner: int = 0) -> None:
        self.settings, self.grants, self.owner = known, grants, owner
        self.home = account(known.user).pw_dir
        self._busy: set[str] = set()
        self._times: dict[str, deque[float]] = {}
        self._threads: list[threading.Thread] = []

    def tick(self) -> None:
        """Begin what is asked for, at most one call of each run."""
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        with contextlib.suppress(OSError):
            for name in sorted(os.listdir(self.settings.runs)):
                if len(self._threads) >= AT_ONCE:
                    return
                if settings.NAME.fullmatch(name) and name not in self._busy:
                    self._look(name)

    def wait(self) -> None:
        """Wait for the calls under way."""
        for thread in self._threads:
            thread.join()

    def _look(self, name: str) -> None:
        folder = f"{self.settings.runs}/{name}/{FOLDER}"
        with contextlib.suppress(OSError, Refused):
            with os.scandir(folder) as entries:
                seen = [entry.name for entry in itertools.islice(entries, LOOKED_AT)]
            asked = sorted(entry for entry in seen if _REQUEST.fullmatch(entry))
            if not asked:
                return
            run = self._run(name)
            data: bytes | None
            try:
                uid = account(run.agent).pw_uid
                data = pumps.read_own(f"{folder}/{asked[0]}", uid, REQUEST_BYTES)
            except pumps.StrangeError:
                data = None
            # It is done with, whatever it was: no request is served twice.
            _clear(f"{folder}/{asked[0]}")
            self._busy.add(name)
            found = _REQUEST.fullmatch(asked[0])
            call = found[1] if found else ""
            thread = threading.Thread(target=self._serve, args=(run, call, data), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _run(self, name: str) -> runs.Run:
        """Return a run by what the runtime noted. Raises OSError, Refused."""
        path = f"{self.settings.runs}/{name}/run.json"
        with open(path, encoding="utf-8") as file:
            ours = os.fstat(file.fileno()).st_uid == os.getuid()
            try:
                run = runs.Run(self.settings, name, json.load(file))
            except ValueError:
                raise Refused(f"{path}: no JSON") from None
        if not ours or run.facts.get("agent") not in self.settings.agents:
            raise Refused(f"{path}: is not the runtime's")
        return run

    def _serve(self, run: runs.Run, call: str, data: bytes | None) -> None:
        began, skill, verb = time.monotonic(), None, None
        staged = f"{run.root}/.tool-{call}"
        try:
            answer: dict[str, Any] = {"ok": False}
            try:
                self._count(run.agent)
                skill, verb, words = _request(data)
                spec = self._granted(run, skill, verb)
                given = values(spec["arguments"], words)
                os.mkdir(staged, 0o700)
                path = f"{staged}/result.{spec['result']}"
                value = perform(spec, given, path, self.home, self.settings.user)
                answer = {"ok": True, "result": value}
                if spec["result"]:
                    answer["file"] = f"{call}.{spec['result']}"
                    with open(path, "rb") as file:
                        self._answer(run, answer["file"], file.read())
            except BadCallError as error:
                answer = {"ok": False, "error": str(error)}
            except (OSError, Refused) as error:
                answer = {"ok": False, "error": f"the tool server failed: {error}"}
            with contextlib.suppress(OSError):
                self._answer(run, f"{call}.answer.json", json.dumps(answer).encode())
            ms = round((time.monotonic() - began) * 1000)
            run.journal.write("tool", skill=skill, verb=verb, ok=answer["ok"], ms=ms)
        finally:
            shutil.rmtree(staged, ignore_errors=True)
            self._busy.discard(run.name)

    def _count(self, agent: str) -> None:
        now, times = time.monotonic(), self._times.setdefault(agent, deque())
        while times and times[0] < now - 60:
            times.popleft()
        if len(times) >= PER_MINUTE:
            raise BadCallError(f"too many calls; at most {PER_MINUTE} in a minute")
        times.append(now)

    def _granted(self, run: runs.Run, skill: str, verb: str) -> dict[str, Any]:
        """Return what the verb does. Raises BadCallError when the run's group may not have it."""
        grants = granted.load(self.grants, self.owner)
        now = grants.of(str(run.facts["group"]), run.facts.get("main") is True)
        # Granted when the run began, and not withdrawn since.
        if skill not in now or skill not in run.facts["skills"]:
            raise BadCallError("this group may not use that skill (agent.group_skills)")
        verbs = grants.skills[skill].verbs
        if verb not in verbs:
            raise BadCallError(f"{skill} has {', '.join(sorted(verbs)) or 'no verbs'}")
        return verbs[verb]

    def _answer(self, run: runs.Run, name: str, data: bytes) -> None:
        """Lay a file where the agent can read it; made where it cannot reach it."""
        place = f"{run.root}/{FOLDER}/{name}"
        pumps.place(data, f"{run.root}/.answer-{name}", place, account(run.agent).pw_gid)


def _request(data: bytes | None) -> tuple[str, str, Any]:
    """Return the skill, the verb and the arguments of a request. Raises BadCallError."""
    try:
        asked = json.loads(data or b"")
        skill, verb, words = asked["skill"], asked["verb"], asked["args"]
        # The first two are noted in the journal: words of ours, and not any text.
        plain = _WORD.fullmatch(skill) and _WORD.fullmatch(verb)
    except (ValueError, KeyError, TypeError, RecursionError):
        plain = None
    if not plain:
        raise BadCallError("is no request: JSON with skill, verb and args")
    return skill, verb, words


def _clear(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        # A folder by that name: aside, by a name that is no request's.
        os.rename(path, f"{path}.{time.time_ns()}")


def main(argv: list[str]) -> int:
    """Serve for ever; one server at a time."""
    del argv
    try:
        known = settings.load()
        server = Server(known)
    except Refused as refused:
        sys.stderr.write(f"tools: {refused}\n")
        return 1
    if os.getuid() != account(known.user).pw_uid:
        sys.stderr.write(f"tools: only {known.user} may serve agents\n")
        return 1
    os.umask(0o077)
    lock = os.open(f"{known.state}/tools.lock", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    while True:
        server.tick()
        time.sleep(EVERY_S)
