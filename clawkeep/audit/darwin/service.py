"""`host.service` on macOS: launchd.

What `launchctl print` prints is no interface, says its manual; of it only the lines that have
stayed the same for years are read, and a line that is missing is "not known". Source:
reference/macos.md §4.2.
"""

from __future__ import annotations

import functools
import re

from testinfra.modules.service import Service

UNKNOWN_LABEL, NO_DOMAIN = 113, 125
"""Exit statuses of `launchctl print` for a label that is not loaded, and a domain that is not."""


class LaunchdService(Service):
    """A job of launchd.

    `name` is a label of the system domain, or `domain/label`, such as `gui/501/com.example.job`.

    >>> host.service("com.openssh.sshd").is_enabled
    True
    """

    @property
    def target(self) -> str:
        """The job as launchctl wants it: `domain/label`."""
        return self.name if "/" in self.name else f"system/{self.name}"

    @functools.cached_property
    def _printed(self) -> str | None:
        done = self.run_expect([0, UNKNOWN_LABEL, NO_DOMAIN], "launchctl print %s", self.target)
        return done.stdout if done.rc == 0 else None

    def _value(self, key: str) -> str | None:
        found = re.search(rf"^\s+{re.escape(key)} = (.*)$", self._printed or "", re.MULTILINE)
        return found[1].strip() if found else None

    @property
    def exists(self) -> bool:
        """Tell whether the job is loaded."""
        return self._printed is not None

    @property
    def pid(self) -> int | None:
        """Return its process, None when none runs now."""
        value = self._value("pid")
        return int(value) if value and value.isdigit() else None

    @property
    def is_running(self) -> bool:
        """Tell whether a process of it runs now; a job on a timer mostly has none."""
        return self.pid is not None

    @property
    def last_exit_code(self) -> int | None:
        """Return how its last process ended, None when none has, or launchd does not say.

        launchd adds words to some of them (`78: EX_CONFIG`), and says `(never exited)`.
        """
        found = re.match(r"-?\d+", self._value("last exit code") or "")
        return int(found[0]) if found else None

    @property
    def arguments(self) -> tuple[str, ...] | None:
        """Return the argv that launchd has in memory, whatever the plist says now."""
        found = re.search(r"^\s+arguments = \{\n(.*?)^\s+\}", self._printed or "", re.M | re.S)
        if not found:
            return None
        return tuple(line.strip() for line in found[1].splitlines())

    @property
    def is_enabled(self) -> bool:
        """Tell whether launchd would load it at the next boot: nobody has disabled it.

        The override outlives reboots and the plist. Older systems print `true` for disabled.
        """
        domain, _, label = self.target.rpartition("/")
        text = self.check_output("launchctl print-disabled %s", domain)
        found = re.search(rf'^\s*"{re.escape(label)}" => (\w+)', text, re.MULTILINE)
        return not (found and found[1] in {"disabled", "true"})

    def __repr__(self) -> str:
        return f"<service {self.target}>"
