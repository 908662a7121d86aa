"""A small HTTP/1.1 server over asyncio streams, plain or TLS: bodies, keep-alive, upgrades."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http.client import responses
from typing import Any
from urllib.parse import parse_qsl

from .journal import Journal

MAX_BODY = 16 * 1024 * 1024
IDLE_S = 75
STREAM_STEP_S = 0.1


@dataclass(frozen=True)
class Request:
    """One request; header names are lower case, `host` is what the client calls this server."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def host(self) -> str:
        """Return the Host header without a port, lower case."""
        return self.headers.get("host", "").rsplit(":", 1)[0].lower()

    def numbers(self) -> dict[str, float]:
        """Return the numbers in the query of the path, by name."""
        found = {}
        for name, value in parse_qsl(self.path.partition("?")[2]):
            with contextlib.suppress(ValueError):
                found[name] = float(value)
        return found


Conversation = Callable[[asyncio.StreamReader, asyncio.StreamWriter, "Note"], Awaitable[None]]
"""What goes on over a connection that was upgraded, until it returns."""


@dataclass(frozen=True)
class Response:
    """Status, content type, body, further headers; a `stream` is sent instead of a body.

    Attributes:
        facts: what the journal notes of the request besides its line.
        upgrade: takes the connection over after the head of a 101.
    """

    status: int
    content_type: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    stream: AsyncIterator[bytes] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    upgrade: Conversation | None = None


class Note:
    """Notes what happens on one connection."""

    def __init__(self, journal: Journal, service: str, peer: object, to: object) -> None:
        self._journal, self._service, self._peer, self._to = journal, service, peer, to

    def __call__(self, **facts: Any) -> None:
        """Note one event."""
        self._journal.note(self._service, self._peer, self._to, **facts)


def streamed(kind: str, seconds: float, piece: Callable[[int], bytes]) -> Response:
    """Return an answer that takes its time: the n-th piece after n steps of STREAM_STEP_S."""

    async def pieces() -> AsyncIterator[bytes]:
        began = asyncio.get_running_loop().time()
        for number in range(max(1, round(seconds / STREAM_STEP_S))):
            due = began + number * STREAM_STEP_S
            await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
            yield piece(number)

    return Response(200, kind, b"", stream=pieces())


Handler = Callable[[Request], Response]


async def serve(
    name: str,
    address: tuple[str, int],
    handler: Handler,
    journal: Journal,
    tls: ssl.SSLContext | None = None,
) -> asyncio.Server:
    """Listen on (IP, port) and answer with `handler`. Raises OSError when the address is taken."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError, TimeoutError, ValueError):
            await _converse(name, handler, journal, reader, writer)
        writer.close()

    return await asyncio.start_server(converse, *address, ssl=tls)


async def _converse(
    name: str,
    handler: Handler,
    journal: Journal,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    peer, own = writer.get_extra_info("peername"), writer.get_extra_info("sockname")
    note = Note(journal, name, peer, own)
    while (request := await _read(reader)) is not None:
        response = await asyncio.to_thread(handler, request)
        asked = f"{request.method} {request.path}"
        note(host=request.host, request=asked, **response.facts)
        keep = request.headers.get("connection", "").lower() != "close"
        if response.upgrade is not None:
            writer.write(_upgrading_head(response))
            await response.upgrade(reader, writer, note)
            return
        writer.write(_head(response, keep))
        if response.stream is not None and request.method != "HEAD":
            sent, whole = await _send(response.stream, writer)
            note(host=request.host, sent=sent, whole=whole)
        elif request.method != "HEAD":
            writer.write(response.body)
        await writer.drain()
        if not keep:
            return


async def _send(stream: AsyncIterator[bytes], writer: asyncio.StreamWriter) -> tuple[int, bool]:
    """Send the pieces, chunked; return how many bytes, and whether the client stayed to the end."""
    sent = 0
    try:
        async for piece in stream:
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            await writer.drain()
            sent += len(piece)
        writer.write(b"0\r\n\r\n")
        await writer.drain()
    except OSError:
        return sent, False
    return sent, True


async def _read(reader: asyncio.StreamReader) -> Request | None:
    async with asyncio.timeout(IDLE_S):
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except asyncio.IncompleteReadError:
            return None
        first, *lines = head.rstrip("\r\n").split("\r\n")
        method, path, _version = first.split(" ", 2)
        headers = {k.strip().lower(): v.strip() for k, _, v in (x.partition(":") for x in lines)}
        length = int(headers.get("content-length", "0"))
        if length > MAX_BODY:
            return None
        return Request(method, path, headers, await reader.readexactly(length))


def _upgrading_head(response: Response) -> bytes:
    lines = [f"{name}: {value}" for name, value in response.headers.items()]
    return "\r\n".join(["HTTP/1.1 101 Switching Protocols", *lines, "\r\n"]).encode("latin-1")


def _head(response: Response, keep: bool) -> bytes:
    lines = [
        f"HTTP/1.1 {response.status} {responses.get(response.status, 'Unknown')}",
        f"Content-Type: {response.content_type}",
        "Transfer-Encoding: chunked"
        if response.stream
        else f"Content-Length: {len(response.body)}",
        f"Connection: {'keep-alive' if keep else 'close'}",
        *(f"{name}: {value}" for name, value in response.headers.items()),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
