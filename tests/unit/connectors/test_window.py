"""The provisioning window: what it lets through, on real SSH connections in this process."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import paramiko
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.window import Window, parse_connect
from tests.unit.connectors import sshd

NAMES = ("build.example", ".cdn.example")


@pytest.mark.parametrize(
    ("name", "port", "allowed"),
    [
        ("build.example", 443, True),
        ("BUILD.Example.", 443, True),
        ("a.cdn.example", 443, True),
        ("a.b.cdn.example", 443, True),
        ("cdn.example", 443, False),
        ("www.build.example", 443, False),
        ("evilbuild.example", 443, False),
        ("evilcdn.example", 443, False),
        ("build.example.evil.example", 443, False),
        ("10.0.30.99", 443, False),
        ("127.0.0.1", 443, False),
        ("localhost", 443, False),
        ("build.example", 80, False),
        ("build.example", 22, False),
        ("build.example", 0, False),
        ("", 443, False),
        (".", 443, False),
    ],
)
def test_only_listed_names_on_443_are_allowed(name: str, port: int, allowed: bool) -> None:
    window = Window(None, None, NAMES)  # type: ignore[arg-type]
    assert window.allows(name, port) is allowed


def test_a_window_without_names_allows_nothing() -> None:
    assert not Window(None, None, ()).allows("build.example", 443)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("head", "target"),
    [
        (b"CONNECT a.example:443 HTTP/1.1\r\nHost: x\r\n\r\n", ("a.example", 443)),
        (b"CONNECT a.example:65535 HTTP/1.0\r\n\r\n", ("a.example", 65535)),
        (b"CONNECT a.example:65536 HTTP/1.1\r\n\r\n", None),
        (b"CONNECT a.example:+443 HTTP/1.1\r\n\r\n", None),
        (b"CONNECT a.example HTTP/1.1\r\n\r\n", None),
        (b"CONNECT :443 HTTP/1.1\r\n\r\n", None),
        (b"CONNECT .cdn.example:443 HTTP/1.1\r\n\r\n", None),
        (b"CONNECT [::1]:443 HTTP/1.1\r\n\r\n", None),
        (b"CONNECT 127.0.0.1\0.cdn.example:443 HTTP/1.1\r\n\r\n", None),
        (b"CONNECT evil.example/.cdn.example:443 HTTP/1.1\r\n\r\n", None),
        (b"CONNECT \xc3\xa4.example:443 HTTP/1.1\r\n\r\n", None),
        (b"CONNECT a.example:443 HTTP/2\r\n\r\n", None),
        (b"connect a.example:443 HTTP/1.1\r\n\r\n", None),
        (b"GET http://a.example/ HTTP/1.1\r\n\r\n", None),
        (b"\x16\x03\x01\x02\x00", None),
        (b"", None),
    ],
)
def test_a_request_is_a_connect_or_nothing(head: bytes, target: tuple[str, int] | None) -> None:
    assert parse_connect(head) == target


@given(st.binary(max_size=300))
def test_no_bytes_make_the_parser_fail(head: bytes) -> None:
    target = parse_connect(head)
    assert target is None or (0 <= target[1] <= 65535 and target[0].isascii())


@given(st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}\.){0,3}[a-z0-9]{1,10}", fullmatch=True))
def test_every_host_name_is_understood(name: str) -> None:
    assert parse_connect(f"CONNECT {name}:443 HTTP/1.1\r\n\r\n".encode()) == (name, 443)


class Echo:
    """A TCP server that answers each line in capitals."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()
        self.open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self.listener.accept()
                self.open.append(sock)
                threading.Thread(target=self._answer, args=(sock,), daemon=True).start()

    @staticmethod
    def _answer(sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := sock.recv(4096):
                sock.sendall(data.upper())
            sock.close()


@pytest.fixture
def echo() -> Iterator[Echo]:
    echo = Echo()
    yield echo
    echo.listener.close()


class Guest:
    """Both ends of the run's connection to the guest, and what the guest may do with its port."""

    def __init__(self) -> None:
        here, there = socket.socketpair()
        self.server = sshd.SSHServer()
        self.server.passwords = {"admin": "admin"}
        self.inside = self.server.serve(there)
        self.run = paramiko.Transport(here)
        self.run.connect(username="admin", password="admin")

    def dial(self, window: Window) -> paramiko.Channel:
        """Connect to the window's port inside the guest."""
        return self.inside.open_forwarded_tcpip_channel(
            ("127.0.0.1", 40000), ("127.0.0.1", window.port)
        )

    def ask(self, window: Window, request: str) -> tuple[paramiko.Channel, str]:
        """Send a request; return the channel and the status line."""
        channel = self.dial(window)
        channel.settimeout(5)
        channel.sendall(f"{request}\r\nHost: x\r\n\r\n".encode())
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            chunk = channel.recv(1)
            if not chunk:
                break
            answer += chunk
        return channel, answer.decode().split("\r\n")[0]


@pytest.fixture
def guest() -> Iterator[Guest]:
    guest = Guest()
    yield guest
    guest.run.close()
    guest.server.close()


@pytest.fixture
def dialled(monkeypatch: pytest.MonkeyPatch, echo: Echo) -> list[tuple[str, int]]:
    """Send what the window dials to the echo server, and return what that was."""
    dialled: list[tuple[str, int]] = []
    real = socket.create_connection

    def create(address: tuple[str, int], timeout: float) -> socket.socket:
        dialled.append(address)
        if address[0] == "down.cdn.example":
            raise ConnectionRefusedError
        return real(echo.address, timeout)

    monkeypatch.setattr("connectors.window.socket.create_connection", create)
    return dialled


def test_an_allowed_name_is_reached_with_data_both_ways(
    guest: Guest, dialled: list[tuple[str, int]]
) -> None:
    with Window(guest.run, None, NAMES) as window:
        channel, status = guest.ask(window, "CONNECT build.example:443 HTTP/1.1")
        assert status == "HTTP/1.1 200 Connection established"
        channel.sendall(b"hello")
        assert channel.recv(100) == b"HELLO"
        channel.sendall(b"again")
        assert channel.recv(100) == b"AGAIN"
        assert dialled == [("build.example", 443)]


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        ("CONNECT evil.example:443 HTTP/1.1", "HTTP/1.1 403 Not a build domain"),
        ("CONNECT 10.0.30.99:443 HTTP/1.1", "HTTP/1.1 403 Not a build domain"),
        ("CONNECT build.example:22 HTTP/1.1", "HTTP/1.1 403 Not a build domain"),
        ("GET http://build.example/ HTTP/1.1", "HTTP/1.1 405 Only CONNECT"),
        ("CONNECT down.cdn.example:443 HTTP/1.1", "HTTP/1.1 502 The host cannot reach it"),
    ],
)
def test_anything_else_gets_an_answer_and_no_connection(
    guest: Guest, dialled: list[tuple[str, int]], echo: Echo, request_line: str, status: str
) -> None:
    with Window(guest.run, None, NAMES) as window:
        channel, answer = guest.ask(window, request_line)
        assert answer == status
        assert channel.recv(1) == b""
    assert echo.open == []
    assert [name for name, _ in dialled if name not in {"down.cdn.example"}] == []


