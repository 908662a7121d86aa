"""Discord as a bot sees it: the REST API of discord.com and the gateway's WebSocket.

A bot asks /api/v10/gateway/bot where the gateway is (401 for a wrong token), says IDENTIFY there
(closed with 4004 for a wrong token), is told READY, and sends messages by POST. Two sessions with
one token are both served, as the real gateway does. Source: reference/nanoclaw.md §3.2.
"""

import asyncio
import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import websocket
from .http import Note, Request, Response

if TYPE_CHECKING:
    from .internet import Stock

TOKEN = "bot-token-valid-in-the-lab"
"""Accepted unless `configure` says otherwise."""

SETTINGS, SAID = "discord.json", "discord-said.jsonl"
API = "/api/v10/"
GATEWAY = "wss://gateway.discord.gg"
DISPATCH, HEARTBEAT, IDENTIFY, HELLO, ACKNOWLEDGED = 0, 1, 2, 10, 11
AUTHENTICATION_FAILED = 4004
HEARTBEAT_MS = 41_250
LOOK_S = 0.1


def configure(folder: Path, *, tokens: tuple[str, ...] = (TOKEN,)) -> None:
    """Set, in a lab's folder, which bot tokens are valid."""
    temporary = folder / f"{SETTINGS}.new"
    temporary.write_text(json.dumps({"tokens": tokens}))
    temporary.replace(folder / SETTINGS)


def say(folder: Path, channel: str, text: str, author: str = "alice") -> None:
    """Let somebody write to a channel: every bot that is connected is told."""
    with (folder / SAID).open("a") as file:
        file.write(json.dumps({"channel": channel, "author": author, "text": text}) + "\n")


def answer(request: Request, stock: "Stock") -> Response | None:
    """Answer the REST API; a message that a bot sends is noted with its text."""
    if not request.path.startswith(API):
        return None
    token = request.headers.get("authorization", "").removeprefix("Bot ")
    if token not in _tokens(stock.folder):
        return _json(401, {"message": "401: Unauthorized", "code": 0})
    parts = request.path.removeprefix(API).split("/")
    if parts == ["gateway", "bot"]:
        limit = {"total": 1000, "remaining": 999, "reset_after": 0, "max_concurrency": 1}
        return _json(200, {"url": GATEWAY, "shards": 1, "session_start_limit": limit})
    if request.method == "POST" and parts[0] == "channels" and parts[2:] == ["messages"]:
        content = str(json.loads(request.body).get("content", ""))
        message = {"id": "2000", "channel_id": parts[1], "content": content}
        return _json(200, message, channel=parts[1], content=content)
    if request.method == "POST" and parts[0] == "channels" and parts[2:] == ["typing"]:
        return Response(204, "application/json", b"", facts={"status": 204})
    return _json(404, {"message": "404: Not Found", "code": 0})


def gateway(request: Request, stock: "Stock") -> Response | None:
    """Answer the gateway's handshake."""

    async def converse(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, note: Note
    ) -> None:
        await _converse(websocket.Socket(reader, writer), stock.folder, note)

    return websocket.upgrade(request, converse)


async def _converse(socket: websocket.Socket, folder: Path, note: Note) -> None:
    await _send(socket, HELLO, {"heartbeat_interval": HEARTBEAT_MS})
    async with asyncio.TaskGroup() as tasks:
        telling: asyncio.Task[None] | None = None
        # However the bot leaves, the session is over.
        with contextlib.suppress(OSError, EOFError, ValueError, websocket.ClosedError):
            while True:
                message = json.loads(await socket.receive())
                if message["op"] == HEARTBEAT:
                    await _send(socket, ACKNOWLEDGED)
                elif message["op"] == IDENTIFY and telling is None:
                    if message["d"]["token"] not in _tokens(folder):
                        note(gateway="refused")
                        await socket.close(AUTHENTICATION_FAILED, "Authentication failed.")
                        return
                    note(gateway="ready")
                    await _ready(socket)
                    telling = tasks.create_task(_tell(socket, folder))
        note(gateway="closed")
        if telling is not None:
            telling.cancel()


async def _ready(socket: websocket.Socket) -> None:
    user = {"id": "1000", "username": "Andy", "discriminator": "0001", "bot": True}
    await _send(socket, DISPATCH, {"v": 10, "user": user, "session_id": "lab"}, "READY")


async def _tell(socket: websocket.Socket, folder: Path) -> None:
    """Tell a bot what is said from now on."""
    file = folder / SAID
    done = len(_said(file))
    with contextlib.suppress(OSError):
        while True:
            await asyncio.sleep(LOOK_S)
            for number, one in enumerate(_said(file)[done:], start=done + 1):
                author = {"id": f"user-{one['author']}", "username": one["author"]}
                event = {"id": str(3000 + number), "channel_id": one["channel"],
                         "guild_id": "1", "content": one["text"], "author": author}  # fmt: skip
                await _send(socket, DISPATCH, event, "MESSAGE_CREATE")
                done = number


async def _send(
    socket: websocket.Socket, operation: int, data: Any = None, event: str | None = None
) -> None:
    await socket.send(json.dumps({"op": operation, "d": data, "s": None, "t": event}))


def _said(file: Path) -> list[dict[str, str]]:
    try:
        return [json.loads(line) for line in file.read_text().splitlines()]
    except FileNotFoundError:
        return []


def _tokens(folder: Path) -> list[str]:
    try:
        return list(json.loads((folder / SETTINGS).read_text())["tokens"])
    except FileNotFoundError:
        return [TOKEN]


def _json(status: int, body: dict[str, Any], **facts: str) -> Response:
    noted = {"status": status, **facts}
    return Response(status, "application/json", json.dumps(body).encode(), facts=noted)
