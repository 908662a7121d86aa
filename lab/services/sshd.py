"""A real sshd for a host on the LAN: one process per connection, keys of its own.

It shows its banner and its host key. Nobody has an account there, but where `<key>.client.pub` lies
beside the host key: who has that key may log in, and whatever he asks for, is told the name. SFTP
is offered, as any file server does, to whoever a line in `<key>.authorized` gives it.
"""

import asyncio
import contextlib
import socket
import subprocess
from pathlib import Path

from .journal import Journal

CONFIG = """\
HostKey {key}
PidFile none
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
AuthorizedKeysFile {authorized}
StrictModes no
PermitRootLogin {root}
Subsystem sftp internal-sftp
"""
FORCED = 'restrict,command="/bin/echo {name}: $(/usr/bin/uptime -p)" {key}\n'


async def serve(name: str, address: str, key: Path, journal: Journal) -> None:
    """Answer at `address`:22 with the host key in `key`, as long as the loop runs."""
    config = key.with_suffix(".conf")
    config.write_text(_config(name, key))
    listening = socket.create_server((address, 22), backlog=64)
    listening.setblocking(False)
    task = asyncio.get_running_loop().create_task(_accept(name, listening, config, journal))
    _running.add(task)


def _config(name: str, key: Path) -> str:
    client = key.with_name(f"{key.name}.client.pub")
    if not client.exists():
        return CONFIG.format(key=key, authorized="none", root="no")
    authorized = key.with_name(f"{key.name}.authorized")
    authorized.write_text(FORCED.format(name=name, key=client.read_text().strip()))
    return CONFIG.format(key=key, authorized=authorized, root="forced-commands-only")


_running: set[asyncio.Task[None]] = set()


async def _accept(name: str, listening: socket.socket, config: Path, journal: Journal) -> None:
    loop = asyncio.get_running_loop()
    while True:
        with contextlib.suppress(OSError):
            connection, peer = await loop.sock_accept(listening)
            with connection:
                journal.note(name, peer, connection.getsockname())
                connection.setblocking(True)
                subprocess.Popen(
                    ["/usr/sbin/sshd", "-i", "-f", str(config)],
                    stdin=connection.fileno(),
                    stdout=connection.fileno(),
                    stderr=subprocess.DEVNULL,
                )
