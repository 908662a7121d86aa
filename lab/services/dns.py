"""A resolver that knows the lab's names and nothing else (A records; RFC 1035).

AAAA and other types of a known name answer empty, unknown names NXDOMAIN. A name with several
addresses answers with the next one at each query for them, and allows nobody to keep it.
"""

import asyncio
import itertools
import socket
import struct
from collections.abc import Iterator, Mapping
from typing import Any

from .journal import Journal

HEADER = struct.Struct("!HHHHHH")
TYPE_A, CLASS_IN, TTL_S = 1, 1, 60
RESPONSE, RECURSION_DESIRED, RECURSION_AVAILABLE = 0x8000, 0x0100, 0x0080
Names = Mapping[str, str | Iterator[str]]
FORMERR, NXDOMAIN, NOTIMP = 1, 3, 4


def question(query: bytes) -> tuple[str, int, int]:
    """Return name (lower case), type, and where the question section ends.

    Raises ValueError or IndexError for anything that is no plain question.
    """
    labels, place = [], HEADER.size
    while (length := query[place]) != 0:
        if length > 63:
            raise ValueError("a compressed name in a question")
        labels.append(query[place + 1 : place + 1 + length].decode("ascii"))
        place += length + 1
    (kind,) = struct.unpack_from("!H", query, place + 1)
    return ".".join(labels).lower(), kind, place + 5


def turning(addresses: tuple[str, ...]) -> Iterator[str]:
    """Return what `answer` takes for a name whose address is another at each query."""
    return itertools.cycle(addresses)


def answer(query: bytes, names: Names) -> bytes | None:
    """Answer a query; None for what is no query at all."""
    if len(query) < HEADER.size:
        return None
    number, flags, questions, *_ = HEADER.unpack_from(query)
    if flags & RESPONSE:
        return None
    flags = RESPONSE | RECURSION_AVAILABLE | flags & RECURSION_DESIRED
    try:
        name, kind, end = question(query)
    except (ValueError, IndexError, struct.error):
        return HEADER.pack(number, flags | FORMERR, 0, 0, 0, 0)
    if questions != 1:
        return HEADER.pack(number, flags | NOTIMP, 0, 0, 0, 0)
    known = names.get(name)
    found = known is not None and kind == TYPE_A
    code = 0 if known is not None else NXDOMAIN
    reply = HEADER.pack(number, flags | code, 1, int(found), 0, 0) + query[HEADER.size : end]
    if found and known is not None:
        address, ttl = (known, TTL_S) if isinstance(known, str) else (next(known), 0)
        # 0xC00C points back at the name in the question.
        reply += struct.pack("!HHHIH", 0xC00C, TYPE_A, CLASS_IN, ttl, 4)
        reply += socket.inet_aton(address)
    return reply


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, address: str, names: Names, journal: Journal) -> None:
        self._address, self._names, self._journal = address, names, journal

    def connection_made(self, transport: Any) -> None:
        self._transport: asyncio.DatagramTransport = transport

    def datagram_received(self, data: bytes, peer: Any) -> None:
        _note(self._journal, "udp", peer, self._address, data)
        if (reply := answer(data, self._names)) is not None:
            self._transport.sendto(reply, peer)


async def serve(address: str, names: Names, journal: Journal) -> None:
    """Answer at `address`:53, UDP and TCP, as long as the loop runs. Raises OSError."""
    await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Datagrams(address, names, journal), local_addr=(address, 53)
    )

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                (length,) = struct.unpack("!H", await reader.readexactly(2))
                query = await reader.readexactly(length)
                _note(journal, "tcp", writer.get_extra_info("peername"), address, query)
                reply = answer(query, names) or b""
                writer.write(struct.pack("!H", len(reply)) + reply)
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            writer.close()

    await asyncio.start_server(converse, address, 53)


def _note(journal: Journal, protocol: str, peer: object, address: str, query: bytes) -> None:
    try:
        name = question(query)[0]
    except (ValueError, IndexError, struct.error):
        name = "?"
    journal.note(f"dns/{protocol}", peer, f"{address}:53", name=name)
