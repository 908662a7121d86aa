"""A real sshd for a host on the LAN: one process per connection, keys of its own.

It shows its banner and its host key; nobody has an account there.
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
AuthorizedKeysFile none
"""


async def serve(name: str, address: str, key: Path, journal: Journal) -> None:
    """Answer at `address`:22 with the host key in `key`, as long as the loop runs."""
    config = key.with_suffix(".conf")
    config.write_text(CONFIG.format(key=key))
    listening = socket.create_server((address, 22), backlog=64)
    listening.setblocking(False)
    task = asyncio.get_running_loop().create_task(_accept(name, listening, config, journal))
    _running.add(task)


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
