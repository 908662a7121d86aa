"""What is asked of a guest around a snapshot, over vsock; what it answers is checked.

A guest is believed about itself alone: one that lies hides its own damage, and harms nothing else.
"""

from __future__ import annotations

import json
import secrets
import subprocess
from importlib import resources
from typing import Any

from clawkeep import tart
from clawkeep.canary import ask
from clawkeep.onhost.plain import plain
from clawkeep.policy import Policy
from clawkeep.snapshots.ports import Tried
from clawkeep.snapshots.records import Facts

#: tart's guest agent runs in the session of the user who logs in, which need not be NanoClaw's.
AS_ITS_USER = """
u=$(stat -f %Su /opt/nanoclaw/state 2>/dev/null) || u=$(id -un)
if [ "$(id -un)" = "$u" ]; then exec "$@"; else exec sudo -n -H -u "$u" "$@"; fi
"""
PYTHON = ("/bin/sh", "-c", AS_ITS_USER, "sh", "/usr/bin/python3", "-I", "-")
ECHO_S = 5.0
MOST_DATABASES = 50


class NoAnswerError(Exception):
    """The guest said nothing that makes sense."""


def alive(policy: Policy, name: str) -> bool:
    """Tell whether the agent of VM `name` runs programs: it says what nobody can know before."""
    word = secrets.token_hex(8)
    try:
        command = tart.execute(name, ["/bin/echo", word])
        return word in ask.as_owner(policy, command, "", ECHO_S).split()
    except (OSError, subprocess.SubprocessError):
        return False


def asked(policy: Policy, name: str, question: dict[str, Any], timeout_s: float) -> dict[str, Any]:
    """Have VM `name` run `snapshots/inside.py`; return what it prints. Raises NoAnswerError."""
    text = (resources.files("clawkeep.snapshots") / "inside.py").read_text(encoding="utf-8")
    program = f"{text}\nmain(json.loads({json.dumps(json.dumps(question))}))\n"
    try:
        command = [tart.TART, "exec", "-i", name, *PYTHON]
        said = ask.as_owner(policy, command, program, timeout_s)
    except (OSError, subprocess.SubprocessError) as error:
        raise NoAnswerError(str(error)) from error
    line = next((each for each in reversed(said.splitlines()) if each.startswith("@")), "")
    try:
        answer = json.loads(line[1:])
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise NoAnswerError(f"{name} did not answer: {plain(said[-200:], 200) or 'nothing'}")
    return answer


def facts(answer: dict[str, Any]) -> Facts:
    """Return the facts in an answer; what is none of them is left out."""
    rows = {}
    for name, found in _databases(answer).items():
        rows[name] = found["rows"]
    words = {key: plain(str(answer.get(key, "")), 200) for key in ("macos", "release", "drained")}
    return Facts(**words, databases=rows)


def judged(answer: dict[str, Any], wanted: Facts) -> Tried:
    """Compare what a booted snapshot says with what the guest said when it was taken."""
    found, wrong = _databases(answer), []
    wrong += [f"{n}: {f['check']}" for n, f in found.items() if f["check"] != "ok"]
    for name, rows in wanted.databases.items():
        if name not in found:
            wrong.append(f"{name} is not there")
        elif rows and not found[name]["rows"]:
            wrong.append(f"{name} is empty, and had {rows} rows")
    now = facts(answer)
    if not now.macos:
        wrong.append("it does not say which macOS it is")
    for what, was, now_is in (
        ("macOS", wanted.macos, now.macos),
        ("NanoClaw's release", wanted.release, now.release),
    ):
        if was and was != now_is:
            wrong.append(f"{what} is {now_is or 'gone'}, and was {was}")
    if wrong:
        return Tried(ok=False, text="; ".join(wrong))
    rows = sum(each["rows"] for each in found.values())
    parts = [f"macOS {now.macos}", f"{len(found)} databases with {rows} rows"]
    return Tried(ok=True, text=", ".join([*parts, *([now.release] if now.release else [])]))


def _databases(answer: dict[str, Any]) -> dict[str, dict[str, Any]]:
    said = answer.get("databases")
    found = {}
    for name, each in list(said.items())[:MOST_DATABASES] if isinstance(said, dict) else ():
        if isinstance(each, dict):
            rows = each.get("rows")
            count = rows if isinstance(rows, int) and not isinstance(rows, bool) else 0
            check = plain(str(each.get("check", "it was not checked")), 200)
            found[plain(str(name), 120)] = {"rows": count, "check": check}
    return found
