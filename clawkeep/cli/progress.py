"""A converge on a terminal: what is being done now, and a line for each thing that was changed.

pyinfra says three lines for each operation on two machines, whether anything happened or not. What
it says is kept whole in a file; shown is what changed, what failed, and how it ended. An operation
that failed is shown with all that was said of it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import IO, Final

from rich.console import Console

from clawkeep.onhost.plain import plain

LONGEST: Final = 400
START = re.compile(r"--> Starting operation: (.*?)\s*$")
RESULT = re.compile(r"    \[([^\]]+)\]\s+(.*)$")
ANSI = re.compile(r"\x1b\[[0-9;]*m")
NOTHING: Final = {"No changes", "Skipped"}
#: What pyinfra says of a machine once more, after its lines.
ENDS: Final = {"Success": "changed", **dict.fromkeys(NOTHING, "as declared")}
TROUBLE = re.compile(r"\b[Ee]rror\b|Failed|Traceback")


@dataclass
class Told:
    """What pyinfra has said so far, read line by line.

    Attributes:
        operation: the one that runs, "" before the first.
        done: operations that have begun.
        changed: operations that changed something on some machine.
    """

    operation: str = ""
    done: int = 0
    changed: int = 0
    troubled: bool = False
    _said: list[tuple[str, str]] = field(default_factory=list)
    _counted: bool = False

    def read(self, line: str) -> Iterator[str]:
        """Take one line; yield what is worth a line of its own."""
        text = ANSI.sub("", line).rstrip()
        if start := START.match(text):
            self.operation, self._said, self._counted = start[1], [], False
            self.done += 1
            return
        if text.startswith("--> "):
            self.operation = ""
        result = RESULT.match(text)
        if result is None or not self.operation:
            if (TROUBLE.search(text) and not text.startswith("    ")) or self.troubled:
                self.troubled = True
                yield text
            return
        machine, words = result[1], result[2].strip()
        if words not in ENDS:
            self._said.append((machine, words))
            if TROUBLE.search(words):
                self.troubled = True
                yield from self._of(machine, "!")
        elif words == "Success":
            yield from self._of(machine, "~")

    def _of(self, machine: str, sign: str) -> Iterator[str]:
        """Yield an operation on a machine, and all that was said of it there."""
        if not self._counted:
            self._counted = True
            self.changed += 1
        yield f"{sign} {self.operation}  ({machine})"
        yield from (f"    {words}" for name, words in self._said if name == machine)
        self._said = [(name, words) for name, words in self._said if name != machine]

    def summary(self, seconds: float) -> str:
        """Say how it went, in one line."""
        return f"{self.done} operations in {seconds:.0f} s, {self.changed} changed something"


def follow(lines: Iterable[str], log: IO[str], console: Console) -> Told:
    """Show a run as it goes; returns when it has said its last word.

    Every line goes to `log` as it is.
    """
    told, began = Told(), time.monotonic()
    with console.status("reading the declaration", spinner="dots") as status:
        for line in lines:
            log.write(line)
            for words in told.read(line):
                console.print(plain(words, LONGEST), markup=False, highlight=False, soft_wrap=True)
            if told.operation:
                status.update(f"{told.done}  {plain(told.operation, 80)}")
    console.print(told.summary(time.monotonic() - began), markup=False, highlight=False)
    return told
