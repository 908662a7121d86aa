"""`host.process` on macOS: BSD's `ps`.

Upstream widens columns with `:50`, which is GNU's, and expects no blank in `comm`; on macOS that
is the program's whole path, which may hold some. So `comm` is asked for by itself, and what holds
blanks comes last. Source: ps(1) of macOS.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from testinfra.modules.process import Process, int_or_float

LAST = ("lstart", "args")
START_WORDS = 5
"""`Sat Nov 21 20:22:30 2026`; in another locale the order differs, so LC_ALL is set."""


class DarwinProcess(Process):
    """Processes.

    >>> host.process.get(user="root", comm="/usr/sbin/sshd").args
    """

    def _get_processes(self, **filters: Any) -> list[dict[str, Any]]:
        asked = {"pid", "ppid", "user", *filters} - {*LAST, "comm"}
        columns = [*sorted(asked), *LAST]
        # An `=` takes the rest of its argument as the heading (POSIX): one column per -o.
        programs = dict(_pairs(self.check_output("ps -Aww -o pid= -o comm=")))
        text = self.check_output(f"LC_ALL=C ps -Aww {' '.join(f'-o {c}=' for c in columns)}")
        found = []
        for line in text.splitlines():
            if process := _process(line, columns):
                process["comm"] = programs.get(str(process["pid"]), "")
                found.append(process)
        return found

    def _get_process_attribute_by_pid(self, pid: int, name: str) -> dict[str, Any]:
        text = self.check_output("LC_ALL=C ps -ww -p %s -o lstart= -o %s", str(pid), f"{name}=")
        words = text.split(None, START_WORDS)
        return {
            "lstart": " ".join(words[:START_WORDS]),
            name: int_or_float(words[START_WORDS].strip()),
        }


def _pairs(text: str) -> Iterable[tuple[str, str]]:
    for line in text.splitlines():
        pid, _, rest = line.strip().partition(" ")
        yield pid, rest.strip()


def _process(line: str, columns: list[str]) -> dict[str, Any] | None:
    """Return one line as attributes; None for a process that ended meanwhile."""
    words = line.split(None, len(columns) - len(LAST) + START_WORDS)
    before = len(columns) - len(LAST)
    if len(words) < before + START_WORDS:
        return None
    found: dict[str, Any] = {
        column: int_or_float(word) for column, word in zip(columns, words[:before], strict=False)
    }
    found["lstart"] = " ".join(words[before : before + START_WORDS])
    found["args"] = words[before + START_WORDS].strip() if len(words) > before + START_WORDS else ""
    return found
