"""A lab from the outside: start it, run commands in it, read what its stand-ins did, end it."""

import json
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import arrivals, power, start
from lab.clock import Clock
from lab.enter import LINUX_BIN, as_user, enter
from lab.state import (
    CLOCK,
    LabError,
    State,
    claimed,
    kill_unready,
    kill_world,
    release,
    root,
    start_time,
)

LINUX_NFT = "/System/Lab/linux/sbin/nft"
GUESTS = "/private/var/run/lab-guests"


@dataclass(frozen=True)
class Lab:
    """A running lab. Make one with `Lab.up`, find one with `Lab.named`."""

    name: str
    facts: dict[str, Any]

    @classmethod
    def up(
        cls,
        name: str = "default",
        *,
        subnet: str | None = None,
        bridge: int = 100,
        image: Path | None = None,
        clock: bool = False,
    ) -> "Lab":
        """Start a lab and return it when its host's sshd answers.

        `subnet` is the gateway of the guests' network with its prefix, 192.168.64.1/24 if not
        given. `image` is what `save` made: the host boots from a copy, and keeps that network.
        With `clock` it has a clock of its own. Raises LabError.
        """
        options = start.Options(subnet or start.Options.subnet, bridge, image=image, clock=clock)
        return cls(name, start.start(State.of(name), options))

    @classmethod
    def named(cls, name: str = "default") -> "Lab":
        """Return a lab that is running. Raises LabError when there is none of this name."""
        facts = State.of(name).facts()
        if facts is None or start_time(facts["pid"]) != facts["starttime"]:
            raise LabError(
                f"lab {name} is not running; start it with: python -m lab up --name {name}"
            )
        return cls(name, facts)

    @property
    def state(self) -> State:
        """Return where its files are."""
        return State.of(self.name)

    @property
    def clock(self) -> Clock:
        """Return its own clock. Raises LabError when it was started without one."""
        folder = self.state.folder / CLOCK
        if not folder.is_dir():
            raise LabError(
                f"lab {self.name} has no clock of its own; "
                f"start one that has: python -m lab up --clock --name {self.name}"
            )
        return Clock(folder)

    @property
    def ssh_port(self) -> int:
        """Return the port of 127.0.0.1 that leads to the host's sshd."""
        return int(self.facts["ssh_port"])

    def exec(
        self,
        machine: str,
        command: Sequence[str],
        *,
        user: str = "root",
        input: str | None = None,  # noqa: A002 - as subprocess.run's own
        timeout: float | None = 60,
        check: bool = False,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on `host`, `guest:VM`, `lan` or `internet`; return its text output.

        It gets the bare environment that launchd gives. Raises LabError (no such machine),
        TimeoutExpired (the command is killed then), CalledProcessError if `check`.
        """
        return subprocess.run(
            self.command(machine, command, user=user),
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=check,
        )

    def command(self, machine: str, command: Sequence[str], *, user: str = "root") -> list[str]:
        """Return the command line, for this machine, that runs `command` in the lab."""
        if not command:
            raise LabError("no command given")
        match machine.partition(":"):
            case ("lan", "", _):
                return self._outside(self.facts["pid"], command)
            case ("internet", "", _):
                return self._outside(self.facts["internet_pid"], command)
            case ("host", "", _):
                return [*enter(self._host_pid()), *as_user(user, command)]
            case ("guest", ":", vm) if vm:
                inner = enter(self._guest_pid(vm), f"{LINUX_BIN}/nsenter")
                return [*enter(self._host_pid()), *inner, *as_user(user, command)]
        raise LabError(f"{machine!r} is no machine of a lab: host, guest:VM, lan or internet")

    def ssh(self, *command: str) -> list[str]:
        """Return the `ssh` command line by which the operator reaches the host."""
        options = {
            "IdentityFile": self.facts["key"],
            "IdentitiesOnly": "yes",
            "UserKnownHostsFile": self.facts["known_hosts"],
            "StrictHostKeyChecking": "yes",
            "BatchMode": "yes",
            "LogLevel": "ERROR",
        }
        flags = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
        port = str(self.ssh_port)
        return [
            "ssh",
            "-F",
            "none",
            *flags,
            "-p",
            port,
            f"{self.facts['user']}@127.0.0.1",
            *command,
        ]

    def calls(self) -> list[dict[str, Any]]:
        """Return every call of a stand-in so far, oldest first."""
        return _json_lines(self.state.log / "calls.jsonl")

    def visits(self, where: str = "internet") -> list[dict[str, Any]]:
        """Return what the servers of `internet` or `lan` saw, oldest first."""
        return _json_lines(self.state.log / f"{where}.jsonl")

    def arrivals(self, where: str, match: str = "") -> arrivals.Arrivals:
        """Count packets from now on, below all servers; use it as a context.

        `where` is `internet` or `lan` (what comes to them from the host), `host` (what pf let
        through from a bridge to the host itself) or `guest:VM`. `match` is an nft expression, as
        `ip daddr 10.0.30.99 meta l4proto udp`. Raises LabError.
        """
        kind, _, vm = where.partition(":")
        if kind not in arrivals.PLACES or (kind == "guest") != bool(vm):
            raise LabError(f"{where!r} counts nothing: host, guest:VM, lan or internet")
        if kind == "guest":
            inner = [f"{LINUX_BIN}/nsenter", f"--target={self._guest_pid(vm)}", "--net", "--"]
            nft = [*enter(self._host_pid()), *inner, LINUX_NFT]
        else:
            pids = {"lan": "pid", "internet": "internet_pid", "host": "host_pid"}
            pid = self._refreshed()[pids[kind]]
            nft = ["nsenter", f"--target={pid}", "--net", "--", "nft"]
        return arrivals.count(nft, kind, match)

    def hold(self, calls: int) -> None:
        """Block stand-ins from the call on that makes the log this many lines long."""
        temporary = self.state.log / "hold.new"
        temporary.write_text(str(calls))
        temporary.rename(self.state.log / "hold")

    def unhold(self) -> None:
        """Let held stand-ins go on."""
        (self.state.log / "hold").unlink(missing_ok=True)

    def reboot(self, *, power_cut: bool = False) -> None:
        """Boot the host again, its jobs ended in good order or not at all; wait for its sshd.

        Its disk stays; /var/run, /tmp, pf, interfaces and guests go. Raises LabError.
        """
        if power_cut:
            self._power("off")
        self._power("on" if power_cut else "reboot")

    def power_off(self) -> None:
        """Cut the host's power, and leave it off. Raises LabError."""
        self._power("off")

    def power_on(self) -> None:
        """Boot a host that is off, and wait for its sshd; nothing if it is on. Raises LabError."""
        self._power("on")

    def save(self, folder: Path) -> None:
        """Copy the host's disk, its guests' disks and the operator's keys into a new folder.

        `Lab.up(image=folder)` boots from it. The host must be off. Raises LabError.
        """
        if start_time(int(self._refreshed()["host_pid"])) is not None:
            raise LabError(f"the host of lab {self.name} runs; switch it off first")
        if folder.exists():
            raise LabError(f"{folder} exists; give the name of a folder to make")
        folder.mkdir(parents=True)
        start.copy(self.state.folder, folder)

    def wait_for_boot(self, number: int, timeout_s: float = 30) -> None:
        """Wait until the host has booted for the n-th time and shows its sshd's banner.

        For reboots that come from inside; the first boot is number 1. Raises LabError.
        """
        deadline = time.monotonic() + timeout_s
        while self._refreshed()["boots"] < number:
            if time.monotonic() > deadline:
                raise LabError(f"the host of lab {self.name} did not boot again")
            time.sleep(0.02)
        self._power("on")

    def down(self) -> None:
        """End it and leave nothing behind. Raises LabError."""
        down(self.name)

    def _power(self, what: str) -> None:
        try:
            power.ask(self.state.folder, what)
        except power.PowerError as problem:
            raise LabError(f"lab {self.name}: {problem}") from problem
        self._refreshed()

    def _refreshed(self) -> dict[str, Any]:
        """Return the facts as they are now: a reboot gives the host another process 1."""
        self.facts.update(self.state.facts() or {})
        return self.facts

    def _host_pid(self) -> int:
        pid = int(self._refreshed()["host_pid"])
        if start_time(pid) is None:
            raise LabError(f"the host of lab {self.name} has ended")
        return pid

    def _guest_pid(self, vm: str) -> int:
        file = Path(f"/proc/{self._host_pid()}/root{GUESTS}/{vm}.json")
        try:
            return int(json.loads(file.read_text())["pid"])
        except (OSError, ValueError, KeyError):
            raise LabError(f"no guest {vm} runs in lab {self.name}") from None

    def _outside(self, pid: int, command: Sequence[str]) -> list[str]:
        if start_time(pid) is None:
            raise LabError(f"that part of lab {self.name} has ended")
        enter = ["nsenter", f"--target={pid}", "--net", "--mount", "--pid", "--"]
        return [*enter, "setpriv", "--pdeathsig", "KILL", "--", *command]


def down(name: str) -> bool:
    """End a lab, running or not, and remove its files; return whether there was one.

    Raises LabError when it resists.
    """
    state = State.of(name)
    facts = state.facts()
    if facts is not None:
        kill_world(facts["pid"], facts["starttime"])
    else:
        kill_unready(name)
    existed = state.folder.exists() or state.lock_file.exists()
    with claimed(state):
        state.remove()
        release(state)
    return existed


def all_labs() -> list[tuple[str, dict[str, Any] | None]]:
    """Return every lab with its facts; None for one that is dead or not ready."""
    found = []
    folders = sorted(root().iterdir()) if root().is_dir() else []
    for folder in folders:
        if folder.is_dir():
            facts = State(folder.name, folder).facts()
            alive = facts is not None and start_time(facts["pid"]) == facts["starttime"]
            found.append((folder.name, facts if alive else None))
    return found


def _json_lines(file: Path) -> list[dict[str, Any]]:
    try:
        lines = file.read_text().splitlines()
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in lines]
