"""A testinfra backend that asks everything in a few round trips.

testinfra runs a command whenever a property is read: hundreds of round trips for a keep. Here a
command that is not answered yet is noted, and the check that wanted it is set aside; what was noted
is sent as one script, and the check is looked at again from the beginning, until it has all its
answers. So a check costs no round trip of its own, and its code is ordinary testinfra.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from testinfra.backend.base import BaseBackend, CommandResult

from clawkeep.batch import answers, mark, script

Send = Callable[[str], str]
"""Runs a POSIX shell script as root and returns what it prints. Raises TransportError."""


class NotAskedYetError(BaseException):
    """A command's answer is not here yet. No `except Exception` of a look must swallow it."""


class NoAnswerError(Exception):
    """A command was asked, and its answer is missing or was cut off: nobody knows."""


class BatchBackend(BaseBackend):
    """A machine, asked as root. `send` runs a script there."""

    NAME = "clawkeep"

    def __init__(self, hostname: str, send: Send) -> None:
        super().__init__(hostname)
        self._send = send
        self._answers: dict[str, CommandResult | None] = {}
        self._wanted: dict[str, None] = {}
        self.round_trips = 0

    @property
    def wants(self) -> bool:
        """Tell whether a command waits to be asked."""
        return bool(self._wanted)

    def run(self, command: str, *args: str, **_: Any) -> CommandResult:
        """Return the answer; what the command says on stderr is dropped.

        Raises NotAskedYetError when there is none yet, and NoAnswerError when there will be none.
        """
        text = self.get_command(command, *args)
        if text not in self._answers:
            self._wanted[text] = None
            raise NotAskedYetError(text)
        answer = self._answers[text]
        if answer is None:
            raise NoAnswerError(f"{self.hostname} did not answer: {text[:80]}")
        return answer

    def fill(self) -> None:
        """Ask all that waits, in one round trip. Raises TransportError."""
        due = list(self._wanted)
        self._wanted.clear()
        if not due:
            return
        self.round_trips += 1
        own = mark()
        found = answers(self._send(script(dict(enumerate(due)), own)), own)
        for number, text in enumerate(due):
            answer = found.get(str(number))
            self._answers[text] = answer and self.result(answer[1], text.encode(), answer[0], "")


def as_root(program: str) -> str:
    """Return a shell script that has root's shell run `program`, whatever its length."""
    end = mark().strip("@")
    return f"sudo -n /bin/sh -s <<'{end}'\n{program}\n{end}\n"
