"""One running guest: from `start` to its end, through reboots, with its port and its lease."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import IO

from .network import Network, Port
from .shares import Share
from .wire import GUESTS_FOLDER

REBOOT_STATUS = 65
HALT_STATUS = 0
VSOCK_FOLDER = "/System/Lab/vsock"
CONSOLES_FOLDER = "/private/var/log/lab-guests"
_HELPER_PROGRAM = """\
import sys
sys.path.insert(0, "/System/Lab")
from mac.virtualization.boot import main
sys.exit(main())
"""
_HELPER = ("/System/Lab/python/bin/python3", "-IS", "-c", _HELPER_PROGRAM)


@dataclass(frozen=True)
class Hardware:
    """What `tart run` asks for: `disk` is the disk's folder, sizes in MB and decimal GB."""

    name: str
    disk: str
    mac: str
    cpu: int
    memory_mb: int
    disk_gb: int
    shares: list[Share] = field(default_factory=list)


class Guest:
    """A guest under way. `ended` is called once, with a reason: "stopped", "crashed: …", "cut"."""

    def __init__(self, hardware: Hardware, network: Network, softnet: bool) -> None:
        self.hardware = hardware
        self.pid = 0
        self._network = network
        self._softnet = softnet
        self._port: Port | None = None
        self._helper: subprocess.Popen[str] | None = None
        self._cut = False
        self._lock = threading.Lock()
        self._folder = f"{GUESTS_FOLDER}/{os.path.basename(hardware.disk)}"
        self._state_file = f"{GUESTS_FOLDER}/{hardware.name}.json"
        self.vsock = f"{self._folder}/vsock"

    def start(self, ended: Callable[[str], None]) -> None:
        """Boot; return when process 1 runs. Raises RuntimeError."""
        os.makedirs(self.vsock, exist_ok=True)
        os.chmod(self.vsock, 0o1777)
        os.makedirs(CONSOLES_FOLDER, exist_ok=True)
        self._boot()
        threading.Thread(target=self._watch, args=(ended,), daemon=True).start()

    def cut(self) -> None:
        """Cut the power: process 1 is killed, what was not on the disk is lost."""
        with self._lock:
            self._cut = True
            if self.pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.pid, signal.SIGKILL)

    @property
    def dying(self) -> bool:
        """Whether its power has been cut and it is only a matter of moments."""
        return self._cut

    def _boot(self) -> None:
        for stale in os.listdir(self.vsock):
            os.unlink(f"{self.vsock}/{stale}")
        helper = subprocess.Popen(
            _HELPER,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert helper.stdin is not None
        assert helper.stdout is not None
        order = {
            "disk": self.hardware.disk,
            "binds": [
                {"source": self._machine_file(), "target": "/System/Lab/machine.json"},
                {"source": self.vsock, "target": VSOCK_FOLDER, "writable": True},
                {"source": self._run_folder(), "target": "/private/var/run", "writable": True},
            ],
            "shares": [asdict(share) for share in self.hardware.shares],
            "console": f"{CONSOLES_FOLDER}/{self.hardware.name}.log",
        }
        _say(helper.stdin, json.dumps(order))
        _expect(helper, "ready")
        self._port = self._network.connect(helper.pid, self.hardware.mac, softnet=self._softnet)
        with self._lock:
            self._helper = helper
            if self._cut:
                helper.kill()
            else:
                _say(helper.stdin, "go")
                self.pid = int(_expect(helper, "pid").split()[1])
        self._write_state()

    def _watch(self, ended: Callable[[str], None]) -> None:
        while True:
            assert self._helper is not None
            status = self._helper.wait()
            self._power_off()
            if status != REBOOT_STATUS or self._cut:
                break
            try:
                self._boot()
            except (RuntimeError, OSError) as error:
                status = str(error)  # type: ignore[assignment]
                break
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._state_file)
        shutil.rmtree(self._folder, ignore_errors=True)
        ended("cut" if self._cut else "stopped" if status == HALT_STATUS else f"crashed: {status}")

    def _power_off(self) -> None:
        with self._lock:
            self.pid = 0
        if self._port:
            self._network.disconnect(self._port)
            self._port = None
        if self._helper:
            for pipe in (self._helper.stdin, self._helper.stdout):
                if pipe:
                    with contextlib.suppress(OSError):
                        pipe.close()

    def _machine_file(self) -> str:
        with open("/System/Lab/machine.json", encoding="utf-8") as file:
            host = json.load(file)
        facts = host | {
            "role": "guest",
            "name": self.hardware.name,
            "cpu": self.hardware.cpu,
            "memory_mb": self.hardware.memory_mb,
            "disk_gb": self.hardware.disk_gb,
        }
        path = f"{self._folder}/machine.json"
        with open(path, "w", encoding="utf-8") as file:
            json.dump(facts, file)
        return path

    def _run_folder(self) -> str:
        """Make the /var/run that a boot starts with: empty but for what DHCP says of DNS."""
        folder = f"{self._folder}/run"
        shutil.rmtree(folder, ignore_errors=True)
        # Debian's sshd wants its folder here, at each boot.
        os.makedirs(f"{folder}/sshd", mode=0o755)
        with open(f"{folder}/resolv.conf", "w", encoding="ascii") as file:
            file.write(f"nameserver {self._network.gateway}\n")
        return folder

    def _write_state(self) -> None:
        assert self._port is not None
        facts = {
            "pid": self.pid,
            "ip": self._port.address,
            "vmenet": self._port.name,
            "booted": time.time(),
        }
        with open(f"{self._state_file}.new", "w", encoding="utf-8") as file:
            json.dump(facts, file)
        os.replace(f"{self._state_file}.new", self._state_file)


def _say(pipe: IO[str], words: str) -> None:
    pipe.write(words + "\n")
    pipe.flush()


def _expect(helper: subprocess.Popen[str], word: str) -> str:
    assert helper.stdout is not None
    line = helper.stdout.readline()
    if not line.startswith(word):
        raise RuntimeError(f"the guest's helper said {line!r}, not {word!r}")
    return line
