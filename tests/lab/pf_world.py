"""Three network namespaces for pf's tests: a guest, a host with bridge100 and en0, an internet.

guest en0 192.168.64.2, fd64::2 -- vmenet0 [bridge100 192.168.64.1, fd64::1] host
host en0 10.0.10.2 -- wan 10.0.10.1, which also owns 1.1.1.1 and knows no way to the guest
"""

import contextlib
import ctypes
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

LAB = Path(__file__).parents[2] / "lab"
_PFCTL = (
    f"import sys; sys.path.insert(0, {str(LAB)!r}); "
    "from mac.pf.pfctl import main; sys.exit(main(['pfctl', *sys.argv[1:]]))"
)
_CLONE_NEWNET = 0x40000000
GATEWAY, GUEST, HOST, WAN, INTERNET = (
    "192.168.64.1",
    "192.168.64.2",
    "10.0.10.2",
    "10.0.10.1",
    "1.1.1.1",
)
GATEWAY6, GUEST6 = "fd64::1", "fd64::2"
TIMEOUT_S = 0.6
MAIN = """\
scrub-anchor "com.apple/*"
nat-anchor "com.apple/*"
rdr-anchor "com.apple/*"
dummynet-anchor "com.apple/*"
anchor "com.apple/*"
"""


class World:
    """The three namespaces, and pf in the host's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._holders = {
            name: subprocess.Popen(
                ["unshare", "--net", "--kill-child", "sleep", "infinity"],
                stdout=subprocess.DEVNULL,
            )
            for name in ("guest", "host", "wan")
        }
        self._sockets: list[socket.socket] = []
        self._await_namespaces()
        self._wire()

    def hang_up(self) -> None:
        """Close every socket made so far."""
        for one in self._sockets:
            one.close()
        self._sockets.clear()

    def close(self) -> None:
        self.hang_up()
        for holder in self._holders.values():
            holder.kill()
            holder.wait()

    # -- the network ----------------------------------------------------------------------------

    def _await_namespaces(self) -> None:
        own = os.readlink("/proc/self/ns/net")
        deadline = time.monotonic() + 5
        for holder in self._holders.values():
            while os.readlink(f"/proc/{holder.pid}/ns/net") == own:
                assert time.monotonic() < deadline, "no network namespace"
                time.sleep(0.005)

    def run(self, where: str, *command: str, text: str | None = None) -> str:
        done = subprocess.run(
            ["nsenter", f"--net=/proc/{self._holders[where].pid}/ns/net", *command],
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout

    def _wire(self) -> None:
        pids = {name: str(holder.pid) for name, holder in self._holders.items()}
        self.run(
            "host",
            "sh",
            "-ec",
            f"""
            ip link add en0 type veth peer name wan0 netns {pids["wan"]}
            ip link add bridge100 type bridge
            ip link add vmenet0 type veth peer name en0 netns {pids["guest"]}
            ip link set vmenet0 master bridge100
            for i in lo en0 bridge100 vmenet0; do ip link set $i up; done
            ip addr add {HOST}/24 dev en0
            ip addr add {GATEWAY}/24 dev bridge100
            ip addr add {GATEWAY6}/64 dev bridge100 nodad
            ip route add default via {WAN}
            echo 1 > /proc/sys/net/ipv4/ip_forward
            """,
        )
        self.run(
            "guest",
            "sh",
            "-ec",
            f"""
            ip link set lo up; ip link set en0 up
            ip addr add {GUEST}/24 dev en0
            ip addr add {GUEST6}/64 dev en0 nodad
            ip route add default via {GATEWAY}
            """,
        )
        self.run(
            "wan",
            "sh",
            "-ec",
            f"""
            ip link set lo up; ip link set wan0 up
            ip addr add {WAN}/24 dev wan0
            ip addr add {INTERNET}/32 dev lo
            """,
        )

    # -- pf -------------------------------------------------------------------------------------

    def pfctl(
        self, *arguments: str, text: str | None = None, user: int = 0
    ) -> subprocess.CompletedProcess[str]:
        python = getattr(sys, "_base_executable", sys.executable)
        return subprocess.run(
            [
                "nsenter",
                f"--net=/proc/{self._holders['host'].pid}/ns/net",
                *(["setpriv", f"--reuid={user}", "--clear-groups"] if user else []),
                python,
                "-IS",
                "-c",
                _PFCTL,
                *arguments,
            ],
            input=text,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "LAB_PF_STATE": str(self.folder / "pf.json")},
        )

    def load(self, rules: str, anchor: str = "com.apple/000.test") -> None:
        done = self.pfctl("-a", anchor, "-f", "-", text=rules)
        assert done.returncode == 0, done.stderr

    def main(self, rules: str = MAIN) -> None:
        done = self.pfctl("-f", "-", text=rules)
        assert done.returncode == 0, done.stderr

    def python(self, code: str) -> None:
        """Run code in the host's namespace, with the lab's modules as `mac.*`."""
        python = getattr(sys, "_base_executable", sys.executable)
        namespace = f"--net=/proc/{self._holders['host'].pid}/ns/net"
        prelude = f"import sys; sys.path.insert(0, {str(LAB)!r}); "
        subprocess.run(
            ["nsenter", namespace, python, "-IS", "-c", prelude + code],
            check=True,
            env={**os.environ, "LAB_PF_STATE": str(self.folder / "pf.json")},
        )

    def sharing(self, call: str) -> None:
        self.python(f"from mac.pf import sharing; {call}")

    # -- probes ---------------------------------------------------------------------------------

    def make_socket(
        self, where: str, kind: socket.SocketKind, family: int = socket.AF_INET
    ) -> socket.socket:
        """A socket that lives in the namespace `where`."""
        made: list[socket.socket] = []

        def make() -> None:
            libc = ctypes.CDLL(None, use_errno=True)
            with open(f"/proc/{self._holders[where].pid}/ns/net", "rb") as namespace:
                assert libc.setns(namespace.fileno(), _CLONE_NEWNET) == 0
            made.append(socket.socket(family, kind))

        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        made[0].settimeout(TIMEOUT_S)
        self._sockets.append(made[0])
        return made[0]

    def listen(self, where: str, address: str, port: int) -> socket.socket:
        server = self.make_socket(where, socket.SOCK_STREAM, _family(address))
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((address, port))
        server.listen(16)
        return server

    def connect(self, where: str, address: str, port: int) -> socket.socket:
        client = self.make_socket(where, socket.SOCK_STREAM, _family(address))
        try:
            client.connect((address, port))
        except OSError:
            client.close()  # Otherwise the kernel goes on sending SYNs.
            raise
        return client

    def pair(self, server: socket.socket) -> tuple[socket.socket, socket.socket]:
        """A connection of the guest to a server of the host: both its ends."""
        host, port = server.getsockname()[:2]
        client = self.connect("guest", host, port)
        accepted, _ = server.accept()
        accepted.settimeout(TIMEOUT_S)
        return client, accepted

    def tcp(self, where: str, address: str, port: int) -> str:
        """`open`, `refused`, `silence` or `unreachable`."""
        try:
            self.connect(where, address, port).close()
        except TimeoutError:
            return "silence"
        except ConnectionRefusedError:
            return "refused"
        except OSError as problem:
            return problem.strerror or "unreachable"
        return "open"

    def udp(self, where: str, server: socket.socket, address: str, port: int) -> str:
        """Send one datagram and have it answered: `answer`, `refused` or `silence`."""
        client = self.make_socket(where, socket.SOCK_DGRAM, _family(address))
        client.connect((address, port))
        client.send(b"ping")
        with contextlib.suppress(TimeoutError):
            _, source = server.recvfrom(16)
            server.sendto(b"pong", source)
        try:
            client.recv(16)
        except TimeoutError:
            return "silence"
        except ConnectionRefusedError:
            return "refused"
        return "answer"

    def udp_server(self, where: str, address: str, port: int) -> socket.socket:
        server = self.make_socket(where, socket.SOCK_DGRAM, _family(address))
        server.bind((address, port))
        return server

    def ping(self, where: str, address: str) -> bool:
        done = subprocess.run(
            [
                "nsenter",
                f"--net=/proc/{self._holders[where].pid}/ns/net",
                *("ping", "-n", "-c", "1", "-W", "0.6", address),
            ],
            capture_output=True,
            check=False,
        )
        return done.returncode == 0


def _family(address: str) -> int:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


@contextlib.contextmanager
def world(folder: Path) -> Iterator[World]:
    """A world, taken down at the end."""
    made = World(folder)
    try:
        yield made
    finally:
        made.close()


@contextlib.contextmanager
def after_boot(made: World, *, enabled: bool = False) -> Iterator[World]:
    """A world whose pf has a Mac's main ruleset and nothing in its anchors."""
    (made.folder / "pf.json").unlink(missing_ok=True)
    made.main()
    if enabled:
        assert made.pfctl("-e").returncode == 0
        assert made.pfctl("-F", "states").returncode == 0
    try:
        yield made
    finally:
        made.hang_up()
        made.pfctl("-d")
