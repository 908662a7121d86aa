"""From a loopback port of the developer's machine into the lab: how the operator reaches sshd.

The listening socket was made in the machine's network namespace and stays there; the connections
onward are made in the namespace of whoever runs this, the lab's LAN.
"""

import asyncio
import contextlib
import socket

CHUNK = 256 * 1024
CONNECT_TIMEOUT_S = 5


async def forward(listening: socket.socket, address: str, port: int) -> asyncio.Server:
    """Serve `listening`, carrying each connection to `address`:`port` as long as the loop runs."""

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                inner_reader, inner_writer = await asyncio.open_connection(
                    address, port, limit=CHUNK
                )
        except (OSError, TimeoutError):
            writer.transport.abort()
            return
        for end in (writer, inner_writer):
            end.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.gather(_pump(reader, inner_writer), _pump(inner_reader, writer))
        for end in (writer, inner_writer):
            end.close()

    return await asyncio.start_server(carry, sock=listening, limit=CHUNK)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry one direction until its end, then close that direction only."""
    try:
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:
        # The other side is gone altogether: so is this one.
        with contextlib.suppress(OSError):
            writer.transport.abort()
