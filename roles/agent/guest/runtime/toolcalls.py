"""One call of a tool: what an agent asked for, checked, and the one program that does it.

What runs is fixed by the operator's list: a program and a script. An agent's words become a JSON
literal in the script, or the program's stdin; never an argument, never a line of a shell.
"""

from __future__ import annotations

import datetime
import json
import os
import re
import signal
import subprocess
from typing import Any

ARGUMENTS, RESULT = "@ARGUMENTS@", "@FILE@"
#: Bytes of an answer, and of a file that a verb wrote.
ANSWER_BYTES, FILE_BYTES = 256 << 10, 16 << 20
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9:/._@+-]{0,199}")
_INTEGER = re.compile(r"-?[0-9]{1,9}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_BREAKS = str.maketrans("", "", "\n\t")
PATH = "/usr/bin:/bin:/usr/sbin:/sbin"


class BadCallError(Exception):
    """A call that is not done, or did not succeed; the text is for the agent."""


def values(spec: list[dict[str, Any]], words: object) -> dict[str, Any]:
    """Return a call's arguments by name, each of its type. Raises BadCallError."""
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise BadCallError("args must be a list of texts")
    found: dict[str, Any] = {}
    rest = list(words)
    for one in spec:
        if one["kind"] == "fixed":
            found[one["name"]] = one["default"]
        elif rest:
            found[one["name"]] = _value(one, rest.pop(0))
        elif one["default"] is None:
            raise BadCallError(f"{one['name']} is missing")
        else:
            found[one["name"]] = one["default"]
    if rest:
        raise BadCallError(f"{len(rest)} arguments more than there are")
    return found


def _value(one: dict[str, Any], word: str) -> Any:
    name, kind = one["name"], one["kind"]
    if kind == "integer":
        if not _INTEGER.fullmatch(word) or not one["low"] <= int(word) <= one["high"]:
            raise BadCallError(f"{name}: a whole number from {one['low']} to {one['high']}")
        return int(word)
    if kind == "time":
        try:
            # Python 3.9 does not know Z.
            moment = datetime.datetime.fromisoformat(re.sub(r"[zZ]$", "+00:00", word))
        except ValueError:
            raise BadCallError(f"{name}: a time such as 2026-11-24T09:00+01:00") from None
        return moment.isoformat()
    if kind == "id":
        if not _ID.fullmatch(word):
            raise BadCallError(f"{name}: an id, as a list gave it")
        return word
    if kind not in ("line", "text"):
        raise BadCallError(f"{name}: of a kind that is not known here")
    if not one["low"] <= len(word) <= one["high"] or not word.strip():
        raise BadCallError(f"{name}: a text of at most {one['high']} characters")
    if _CONTROL.search(word.translate(_BREAKS) if kind == "text" else word):
        raise BadCallError(f"{name}: a text without control characters")
    return word


def perform(verb: dict[str, Any], given: dict[str, Any], path: str, home: str, user: str) -> Any:
    """Run a verb's program; return its answer, None when it wrote the file `path`.

    Raises BadCallError when it fails, hangs, or answers what is none.
    """
    argv = [path if word == RESULT else word for word in verb["argv"]]
    # ASCII and JSON: no character of an argument can end the literal that it is in.
    script = verb["script"].replace(ARGUMENTS, json.dumps(given, ensure_ascii=True))
    text = str(given[verb["speaks"]]) if verb["speaks"] else script
    environment = {"HOME": home, "USER": user, "LOGNAME": user, "PATH": PATH, "LANG": "en_US.UTF-8"}
    out, err, status = _run(argv, text.encode(), environment, verb["timeout_s"])
    if status != 0:
        lines = (err.strip() or out.strip()).splitlines()
        why = lines[-1].strip()[:300] if lines else f"exit status {status}"
        if "-1743" in why or "-1712" in why:
            why += "; the operator must allow it once at the guest's screen"
        raise BadCallError(f"{os.path.basename(argv[0])}: {why}")
    if verb["result"]:
        if not os.path.isfile(path) or not 0 < os.path.getsize(path) <= FILE_BYTES:
            raise BadCallError(f"{os.path.basename(argv[0])} wrote no file, or too large a one")
        return None
    if len(out) > ANSWER_BYTES:
        raise BadCallError(f"the answer is larger than {ANSWER_BYTES} bytes; ask for less")
    try:
        return json.loads(out)
    except ValueError:
        raise BadCallError(f"{os.path.basename(argv[0])} did not answer with JSON") from None


def _run(
    argv: list[str], stdin: bytes, environment: dict[str, str], timeout_s: float
) -> tuple[str, str, int]:
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            cwd="/",
            start_new_session=True,
        )
    except OSError as error:
        raise BadCallError(f"{argv[0]}: {error.strerror}") from None
    try:
        out, err = process.communicate(stdin, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise BadCallError(
            f"{os.path.basename(argv[0])} did not end in {timeout_s} s; macOS probably asks for "
            "permission at the guest's screen"
        ) from None
    return out.decode(errors="replace"), err.decode(errors="replace"), process.returncode
