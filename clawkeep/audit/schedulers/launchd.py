"""launchd: a LaunchAgent of the operator's, on a Mac."""

from __future__ import annotations

import os
import plistlib
from pathlib import Path

from clawkeep.audit.schedulers.job import EVERY_S, Job, asked, run
from clawkeep.onhost import store


class Launchd:
    """A user's LaunchAgent. A load of a file that was changed needs a bootout first."""

    word = "launchd"

    def environment(self) -> dict[str, str]:
        """Return the socket of launchd's own ssh-agent; one that was started by hand goes away."""
        agent = os.environ.get("SSH_AUTH_SOCK", "")
        return {"SSH_AUTH_SOCK": agent} if "com.apple.launchd." in agent else {}

    def there(self, name: str) -> bool:
        """Tell whether its file is there, and it is loaded."""
        return self._path(name).exists() and self._loaded(name)

    def put(self, job: Job) -> bool:
        """Install it; a job that is loaded and the same stays as it is."""
        path, text = self._path(job.name), self.plist(job)
        if path.exists() and path.read_bytes() == text and self._loaded(job.name):
            return False
        # launchd takes no file that others may write to.
        store.write(path, text.decode())
        if self._loaded(job.name):
            run("launchctl", "bootout", f"{self._domain()}/{job.name}")
        run("launchctl", "bootstrap", self._domain(), str(path))
        return True

    def remove(self, name: str) -> bool:
        """Take it away, loaded or not."""
        loaded = self._loaded(name)
        if loaded:
            run("launchctl", "bootout", f"{self._domain()}/{name}")
        there = self._path(name).exists()
        self._path(name).unlink(missing_ok=True)
        return loaded or there

    @staticmethod
    def plist(job: Job) -> bytes:
        """Return the LaunchAgent. Source of the keys: launchd.plist(5); reference/macos.md §4.1."""
        return plistlib.dumps({
            "Label": job.name,
            "ProgramArguments": list(job.command),
            "WorkingDirectory": str(job.folder),
            "EnvironmentVariables": dict(job.environment),
            "StartInterval": EVERY_S,
            "ProcessType": "Background",
            "LowPriorityIO": True,
            "ExitTimeOut": 20,
            "StandardOutPath": str(job.log),
            "StandardErrorPath": str(job.log),
        }, sort_keys=False)  # fmt: skip

    @staticmethod
    def _domain() -> str:
        return f"gui/{os.getuid()}"

    def _loaded(self, name: str) -> bool:
        return asked("launchctl", "print", f"{self._domain()}/{name}") is not None

    @staticmethod
    def _path(name: str) -> Path:
        return Path.home() / "Library/LaunchAgents" / f"{name}.plist"
