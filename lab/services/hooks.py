"""Where alerts go: Discord's webhooks, an ntfy server, and a dead man's switch.

A test breaks them by `configure`. Sources: Discord's developer documentation (Execute Webhook, Rate
Limits); ntfy's server/errors.go; healthchecks.io's documentation (Pinging API), and runitor's issue
66 for its 200 to what it does not know.
"""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import discord
from .http import Request, Response

if TYPE_CHECKING:
    from .internet import Stock

SETTINGS = "hooks.json"
DISCORD = "/api/webhooks/123456789012345678/webhook-token-valid-in-the-lab"
TOPIC = "keep-alerts-of-the-lab"
CHECK = "5bf66975-d4c7-4bf5-bcc8-b8d8a82ea278"
WEBHOOK = re.compile(r"/api/(?:v10/)?webhooks/(\d+)/([A-Za-z0-9_-]+)(?:\?.*)?")
MOST = 2000


def configure(folder: Path, **settings: Any) -> None:
    """Set how hooks answer: `limited` is a retry_after in seconds, `down` a status."""
    temporary = folder / f"{SETTINGS}.new"
    temporary.write_text(json.dumps(settings))
    temporary.replace(folder / SETTINGS)


def discord_com(request: Request, stock: "Stock") -> Response | None:
    """Answer for discord.com: its webhooks, and the API of bots."""
    match = WEBHOOK.fullmatch(request.path)
    if request.method != "POST" or not match:
        return discord.answer(request, stock)
    return _broken(stock) or _webhook(request, match)


def _webhook(request: Request, match: re.Match[str]) -> Response:
    known = DISCORD.split("/")[-2:]
    if match[1] != known[0]:
        return _json(404, {"message": "Unknown Webhook", "code": 10015})
    if match[2] != known[1]:
        return _json(401, {"message": "Invalid Webhook Token", "code": 50027})
    try:
        message = json.loads(request.body)
        content = str(message["content"])
    except (ValueError, KeyError, TypeError):
        return _json(400, {"message": "Cannot send an empty message", "code": 50006})
    if not content or len(content) > MOST:
        return _json(400, {"message": "Invalid Form Body", "code": 50035})
    quiet = message.get("allowed_mentions") == {"parse": []}
    noted = {"status": 204, "hook": "discord", "text": content, "quiet": quiet}
    # Without ?wait=true it says nothing.
    return Response(204, "application/json", b"", facts=noted)


def ntfy(request: Request, stock: "Stock") -> Response | None:
    """Take a message as JSON at the root; what has a known sequence_id takes the other's place."""
    if request.method != "POST" or request.path != "/":
        return None
    if broken := _broken(stock):
        return broken
    try:
        message = json.loads(request.body)
        topic = str(message["topic"])
    except (ValueError, KeyError, TypeError):
        return _json(400, {"code": 40017, "http": 400, "error": "body must be message JSON"})
    if not re.fullmatch(r"[-_A-Za-z0-9]{1,64}", topic):
        return _json(400, {"code": 40009, "http": 400, "error": "topic invalid"})
    said = {name: message.get(name) for name in ("title", "message", "priority", "sequence_id")}
    return _json(200, {"id": "x", "event": "message", "topic": topic, **said},
                 hook="ntfy", topic=topic, text=f"{said['title']}\n{said['message']}",
                 sequence_id=said["sequence_id"])  # fmt: skip


def ping(request: Request, stock: "Stock") -> Response | None:
    """Take a ping. For a check that it does not know it answers 200, too, as the real one does."""
    parts = request.path.partition("?")[0].strip("/").split("/")
    if broken := _broken(stock):
        return broken
    if parts[0] != CHECK:
        return Response(200, "text/plain", b"OK (not found)", facts={"status": 200})
    state = "fail" if parts[1:] == ["fail"] else "success"
    return Response(200, "text/plain", b"OK",
                    facts={"status": 200, "hook": "ping", "state": state,
                           "text": request.body.decode(errors="replace")})  # fmt: skip


def _broken(stock: "Stock") -> Response | None:
    """Return what a hook says that was told to fail."""
    try:
        settings: dict[str, Any] = json.loads((stock.folder / SETTINGS).read_text())
    except FileNotFoundError:
        return None
    if "down" in settings:
        return Response(settings["down"], "text/html", b"<html>", facts={"status": "down"})
    if "limited" not in settings:
        return None
    body = {"message": "You are being rate limited.", "retry_after": settings["limited"],
            "global": False}  # fmt: skip
    return _json(429, body, {"Retry-After": str(int(settings["limited"]) + 1)}, hook="limited")


def _json(
    status: int, body: dict[str, Any], headers: dict[str, str] | None = None, **facts: Any
) -> Response:
    return Response(status, "application/json", json.dumps(body).encode(), headers or {},
                    facts={"status": status, **facts})  # fmt: skip
