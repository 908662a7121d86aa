"""A server's side of WebSocket (RFC 6455): messages without extensions or fragments."""

import asyncio
import base64
import hashlib
import struct

from .http import Conversation, Request, Response

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
MAX_MESSAGE = 1024 * 1024


class ClosedError(Exception):
    """The client said goodbye; the code is its own, 1005 if it gave none."""

    def __init__(self, code: int) -> None:
        super().__init__(f"closed with {code}")
        self.code = code


class Socket:
    """One connection, after its handshake."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def send(self, text: str) -> None:
        """Send one text message."""
        await self._write(TEXT, text.encode())

    async def send_bytes(self, data: bytes) -> None:
        """Send one binary message."""
        await self._write(BINARY, data)

    async def receive(self) -> str:
        """Return the next text message; pings are answered.

        Raises ClosedError, EOFError (the connection broke), ValueError (no frame of ours).
        """
        while True:
            operation, payload = await self._read()
            if operation == TEXT:
                return payload.decode()
            if operation == PING:
                await self._write(PONG, payload)
            if operation == CLOSE:
                code = struct.unpack("!H", payload[:2])[0] if len(payload) >= 2 else 1005
                await self._write(CLOSE, payload[:2])
                raise ClosedError(code)

    async def close(self, code: int, reason: str = "") -> None:
        """Say goodbye."""
        await self._write(CLOSE, struct.pack("!H", code) + reason.encode())

    async def _read(self) -> tuple[int, bytes]:
        first, second = await self._reader.readexactly(2)
        if not first & 0x80 or not second & 0x80:
            raise ValueError("a fragment, or a client's frame without a mask")
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack("!H", await self._reader.readexactly(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", await self._reader.readexactly(8))
        if length > MAX_MESSAGE:
            raise ValueError("a message larger than this server takes")
        mask = await self._reader.readexactly(4)
        payload = await self._reader.readexactly(length)
        return first & 0x0F, bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))

    async def _write(self, operation: int, payload: bytes) -> None:
        if len(payload) < 126:
            head = struct.pack("!BB", 0x80 | operation, len(payload))
        elif len(payload) < 65536:
            head = struct.pack("!BBH", 0x80 | operation, 126, len(payload))
        else:
            head = struct.pack("!BBQ", 0x80 | operation, 127, len(payload))
        self._writer.write(head + payload)
        await self._writer.drain()


def upgrade(request: Request, conversation: Conversation) -> Response | None:
    """Return the answer to a handshake; None when the request is none."""
    key = request.headers.get("sec-websocket-key")
    if request.headers.get("upgrade", "").lower() != "websocket" or key is None:
        return None
    digest = hashlib.sha1(key.encode() + GUID.encode()).digest()
    accept = base64.b64encode(digest).decode()
    headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": accept}
    return Response(101, "", b"", headers, upgrade=conversation)
