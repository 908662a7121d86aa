"""What came back for a message, and whether it is an answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from clawkeep.agent.facts import items, number, objects, text
from clawkeep.agent.gather import ROOT
from clawkeep.agent.guest import inside
from clawkeep.contract.verdict import judge
from clawkeep.model import Agent, Keep
from clawkeep.target import Target

MAX_BYTES = 4 << 20
"""Of a message: our channel closes a connection whose line is twice as long."""

WEB = "web"


class MessageError(ValueError):
    """The message cannot be said; the text says why."""


@dataclass(frozen=True)
class Reply:
    """What NanoClaw sent back.

    `texts` are its messages as they came, `ok` says whether the first of them is an answer, and
    `reason` why it is none: a reason of `clawkeep.contract.verdict`, or "refused", "timeout",
    "closed", "error". `waiting` are earlier messages that had no answer yet when this one went in:
    then this may be theirs, for NanoClaw does not say what an answer answers. `missed` was said
    while nobody listened. `group` is the folder of the group that it was said to, "" when the
    channel did not say.
    """

    ok: bool
    reason: str
    detail: str = ""
    texts: tuple[str, ...] = ()
    missed: tuple[str, ...] = ()
    waiting: int = 0
    ms: int | None = None
    via: str = ""
    group: str = ""
    cut: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


def message(data: bytes) -> str:
    """Return a message as NanoClaw can take it. Raises MessageError.

    Any text goes, of any characters; but text it must be: what is no UTF-8 would arrive as
    something else.
    """
    if len(data) > MAX_BYTES:
        raise MessageError(f"the message has {len(data)} bytes; at most {MAX_BYTES} can be sent")
    try:
        said = data.decode()
    except UnicodeDecodeError as error:
        raise MessageError(f"the message is no UTF-8 text: byte {error.start + 1}") from None
    if not said.strip():
        raise MessageError("the message is empty; NanoClaw would not look at it")
    return said


@dataclass(frozen=True)
class Message:
    """What is said, to which group (None: the operator's), and how long an answer may take.

    With `create` a group that is not there is made; it costs one of the agents' users, for ever.
    """

    text: str
    timeout_s: float = 120.0
    group: str | None = None
    create: bool = False


def say(keep: Keep, agent: Agent, target: Target, said: Message) -> Reply:
    """Send a message through the profile's local channel and wait for what comes back.

    Raises NotRunningError, TransportError, OSError when there is no way to it.
    """
    profile = agent.release_profile
    question = {
        "root": ROOT,
        "text": said.text,
        "group": said.group,
        "create": said.create,
        "timeout_s": said.timeout_s,
        "socket": profile.local_channel == "socket",
        "web": any(channel.name == WEB for channel in profile.channels),
    }
    with inside(keep, target) as guest:
        return reply(guest.ask(("speak",), question, said.timeout_s + 30))


def reply(facts: Mapping[str, Any]) -> Reply:
    """Judge what `speak.py` says came back."""
    texts = tuple(each for each in items(facts.get("texts")) if isinstance(each, str))
    missed = tuple(str(each.get("text", "")) for each in objects(facts.get("missed")))
    verdict = judge(texts[0]) if texts else None
    if verdict:
        ok, reason, detail = verdict.ok, verdict.reason, "" if verdict.ok else verdict.detail
    else:
        ok, reason, detail = False, text(facts, "ended") or "error", _why(facts)
    return Reply(
        ok=ok,
        reason=reason,
        detail=detail,
        texts=texts,
        missed=missed,
        waiting=number(facts, "waiting") or 0,
        ms=number(facts, "first_ms"),
        via=text(facts, "via"),
        group=text(facts, "group"),
        cut=facts.get("cut") is True,
    )


def _why(facts: Mapping[str, Any]) -> str:
    if text(facts, "ended") != "timeout":
        return text(facts, "why")
    if facts.get("accepted") is not True:
        return "NanoClaw did not take the message"
    if facts.get("stopped") is True:
        return "an agent worked on it and ended without an answer; NanoClaw tries again"
    if facts.get("worked") is True:
        return "an agent works on it"
    return "NanoClaw took the message, but no agent began"
