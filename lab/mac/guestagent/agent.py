"""`tart-guest-agent` in a guest: `--run-daemon` as root, `--run-agent` in the logged-in session.

The agent answers on port 8080 of the VM's socket device, whatever the network does, and runs
commands as its own user, without a shell. Source: reference/tart.md §1.6, §5.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import threading
from typing import Any

from ..calls import record
from . import frames
from .frames import Frames
from .process import start

VERSION = "0.11.0"
VSOCK = "/System/Lab/vsock/8080"
_SOMEWHERE_ELSE = ("192.0.2.1", 9)  # no packet is sent there: only the route is looked up


def main(argv: list[str]) -> int:
    """Run the part that the arguments ask for."""
    words = set(argv[1:])
    record(["tart-guest-agent", *argv[1:]], mutates=False)
    if "--version" in words:
        print(f"tart-guest-agent version {VERSION}")
        return 0
    if "--run-daemon" in words:
        print("resizing the disk... there is nothing to be resized", flush=True)
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
        return 0
    if "--run-agent" in words or "--run-rpc" in words:
        serve()
        return 0
    print("please specify at least one mode of operation", file=sys.stderr)
    return 1


def serve(path: str = VSOCK) -> None:
    """Answer for ever."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    os.chmod(path, 0o666)
    listener.listen(16)
    while True:
        connected, _ = listener.accept()
        threading.Thread(target=_answer, args=(connected,), daemon=True).start()


def _answer(connected: socket.socket) -> None:
    channel = Frames(connected)
    with connected, contextlib.suppress(OSError):
        first = channel.receive()
        if first is None:
            return
        request = json.loads(first[1])
        if request["op"] == "ip":
            channel.send_json(frames.EXIT, {"ip": own_address()})
            return
        _execute(channel, request)


def _execute(channel: Frames, request: dict[str, Any]) -> None:
    try:
        process = start([request["name"], *request["args"]], request)
    except OSError as error:
        text = f'unknown (2): exec: "{request["name"]}": {_reason(error)}'
        channel.send_json(frames.EXIT, {"error": text})
        return
    threading.Thread(target=_take_input, args=(channel, process), daemon=True).start()
    code = process.relay(channel.send)
    channel.send_json(frames.EXIT, {"code": code})


def _reason(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "executable file not found in $PATH"
    return (error.strerror or str(error)).lower()


def _take_input(channel: Frames, process: Any) -> None:
    while (frame := channel.receive()) is not None:
        kind, data = frame
        if kind == frames.STDIN:
            process.write(data)
        elif kind == frames.STDIN_END:
            process.end_input()
        elif kind == frames.RESIZE:
            process.resize(*json.loads(data)["size"])
    process.kill()


def own_address() -> str | None:
    """Return the address of the interface that the default route uses."""
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_SOMEWHERE_ELSE)
        except OSError:
            return None
        return str(probe.getsockname()[0])
