"""The Messages API of api.anthropic.com, with a model that obeys instead of thinking.

Who shows no valid credential gets 401, whatever he asks. The model looks at the last message: a
line `!bash COMMAND`, `!say TEXT`, `!schedule JSON` or `!tool NAME JSON` becomes a call of that
tool, the result of a tool is repeated as the answer, `!slow SECONDS` delays it, and anything else
is answered with what was said and how many turns of the conversation it was shown. Answers stream
for a client that asks for it, as the real Claude Code does.
"""

import html
import json
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .http import Request, Response

if TYPE_CHECKING:
    from .internet import Stock

KEY = "sk-ant-api03-valid-in-the-lab"
TOKEN = "sk-ant-oat01-valid-in-the-lab"
"""What is accepted as `x-api-key` and as bearer token, unless `configure` says otherwise."""

SETTINGS = "claude.json"
MAX_SLOW_S = 120
MESSAGE = re.compile(r"<message\b[^>]*>(.*?)</message>", re.DOTALL)
TOOLS = {
    "bash": ("Bash", "command"),
    "say": ("mcp__nanoclaw__send_message", "text"),
}


def configure(
    folder: Path, *, keys: tuple[str, ...] = (KEY, TOKEN), overloaded: bool = False
) -> None:
    """Set, in a lab's folder, which credentials are valid, and whether all is answered with 529."""
    temporary = folder / f"{SETTINGS}.new"
    temporary.write_text(json.dumps({"keys": keys, "overloaded": overloaded}))
    temporary.replace(folder / SETTINGS)


def answer(request: Request, stock: "Stock") -> Response | None:
    """Answer /v1/…; what was decided is noted as `credential` and `status`, never the key."""
    if not request.path.startswith("/v1/"):
        return None
    settings = _settings(stock.folder)
    credential = _credential(request, settings["keys"])
    if credential != "valid":
        return _error(401, "authentication_error", "invalid x-api-key", credential)
    if settings["overloaded"]:
        return _error(529, "overloaded_error", "Overloaded", credential)
    if (request.method, request.path.partition("?")[0]) != ("POST", "/v1/messages"):
        return _error(404, "not_found_error", "Not found", credential)
    try:
        return _message(json.loads(request.body), credential)
    except (ValueError, LookupError, TypeError) as problem:
        return _error(400, "invalid_request_error", f"messages: {problem}", credential)


def _message(asked: dict[str, Any], credential: str) -> Response:
    content = reply(asked["messages"])
    uses_tool = content[-1]["type"] == "tool_use"
    body = {
        "id": f"msg_{len(asked['messages']):04}",
        "type": "message",
        "role": "assistant",
        "model": asked.get("model", "claude-lab"),
        "content": content,
        "stop_reason": "tool_use" if uses_tool else "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }
    if not asked.get("stream"):
        return _json(200, body, credential)
    facts = {"status": 200, "credential": credential}
    return Response(200, "text/event-stream", b"", stream=_pieces(events(body)), facts=facts)


def events(message: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a message as the events of its stream."""
    start = message | {"content": [], "stop_reason": None}
    found: list[dict[str, Any]] = [{"type": "message_start", "message": start}]
    for index, block in enumerate(message["content"]):
        if block["type"] == "text":
            empty, delta = _text(""), {"type": "text_delta", "text": block["text"]}
        else:
            text = json.dumps(block["input"])
            empty, delta = block | {"input": {}}, {"type": "input_json_delta", "partial_json": text}
        found += [
            {"type": "content_block_start", "index": index, "content_block": empty},
            {"type": "content_block_delta", "index": index, "delta": delta},
            {"type": "content_block_stop", "index": index},
        ]
    end = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    usage = {"output_tokens": message["usage"]["output_tokens"]}
    found += [{"type": "message_delta", "delta": end, "usage": usage}, {"type": "message_stop"}]
    return found


async def _pieces(found: list[dict[str, Any]]) -> AsyncIterator[bytes]:
    for event in found:
        yield f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()


def reply(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the content blocks that answer a conversation. Raises LookupError or TypeError."""
    content = messages[-1]["content"]
    results = [] if isinstance(content, str) else [b for b in content if b["type"] == "tool_result"]
    if results:
        return [_text(_plain(results[-1]))]
    said = spoken(_plain(messages[-1]))
    for line in said.splitlines():
        verb, _, rest = line.strip().partition(" ")
        if verb == "!slow":
            time.sleep(min(float(rest), MAX_SLOW_S))
        elif verb.startswith("!") and (call := _call(verb[1:], rest)):
            return [_text("On it."), {"type": "tool_use", "id": f"toolu_{len(messages)}", **call}]
    turns = sum(message["role"] == "user" and _is_said(message) for message in messages)
    return [_text(f"You said: {said} (turn {turns})")]


def spoken(text: str) -> str:
    """Return what a person said last in NanoClaw's prompt; a text without its markup is all."""
    found = MESSAGE.findall(text)
    return html.unescape(found[-1] if found else text).strip()


def _call(verb: str, rest: str) -> dict[str, Any] | None:
    if verb in TOOLS:
        name, field = TOOLS[verb]
        return {"name": name, "input": {field: rest}}
    if verb == "schedule":
        return {"name": "mcp__nanoclaw__schedule_task", "input": json.loads(rest)}
    if verb == "tool":
        name, _, arguments = rest.partition(" ")
        return {"name": name, "input": json.loads(arguments or "{}")}
    return None


def _is_said(message: dict[str, Any]) -> bool:
    content = message["content"]
    used = not isinstance(content, str) and any(one["type"] == "tool_result" for one in content)
    return not used and _plain(message).strip() != ""


def _plain(of: dict[str, Any]) -> str:
    """Return the text of a message or of a tool's result, less what a client adds by itself."""
    content = of["content"]
    if isinstance(content, str):
        return content
    texts = [str(block.get("text", "")) for block in content]
    return "\n".join(text for text in texts if not text.startswith("<system-reminder>"))


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _credential(request: Request, keys: list[str]) -> str:
    bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
    shown = request.headers.get("x-api-key") or bearer
    if not shown:
        return "none"
    return "valid" if shown in keys else "invalid"


def _settings(folder: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((folder / SETTINGS).read_text()))
    except FileNotFoundError:
        return {"keys": [KEY, TOKEN], "overloaded": False}


def _error(status: int, kind: str, message: str, credential: str) -> Response:
    body = {"type": "error", "error": {"type": kind, "message": message}}
    return _json(status, body, credential)


def _json(status: int, body: dict[str, Any], credential: str) -> Response:
    facts = {"status": status, "credential": credential}
    return Response(status, "application/json", json.dumps(body).encode(), facts=facts)
