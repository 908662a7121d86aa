"""The JSON that an agent reads on its standard input, in the form of each version of NanoClaw.

Source: reference/nanoclaw.md §1.6: v1.1 adds assistantName; v1.2 takes secrets away, for they
come from a gateway, and adds script. v1.0 knows the two fields of the fork that runs it (§4.1).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

_COMMON = {"prompt", "sessionId", "groupFolder", "chatJid", "isMain", "isScheduledTask"}
FIELDS = {
    "v1.0": _COMMON | {"secrets", "senderIds", "trustConfig"},
    "v1.1": _COMMON | {"secrets", "assistantName"},
    "v1.2": _COMMON | {"assistantName", "script"},
}
"""The fields that each version knows; another one would be ignored there without a word."""

FOLDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
"""A group's folder. `global` is the memory of all, and no group. Source: §1.9."""


class RequestError(ValueError):
    """A request that the contract does not allow; one sentence per problem."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Request:
    """One question to an agent. None, False and empty mean that the field is left out."""

    prompt: str
    group_folder: str
    chat_jid: str
    is_main: bool = False
    session_id: str | None = None
    is_scheduled_task: bool = False
    assistant_name: str | None = None
    script: str | None = None
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    sender_ids: tuple[str, ...] = ()
    trust_config: Mapping[str, str] = field(default_factory=dict)

    def encode(self, version: str) -> bytes:
        """Return the bytes for an agent of `version`. Raises RequestError."""
        value = {
            "prompt": self.prompt,
            "sessionId": self.session_id,
            "groupFolder": self.group_folder,
            "chatJid": self.chat_jid,
            "isMain": self.is_main,
            "isScheduledTask": self.is_scheduled_task or None,
            "assistantName": self.assistant_name,
            "script": self.script,
            "secrets": dict(self.secrets) or None,
            "senderIds": list(self.sender_ids) or None,
            "trustConfig": dict(self.trust_config) or None,
        }
        told = {name: item for name, item in value.items() if item is not None}
        _check(told, version)
        return json.dumps(told).encode()


def decode(data: bytes, version: str) -> Request:
    """Read a request as an agent of `version` must get it. Raises RequestError."""
    try:
        value = json.loads(data.decode(), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        # Not the decoder's own words: they may quote the text, which may hold a credential.
        where = f" at byte {error.pos}" if isinstance(error, json.JSONDecodeError) else ""
        raise RequestError((f"no JSON{where}",)) from None
    _check(value, version)
    return Request(
        prompt=value["prompt"],
        group_folder=value["groupFolder"],
        chat_jid=value["chatJid"],
        is_main=value["isMain"],
        session_id=value.get("sessionId"),
        is_scheduled_task=value.get("isScheduledTask", False),
        assistant_name=value.get("assistantName"),
        script=value.get("script"),
        secrets=value.get("secrets", {}),
        sender_ids=tuple(value.get("senderIds", ())),
        trust_config=value.get("trustConfig", {}),
    )


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(value := dict(pairs)) != len(pairs):
        raise ValueError("a name stands there twice")
    return value


def _check(value: Any, version: str) -> None:
    if version not in FIELDS:
        raise RequestError((f"no contract {version!r}; there are {', '.join(FIELDS)}",))
    if not isinstance(value, dict):
        raise RequestError(("no JSON object",))
    if problems := tuple(_problems(value, version)):
        raise RequestError(problems)


def _problems(value: Mapping[str, Any], version: str) -> Iterator[str]:
    yield from (f"{name}: {version} does not know it" for name in value.keys() - FIELDS[version])
    for name in ("prompt", "groupFolder", "chatJid", "isMain"):
        if name not in value:
            yield f"{name} is missing"
    for name, kind in _KINDS.items():
        if name in value and not kind.holds(value[name]):
            yield f"{name} is {kind.otherwise}"
    folder = value.get("groupFolder")
    if isinstance(folder, str) and (not FOLDER.fullmatch(folder) or folder == "global"):
        yield f"groupFolder: {folder!r} cannot name a group"
    if value.get("chatJid") == "":
        yield "chatJid is empty"


def _texts(value: Any) -> bool:
    return all(isinstance(item, str) for item in value)


class _Kind(NamedTuple):
    holds: Callable[[Any], bool]
    otherwise: str


_TEXT = _Kind(lambda value: isinstance(value, str), "no text")
_FLAG = _Kind(lambda value: isinstance(value, bool), "neither true nor false")
_OBJECT = _Kind(
    lambda value: isinstance(value, dict) and _texts(value.values()), "no object of texts"
)
_LIST = _Kind(lambda value: isinstance(value, list) and _texts(value), "no list of texts")
_KINDS = {
    "prompt": _TEXT,
    "sessionId": _TEXT,
    "groupFolder": _TEXT,
    "chatJid": _TEXT,
    "isMain": _FLAG,
    "isScheduledTask": _FLAG,
    "assistantName": _TEXT,
    "script": _TEXT,
    "secrets": _OBJECT,
    "senderIds": _LIST,
    "trustConfig": _OBJECT,
}
