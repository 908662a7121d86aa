"""The run's end of its turn, with a real process that holds it."""

from __future__ import annotations

import os
import shlex
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import paramiko
import pytest
from pyinfra.api.exceptions import PyinfraError

from connectors import turn as module
from connectors.turn import BusyError, Turn
from tests.unit.connectors.streams import StreamServer

HOLDS = """echo "$@" > "$here/argv"
echo held abc
cat > /dev/null
echo over > "$here/over"
"""

Program = Callable[[str], Path]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Lets `sudo -n PROGRAM hold …` be a script; returns the folder that it writes to."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(module, "operator", lambda: "me@here")

    def script(name: str, text: str) -> None:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\nhere={shlex.quote(str(tmp_path))}\n{text}")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def hold(text: str) -> Path:
        script("sudo", 'shift; exec "$@"\n')
        script("clawkeep", text)
        monkeypatch.setattr(module, "PROGRAM", str(tmp_path / "clawkeep"))
        return tmp_path

    return hold


@pytest.fixture(params=["local", "remote"])
def host(request: pytest.FixtureRequest) -> Iterator[paramiko.Transport | None]:
    """The host is this machine, or is reached by SSH."""
    if request.param == "local":
        yield None
        return
    server = StreamServer()
    transport = paramiko.Transport(socket.create_connection(("127.0.0.1", server.port)))
    transport.connect(username="me", password="x")
    try:
        yield transport
    finally:
        transport.close()
        server.close()


def test_it_is_held_while_it_is_entered(program: Program, host: paramiko.Transport | None) -> None:
    folder = program(HOLDS)
    with Turn(host, "a converge") as held:
        assert held.token == "abc"
        assert not (folder / "over").exists()
    assert (folder / "over").exists()
    assert (folder / "argv").read_text() == "hold a converge, by me@here\n"


def test_whoever_is_at_work_is_said(program: Program, host: paramiko.Transport | None) -> None:
    program("echo 'clawkeep snapshot tick (pid 7) is at work' >&2; exit 75\n")
    with pytest.raises(BusyError, match=r"snapshot tick \(pid 7\)"), Turn(host, "a converge"):
        pass


def test_a_host_that_knows_no_turns_yet_keeps_nobody_away(
    program: Program, host: paramiko.Transport | None
) -> None:
    program("echo 'usage: clawkeep {alert,…}' >&2; exit 64\n")
    with Turn(host, "a converge") as held:
        assert held.token == ""
    program("echo 'sudo: /opt/clawkeep/bin/clawkeep: command not found' >&2; exit 1\n")
    with Turn(host, "a converge") as held:
        assert held.token == ""


def test_what_cannot_be_told_is_no_turn(program: Program, host: paramiko.Transport | None) -> None:
    program("echo 'No space left on device' >&2; exit 1\n")
    with pytest.raises(PyinfraError, match="No space left"), Turn(host, "a converge"):
        pass
