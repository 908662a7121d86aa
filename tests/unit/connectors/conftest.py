"""A host whose `clawkeep` is a script, on this machine or behind SSH."""

from __future__ import annotations

import os
import shlex
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import paramiko
import pytest

from connectors import turn, window
from tests.unit.connectors.streams import StreamServer


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Lets `sudo -n PROGRAM …` be a script; returns the folder that it writes to."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def script(name: str, text: str) -> None:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\nhere={shlex.quote(str(tmp_path))}\n{text}")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def hold(text: str) -> Path:
        script("sudo", 'shift; exec "$@"\n')
        script("clawkeep", text)
        for module in (turn, window):
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
