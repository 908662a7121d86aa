"""A keep built on a lab by the real command line, for tests that look at the result."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clawkeep.onhost.guest_state import AS_OWNER
from clawkeep.onhost.health_look import ENTER
from clawkeep.remote import PROGRAM
from lab.lab import Lab

CHECKOUT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
GUEST = "nanoclaw-vm"
SMALL = {"packages": ["jq"], "tapped": [], "pip_tools": []}
"""What takes time to install, and is of no interest where something else is tested."""

CANARY = ["tart", "exec", "-i", GUEST, "/usr/bin/python3", "-I", "-"]


@dataclass
class Built:
    """A lab, the project that is deployed on it, and the commands of its operator."""

    lab: Lab
    project: Path
    environment: dict[str, str] = field(default_factory=dict)

    def variables(self) -> dict[str, str]:
        """Return the environment of the operator's shell."""
        base = {k: v for k, v in os.environ.items() if not k.startswith("CLAWKEEP_")}
        return base | {
            "CLAWKEEP_LAB": self.lab.name,
            "CLAWKEEP_LAB_ROOT": str(self.lab.state.folder.parent),
            "CLAWKEEP_PROJECT": str(self.project),
            "PYINFRA_PROGRESS": "off",
            **self.environment,
        }

    def pyinfra(self, *arguments: str, timeout_s: float = 480) -> subprocess.CompletedProcess[str]:
        """Run `pyinfra inventory.py deploy.py …` as an operator types it."""
        return subprocess.run(
            [str(BIN / "pyinfra"), "inventory.py", "deploy.py", *arguments],
            cwd=self.project,
            env=self.variables(),
            capture_output=True,
            text=True,
            timeout=timeout_s,
            stdin=subprocess.DEVNULL,
            check=False,
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a converge and return its process."""
        return subprocess.Popen(
            [str(BIN / "pyinfra"), "inventory.py", "deploy.py", "-y", *arguments],
            cwd=self.project,
            env=self.variables(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    def converge(self, *arguments: str) -> str:
        """Run a converge that must succeed; return what it said."""
        done = self.pyinfra("-y", *arguments)
        assert done.returncode == 0, done.stderr[-6000:]
        return done.stderr

    def clawkeep(self, *arguments: str, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
        """Run one verb of `clawkeep`."""
        return subprocess.run(
            [str(BIN / "clawkeep"), *arguments],
            cwd=self.project,
            env=self.variables(),
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def status(self) -> dict[str, Any]:
        """Return `clawkeep status --json`."""
        data: dict[str, Any] = json.loads(self.clawkeep("status", "--json").stdout)
        return data

    def host(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run a shell script on the host as root."""
        return self.lab.exec("host", ["/bin/sh", "-c", script])

    @contextmanager
    def holding(self, reason: str) -> Iterator[None]:
        """Have somebody at work on the guest, as a converge is, as long as the block runs."""
        command = self.lab.command("host", [PROGRAM, "hold", reason])
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
            assert process.stdout is not None
            said = process.stdout.readline()
            assert said.startswith("held "), said
            yield

    def guest(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run a shell script in the guest as root: whoever owns the guest owns this."""
        return self.lab.exec(f"guest:{GUEST}", ["/bin/sh", "-c", script])

    def mutations(self, since: int = 0) -> list[list[str]]:
        """Return the argv of every mutating call to a stand-in after the first `since` calls.

        Canary, logs and watcher look into the guest all the time, whatever a test does meanwhile.
        """
        calls = [call["argv"] for call in self.lab.calls()[since:] if call["mutates"]]
        looks = {AS_OWNER, ENTER}
        return [argv for argv in calls if argv != CANARY and not looks.intersection(argv)]

    def allowlist(self, text: str) -> None:
        """Replace the project's allowlist."""
        (self.project / "allowlist.yml").write_text(text)


def changed(said: str) -> list[str]:
    """Return the operations that a run of pyinfra says to have changed something."""
    found, name = [], ""
    for line in said.splitlines():
        if "Starting operation:" in line:
            name = line.partition("Starting operation:")[2].strip()
        elif re.search(r"\] +Success$", line.rstrip()):
            found.append(name)
    return found


def project(folder: Path, guest: Mapping[str, Any] | None = None) -> Path:
    """Lay out a project in `folder` as a clone has it, with `guest` values changed."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("deploy.py", "inventory.py", "allowlist.yml"):
        (folder / name).write_text((CHECKOUT / name).read_text())
    for name in ("roles", "templates", "connectors", "clawkeep"):
        (folder / name).symlink_to(CHECKOUT / name)
    data = folder / "group_data"
    data.mkdir()
    text = (CHECKOUT / "group_data" / "all.py").read_text()
    if guest:
        text += f"\nguest |= {dict(guest)!r}\n"
    (data / "all.py").write_text(text)
    return folder
