"""The run's end of the provisioning window, with a real process that holds it."""

from __future__ import annotations

import getpass
import shlex
import socket
import time
from collections.abc import Callable
from pathlib import Path

import paramiko
import pytest
from pyinfra.api.exceptions import PyinfraError

from connectors.window import Window
from tests.unit.connectors.streams import StreamServer

HOLDS = """echo "$@" > "$here/argv"
echo open 192.168.64.1:3128
cat > /dev/null
echo closed > "$here/closed"
"""


def appears(path: Path, timeout_s: float = 5) -> bool:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if path.exists():
            return True
        time.sleep(0.01)
    return False


def test_it_is_open_while_it_is_entered(
    program: Callable[[str], Path], host: paramiko.Transport | None
) -> None:
    folder = program(HOLDS)
    with Window(host, ("a.example", ".b.example")) as window:
        assert window.proxy == "http://192.168.64.1:3128"
        assert not (folder / "closed").exists()
    assert (folder / "closed").exists()
    who = f"{getpass.getuser()}@{socket.gethostname()}"
    said = f"window hold --for 45m --domains a.example,.b.example --who {who}\n"
    assert (folder / "argv").read_text() == said


def test_its_environment_goes_around_every_exemption(
    program: Callable[[str], Path], host: paramiko.Transport | None
) -> None:
    program(HOLDS)
    with Window(host, ("a.example",)) as window:
        text = window.environment
    assert text.startswith("export https_proxy=http://192.168.64.1:3128 HTTPS_PROXY=")
    assert text.endswith(" no_proxy= NO_PROXY=;")


def test_it_closes_when_what_runs_in_it_fails(
    program: Callable[[str], Path], host: paramiko.Transport | None
) -> None:
    folder = program(HOLDS)
    with pytest.raises(ZeroDivisionError), Window(host, ("a.example",)):
        raise ZeroDivisionError
    assert (folder / "closed").exists()


def test_one_that_does_not_open_says_why_and_nothing_runs_in_it(
    program: Callable[[str], Path], host: paramiko.Transport | None
) -> None:
    program("echo 'clawkeep window: no guest is served' >&2; exit 1\n")
    with (
        pytest.raises(PyinfraError, match="did not open: clawkeep window: no guest is served"),
        Window(host, ("a.example",)),
    ):
        pytest.fail("nothing is open")


@pytest.mark.parametrize("line", ["open 192.168.64.1:3128; rm -rf /", "open somewhere", ""])
def test_an_answer_that_is_none_opens_nothing(
    program: Callable[[str], Path], host: paramiko.Transport | None, line: str
) -> None:
    program(f"echo {shlex.quote(line)}; cat > /dev/null\n")
    with pytest.raises(PyinfraError, match="did not open"), Window(host, ("a.example",)):
        pytest.fail("nothing is open")


def test_a_holder_that_fails_to_close_is_said(
    program: Callable[[str], Path],
    host: paramiko.Transport | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    program(f"{HOLDS}echo 'it ends at noon' >&2; exit 1\n")
    with Window(host, ("a.example",)):
        pass
    assert "not seen closing (it ends at noon)" in caplog.text


def test_a_connection_that_is_lost_closes_it(program: Callable[[str], Path]) -> None:
    folder = program(HOLDS)
    server = StreamServer()
    transport = paramiko.Transport(socket.create_connection(("127.0.0.1", server.port)))
    transport.connect(username="me", password="x")
    try:
        with Window(transport, ("a.example",)):
            transport.close()
            assert appears(folder / "closed")
    finally:
        server.close()
