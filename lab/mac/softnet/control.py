"""Softnet's control channel: newline-delimited JSON-RPC that replaces the rules of a running guest.

Source: reference/tart.md §2.3 (softnet.policy.get, softnet.policy.set; closing it keeps the last
policy; it cannot toggle bridge isolation).
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from typing import Any

from ..virtualization.wire import Line, RefusedError
from .policy import MAX_TARGETS, InvalidTargetError, split_targets

_INVALID_PARAMS = -32602
_METHOD_NOT_FOUND = -32601
_PARSE_ERROR = -32700


class ControlChannel:
    """Serves an inherited, connected unix stream socket."""

    def __init__(self, descriptor: int, line: Line, allow: str | None, block: str | None) -> None:
        self._peer = socket.socket(fileno=descriptor)
        self._service = line
        self._policy = {
            "allow": allow.split(",") if allow else [],
            "block": block.split(",") if block else [],
        }

    def start(self) -> None:
        """Answer in a thread of its own."""
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError), self._peer.makefile("rw", encoding="utf-8") as lines:
            for text in lines:
                lines.write(json.dumps(self.answer(text)) + "\n")
                lines.flush()

    def answer(self, text: str) -> dict[str, Any]:
        """Answer one request's text."""
        try:
            request = json.loads(text)
            number = request.get("id")
        except (ValueError, AttributeError):
            return _error(None, _PARSE_ERROR, "Parse error")
        if request.get("method") == "softnet.policy.get":
            return {"jsonrpc": "2.0", "id": number, "result": self._policy}
        if request.get("method") != "softnet.policy.set":
            return _error(number, _METHOD_NOT_FOUND, "Method not found")
        params = request.get("params") or {}
        wanted = {key: [str(one) for one in params.get(key, [])] for key in ("allow", "block")}
        try:
            self._replace(wanted)
        except (InvalidTargetError, RefusedError) as error:
            return _error(number, _INVALID_PARAMS, str(error))
        return {"jsonrpc": "2.0", "id": number, "result": self._policy}

    def _replace(self, wanted: dict[str, list[str]]) -> None:
        if sum(map(len, wanted.values())) > MAX_TARGETS:
            raise InvalidTargetError(f"too many targets: at most {MAX_TARGETS}")
        lists = {key: ",".join(targets) or None for key, targets in wanted.items()}
        for one in lists.values():
            split_targets(one, "192.168.64.1")
        self._service.ask(lists)
        self._policy = wanted


def _error(number: Any, code: int, message: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": message}}
