"""A project with the real deploy.py whose machines are pyinfra's `@fake` ones.

Nothing is connected: every command succeeds, and probes are answered from a dict as in the data
files. Each command that a machine is given is noted as a line `machine: command`.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent

ALLOWLIST = """services:
  - name: nas
    port: 18022
    target: 10.0.30.20:22
    kind: ssh
  - name: vault
    port: 18443
    target: vault.example:443
    kind: tls
"""
GROUP_DATA = """host = {"packages": ["socat"]}
guest = {"name": "keep", "packages": ["jq"], "pip_tools": ["edge-tts"]}
"""
INVENTORY = """
import json, secrets, sys
from pathlib import Path

sys.path.insert(0, "{checkout}")
from pyinfra import config
from pyinfra.api.output import echo
from pyinfra.connectors.fake import FakeConnector
from pyinfra.connectors.util import CommandOutput, OutputLine
from tests.operations.harness import BEGIN, survey_output

config.FAIL_PERCENT = 0
secrets.token_urlsafe = lambda _: "a-new-password"
_folder = Path("{folder}")


def _run(connector, command, print_output=False, print_input=False, **arguments):
    facts = json.loads((_folder / "answers.json").read_text())
    text = str(command)
    with (_folder / "commands").open("a") as log:
        log.write(f"{{connector.host.name}}: {{text}}\\n".replace("\\n", " ") + "\\n")
    if print_input:
        echo(f">>> {{text}}", err=True)
    if "journal.jsonl" in text:
        with (_folder / "journal").open("a") as journal:
            journal.write(arguments["_stdin"] + "\\n")
    lines = []
    if BEGIN.search(text):
        lines = survey_output(text, facts[connector.host.name])
    elif " list " in text:
        lines = [facts["@fake/mac"]["vms"]]
    elif "program.py" in text:
        lines = ["{{}}"]
    ok = not any(word in text for word in facts["failing"])
    return ok, CommandOutput([OutputLine("stdout", line) for line in lines])


FakeConnector.run_shell_command = _run
hosts = ["@fake/mac"]
guests = [("{guest}", {{"tart_host": "@fake/mac"}})]
"""

LINK = (
    "192.168.64.5 agent\nbridge100: flags=8a63<UP> mtu 1500\n"
    "\tinet 192.168.64.1 netmask 0xffffff00 broadcast 192.168.64.255"
)
VMS = '[{"Name": "keep", "State": "running", "Disk": 50, "Source": "local"}]'
#: A host with Homebrew and a running guest, on which nothing else is as declared.
HOST = {
    "identity": "me\n501\n/Users/me",
    "kegs": "/opt/homebrew/bin/brew",
    "vms": VMS,
    "link keep": LINK,
    "size keep": '{"CPU": 2, "Memory": 8192, "Disk": 50}',
    "jobs *": "com.nanoclaw.bridge.old",
    "host keys of *": "\n@@\nnas ssh-ed25519 AAAA 10.0.30.20:22",
    "*": ["", 1],
}
#: Its guest; keys and pip tools are there, since a fake machine has no SSH connection.
GUEST = {
    "kegs": "/opt/homebrew/bin/brew",
    "host keys": "",
    "pip tools": "edge-tts==1.0",
    "hosts file": "192.168.64.1\n127.0.0.1 localhost",
    "client settings *": "192.168.64.1",
    "*": ["", 1],
}


@dataclass
class Project:
    """The folder, and what a run in it said and did."""

    folder: Path

    def environment(self, **more: str) -> dict[str, str]:
        base = {k: v for k, v in os.environ.items() if not k.startswith("CLAWKEEP_")}
        return base | {
            "CLAWKEEP_PROJECT": str(self.folder),
            "CLAWKEEP_STATE": str(self.folder / "state"),
            "CLAWKEEP_LAB_ROOT": str(self.folder / "labs"),
            "PYINFRA_PROGRESS": "off",
            **more,
        }

    def answers(
        self,
        host: dict[str, Any] | None = None,
        guest: dict[str, Any] | None = None,
        failing: tuple[str, ...] = (),
    ) -> None:
        """Say what the probes are answered, and which commands fail (by a part of them)."""
        data = {
            "@fake/mac": (host or {}) | {k: v for k, v in HOST.items() if k not in (host or {})},
            "@fake/guest": (guest or {})
            | {k: v for k, v in GUEST.items() if k not in (guest or {})},
            "failing": failing,
        }
        (self.folder / "answers.json").write_text(json.dumps(data))

    def inventory(self, guest: str = "@fake/guest") -> None:
        """Write the inventory of fake machines."""
        (self.folder / "inventory.py").write_text(
            INVENTORY.format(checkout=CHECKOUT, folder=self.folder, guest=guest)
        )

    def pyinfra(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run `pyinfra inventory.py deploy.py …`."""
        return subprocess.run(
            [str(BIN / "pyinfra"), "inventory.py", "deploy.py", *arguments],
            cwd=self.folder,
            env=self.environment(**more),
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=60,
            check=False,
        )

    def journal(self) -> list[dict[str, str]]:
        """Return what the run wrote into the host's journal."""
        path = self.folder / "journal"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def commands(self) -> list[str]:
        """Return the commands that changed something, as `machine: command`, and forget them."""
        path = self.folder / "commands"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return [line for line in lines if " begin " not in line and " list " not in line]


def operations(said: str) -> list[str]:
    """Return the names of the operations that a run started, in order."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", said)
    return re.findall(r"--> Starting operation: (.*?)\s*$", plain, re.MULTILINE)


def lay_out(folder: Path, *, real_inventory: bool = False) -> Project:
    """Lay out a project in `folder`."""
    (folder / "deploy.py").write_text((CHECKOUT / "deploy.py").read_text())
    for name in ("roles", "templates", "connectors", "clawkeep"):
        (folder / name).symlink_to(CHECKOUT / name)
    (folder / "group_data").mkdir()
    (folder / "group_data" / "all.py").write_text(GROUP_DATA)
    (folder / "allowlist.yml").write_text(ALLOWLIST)
    project = Project(folder)
    if real_inventory:
        (folder / "inventory.py").write_text((CHECKOUT / "inventory.py").read_text())
    else:
        project.inventory()
        project.answers()
    return project
