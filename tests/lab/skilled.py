"""A keep whose guest has skills: what is declared, what it says, and what went over the wires."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
from collections.abc import Mapping
from typing import Any

from tests.lab.guarding import wait
from tests.lab.keep import Built

EGRESS = '\negress = {"mode": "domains", "profiles": ["github"]}\n'
PACKAGERS = {"brew", "npm", "npx", "pip", "pip3", "uv", "curl"}
INDEXES = ("packages.lab.internet", "npm.lab.internet", "ghcr.io", "formulae.brew.sh")


class Skilled:
    """A keep and its declared skills; their secrets are in the operator's environment."""

    def __init__(self, built: Built, secrets: Mapping[str, str]) -> None:
        self.built = built
        built.environment.update(secrets)
        self.file = built.project / "group_data" / "all.py"
        self.without = self.file.read_text()

    def declare(self, skills: Mapping[str, Any], more: str = "") -> None:
        """Declare exactly these skills, and `more` lines of group_data."""
        self.file.write_text(f"{self.without}\n{more}\nskills = {dict(skills)!r}\n")

    def apply(self, phases: str = "skills", *options: str) -> str:
        """Run the phases, which must succeed; return what was said."""
        return self.built.converge("--data", f"phase={phases}", *options)

    def matrix(self, *arguments: str) -> tuple[int, dict[str, dict[str, Any]]]:
        """Return the exit status of `clawkeep skills --json`, and its rows by skill."""
        done = self.built.clawkeep("skills", "--json", *arguments)
        assert done.stdout, done.stderr
        rows = json.loads(done.stdout)["skills"]
        return done.returncode, {row["name"]: row for row in rows}

    def probe(self, name: str) -> tuple[str, str]:
        """Prove a skill anew; return the proof's state and its evidence."""
        _, rows = self.matrix("--probe", name)
        return rows[name]["proof"], rows[name]["evidence"]

    def guest(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run a script in the guest as the skills' user."""
        return self.built.guest(f"sudo -u claw -H sh -c {shlex.quote(f'cd; {script}')}")

    def package_calls(self, since: int) -> list[list[str]]:
        """Return the calls of Homebrew, npm, pip and uv after the first `since` calls."""
        calls = [call["argv"] for call in self.built.lab.calls()[since:]]
        return [argv for argv in calls if os.path.basename(argv[0]) in PACKAGERS]

    def killed(self, when: str, *arguments: str) -> None:
        """Start a run, and end it and all its processes as soon as `when` holds in the guest."""
        running = self.built.start(*arguments)
        try:
            wait(when, lambda: self.built.guest(f"test {when}").returncode == 0, timeout_s=90)
            assert running.poll() is None, "the run was over before"
        finally:
            os.killpg(running.pid, signal.SIGKILL)
            running.communicate()

    def index_visits(self, since: int = 0) -> list[str]:
        """Return the visits to package indexes after the first `since` visits."""
        visits = self.built.lab.visits()[since:]
        return [f"{v['host']} {v.get('request')}" for v in visits if v.get("host") in INDEXES]
