"""The host's side: `tart exec` and `tart ip --resolver agent`, over a VM's control.sock."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import termios
import threading
import tty as terminal
from pathlib import Path
from typing import Any

from . import frames
from .frames import Frames

IP_TIMEOUT_S = 1.0
UNREACHABLE = "The operation couldn\u2019t be completed. (GRPC.GRPCConnectionPoolError error 1.)"


class NoAgentError(Exception):
    """Nobody in the guest answers."""


def _dial(vm_folder: Path, request: dict[str, Any]) -> tuple[socket.socket, Frames]:
    connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        os.chdir(vm_folder)  # Unix paths are short
        connected.connect("control.sock")
        channel = Frames(connected)
        channel.send_json(frames.REQUEST, request)
    except OSError as error:
        connected.close()
        raise NoAgentError(UNREACHABLE) from error
    return connected, channel


def resolve_ip(vm_folder: Path) -> str | None:
    """Ask the guest for its address; None when nobody answers within a second."""
    try:
        connected, channel = _dial(vm_folder, {"op": "ip"})
    except NoAgentError:
        return None
    with connected:
        connected.settimeout(IP_TIMEOUT_S)
        answer = channel.receive()
    return json.loads(answer[1]).get("ip") if answer else None


def execute(vm_folder: Path, command: list[str], *, interactive: bool, tty: bool) -> int:
    """Run a command in the guest; return its exit status. Raises NoAgentError, OSError."""
    request: dict[str, Any] = {
        "op": "exec",
        "name": command[0],
        "args": command[1:],
        "interactive": interactive,
        "tty": tty,
        "size": _size() if tty else None,
    }
    connected, channel = _dial(vm_folder, request)
    with connected, _raw_terminal(wanted=tty):
        if tty:
            signal.signal(signal.SIGWINCH, lambda *_: _resize(channel))
        if interactive:
            threading.Thread(target=_send_input, args=(channel,), daemon=True).start()
        return _show_output(channel)


def _show_output(channel: Frames) -> int:
    seen = False
    while (frame := channel.receive()) is not None:
        seen = True
        kind, data = frame
        if kind == frames.STDOUT:
            _write(1, data)
        elif kind == frames.STDERR:
            _write(2, data)
        elif kind == frames.EXIT:
            answer = json.loads(data)
            if "error" in answer:
                raise OSError(answer["error"])
            return int(answer["code"])
    if not seen:
        raise NoAgentError(UNREACHABLE)
    raise OSError("unavailable (14): Transport became inactive")


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _send_input(channel: Frames) -> None:
    with contextlib.suppress(OSError):
        while data := os.read(0, 65536):
            channel.send(frames.STDIN, data)
        channel.send(frames.STDIN_END)


def _resize(channel: Frames) -> None:
    with contextlib.suppress(OSError):
        channel.send_json(frames.RESIZE, {"size": _size()})


def _size() -> list[int]:
    """Return columns and rows of our terminal."""
    with contextlib.suppress(OSError):
        columns, rows = os.get_terminal_size(0)
        return [columns, rows]
    return [80, 24]


@contextlib.contextmanager
def _raw_terminal(*, wanted: bool) -> Any:
    if not wanted or not sys.stdin.isatty():
        yield
        return
    before = termios.tcgetattr(0)
    terminal.setraw(0)
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
