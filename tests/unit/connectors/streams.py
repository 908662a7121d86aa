"""An SSH server whose commands read their standard input as it comes, as sshd's do."""

from __future__ import annotations

import contextlib
import subprocess
import threading

import paramiko
from paramiko.common import AUTH_SUCCESSFUL, OPEN_SUCCEEDED

from tests.unit.connectors.sshd import SSHServer


class StreamServer(SSHServer):
    """Lets everybody in; `close` ends it all."""

    def serve(self, sock: object) -> paramiko.Transport:
        transport = paramiko.Transport(sock)  # type: ignore[arg-type]
        transport.add_server_key(self.host_key)
        self.transports.append(transport)
        with contextlib.suppress(paramiko.SSHException, EOFError):
            transport.start_server(event=threading.Event(), server=_Streams())
        return transport


class _Streams(paramiko.ServerInterface):
    def check_auth_password(self, username: str, password: str) -> int:
        return AUTH_SUCCESSFUL

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        threading.Thread(target=_run, args=(channel, command), daemon=True).start()
        return True


def _run(channel: paramiko.Channel, command: bytes) -> None:
    with subprocess.Popen(
        ["/bin/sh", "-c", command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        feeding = threading.Thread(target=_feed, args=(channel, process.stdin), daemon=True)
        feeding.start()
        with contextlib.suppress(OSError):
            _send(channel, process)
            channel.send_exit_status(process.wait())
            channel.close()


def _feed(channel: paramiko.Channel, stdin: object) -> None:
    with contextlib.suppress(OSError, EOFError):
        while chunk := channel.recv(1024):
            stdin.write(chunk)  # type: ignore[attr-defined]
            stdin.flush()  # type: ignore[attr-defined]
    with contextlib.suppress(OSError):
        stdin.close()  # type: ignore[attr-defined]


def _send(channel: paramiko.Channel, process: subprocess.Popen[bytes]) -> None:
    assert process.stdout is not None
    assert process.stderr is not None
    while line := process.stdout.readline():
        channel.sendall(line)
    channel.sendall_stderr(process.stderr.read())
