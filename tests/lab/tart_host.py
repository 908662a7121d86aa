"""A lab's host with tart installed, for the tests: commands as the operator, VMs that run."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.lab import Lab

BASE = "ghcr.io/cirruslabs/macos-sequoia-base:latest"
VANILLA = "ghcr.io/cirruslabs/macos-sequoia-vanilla:latest"
_SSH_PROBE = """\
import json, socket, sys
address = json.load(open("/private/var/run/lab-guests/{}.json"))["ip"]
sys.exit(not socket.create_connection((address, 22), 1).recv(8).startswith(b"SSH-2.0"))
"""
PATH = "/opt/homebrew/bin:/usr/bin:/bin:/usr/sbin:/sbin"


class TimedOutError(AssertionError):
    """What a test waited for did not happen."""


def wait_for(what: str, question: Callable[[], Any], timeout_s: float = 10) -> Any:
    """Ask until the answer is true; return it. Raises TimedOutError."""
    deadline = time.monotonic() + timeout_s
    while not (answer := question()):
        if time.monotonic() > deadline:
            raise TimedOutError(f"waited {timeout_s} s for {what}")
        time.sleep(0.02)
    return answer


@dataclass
class Running:
    """A `tart run` under way on the host."""

    host: TartHost
    vm: str
    process: subprocess.Popen[str]

    @property
    def pid(self) -> int:
        """The pid of `tart run`, as the host counts."""
        return int(self.host.sh(f"pgrep -f '^/System/Lab/python.* run {self.vm}( |$)'").stdout)

    def kill(self, signal: str) -> int:
        """Send `tart run` a signal; return its exit status (negative: by that signal)."""
        self.host.sh(f"kill -{signal} {self.pid}")
        return self.process.wait(10)

    def output(self) -> str:
        """Return what it printed, when it has ended."""
        return self.process.communicate(timeout=10)[0]

    def facts(self) -> dict[str, Any]:
        """Return the guest's pid, address and port."""
        path = f"/private/var/run/lab-guests/{self.vm}.json"
        return dict(json.loads(self.host.lab.exec("host", ["cat", path], check=True).stdout))

    def guest(self, *command: str, user: str = "root") -> subprocess.CompletedProcess[str]:
        """Run a command in the guest."""
        return self.host.lab.exec(f"guest:{self.vm}", command, user=user)


@dataclass
class TartHost:
    """The host of a lab, with tart and softnet from their tap."""

    lab: Lab

    @classmethod
    def on(cls, lab: Lab) -> TartHost:
        """Install tart on a fresh lab's host."""
        host = cls(lab)
        host.sh("brew trust openai/tools && brew install openai/tools/tart", check=True)
        return host

    def command(self, script: str) -> list[str]:
        """Return the command line for a script that the operator runs."""
        words = ["/bin/zsh", "-c", f"export PATH={PATH} HOME=/Users/operator; {script}"]
        return self.lab.command("host", words, user="operator")

    def sh(self, script: str, *, check: bool = False) -> subprocess.CompletedProcess[str]:
        """Run a script as the operator."""
        run = subprocess.run(
            self.command(script),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert not check or run.returncode == 0, run.stdout + run.stderr
        return run

    def tart(self, arguments: str, *, check: bool = False) -> subprocess.CompletedProcess[str]:
        """Run one tart command as the operator."""
        return self.sh(f"tart {arguments}", check=check)

    def clone(self, name: str, source: str = BASE) -> None:
        """Make a VM."""
        self.tart(f"clone {source} {name}", check=True)

    def config(self, name: str) -> dict[str, Any]:
        """Return a VM's config.json."""
        return dict(json.loads(self.sh(f"cat ~/.tart/vms/{name}/config.json").stdout))

    def disk_folder(self, name: str) -> Path:
        """Return where the machine under the lab keeps a VM's disk."""
        line = self.sh(f"head -1 ~/.tart/vms/{name}/disk.img", check=True).stdout
        return self.lab.state.folder / "disks" / line.split()[1]

    def state(self, name: str) -> str:
        """Return what `tart list` says of a VM."""
        listed = json.loads(self.tart("list --format json", check=True).stdout)
        return next(str(one["State"]) for one in listed if one["Name"] == name)

    @contextmanager
    def running(self, name: str, options: str = "", *, booted: bool = True) -> Iterator[Running]:
        """Run a VM for the length of a test; wait for its sshd unless told otherwise."""
        process = subprocess.Popen(
            self.command(f"exec tart run {name} --no-graphics {options}"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        run = Running(self, name, process)
        try:
            if booted:
                wait_for("the guest's sshd", lambda: self.answers_ssh(run))
            yield run
        finally:
            if process.poll() is None:
                self.tart(f"stop {name}")
            process.wait(15)
            assert process.stdout is not None
            process.stdout.close()

    def answers_ssh(self, run: Running) -> bool:
        """Say whether a running guest shows an SSH banner to the host."""
        if run.process.poll() is not None:
            raise TimedOutError(f"tart run ended: {run.output()}")
        probe = _SSH_PROBE.format(run.vm)
        command = ["/System/Lab/python/bin/python3", "-IS", "-c", probe]
        return self.lab.exec("host", command).returncode == 0
