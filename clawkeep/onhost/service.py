"""What the proxy and the resolver have in common: one unprivileged daemon on the gateway each.

Its configuration is root's, is replaced only by one that the program itself can read, and counts
only in the boot in which it was written: nothing that was open before a reboot is served after it.
"""

from __future__ import annotations

import hashlib
import json
import os
import pwd
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from clawkeep.link import Link
from clawkeep.onhost import jobs, store, vet, world
from clawkeep.render.plist import CLAWKEEP, property_list

LOG_DIR = "/var/log/clawkeep"
POLL_S = 0.2


def digest(text: str) -> str:
    """Return the SHA-256 of a text, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Service:
    """One daemon: its verb (`clawkeep VERB`), its program, and its files.

    `told` is the note of what the daemon was last told and whether it heard it; it lies in
    /var/run, so it is gone at each boot. `files` limits the open files, None leaves launchd's.
    """

    verb: str
    program: str
    conf: Path
    told_file: Path
    port: int
    files: int | None = None

    @property
    def label(self) -> str:
        """Its launchd label."""
        return f"com.nanoclaw.{self.verb}"

    def daemon(self, user: str) -> bytes:
        """Return its LaunchDaemon; constant for a user.

        Unprivileged, as the bridges are: whoever owns Homebrew can replace the program.
        """
        errors = f"{LOG_DIR}/{self.verb}.err.log"
        limits = {"NumberOfFiles": self.files} if self.files else None
        return property_list(
            {
                "Label": self.label,
                "ProgramArguments": [CLAWKEEP, self.verb],
                "UserName": user,
                "RunAtLoad": True,
                "KeepAlive": True,
                "ThrottleInterval": 5,
                "ExitTimeOut": 5,
                **({"SoftResourceLimits": limits, "HardResourceLimits": limits} if limits else {}),
                "WorkingDirectory": "/var/empty",
                "Umask": "027",
                "StandardOutPath": errors,
                "StandardErrorPath": errors,
            }
        )

    def told(self) -> dict[str, Any]:
        """Return the note, empty when there is none that can be read."""
        try:
            told = json.loads(store.read(self.told_file) or "{}")
        except ValueError:
            return {}
        return told if isinstance(told, dict) else {}

    def tell(self, note: dict[str, Any], how: Callable[[], str]) -> str:
        """Note what it is told before and after telling it by `how`; return what `how` did."""
        store.write(self.told_file, json.dumps({**note, "heard": False}) + "\n")
        did = how()
        store.write(self.told_file, json.dumps({**note, "heard": True}) + "\n")
        return did

    def stop(self) -> bool:
        """End it and take its files away; False when it was not there."""
        if not self.told_file.exists() and not jobs.on_disk(self.label):
            return False
        jobs.unload(self.label)
        self.told_file.unlink(missing_ok=True)
        self.conf.unlink(missing_ok=True)
        return True

    def install(self, text: str, problem: Callable[[Path], str | None]) -> None:
        """Put `text` in place when `problem` finds none in it. Raises RuntimeError if it does."""
        new = self.conf.with_name(f".{self.conf.name}.check")
        name = Path(self.program).name
        store.write(new, text)
        try:
            if found := problem(new):
                store.event("refused", f"{self.conf.name} was not replaced: {found}")
                raise RuntimeError(f"{name} refuses its configuration: {found}")
            new.replace(self.conf)
        finally:
            new.unlink(missing_ok=True)

    def ask(
        self, arguments: Sequence[str], user: str, timeout_s: float = 30
    ) -> subprocess.CompletedProcess[str]:
        """Run the program as the unprivileged `user`: root runs nothing of Homebrew's.

        Raises RuntimeError (no such user or program), OSError, TimeoutExpired.
        """
        name = Path(self.program).name
        try:
            account = pwd.getpwnam(user)
        except KeyError as error:
            raise RuntimeError(f"the host has no user {user} to run {name} as") from error
        if not os.access(self.program, os.X_OK):
            raise RuntimeError(
                f"{self.program} is not there; converge the base phase, which installs {name!r}"
            )
        return world.run(
            [self.program, *arguments],
            timeout_s=timeout_s,
            **world.as_user(account.pw_uid, account.pw_gid, cwd="/var/empty"),
        )

    def wait_until_ready(self) -> None:
        """Wait for a configuration of this boot, and for the gateway that it names."""
        while not self.ready():
            time.sleep(POLL_S)

    def ready(self) -> bool:
        """Tell whether the configuration is what this boot's refresh wrote, and the gateway is."""
        text, link = store.read(self.conf), world.link()
        if text is None or link is None or self.told().get("digest") != digest(text):
            return False
        return has(link)

    def listening(self, gateway: IPv4Address, timeout_s: float) -> bool:
        """Wait until it listens on the gateway; False when it does not in time.

        Not by a connection, which it would note. Raises OSError when the gateway is gone.
        """
        deadline = time.monotonic() + timeout_s
        while not vet.taken(gateway, self.port):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True


def has(link: Link) -> bool:
    """Tell whether the host has the gateway's address at this moment."""
    with socket.socket() as probe:
        try:
            probe.bind((str(link.gateway), 0))
        except OSError:
            return False
    return True
