"""Ansible's side of the comparison: its inventory, its settings, its runs.

Set up as its own documentation advises for speed: pipelining, a ControlPersist master that is
warm before the first timed run, no fact gathering, a named interpreter. The guest is reached by
ProxyJump through the host, with the keep's own key and the host key that is pinned.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.clawkeep_side import BIN, Clawkeep, refuse_mutations
from bench.series import FailedError, Run, timed
from lab.lab import Lab

FOLDER = Path(__file__).resolve().parent / "ansible"

RECAP = re.compile(r"^(\S+) +: ok=(\d+) +changed=(\d+) +unreachable=(\d+) +failed=(\d+)", re.M)

SSH_CONFIG = """Host *
  BatchMode yes
  IdentitiesOnly yes
  StrictHostKeyChecking yes
  LogLevel ERROR
Host keep-host
  HostName 127.0.0.1
  Port {port}
  User {user}
  IdentityFile {key}
  UserKnownHostsFile {known_hosts}
Host keep-guest
  HostName {guest_address}
  HostKeyAlias {guest}
  User admin
  IdentityFile {state}/id_ed25519
  UserKnownHostsFile {state}/known_hosts
  ProxyJump keep-host
"""

INVENTORY = """[host]
keep-host
[guest]
keep-guest
[all:vars]
ansible_python_interpreter=/usr/bin/python3
"""

SETTINGS = """[defaults]
host_key_checking = True
retry_files_enabled = False
nocows = True
[connection]
pipelining = True
[ssh_connection]
pipelining = True
ssh_executable = ssh
ssh_args = -F {config} -o ControlMaster=auto -o ControlPersist=600s -o ControlPath={folder}/%C
"""


@dataclass(frozen=True)
class Ansible:
    """The playbook, with everything it needs in `folder`; `close` ends its SSH masters."""

    lab: Lab
    folder: Path
    guest: str

    @classmethod
    def prepare(cls, clawkeep: Clawkeep, folder: Path) -> Ansible:
        """Write variables, inventory, SSH configuration and settings into an empty folder."""
        lab = clawkeep.lab
        timed(
            [str(BIN / "python"), str(FOLDER / "state.py"), str(folder)],
            clawkeep.project,
            clawkeep.environment(),
        )
        guest = json.loads((folder / "vars.json").read_text())["guest"]
        facts = lab.facts
        state = Path(facts["key"]).parent / "state" / f"lab-{lab.name}" / guest["name"]
        config = folder / "ssh_config"
        config.write_text(
            SSH_CONFIG.format(
                port=lab.ssh_port,
                user=facts["user"],
                key=facts["key"],
                known_hosts=facts["known_hosts"],
                guest=guest["name"],
                guest_address=guest["address"],
                state=state,
            )
        )
        (folder / "inventory.ini").write_text(INVENTORY)
        (folder / "ansible.cfg").write_text(SETTINGS.format(config=config, folder=folder))
        return cls(lab, folder, guest["name"])

    def environment(self) -> dict[str, str]:
        """Return the environment of ansible-playbook."""
        base = {k: v for k, v in os.environ.items() if not k.startswith("ANSIBLE_")}
        return base | {
            "ANSIBLE_CONFIG": str(self.folder / "ansible.cfg"),
            "ANSIBLE_HOME": str(self.folder / "home"),
            "ANSIBLE_NOCOLOR": "1",
            "LC_ALL": "C.UTF-8",
        }

    def converge(self, *options: str) -> Run:
        """Run the playbook. Raises FailedError when a host failed."""
        command = [
            str(BIN / "ansible-playbook"),
            "--inventory",
            str(self.folder / "inventory.ini"),
            "--extra-vars",
            f"@{self.folder / 'vars.json'}",
            *options,
            str(FOLDER / "playbook.yml"),
        ]
        return timed(command, self.folder, self.environment())

    def no_op(self, *options: str) -> Run:
        """Run the playbook where it must change nothing. Raises FailedError when it did."""
        calls = len(self.lab.calls())
        run = self.converge(*options)
        recap = {match[0]: match[1:] for match in RECAP.findall(run.output)}
        if set(recap) != {"keep-host", "keep-guest"}:
            raise FailedError(f"Ansible did not reach both machines:\n{run.output[-3000:]}")
        for machine, (_, changed, unreachable, failed) in recap.items():
            if (changed, unreachable, failed) != ("0", "0", "0"):
                raise FailedError(f"Ansible on {machine} was no no-op:\n{run.output[-6000:]}")
        refuse_mutations(self.lab, calls, "a no-op run of Ansible")
        return run

    def close(self) -> None:
        """End the SSH masters, which would outlive the runs by ten minutes."""
        for machine in ("keep-guest", "keep-host"):
            subprocess.run(
                ["ssh", "-F", str(self.folder / "ssh_config"), "-o",
                 f"ControlPath={self.folder}/%C", "-O", "exit", machine],
                capture_output=True, check=False,
            )  # fmt: skip
