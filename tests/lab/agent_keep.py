"""A keep with an agent: what is declared about it, what it says, and what runs in its guest."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.lab import Lab
from lab.services import claude
from tests.lab.keep import Built, project
from tests.nanoclaw.repository import Repository

NODE = {"packages": ["node@22"], "tapped": [], "pip_tools": [], "mounts": []}
"""What the guest needs for NanoClaw, and no more: the rest takes time to install."""

ROOT = "/opt/nanoclaw"
JOB = "gui/$(id -u claw)/com.nanoclaw"
EGRESS = 'egress = {"mode": "domains", "profiles": ["agent"]}\n'
SECRETS = {"ANTHROPIC_API_KEY": "env:CLAUDE_KEY"}


class AgentKeep:
    """A keep and its declared agent."""

    def __init__(self, built: Built, values: Mapping[str, Any]) -> None:
        self.built = built
        self.file = built.project / "group_data" / "all.py"
        self.without = self.file.read_text()
        self.values = dict(values)

    def declare(self, **values: Any) -> None:
        """Declare the agent with `values` beside those from before."""
        self.values |= values
        self.file.write_text(f"{self.without}\nagent = {self.values!r}\n")

    def apply(self) -> str:
        """Run the agent's phase, which must succeed; return what it said."""
        return self.built.converge("--data", "phase=agent")

    def fails(self) -> str:
        """Run the agent's phase, which must fail; return what it said."""
        done = self.built.pyinfra("-y", "--data", "phase=agent")
        assert done.returncode in {1, 2}, done.stderr[-4000:]  # 2: refused before a host is asked
        return done.stderr

    def say(self, text: str, timeout_s: int = 30) -> subprocess.CompletedProcess[str]:
        """Say something as the operator does, and wait for the answer."""
        return self.built.clawkeep("agent", "say", "--timeout", str(timeout_s), text)

    def answer(self, text: str) -> str:
        """Return what the agent answers; it must be an answer."""
        done = self.say(text)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def guest(self, script: str) -> str:
        return self.built.guest(script).stdout.strip()

    def pid(self) -> str:
        """Return the pid of NanoClaw's job, "" while it has none."""
        return self.guest(f"launchctl print {JOB} | sed -n 's/^.pid = //p'")

    def active(self) -> str:
        return os.path.basename(self.guest(f"readlink {ROOT}/current"))

    def processes(self) -> dict[str, list[str]]:
        """Return the pids of what runs in the guest, by what it is."""
        found: dict[str, list[str]] = {"host": [], "supervisor": [], "agent": []}
        for line in self.guest("ps -Ao pid=,args=").splitlines():
            pid, _, args = line.strip().partition(" ")
            if "/usr/bin/sudo" in args:
                continue
            if "/agent/dist/index.js" in args:
                found["agent"].append(pid)
            elif "/bin/docker run" in args:
                found["supervisor"].append(pid)
            elif "/dist/index.js" in args and "/releases/" in args:
                found["host"].append(pid)
        return found

    def journal(self) -> list[dict[str, Any]]:
        """Return what the runtime noted."""
        text = self.guest(f"cat {ROOT}/state/logs/runtime.jsonl")
        return [json.loads(line) for line in text.splitlines()]

    def status(self) -> dict[str, Any]:
        """Return `clawkeep agent status --json`."""
        data: dict[str, Any] = json.loads(self.built.clawkeep("agent", "status", "--json").stdout)
        return data


def agent_keep(lab: Lab, folder: Path, repository: Repository, **values: Any) -> AgentKeep:
    """Return a keep on `lab`, declared to run the stand-in and to reach its model; not built."""
    repository.publish(lab)
    built = Built(lab, project(folder, NODE), {"CLAUDE_KEY": claude.KEY})
    keep = AgentKeep(built, {"commit": repository.commits["main"], "secrets": SECRETS} | values)
    keep.without += EGRESS
    keep.declare()
    return keep
