"""speech.platform.bing.com as edge-tts speaks with it: sentences in, MP3 out, over a WebSocket.

The client sends `speech.config`, then SSML; it is told `turn.start`, gets binary messages with the
length of their headers in front, and `turn.end`. A voice that there is not gets no sound. Source:
edge-tts 7.3.1, communicate.py, which is the client here. The sound is one frame of silence, again
and again.
"""

import asyncio
import contextlib
from typing import TYPE_CHECKING

from . import websocket
from .http import Note, Request, Response

if TYPE_CHECKING:
    from .internet import Stock

PATH = "/consumer/speech/synthesize/readaloud/edge/v1"
VOICE = "(en-US, EmmaMultilingualNeural)"
FRAME = bytes.fromhex("fff364c4") + bytes(140)
"""An MP3 frame of 24 ms at 48 kbit/s."""


def answer(request: Request, _stock: "Stock") -> Response | None:
    """Answer the handshake."""
    if request.path.partition("?")[0] != PATH:
        return None
    return websocket.upgrade(request, _converse)


async def _converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, note: Note) -> None:
    socket = websocket.Socket(reader, writer)
    with contextlib.suppress(websocket.ClosedError, EOFError, OSError, ValueError):
        while True:
            text = await socket.receive()
            if "Path:ssml" not in text:
                continue
            known = VOICE in text
            note(spoken=known)
            await socket.send("X-RequestId:1\r\nPath:turn.start\r\n\r\n{}")
            if known:
                head = b"X-RequestId:1\r\nContent-Type:audio/mpeg\r\nPath:audio\r\n"
                await socket.send_bytes(len(head).to_bytes(2, "big") + head + FRAME * 60)
            await socket.send("X-RequestId:1\r\nPath:turn.end\r\n\r\n{}")
