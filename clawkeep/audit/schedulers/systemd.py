"""systemd: a timer of the operator's, on Linux."""

from __future__ import annotations

import os
import re
from pathlib import Path

from clawkeep.audit.schedulers.job import MOST_S, Job, asked, run
from clawkeep.onhost import store


class Systemd:
    """A user's timer. It runs only while the user is logged in, or lingers."""

    word = "systemd"

    def environment(self) -> dict[str, str]:
        """Return the ssh-agent that the user's systemd knows of."""
        said = asked("systemctl", "--user", "show-environment") or ""
        found = re.search(r"^SSH_AUTH_SOCK=(\S+)$", said, re.MULTILINE)
        return {"SSH_AUTH_SOCK": found[1]} if found else {}

    def there(self, name: str) -> bool:
        """Tell whether its files are there, and its timer runs."""
        timer = self._folder() / f"{name}.timer"
        return timer.exists() and asked("systemctl", "--user", "is-active", timer.name) is not None

    def put(self, job: Job) -> bool:
        """Install it; a job that is loaded and the same stays as it is."""
        units = self.units(job)
        same = all(_text(self._folder() / name) == text for name, text in units.items())
        if same and self.there(job.name):
            return False
        for name, text in units.items():
            store.write(self._folder() / name, text)
        run("systemctl", "--user", "daemon-reload")
        run("systemctl", "--user", "enable", f"{job.name}.timer")
        run("systemctl", "--user", "restart", f"{job.name}.timer")
        return True

    def remove(self, name: str) -> bool:
        """Take it away, loaded or not."""
        paths = [self._folder() / f"{name}.{kind}" for kind in ("timer", "service")]
        found = [path for path in paths if path.exists()]
        if not found:
            return False
        run("systemctl", "--user", "disable", "--now", f"{name}.timer")
        for path in found:
            path.unlink()
        run("systemctl", "--user", "daemon-reload")
        return True

    @staticmethod
    def units(job: Job) -> dict[str, str]:
        """Return the units by file name. `Persistent`: an hour that was slept through is made up.

        Source: systemd.timer(5), systemd.service(5).
        """
        variables = "".join(
            f"Environment={_quoted(f'{name}={value}')}\n" for name, value in job.environment.items()
        )
        # By `env`, as a program's own path must have no quote and no dollar here.
        words = " ".join(_quoted(word, dollar="$$") for word in job.command)
        return {
            f"{job.name}.service": (
                f"[Unit]\nDescription=Clawkeep: audit of a keep\n\n[Service]\nType=oneshot\n"
                f"WorkingDirectory={_percent(str(job.folder))}\n{variables}"
                f"ExecStart=/usr/bin/env {words}\n"
                f"StandardOutput=append:{_percent(str(job.log))}\n"
                f"StandardError=append:{_percent(str(job.log))}\n"
                f"TimeoutStartSec={MOST_S}\nNice=10\n"
            ),
            f"{job.name}.timer": (
                "[Unit]\nDescription=Clawkeep: whether an audit is due, each hour\n\n[Timer]\n"
                "OnCalendar=hourly\nRandomizedDelaySec=900\nPersistent=true\n\n[Install]\n"
                "WantedBy=timers.target\n"
            ),
        }

    @staticmethod
    def _folder() -> Path:
        base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
        return Path(base) / "systemd/user"


def _quoted(word: str, dollar: str = "$") -> str:
    """Return a word as systemd reads it back: quotes, specifiers, and in a command variables."""
    text = _percent(word).replace("\\", "\\\\").replace('"', '\\"').replace("$", dollar)
    return f'"{text}"'


def _percent(text: str) -> str:
    return text.replace("%", "%%")


def _text(path: Path) -> str | None:
    return path.read_text() if path.exists() else None
