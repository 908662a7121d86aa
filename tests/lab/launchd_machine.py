"""A machine with nothing but process 1, for tests of launchd without a whole lab.

Its root is a scratch folder (LAB_ROOT_PREFIX), its accounts are `admin` (501, password "admin") and
root, its processes and network are its own.
"""

import os
import plistlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
INIT = CHECKOUT / "lab/mac/launchd/init.py"
DAEMONS = "Library/LaunchDaemons"
AGENTS = "Library/LaunchAgents"
KCPASSWORD_ADMIN = bytes.fromhex("1ced3f4abcbcba2ccaca4e82")
RUN = (
    "import os, sys; from lab.mac.launchd import {module} as m; uid = int(sys.argv[1]);"
    "(os.setgroups([]), os.setgid(20), os.setuid(uid)) if uid else None;"
    "sys.exit(m.main(sys.argv[2:]))"
)
BOOT = """
mount --bind {root}/passwd /etc/passwd && mount --bind {root}/group /etc/group &&
ip link set lo up && exec {python} -IS {init}
"""


class Machine:
    """One machine; `boot` and the ways down may be repeated on the same disk."""

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="launchd-"))
        self.root.chmod(0o755)
        self.outside: subprocess.Popen[bytes] | None = None
        for folder in (DAEMONS, AGENTS, f"System/{DAEMONS}", f"System/{AGENTS}", "private/etc",
                       "Library/Preferences", f"Users/admin/{AGENTS}", "out"):  # fmt: skip
            (self.root / folder).mkdir(parents=True)
        (self.root / "out").chmod(0o777)
        (self.root / "passwd").write_text(
            "root:x:0:0:root:/var/root:/bin/sh\nadmin:x:501:20:Admin:/Users/admin:/bin/zsh\n"
        )
        (self.root / "group").write_text("wheel:x:0:\nstaff:x:20:\nadmin:x:80:admin\n")
        hashed = subprocess.run(
            ["openssl", "passwd", "-6", "-salt", "lab", "admin"],
            check=True, capture_output=True, text=True,
        ).stdout.strip()  # fmt: skip
        (self.root / "private/etc/shadow").write_text(f"root:*:1::::::\nadmin:{hashed}:1::::::\n")

    def auto_login(self, kcpassword: bytes = KCPASSWORD_ADMIN, mode: int = 0o600) -> None:
        """Set the machine up to log admin in at boot."""
        file = self.root / "private/etc/kcpassword"
        file.write_bytes(kcpassword)
        file.chmod(mode)
        preferences = self.root / "Library/Preferences/com.apple.loginwindow.plist"
        preferences.write_bytes(plistlib.dumps({"autoLoginUser": "admin"}))

    def plist(self, label: str, *command: str, folder: str = DAEMONS, **keys: Any) -> Path:
        """Write a job's property list, 0644; a command that is no path is a shell script."""
        if command and not command[0].startswith("/"):
            command = ("/bin/sh", "-c", *command)
        tree = {"Label": label, "ProgramArguments": list(command), **keys}
        path = self.root / folder / f"{label}.plist"
        path.write_bytes(plistlib.dumps({key: v for key, v in tree.items() if v is not None}))
        path.chmod(0o644)
        return path

    def load(self, label: str, *command: str, **keys: Any) -> Path:
        """Write a daemon's property list and bootstrap it."""
        path = self.plist(label, *command, **keys)
        loaded = self.launchctl("bootstrap", "system", str(path))
        assert (loaded.returncode, loaded.stderr) == (0, "")
        return path

    def boot(self) -> None:
        """Start process 1 and wait until it answers."""
        script = BOOT.format(root=self.root, python=os.path.realpath(sys.executable), init=INIT)
        self.outside = subprocess.Popen(
            ["unshare", "-pfmn", "--kill-child", "--mount-proc", "sh", "-c", script],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LAB_ROOT_PREFIX": str(self.root)},
        )
        wait_for(lambda: self.launchctl("version").returncode == 0, "boot")
        wait_for(lambda: self.launchctl("print", "system").returncode == 0, "an answer")

    @property
    def pid1(self) -> int:
        """Process 1, as the machine around sees it."""
        assert self.outside is not None
        children = Path(f"/proc/{self.outside.pid}/task/{self.outside.pid}/children").read_text()
        return int(children.split()[0])

    def run(self, module: str, *argv: str, uid: int = 0) -> subprocess.CompletedProcess[str]:
        """Run a stand-in; argv[0] is its name."""
        return subprocess.run(
            [sys.executable, "-c", RUN.format(module=module), str(uid), *argv],
            env={"PATH": os.environ["PATH"], "LAB_ROOT_PREFIX": str(self.root)},
            cwd=CHECKOUT, check=False, capture_output=True, text=True, timeout=20,
        )  # fmt: skip

    def launchctl(self, *argv: str, uid: int = 0) -> subprocess.CompletedProcess[str]:
        """Run launchctl as root, or as another user."""
        return self.run("launchctl", "launchctl", *argv, uid=uid)

    def inside(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run a program among the machine's processes and in its network, as root."""
        return subprocess.run(
            ["nsenter", "-t", str(self.pid1), "-p", "-m", "-n", *argv],
            env={"PATH": os.environ["PATH"], "LAB_ROOT_PREFIX": str(self.root)},
            cwd=CHECKOUT, check=False, capture_output=True, text=True, timeout=20,
        )  # fmt: skip

    def field(self, label: str, key: str, domain: str = "system") -> str | None:
        """Return a value that `launchctl print` shows, None when there is none."""
        for line in self.launchctl("print", f"{domain}/{label}").stdout.splitlines():
            name, equals, value = line.strip().partition(" = ")
            if name == key and equals:
                return value
        return None

    def loaded(self, label: str, domain: str = "system") -> bool:
        """Say whether launchd knows the job."""
        return self.launchctl("print", f"{domain}/{label}").returncode == 0

    def out(self, name: str) -> str:
        """Return what a job wrote to a file of the out folder; "" before it did."""
        path = self.root / "out" / name
        return path.read_text() if path.exists() else ""

    @property
    def log(self) -> str:
        """Return launchd's log."""
        return (self.root / "private/var/log/com.apple.xpc.launchd/launchd.log").read_text()

    def exit_status(self, timeout: float = 10) -> int:
        """Wait for process 1 to end; return its exit status."""
        assert self.outside is not None
        return self.outside.wait(timeout)

    def power_off(self) -> None:
        """SIGKILL process 1: everything ends at once."""
        if self.outside is not None and self.outside.poll() is None:
            os.kill(self.pid1, signal.SIGKILL)
            self.outside.wait(10)

    def discard(self) -> None:
        """Leave nothing behind."""
        self.power_off()
        shutil.rmtree(self.root)


def wait_for(condition: Callable[[], Any], what: str, timeout: float = 8) -> Any:
    """Return the first truthy value of the condition; fail when it stays false."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.03)
    raise AssertionError(f"not within {timeout} s: {what}")
