"""What probes work with. Runs in the guest, on its own Python 3.9, standard library only.

A probe returns what it saw, or raises: `Failed` when the skill does not work, `NeedsMac` when this
machine cannot tell (it then never counts as proved). Whatever else it raises is a failure, too.
Secrets that it reads are taken out of its words before anybody sees them.
"""

from __future__ import annotations

import base64  # noqa: F401 - probes use these names
import contextlib
import hashlib
import http.client  # noqa: F401
import imaplib  # noqa: F401
import json
import os
import re
import shlex
import signal
import smtplib  # noqa: F401
import ssl  # noqa: F401
import subprocess
import sys
import tempfile  # noqa: F401
import threading
import time
from typing import Any

PATH = (
    "/usr/local/clawkeep/bin:/opt/homebrew/opt/node@22/bin:/opt/homebrew/bin:"
    "/usr/bin:/bin:/usr/sbin:/sbin"
)
PROXY = "/etc/clawkeep/proxy.env"
MAX_EVIDENCE = 300


class Failed(Exception):  # noqa: N818 - an outcome, not a mistake
    """The skill does not work; the text says why."""


class NeedsMac(Exception):  # noqa: N818
    """Only a Mac can tell; the text says what to do there."""


class Ran:
    """A program that ended: its exit status and what it printed."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err

    @property
    def words(self) -> str:
        """The last line that it said, for people."""
        lines = (self.err.strip() or self.out.strip()).splitlines()
        return lines[-1].strip() if lines else f"exit status {self.status}"


class Tools:
    """The question that a probe is asked, and the way to run programs as the skill's user."""

    def __init__(self, question: dict[str, Any]) -> None:
        self.question = question
        self.home = os.path.expanduser("~")
        self.on_a_mac = sys.platform == "darwin"
        self.measured: dict[str, float | str] = {}
        """Numbers and names that the probe found, for the record."""
        self._secrets: list[str] = []

    def run(
        self,
        *argv: str,
        stdin: str = "",
        timeout_s: float = 20,
        hangs: str = "",
        env: dict[str, str] | None = None,
    ) -> Ran:
        """Run a program; no terminal, a clean environment, and an end after `timeout_s`.

        `hangs` says what it means when it does not end. Raises Failed then, and when there is no
        such program.
        """
        try:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**self.environment(), **(env or {})},
                cwd=self.home,
                start_new_session=True,
            )
        except OSError as error:
            raise Failed(f"{argv[0]}: {error.strerror}") from None
        try:
            out, err = process.communicate(stdin.encode(), timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise Failed(
                "{}: no answer in {:g} s{}".format(
                    argv[0], timeout_s, ": " + hangs if hangs else ""
                )
            ) from None
        finally:
            # Also what it left behind: a prompt that hangs must not stay on the screen.
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        return Ran(process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))

    def environment(self) -> dict[str, str]:
        """Return the environment of a program: nothing inherited but where home is."""
        base = {"HOME": self.home, "PATH": PATH, "LANG": "en_US.UTF-8", "USER": self._user()}
        try:
            with open(PROXY, encoding="utf-8") as file:
                words = [shlex.split(line) for line in file if line.startswith("export ")]
        except OSError:
            words = []
        pairs = [word.partition("=") for line in words for word in line[1:]]
        return {**base, **{name: value for name, _, value in pairs}}

    def _user(self) -> str:
        return os.path.basename(self.home)

    def secret(self, path: str) -> str:
        """Return the text of a secret file below home. Raises Failed when it is not private."""
        full = os.path.join(self.home, path)
        try:
            mode = os.stat(full).st_mode & 0o777
            with open(full, encoding="utf-8") as file:
                text = file.read().strip()
        except OSError as error:
            raise Failed(f"~/{path}: {error.strerror}") from None
        if mode != 0o600:
            raise Failed(f"~/{path} has mode {mode:o}, expected 600")
        self.hides(text)
        return text

    def hides(self, *secrets: str) -> None:
        """Take these out of whatever is said from now on."""
        self._secrets.extend(secrets)

    def hide(self, text: str) -> str:
        """Return `text` on one line, without the secrets that were read."""
        for secret in self._secrets:
            if secret.strip():
                text = text.replace(secret, "<secret>")
        return " ".join(text.split())[:MAX_EVIDENCE]


def gateway() -> str:
    """Return the guest's default gateway, where the bridges listen. Raises Failed."""
    done = subprocess.run(
        ["/sbin/route", "-n", "get", "default"], capture_output=True, text=True, check=False
    )
    for line in done.stdout.splitlines():
        words = line.split()
        if words[:1] == ["gateway:"]:
            return words[1]
    raise Failed("the guest has no default route")


def sha256_of(path: str) -> str:
    """Return the SHA-256 of a file, in hex. Raises Failed when it cannot be read."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            for piece in iter(lambda: file.read(1 << 20), b""):
                digest.update(piece)
    except OSError as error:
        raise Failed(f"{path}: {error.strerror}") from None
    return digest.hexdigest()


def words_of(text: str) -> list[str]:
    """Return the words of a transcript, without case and punctuation."""
    return re.sub(r"[^a-z ]", "", " ".join(text.lower().split())).split()


def _probe(task: dict[str, Any], answer: dict[str, Any]) -> None:
    tools = Tools(task["question"])
    names = dict(globals())
    try:
        exec(compile(task["source"], "probe", "exec"), names)  # noqa: S102 - that is what it is for
        state, words = "ok", names[task["name"]](tools)
    except Failed as reason:
        state, words = "failed", str(reason)
    except NeedsMac as reason:
        state, words = "needs a Mac", str(reason)
    except Exception as error:  # noqa: BLE001 - whatever it was, it is no proof
        state, words = "failed", f"{type(error).__name__}: {error}"
    # What it started, and what had to be cut off, was said in one piece or not at all.
    answer.update(state=state, evidence=tools.hide(words), measured=tools.measured)


def main(text: str) -> None:
    """Run all probes of the JSON object `text` at once; print their answers as one."""
    began = time.monotonic()
    answers: dict[str, dict[str, Any]] = {}
    threads = []
    tasks = json.loads(text)
    for name, task in tasks.items():
        answers[name] = {}
        thread = threading.Thread(target=_probe, args=(task, answers[name]), daemon=True)
        thread.start()
        threads.append((name, task["timeout_s"], thread))
    found = {}
    for name, timeout_s, thread in threads:
        thread.join(max(0.0, began + timeout_s - time.monotonic()))
        late = {"state": "failed", "evidence": f"the probe did not end in {timeout_s:g} s"}
        found[name] = dict(answers[name]) if not thread.is_alive() else late
    print(json.dumps(found), flush=True)
    # A probe that is late must not hold the answer of the others.
    os._exit(0)