def test_what_was_refused_is_said_at_the_end(
    guest: Guest, caplog: pytest.LogCaptureFixture
) -> None:
    with Window(guest.run, None, NAMES) as window:
        guest.ask(window, "CONNECT evil.example:443 HTTP/1.1")
    assert window.refused == {"evil.example:443"}
    assert "evil.example:443 was asked for and is not listed" in caplog.text


def test_the_environment_leads_to_the_window_and_nowhere_around_it(guest: Guest) -> None:
    with Window(guest.run, None, NAMES) as window:
        assert window.port == 45678
        assert window.environment == (
            "export https_proxy=http://127.0.0.1:45678 HTTPS_PROXY=http://127.0.0.1:45678 "
            "ALL_PROXY=http://127.0.0.1:45678 no_proxy= NO_PROXY=;"
        )


def test_names_are_resolved_by_the_host_when_it_is_remote(guest: Guest, echo: Echo) -> None:
    with sshd.running() as mac:
        mac.passwords = {"me": "x"}
        mac.forwards = {("build.example", 443): echo.address}
        host = paramiko.Transport(("127.0.0.1", mac.port))
        host.connect(username="me", password="x")
        with Window(guest.run, host, NAMES) as window:
            channel, status = guest.ask(window, "CONNECT build.example:443 HTTP/1.1")
            assert status == "HTTP/1.1 200 Connection established"
            channel.sendall(b"through the mac")
            assert channel.recv(100) == b"THROUGH THE MAC"
            assert mac.forwarded == [("build.example", 443)]
        host.close()


def eventually(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + 5
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.01)
    return False


@pytest.mark.usefixtures("dialled")
def test_what_is_still_open_ends_with_the_window(guest: Guest, echo: Echo) -> None:
    with Window(guest.run, None, NAMES) as window:
        channel, _ = guest.ask(window, "CONNECT build.example:443 HTTP/1.1")
        assert eventually(lambda: len(echo.open) == 1)
    assert channel.recv(1) == b""
    assert eventually(lambda: [sock.fileno() for sock in echo.open] == [-1])


@pytest.mark.usefixtures("dialled")
def test_what_is_open_ends_with_the_connection(guest: Guest, echo: Echo) -> None:
    window = Window(guest.run, None, NAMES)
    with window:
        guest.ask(window, "CONNECT build.example:443 HTTP/1.1")
        guest.run.close()
        assert eventually(lambda: [sock.fileno() for sock in echo.open] == [-1])


def test_after_the_window_the_port_leads_nowhere(guest: Guest) -> None:
    with Window(guest.run, None, NAMES) as window:
        pass
    with pytest.raises(paramiko.SSHException):
        guest.dial(window)


@pytest.mark.usefixtures("dialled")
def test_a_guest_that_hangs_up_ends_the_other_side_too(guest: Guest, echo: Echo) -> None:
    with Window(guest.run, None, NAMES) as window:
        channel, _ = guest.ask(window, "CONNECT build.example:443 HTTP/1.1")
        channel.close()
        assert eventually(lambda: [sock.fileno() for sock in echo.open] == [-1])
